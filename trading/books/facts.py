"""What happened to shares, read from the rows that say so: fills, conversions and payouts."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from trading.core import holdings
from trading.core.holdings import Fact, Kind
from trading.models import Conversion, Fill, Position, Redemption, Settlement, Side

Dated = tuple[tuple[datetime, bool, int], Fact]
"""When a fact was booked (a payout after the fills of its instant, then by row), and the fact."""

_of_this_fill = Settlement.objects.filter(fill=OuterRef("pk"))
FAILED = Exists(_of_this_fill.filter(status=Settlement.Status.FAILED))
SETTLED = Exists(
    _of_this_fill.filter(
        status__in=(
            Settlement.Status.MINED,
            Settlement.Status.CONFIRMED,
            Settlement.Status.FAILED,
        )
    )
)
PROMISED = Exists(
    _of_this_fill.filter(status__in=(Settlement.Status.MATCHED, Settlement.Status.RETRYING))
)


def happened() -> QuerySet[Fill]:
    """Fills without those whose trade failed: they never happened."""
    fills: QuerySet[Fill] = Fill.objects.filter(~FAILED)
    return fills


def unsettled(mode: str, *, wallet: str = "") -> QuerySet[Fill]:
    """Fills that were matched and are not on the chain yet."""
    fills: QuerySet[Fill] = Fill.objects.filter(PROMISED, ~SETTLED, mode=mode)
    return fills.filter(order__wallet=wallet) if wallet else fills


def of_fill(fill: Fill, *, side: str) -> Fact:
    """A fill as a fact."""
    return holdings.trade(
        buy=side == Side.BUY,
        price=fill.price,
        shares=fill.shares,
        fee=fill.fee,
        at=fill.received_at,
    )


def of_conversion(row: Conversion, *, index: int) -> Fact:
    """One side of a split or merge as a fact."""
    split = row.kind == Conversion.Kind.SPLIT
    return holdings.conversion(split=split, shares=row.shares, index=index, at=row.received_at)


def of_payout(row: Redemption) -> Fact:
    """A payout as a fact."""
    at = row.paid_at or row.created_at
    return Fact(kind=Kind.PAYOUT, shares=row.shares, dollars=row.payout, at=at)


def dated_fill(fill: Fill) -> Dated:
    """A fill with its place among the facts; its order is loaded."""
    return (fill.received_at, False, fill.pk), of_fill(fill, side=fill.order.side)


def dated_conversion(row: Conversion, *, index: int) -> Dated:
    """One side of a conversion with its place among the facts."""
    return (row.received_at, False, row.pk), of_conversion(row, index=index)


def dated_payout(row: Redemption) -> Dated:
    """A payout with its place among the facts."""
    return (row.paid_at or row.created_at, True, row.pk), of_payout(row)


def of_position(position: Position) -> list[Fact]:
    """All that happened to one position, in the order of its booking."""
    owner = {"mode": position.mode, "wallet": position.wallet}
    fills = happened().filter(
        **{f"order__{name}": value for name, value in owner.items()},
        order__outcome_id=position.outcome_id,
    )
    conversions = Conversion.objects.filter(**owner, market_id=position.market_id)
    payouts = Redemption.objects.filter(
        Q(outcome_id=position.outcome_id) | Q(outcome__isnull=True),
        **owner,
        market_id=position.market_id,
        status=Redemption.Status.PAID,
    )
    index = position.outcome.index
    return in_order(
        [
            *map(dated_fill, fills.select_related("order")),
            *(dated_conversion(row, index=index) for row in conversions),
            *map(dated_payout, payouts),
        ]
    )


def in_order(rows: Iterable[Dated]) -> list[Fact]:
    """The facts in the order in which they were booked."""
    return [fact for _key, fact in sorted(rows, key=lambda row: row[0])]
