"""The books of one mode as the gate and the equity curve need them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, QuerySet

from config.kernel import locks
from config.kernel.modes import GUARDED
from config.kernel.units import ZERO
from markets import queries as market_queries
from markets.core.book import Book
from markets.models import Resolution
from risk import equity, halts
from risk.core.contracts import Holding, PortfolioSnapshot
from risk.core.drawdown import Figures, Marked
from risk.models import EquityPoint
from trading import fee_terms, horizons
from trading.books import inventory, ledger
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
    VenueState,
)
from trading.settings import TradingSettings

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
STAMP = """
SELECT (SELECT max(id) FROM trading_transfer WHERE mode = %s), count(*), max(created_at)
FROM trading_tradeintent WHERE mode = %s AND status IN (%s, %s)
"""
NEVER_MARKED_S = 1e9
"""Age of an equity curve without a point: older than any limit admits."""


class Carried:
    """The books of one mode, read whole once and carried from decision to decision of one turn.

    Everything that moves money, or may cost money, is booked under the lock `portfolio:{mode}` and
    leaves a transfer or an open intent. So while the newest transfer and the open intents are those
    that we left, nobody moved anything, and what is carried is what a new reading would find; else
    it is read anew. State and switches are never carried.
    """

    def __init__(self, mode: str, *, as_of: datetime) -> None:
        self.mode = mode
        self.as_of = as_of
        self._books: PortfolioSnapshot | None = None
        self._stamp: tuple[object, ...] = ()

    def now(self, *, strategy: str, market_id: int, placing_orders: bool) -> PortfolioSnapshot:
        """The books for one decision, state read now; the caller holds the lock."""
        stamp = _stamp(self.mode)
        if self._books is None or stamp != self._stamp:
            self._books, self._stamp = snapshot(self.mode, as_of=self.as_of), stamp
        state = halts.state(
            as_of=self.as_of, mode=self.mode, strategy=strategy, market=str(market_id)
        )
        return replace(self._books, state=state, placing_orders=placing_orders)

    def add(self, intent: TradeIntent, reserved: Decimal) -> None:
        """Count an intent to buy that was made in this transaction."""
        if self._books is None:
            return
        before = self._books
        self._books = replace(
            before,
            cash=before.cash - reserved,
            spent_today=before.spent_today + reserved,
            orders_last_hour=before.orders_last_hour + 1,
            holdings=(
                *before.holdings,
                _holding(
                    intent, intent.shares, reserved, strategy=intent.strategy, as_of=self.as_of
                ),
            ),
            seconds_since_intent={**before.seconds_since_intent, intent.market_id: 0.0},
        )
        self._stamp = _stamp(self.mode)


def _stamp(mode: str) -> tuple[object, ...]:
    """What changes whenever somebody books in this ledger, or makes or ends an intent in it."""
    with connection.cursor() as cursor:
        cursor.execute(STAMP, [mode, mode, *TradeIntent.OPEN])
        found: tuple[object, ...] = cursor.fetchone()
    return found


def wallet(mode: str) -> str:
    """The wallet whose books these are: that of the guard, "main" for a simulated ledger."""
    state = _venue_state(mode)
    return MAIN_WALLET if state is None else state.wallet


def choose(mode: str, wallet: str, *, as_of: datetime) -> None:
    """Note whose key the guard has opened: from here on these books are that wallet's."""
    VenueState.objects.update_or_create(mode=mode, wallet=wallet, defaults={"changed_at": as_of})


def _venue_state(mode: str) -> VenueState | None:
    if mode not in GUARDED:
        return None
    found: VenueState | None = (
        VenueState.objects.filter(mode=mode).order_by("-changed_at", "-id").first()
    )
    return found


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
        equity_age_s=_equity_age_s(mode, point, as_of=as_of),
        holdings=tuple(_holdings(mode, as_of=as_of, without=without)),
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


def _equity_age_s(mode: str, point: EquityPoint | None, *, as_of: datetime) -> float:
    """How long ago the books were marked and, where others hold the money, compared with them."""
    known = [None if point is None else point.observed_at]
    if mode in GUARDED:
        state = _venue_state(mode)
        known.append(None if state is None else state.reconciled_at)
    ages = [NEVER_MARKED_S if at is None else (as_of - at).total_seconds() for at in known]
    return max(ages)


def figures(mode: str, *, as_of: datetime) -> Figures:
    """Cash, what resolved markets owe us, and every open position at cost, mid and liquidation.

    Positions are those of this moment, so the cash is too: a fill that another worker booked after
    `as_of` would otherwise be counted as shares and as the cash that paid for them. Both are one
    wallet's: what another holds cannot be spent or sold with this key.
    """
    mine = wallet(mode)
    accounts = ledger.standing(mode=mode, wallet=mine)
    held = list(_open_positions(mode, mine))
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
    return reservations([intent_id]).get(intent_id, ZERO)


def reservations(intent_ids: Iterable[UUID]) -> dict[UUID, Decimal]:
    """The same for many; intents for which nothing was set aside are missing."""
    of_key = {reserve_key(pk): pk for pk in intent_ids}
    rows = Transfer.objects.filter(key__in=of_key).values_list("key", "amount")
    return {of_key[key]: amount for key, amount in rows}


def reserve_key(intent_id: UUID) -> str:
    """Idempotency key of an intent's reservation."""
    return f"reserve:{intent_id}"


def mark_of(position: Position, book: Book | None) -> marking.Mark:
    """A position's value against the book of its market's outcome 0.

    A fee that nobody knows counts as none here, and here alone: this values what is held already,
    and a position without a value would be worse.
    """
    side = book if book is None or position.outcome.index == 0 else book.mirrored()
    fees = fee_terms.of(position.market)
    return marking.mark(
        position.shares,
        side,
        fee_rate=ZERO if fees.rate is None else fees.rate,
        fee_exponent=fees.exponent,
    )


def _marked(position: Position, book: Book | None) -> Marked:
    value = mark_of(position, book)
    # Without a mid the chart shows what was paid; the risk figures use the liquidation value.
    return Marked(
        cost=position.cost,
        mark=position.cost if value.mid is None else value.mid,
        liquidation=value.liquidation,
    )


def _open_positions(mode: str, wallet: str) -> QuerySet[Position]:
    held = Position.objects.filter(mode=mode, wallet=wallet, shares__gt=0)
    return held.select_related("outcome", "market__event", "market__fees")


def _payouts(positions: Iterable[Position]) -> dict[int, Decimal]:
    """Position key → dollars, for those whose market has resolved."""
    held = list(positions)
    resolved = Resolution.objects.in_bulk([p.market_id for p in held], field_name="market_id")
    return {
        p.pk: payout(p.shares, resolved[p.market_id].payout_of(p.outcome.index))
        for p in held
        if p.market_id in resolved
    }


def _holdings(mode: str, *, as_of: datetime, without: UUID | None) -> Iterable[Holding]:
    here = {"mode": mode, "wallet": wallet(mode)}
    held = list(_open_positions(**here))
    owed = _payouts(held)
    bought_by = _strategies(mode, [position.outcome_id for position in held])
    free = inventory.free(mode, without=without)
    for position in held:
        risk = ZERO if position.pk in owed else position.cost
        strategy = bought_by.get(position.outcome_id, "")
        yield _holding(
            position,
            position.shares,
            risk,
            strategy=strategy,
            sellable=free.get(position.pk, ZERO),
            as_of=as_of,
        )
    orders = Order.objects.filter(**here, status__in=IN_FLIGHT, side=Side.BUY)
    for order in orders.select_related("outcome", "market__event", "intent"):
        left, strategy = order.shares - order.filled_shares, order.intent.strategy
        yield _holding(order, left, order.reserved, strategy=strategy, as_of=as_of)
    intents = TradeIntent.objects.filter(**here, status__in=TradeIntent.OPEN, side=Side.BUY)
    waiting = list(_but(intents, without).select_related("outcome", "market__event"))
    reserved = reservations(intent.pk for intent in waiting)
    for intent in waiting:
        paid = reserved.get(intent.pk, ZERO)
        yield _holding(intent, intent.shares, paid, strategy=intent.strategy, as_of=as_of)


def _strategies(mode: str, outcome_ids: list[int]) -> dict[int, str]:
    """Outcome key → the strategy that bought it last."""
    bought = TradeIntent.objects.filter(
        mode=mode, outcome__in=outcome_ids, side=Side.BUY, status=TradeIntent.Status.EXECUTED
    )
    return dict(bought.order_by("created_at").values_list("outcome_id", "strategy"))


def _holding(
    row: Position | Order | TradeIntent,
    shares: Decimal,
    exposure: Decimal,
    *,
    strategy: str,
    as_of: datetime,
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
        strategy=strategy,
        horizon=horizons.of(market, as_of=as_of),
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
        mode=mode, wallet=wallet(mode), kind__in=("buy", "fee"), posted_at__gte=midnight
    )
    return sum(bought.values_list("amount", flat=True), ZERO)
