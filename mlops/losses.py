"""Resolved trades on a gate's forecasts: did they pay more than they cost, what did prices imply?

One trade an event: what was bought on an event is judged together, at the all-in price paid and by
how the markets ended; what was sold before that changes nothing about the forecast. Where an event
was bought in several parts, prices bound the chance of losing it and do not give it: a losing run
counts the likeliest loss that the parts allow, and the card leaves such events out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np

from mlops.core import significance, standing
from mlops.core.examples import STRONG
from trading.models import Fill, Side

MARKET: Final = "order__market"
COLUMNS: Final = (
    "mode",
    f"{MARKET}__event_id",
    f"{MARKET}_id",
    "order__outcome__index",
    f"{MARKET}__resolution__payout_0",
    f"{MARKET}__resolution__received_at",
    f"{MARKET}__window_s",
    "price",
    "shares",
    "fee",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What was bought on one event in one mode; `loss_chance` is what its prices implied.

    `parts` are the outcomes bought: with one the chance is exact, with several its largest value.
    """

    event: int
    known_at: datetime
    won: bool
    loss_chance: float
    parts: int
    epoch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """So many losses in a row since `began_at`, and how likely that was."""

    length: int = 0
    chance: float = 1.0
    began_at: datetime | None = None


def trades(slug: str, *, since: datetime | None, as_of: datetime) -> list[Trade]:
    """Resolved trades on a gate's forecasts that were filled after `since`, by their answers."""
    found = Fill.objects.filter(
        order__intent__signal__prediction__version__expert_id=slug,
        order__side=Side.BUY,
        order__market__resolution__received_at__lte=as_of,
        order__market__resolution__strength__in=STRONG,
    )
    if since is not None:
        found = found.filter(received_at__gt=since)
    events: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    for row in found.values_list(*COLUMNS):
        events.setdefault((row[0], row[1]), []).append(row)
    each_event = [trade(rows) for rows in events.values()]
    return sorted(each_event, key=lambda each: (each.known_at, each.event))


def run(slug: str, *, since: datetime | None, as_of: datetime) -> Run:
    """The losing run that a gate's trades end in, with its chance at the prices paid."""
    found = trades(slug, since=since, as_of=as_of)
    length, chance = standing.run_of_losses(
        [each.won for each in found], [each.loss_chance for each in found]
    )
    began = found[-length].known_at if length else None
    return Run(length=length, chance=chance, began_at=began)


def card(slug: str, *, days: float, as_of: datetime) -> significance.Card:
    """The go/no-go card of a gate's resolved trades of one part; `days` since it began to trade."""
    return judged(trades(slug, since=None, as_of=as_of), days=days)


def judged(found: Iterable[Trade], *, days: float) -> significance.Card:
    """The card of trades in order of their answers; those of several parts are left out."""
    one = [each for each in found if each.parts == 1]
    return significance.card(
        np.array([each.won for each in one], dtype=bool),
        np.array([1 - each.loss_chance for each in one], dtype=np.float64),
        epoch=np.array([each.epoch for each in one], dtype=bool),
        days=days,
    )


def trade(rows: Sequence[tuple[Any, ...]]) -> Trade:
    """Fills of one event, `COLUMNS` each: what every outcome cost on average, then the whole."""
    paid: dict[tuple[int, int], list[Decimal]] = {}
    result = Decimal(0)
    for _mode, _event, market, index, payout, _known, _window, price, shares, fee in rows:
        cost = price * shares + fee
        result += shares * (payout if index == 0 else 1 - payout) - cost
        sums = paid.setdefault((market, index), [Decimal(0), Decimal(0)])
        sums[0], sums[1] = sums[0] + cost, sums[1] + shares
    cheapest = min(cost / shares for cost, shares in paid.values())
    return Trade(
        event=rows[0][1],
        known_at=max(row[5] for row in rows),
        won=result > 0,
        # A fee can lift an all-in price to a dollar and more; such a bet is lost for certain.
        loss_chance=float(min(max(1 - cheapest, Decimal("0.000001")), Decimal("0.999999"))),
        parts=len(paid),
        epoch=rows[0][6] is not None,
    )
