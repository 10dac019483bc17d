"""What becomes of a group: complete, given up before anything was bought, or unwound.

A leg that was rejected, killed or came short breaks its group. What waits of the other legs is let
go, what is on its way is waited for, and what is held beyond whole sets is sold at the book, by the
same gate and the same path as everything, also while nothing new may be bought. Whole sets stay:
their payout is certain, however few they are. A trade is a promise until the chain has it: where
one of a complete group fails, the group is broken after all.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from config.kernel import audit, locks
from config.kernel.clocks import Clock, given
from config.kernel.units import ZERO, pay
from markets import queries as market_queries
from markets.models import Resolution
from risk import gate
from risk.core.checks import evaluate
from risk.core.contracts import ARBITRAGE_STRATEGY, OrderIntent, PortfolioSnapshot
from risk.models import RiskLimits
from trading.approving import intents
from trading.arbitrage import legs
from trading.books import facts, portfolio
from trading.core import arbitrage
from trading.core.arbitrage_terms import ArbitrageConfig
from trading.core.exits import Sale, is_dust
from trading.core.holdings import DUST
from trading.core.order_states import IN_FLIGHT
from trading.deciding import exit_reasons, wishes
from trading.market_data import Refresh, from_venue
from trading.models import IntentGroup, Order, Position, TradeIntent
from trading.settings import ArbitrageSettings

log = structlog.get_logger()
Status = IntentGroup.Status
OPEN = (Status.WORKING, Status.UNWINDING)
LEG, UNWIND = TradeIntent.Purpose.LEG, TradeIntent.Purpose.UNWIND


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An intent of a group with its order, as they stand."""

    intent: TradeIntent
    order: Order | None

    @property
    def waits(self) -> bool:
        """Whether it is an intent that nobody has turned into an order."""
        return self.intent.status in TradeIntent.OPEN

    @property
    def is_open(self) -> bool:
        """Whether it may still fill."""
        return self.waits or (self.order is not None and self.order.status in IN_FLIGHT)

    @property
    def filled(self) -> Decimal:
        """Shares."""
        return ZERO if self.order is None else self.order.filled_shares

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing but dust."""
        return self.order is not None and self.filled >= self.order.shares - DUST

    @property
    def why(self) -> str:
        """What is said of it."""
        said = self.intent.reason if self.order is None else self.order.reason
        return said or (self.intent if self.order is None else self.order).status


def follow(*, as_of: datetime, refresh: Refresh | None = None, clock: Clock | None = None) -> int:
    """Bring every open group on; returns how many moved. Cheap where none is open."""
    keys = list(_to_follow().values_list("pk", flat=True))
    if not keys:
        return 0
    config = ArbitrageSettings.objects.current(as_of=as_of).as_config()
    as_of = _freshen(refresh or partial(from_venue, clock=clock), as_of=as_of, clock=clock)
    return sum(_Following(key, config, as_of=as_of).step() for key in keys)


def _to_follow() -> QuerySet[IntentGroup]:
    """Groups that are open, and complete ones of which a leg has lost shares again."""
    short = Order.objects.filter(
        intent__group=OuterRef("pk"),
        intent__purpose=LEG,
        filled_shares__lt=F("shares") - DUST,
    )
    rows: QuerySet[IntentGroup] = IntentGroup.objects.filter(
        Q(status__in=OPEN) | Q(Exists(short), status=Status.COMPLETE)
    )
    return rows


def _freshen(fetch: Refresh, *, as_of: datetime, clock: Clock | None) -> datetime:
    """Books of what is being unwound, where they are too old for the gate; the time afterwards."""
    unwinding = TradeIntent.objects.filter(group__status=Status.UNWINDING, purpose=LEG)
    held = sorted(set(unwinding.values_list("market_id", flat=True)))
    if not held:
        return as_of
    limit = RiskLimits.objects.current(as_of=as_of).max_book_age_s
    books = market_queries.latest_books(held, as_of=as_of)
    old = [
        market
        for market in held
        if market not in books or (as_of - books[market].observed_at).total_seconds() > limit
    ]
    return given(clock, as_of)() if old and fetch(old, as_of) else as_of


class _Following:
    """One group, under the lock of its ledger."""

    def __init__(self, key: UUID, config: ArbitrageConfig, *, as_of: datetime) -> None:
        self._key, self._config, self.as_of = key, config, as_of

    @transaction.atomic
    def step(self) -> bool:
        """One look at it; whether its status moved."""
        mode = IntentGroup.objects.values_list("mode", flat=True).get(pk=self._key)
        locks.hold(f"portfolio:{mode}")
        self.group = IntentGroup.objects.get(pk=self._key)
        before = self.group.status
        if before == Status.WORKING:
            self._judge(self._placed(LEG))
        if before == Status.COMPLETE:
            self._reopen(self._placed(LEG))
        if self.group.status == Status.UNWINDING:
            self._unwind(self._placed(LEG), self._placed(UNWIND))
        return bool(self.group.status != before)

    def _placed(self, purpose: str) -> list[Placed]:
        rows = self.group.intents.filter(purpose=purpose).select_related(
            "market__event", "market__fees", "outcome"
        )
        found = list(rows.order_by("created_at", "key"))
        orders = {o.intent_id: o for o in Order.objects.filter(intent__in=found)}
        return [Placed(intent=row, order=orders.get(row.pk)) for row in found]

    def _judge(self, placed: list[Placed]) -> None:
        """A group that is being bought."""
        short = [leg for leg in placed if not leg.is_open and not leg.is_whole]
        if short:
            for leg in placed:
                if leg.waits:
                    why = f"another leg of its group came short: {short[0].why}"
                    to = TradeIntent.Status.REJECTED
                    intents.let_go(leg.intent, to=to, reason=why, as_of=self.as_of)
            placed = self._placed(LEG)
        if any(leg.is_open for leg in placed):
            return
        if not short:
            whole, _ = arbitrage.broken([leg.filled for leg in placed])
            self._move(Status.COMPLETE, f"{whole.normalize():f} sets are held until they pay")
        elif not any(leg.filled for leg in placed):
            self._move(Status.FAILED, f"nothing was bought: {short[0].why}")
        else:
            self._move(Status.UNWINDING, f"a leg came short: {short[0].why}")

    def _reopen(self, placed: list[Placed]) -> None:
        """A group that was complete until a trade of it failed on the chain."""
        if short := next((leg for leg in placed if not leg.is_whole), None):
            self._move(Status.UNWINDING, f"a leg lost its shares again: {short.why}")

    def _unwind(self, placed: list[Placed], sales: list[Placed]) -> None:
        """Sell what is held beyond whole sets, one sale of a leg at a time."""
        _, surplus = arbitrage.broken([leg.filled for leg in placed])
        sold: dict[int, Decimal] = {}
        for sale in sales:
            outcome = sale.intent.outcome_id
            sold[outcome] = sold.get(outcome, ZERO) + sale.filled
        going = False
        left = ZERO
        for leg, beyond in zip(placed, surplus, strict=True):
            rest = beyond - sold.get(leg.intent.outcome_id, ZERO)
            mine = [s for s in sales if s.intent.outcome_id == leg.intent.outcome_id]
            if rest <= ZERO:
                continue
            position = self._position(leg)
            if position is None or is_dust(rest, exit_reasons.rules_of(position)):
                left += rest
                continue
            going = True
            if not any(s.is_open for s in mine) and not self._tried_lately(mine):
                self._sell(leg, position, rest, len(mine) + 1)
        if not going:
            self._finish(placed, sales, left)

    def _tried_lately(self, sales: list[Placed]) -> bool:
        since = self.as_of - timedelta(seconds=self._config.retry_after_s)
        return any(sale.intent.created_at > since for sale in sales)

    def _position(self, leg: Placed) -> Position | None:
        """What is held of a leg; None where its market is decided: that pays by itself."""
        if Resolution.objects.filter(market=leg.intent.market_id).exists():
            return None
        rows = Position.objects.filter(
            mode=self.group.mode,
            wallet=self.group.wallet,
            outcome=leg.intent.outcome_id,
            shares__gt=ZERO,
        )
        return rows.select_related("market__fees", "market__event", "outcome").first()

    def _sell(self, leg: Placed, position: Position, shares: Decimal, number: int) -> None:
        """Put one sale to the gate; what it refuses is asked again the next time."""
        snapshot = portfolio.snapshot(
            self.group.mode,
            as_of=self.as_of,
            strategy=ARBITRAGE_STRATEGY,
            market_id=position.market_id,
        )
        order = self._sale(position, min(shares, position.shares))
        if order is None or not self._is_admitted(order, snapshot):
            return
        decision = gate.review(
            order,
            snapshot,
            mode=self.group.mode,
            as_of=self.as_of,
            settings=asdict(self._config),
        )
        wish = wishes.Wish(
            market=position.market,
            outcome=position.outcome,
            key=f"unwind:{self.group.pk}:{position.outcome_id}:{number}",
            mode=self.group.mode,
            wallet=self.group.wallet,
            purpose=UNWIND,
            group=self.group,
        )
        wishes.write_down(order, decision, wish, as_of=self.as_of)

    def _is_admitted(self, order: OrderIntent, snapshot: PortfolioSnapshot) -> bool:
        limits = RiskLimits.objects.current(as_of=self.as_of).as_config()
        verdict = evaluate(order, snapshot, limits)
        if not verdict.approved:
            told = "; ".join(denial.message for denial in verdict.denials)
            log.warning("group.not_unwound", group_id=str(self.group.pk), why=told)
        return verdict.approved

    def _sale(self, position: Position, shares: Decimal) -> OrderIntent | None:
        """The order that sells it at the book; None where nobody bids."""
        limits = RiskLimits.objects.current(as_of=self.as_of).as_config()
        market_id, index = position.market_id, position.outcome.index
        book = market_queries.latest_books([market_id], as_of=self.as_of).get(market_id)
        if book is None:
            return None
        side = book.mirrored() if index else book
        sale = exit_reasons.sale_of(position, shares, side, limits)
        if not isinstance(sale, Sale):
            return None
        return legs.wish(
            position.market,
            index,
            side,
            is_buy=False,
            shares=sale.shares,
            limit=sale.limit,
            expected=sale.expected,
            fee=sale.fee,
            believed=float(sale.expected),
            as_of=self.as_of,
        )

    def _finish(self, placed: list[Placed], sales: list[Placed], left: Decimal) -> None:
        cost = self._cost(placed, sales)
        rest = (
            f"; {left.normalize():f} shares stay until their market resolves" if left > DUST else ""
        )
        self._move(Status.UNWOUND, f"unwinding cost {cost:f} dollars{rest}")

    def _cost(self, placed: list[Placed], sales: list[Placed]) -> Decimal:
        """Dollars lost on what was sold again: its share of what was paid − what it brought."""
        lost = ZERO
        for leg in placed:
            mine = [s.order for s in sales if s.intent.outcome_id == leg.intent.outcome_id]
            sold, brought, fees = _dollars([order for order in mine if order is not None])
            bought, paid, paid_fees = _dollars([leg.order] if leg.order is not None else [])
            if bought and sold:
                lost += (paid + paid_fees) * sold / bought - (brought - fees)
        return pay(lost)

    def _move(self, to: str, why: str) -> None:
        """Compare and set; tells people of a group that broke."""
        over = None if to == Status.UNWINDING else self.as_of
        IntentGroup.objects.filter(pk=self.group.pk, status=self.group.status).update(
            status=to, reason=why[:400], finished_at=over
        )
        self.group.refresh_from_db()
        data = {"mode": self.group.mode, "kind": self.group.kind, "reason": why}
        audit.record(
            f"group.{to.lower()}",
            actor=legs.ACTOR,
            subject=f"group:{self.group.pk}",
            data=data,
            as_of=self.as_of,
        )
        log.info("group.moved", group_id=str(self.group.pk), to=to, reason=why)


def _dollars(orders: list[Order]) -> tuple[Decimal, Decimal, Decimal]:
    """Shares, price × shares and fees of everything that happened to these orders."""
    rows = facts.happened().filter(order__in=orders).values_list("price", "shares", "fee")
    found = list(rows)
    return (
        sum((shares for _, shares, _ in found), ZERO),
        sum((price * shares for price, shares, _ in found), ZERO),
        sum((fee for _, _, fee in found), ZERO),
    )
