"""The go/no-go card of a strategy: its wins against the wins that the prices paid imply.

A bet at an all-in cost of c per share breaks even where it wins with probability c. So under "no
edge" the wins of n independent events have mean Σ c and variance Σ c (1 - c), and

    χ² = (wins - Σ c)² / Σ c (1 - c), one degree of freedom.

Win rates alone say something only near even odds: the bands (GO above 55 %, NO-GO below 50 %)
are shown for near-even epochs and nowhere else. The e-value bets on "wins more often than the
prices imply" and may be looked at at any time; the χ² may not.
"""

from dataclasses import asdict, dataclass
from math import erfc, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats
from mlops.core import eprocess

GO: Final = "GO"
NO_GO: Final = "NO_GO"
WAIT: Final = "WAIT"
INSUFFICIENT: Final = "INSUFFICIENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What the card asks for."""

    min_trades: int = 50
    min_live_trades: int = 300
    min_live_days: float = 60.0
    level: float = 0.05
    band_low: float = 0.50
    band_high: float = 0.55
    near_even: float = 0.10  # an epoch's cost within this of one half


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The answer, with what it rests on; NaN where there is nothing to say.

    `win_rate_even` is over near-even epochs, `band` the classic reading of it. `ready` says
    whether live trading may be asked for on this card.
    """

    verdict: str
    trades: int
    wins: int
    implied: float
    chi_square: float
    p_value: float
    e_value: float
    even_trades: int
    win_rate_even: float
    band: str
    days: float
    ready: bool
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is not finite."""
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def card(
    won: NDArray[np.bool_],
    cost: Floats,
    *,
    epoch: NDArray[np.bool_],
    days: float,
    demands: Demands | None = None,
) -> Card:
    """Judge resolved trades, one an event, in order of their answers.

    Parameters
    ----------
    won
        bool[n]: whether the trade paid more than it cost.
    cost
        float64[n]: dollars per share, fees included, in (0, 1); what the price implies of a win.
    epoch
        bool[n]: an up/down epoch, where win rates are comparable.
    days
        Span of the trading, from the first trade to now.

    Raises
    ------
    ValueError
        For a cost outside (0, 1).
    """
    if not ((cost > 0) & (cost < 1)).all():
        raise ValueError("an all-in cost per share lies between 0 and 1 dollar")
    asked = demands or Demands()
    trades, wins, implied = len(won), int(won.sum()), float(cost.sum())
    spread = float((cost * (1 - cost)).sum())
    chi = (wins - implied) ** 2 / spread if trades else float("nan")
    p_value = erfc(sqrt(chi / 2)) if trades else float("nan")
    e_value = float(eprocess.wealth(won - cost)[-1]) if trades else 1.0
    even = epoch & (np.abs(cost - 0.5) <= asked.near_even)
    rate = float(won[even].mean()) if even.sum() >= asked.min_trades else float("nan")
    verdict, reason = _verdict(trades, wins - implied, p_value, rate, asked)
    ready = (
        verdict == GO
        and trades >= asked.min_live_trades
        and days >= asked.min_live_days
        and e_value >= 1 / asked.level
    )
    return Card(
        verdict=verdict,
        trades=trades,
        wins=wins,
        implied=implied,
        chi_square=chi,
        p_value=p_value,
        e_value=e_value,
        even_trades=int(even.sum()),
        win_rate_even=rate,
        band=_band(rate, asked),
        days=days,
        ready=ready,
        reason=reason,
    )


def _verdict(
    trades: int, surplus: float, p_value: float, rate: float, asked: Demands
) -> tuple[str, str]:
    if trades < asked.min_trades:
        return INSUFFICIENT, f"{trades} of {asked.min_trades} resolved trades"
    if p_value < asked.level and surplus < 0:
        return NO_GO, "fewer wins than the prices paid imply, beyond chance"
    if _band(rate, asked) == NO_GO:
        return NO_GO, "less than half of the near-even epochs were won"
    if p_value >= asked.level:
        return WAIT, "as many wins as the prices paid imply, within chance"
    return GO, "more wins than the prices paid imply, beyond chance"


def _band(rate: float, asked: Demands) -> str:
    if np.isnan(rate):
        return INSUFFICIENT
    if rate < asked.band_low:
        return NO_GO
    return GO if rate > asked.band_high else WAIT
