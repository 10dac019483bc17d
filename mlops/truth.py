"""The truth that lies beside a planted history: which share of what could be gained was gained."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from markets.core.series import Floats
from markets.history import BadHistory, History
from mlops.core import metrics
from mlops.core.scorecard import Forecast
from mlops.core.snapshots import Decisions

FILE = "truth.parquet"
LEAST = 0.005  # of the log loss: of less than this there is no share to speak of


def recovered(path: Path, history: History, found: Forecast) -> dict[str, Any] | None:
    """Expected log losses under the true probabilities, in the affected slice and elsewhere.

    Expected, so that the luck of the outcomes is not in them: KL divergence plus entropy. None
    where no truth lies beside the history or no decision has one.
    """
    asked = chances(path, history, found.decisions) if found.decisions.rows else None
    if asked is None or not np.isfinite(asked[0]).any():
        return None
    chance, affected = asked
    known = np.isfinite(chance)
    return {
        "affected": _part(found, chance, affected & known),
        "elsewhere": _part(found, chance, known & ~affected),
    }


def chances(
    path: Path, history: History, decisions: Decisions
) -> tuple[Floats, NDArray[np.bool_]] | None:
    """Per decision its true probability (NaN: not told) and whether its price is wrong on purpose.

    None where no truth lies beside the history. Raises `BadHistory` where it is damaged.
    """
    if not (path / FILE).exists():
        return None
    asked = pl.DataFrame(
        {
            "market_key": history.markets["market_key"].to_numpy()[decisions.market],
            "ts": np.rint(decisions.as_of).astype(np.int64),
        }
    )
    try:
        told = pl.read_parquet(path / FILE)
        rows = asked.join(told, on=["market_key", "ts"], how="left", maintain_order="left")
        affected = rows["affected"].fill_null(value=False).to_numpy()
        return rows["probability"].fill_null(np.nan).to_numpy(), affected
    except (OSError, pl.exceptions.PolarsError) as damage:
        raise BadHistory(f"{path / FILE} cannot be read ({type(damage).__name__})") from damage


def _part(found: Forecast, chance: Floats, rows: NDArray[np.bool_]) -> dict[str, Any]:
    if not rows.any():
        return {"rows": 0}
    truth = chance[rows]

    def expected(p: Floats) -> float:
        yes, no = np.ones(len(p)), np.zeros(len(p))
        each = truth * metrics.log_loss(p, yes) + (1 - truth) * metrics.log_loss(p, no)
        return float(each.mean())

    price, model, best = (
        expected(p) for p in (found.decisions.price[rows], found.model[rows], truth)
    )
    return {
        "rows": int(rows.sum()),
        "events": len(np.unique(found.event[rows])),
        "possible": 1 - best / price,
        "gained": 1 - model / price,
        "share": (price - model) / (price - best) if price - best > LEAST * price else None,
    }
