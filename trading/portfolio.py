"""The books of one mode as the gate and the equity curve need them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Max, QuerySet

from config.kernel import locks
from config.kernel.units import ZERO
from markets import queries as market_queries
from markets.core.book import Book
from markets.models import Resolution
from risk import equity, halts
from risk.core.contracts import Holding, PortfolioSnapshot
from risk.core.drawdown import Figures, Marked
from risk.models import EquityPoint
from trading import ledger
from trading.core import marking
from trading.core.order_states import IN_FLIGHT
from trading.core.settlement import payout
from trading.models import (
    MAIN_WALLET,
    Account,
    Order,
    Position,
    Side,
    TradeIntent,
    Transfer,
)
from trading.settings import TradingSettings

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NEVER_MARKED_S = 1e9
"""Age of an equity curve without a point: older than any limit admits."""


def snapshot(
    mode: str,
    *,
    as_of: datetime,
    strategy: str = "",
    market_id: int | None = None,
    without: UUID | None = None,
) -> PortfolioSnapshot:
    """The books now: state and switches uncached, reservations counted as spent.

    `strategy` and `market_id` let narrower halts count; `without` leaves one open intent out, whose
    approval is being decided.
    """
    now = figures(mode, as_of=as_of)
    switches = TradingSettings.objects.newest()
    point = equity.latest(mode, as_of=as_of)
    peak = equity.peak(mode, as_of=as_of)
    start = equity.day_start(mode, as_of=as_of)
    freed = ZERO if without is None else reservation(without)
    return PortfolioSnapshot(
        state=halts.state(
            as_of=as_of,
            mode=mode,
            strategy=strategy,
            market="" if market_id is None else str(market_id),
        ),
        placing_orders=switches.placing_orders,
        cash=now.cash - now.reserved + freed,
        risk_equity=now.risk_equity,
        peak=now.risk_equity if peak is None else max(peak, now.risk_equity),
        day_start_equity=now.risk_equity if start is None else start,
        spent_today=_bought_today(mode, as_of=as_of) + now.reserved - freed,
        orders_last_hour=_intents(mode, as_of=as_of, within=HOUR, without=without)
        .exclude(status__in=(TradeIntent.Status.REJECTED, TradeIntent.Status.EXPIRED))
        .count(),
        equity_age_s=NEVER_MARKED_S
        if point is None
        else (as_of - point.observed_at).total_seconds(),
        holdings=tuple(_holdings(mode, without=without)),
        seconds_since_intent=_ages(
            _intents(mode, as_of=as_of, within=DAY, without=without)
            .values_list("market_id")
            .annotate(Max("created_at")),
            as_of=as_of,
        ),
        seconds_since_exit=_ages(
            Position.objects.filter(mode=mode, closed_at__gt=as_of - DAY)
            .values_list("market_id")
            .annotate(Max("closed_at")),
            as_of=as_of,
        ),
    )


def figures(mode: str, *, as_of: datetime) -> Figures:
    """Cash, what resolved markets owe us, and every open position at cost, mid and liquidation.

    Positions are those of this moment, so the cash is too: a fill that another worker booked after
    `as_of` would otherwise be counted as shares and as the cash that paid for them.
    """
    accounts = ledger.standing(mode=mode)
    held = list(_open_positions(mode))
    owed = _payouts(held)
    books = market_queries.latest_books(
        [p.market_id for p in held if p.pk not in owed], as_of=as_of
    )
    return Figures(
        cash=accounts[Account.CASH] + accounts[Account.RESERVED],
        reserved=accounts[Account.RESERVED],
        redeemable=sum(owed.values(), ZERO),
        positions=tuple(_marked(p, books.get(p.market_id)) for p in held if p.pk not in owed),
        realised=-accounts[Account.REALISED],
        fees=accounts[Account.FEES],
    )


@transaction.atomic
def mark(mode: str, *, as_of: datetime) -> EquityPoint:
    """Put the books on the equity curve, while nobody books a fill."""
    locks.hold(f"portfolio:{mode}")
    ledger.open_books(mode, as_of=as_of)
    return equity.record(mode, figures(mode, as_of=as_of), as_of=as_of)


def mark_first(mode: str, *, as_of: datetime) -> None:
    """Give a ledger without a curve its first point, so that the gate knows its equity's age."""
    if equity.latest(mode, as_of=as_of) is None:
        mark(mode, as_of=as_of)


def reservation(intent_id: UUID) -> Decimal:
    """Dollars that were set aside for an intent when it was made."""
    row = Transfer.objects.filter(key=reserve_key(intent_id)).first()
    return ZERO if row is None else row.amount


def reserve_key(intent_id: UUID) -> str:
    """Idempotency key of an intent's reservation."""
    return f"reserve:{intent_id}"


def mark_of(position: Position, book: Book | None) -> marking.Mark:
    """A position's value against the book of its market's outcome 0."""
    side = book if book is None or position.outcome.index == 0 else book.mirrored()
    fees = position.market.fees
    return marking.mark(
        position.shares,
        side,
        fee_rate=ZERO if fees is None else fees.rate,
        fee_exponent=Decimal(1) if fees is None else fees.exponent,
    )


def _marked(position: Position, book: Book | None) -> Marked:
    value = mark_of(position, book)
    # Without a mid the chart shows what was paid; the risk figures use the liquidation value.
    return Marked(
        cost=position.cost,
        mark=position.cost if value.mid is None else value.mid,
        liquidation=value.liquidation,
    )


def _open_positions(mode: str) -> QuerySet[Position]:
    return Position.objects.filter(mode=mode, shares__gt=0).select_related(
        "outcome", "market__event", "market__fees"
    )


def _payouts(positions: Iterable[Position]) -> dict[int, Decimal]:
    """Position key → dollars, for those whose market has resolved."""
    held = list(positions)
    resolved = Resolution.objects.in_bulk([p.market_id for p in held], field_name="market_id")
    return {
        p.pk: payout(
            p.shares,
            resolved[p.market_id].payout_1 if p.outcome.index else resolved[p.market_id].payout_0,
        )
        for p in held
        if p.market_id in resolved
    }


def _holdings(mode: str, *, without: UUID | None) -> Iterable[Holding]:
    held = list(_open_positions(mode))
    owed = _payouts(held)
    for position in held:
        risk = ZERO if position.pk in owed else position.cost
        yield _holding(position, position.shares, risk, sellable=position.shares)
    orders = Order.objects.filter(mode=mode, status__in=IN_FLIGHT)
    for order in orders.select_related("outcome", "market__event"):
        yield _holding(order, order.shares - order.filled_shares, order.reserved)
    intents = TradeIntent.objects.filter(mode=mode, status__in=TradeIntent.OPEN)
    for intent in _but(intents, without).select_related("outcome", "market__event"):
        yield _holding(intent, intent.shares, reservation(intent.pk))


def _holding(
    row: Position | Order | TradeIntent,
    shares: Decimal,
    exposure: Decimal,
    *,
    sellable: Decimal = ZERO,
) -> Holding:
    market = row.market
    epoch = market.epoch_start_at
    return Holding(
        market=market.pk,
        event=market.event_id,
        category=market.category,
        outcome_index=row.outcome.index,
        shares=max(shares, ZERO),
        exposure=exposure,
        sellable=sellable,
        exclusive=bool(market.event.neg_risk),
        asset=market.asset,
        epoch=None if epoch is None else epoch.timestamp(),
        window_s=None if market.window_s is None else float(market.window_s),
        label=market.question,
    )


def _intents(
    mode: str, *, as_of: datetime, within: timedelta, without: UUID | None
) -> QuerySet[TradeIntent]:
    recent = TradeIntent.objects.filter(mode=mode, created_at__gt=as_of - within, side=Side.BUY)
    return _but(recent, without)


def _but(rows: QuerySet[TradeIntent], without: UUID | None) -> QuerySet[TradeIntent]:
    return rows if without is None else rows.exclude(pk=without)


def _ages(rows: Iterable[tuple[int, datetime]], *, as_of: datetime) -> dict[int, float]:
    return {market_id: (as_of - at).total_seconds() for market_id, at in rows}


def _bought_today(mode: str, *, as_of: datetime) -> Decimal:
    """Bought since midnight UTC, fees included; what another worker booked after `as_of` counts."""
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    bought = Transfer.objects.filter(
        mode=mode, wallet=MAIN_WALLET, kind__in=("buy", "fee"), posted_at__gte=midnight
    )
    return sum(bought.values_list("amount", flat=True), ZERO)
