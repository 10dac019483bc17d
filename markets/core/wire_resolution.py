"""How a market ended: strict inference from what the venue says; anything else is unclear."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from config.kernel.units import ONE, ZERO
from markets.core.wire_clob import MarketState
from markets.core.wire_gamma import MarketRow

HALF = Decimal("0.5")
RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a share of outcome 0 pays, who said so, and when it was decided (None = not said)."""

    payout: Decimal
    source: str
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unclear:
    """Closed, but not with a result that can be booked."""

    reason: str


def from_catalogue(row: MarketRow, *, asset_ids: Sequence[str]) -> Result | Unclear | None:
    """The result by the catalogue; None while open. `asset_ids` are those we know, outcome 0 first.

    Prices near 1 and 0 are no result: they must be exactly 1 and 0, or 0.5 each with the status
    `resolved` (which exclusive markets cannot have).
    """
    if row.closed is not True:
        return None
    if row.asset_ids and asset_ids and tuple(row.asset_ids) != tuple(asset_ids):
        return Unclear("the outcomes are not in the order in which we know them")
    if row.uma_resolution_status == "disputed":
        return Unclear("the result is disputed")
    if sorted(row.outcome_prices) == [ZERO, ONE]:
        return Result(payout=row.outcome_prices[0], source="gamma", resolved_at=row.closed_time)
    split = row.outcome_prices == (HALF, HALF) and row.uma_resolution_status == RESOLVED
    if split and not row.neg_risk:
        return Result(payout=HALF, source="gamma", resolved_at=row.closed_time)
    shown = ", ".join(map(str, row.outcome_prices)) or "none"
    return Unclear(f"closed with the prices {shown}, status {row.uma_resolution_status!r}")


def from_engine(state: MarketState, *, asset_ids: Sequence[str]) -> Result | Unclear | None:
    """The result by the matching engine; None while open."""
    if not state.closed:
        return None
    by_id = {token.token_id: token for token in state.tokens}
    if set(by_id) != set(asset_ids) or len(asset_ids) != 2:
        return Unclear("the engine's tokens are not those we know")
    first, second = (by_id[asset] for asset in asset_ids)
    if first.winner != second.winner:
        payout = ONE if first.winner else ZERO
        return Result(payout=payout, source="clob", resolved_at=None)
    halves = first.price == second.price == HALF
    if state.is_50_50_outcome and halves and not first.winner and not state.neg_risk:
        return Result(payout=HALF, source="clob", resolved_at=None)
    return Unclear(f"the engine names {'two winners' if first.winner else 'no winner'}")
