"""Approved intent → order → venue → fills. Written down before it is sent, never sent twice."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from config.kernel import locks
from config.kernel.clocks import Clock, given
from config.kernel.modes import GUARDED, SIMULATED
from config.kernel.units import ZERO
from trading import crash_points, fee_terms
from trading.adapters.paper import Paper
from trading.approving import intents
from trading.books import inventory, portfolio
from trading.core.amounts import IMMEDIATE
from trading.core.order_rules import BreaksRule, check_dollars, sendable, within_promise
from trading.core.order_states import IN_FLIGHT
from trading.deciding import approvals
from trading.market_data import from_venue
from trading.models import Approval, Order, Side, TradeIntent
from trading.orders import cancel, following, restrictions, sending
from trading.orders.sending import Admission, anyone, ticket
from trading.settings import TradingSettings
from trading.venue import OrderVenue
from trading.watching import failures

log = structlog.get_logger()
__all__ = [
    "NotForWorkers",
    "SubmitReport",
    "claim",
    "follow",
    "run",
    "send_due",
    "ticket",
    "venue_for",
]


class NotForWorkers(RuntimeError):
    """Only `live_guard` holds a key: no worker sends orders of this mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReport:
    """What one sweep did: intents expired, orders handed in, trades booked, orders not booked."""

    expired: int
    sent: int
    fills: int
    failed: int = 0


def venue_for(mode: str, *, as_of: datetime, clock: Clock | None = None) -> OrderVenue:
    """The venue of a simulated mode; raises `NotForWorkers` for one that has to be signed."""
    if mode not in SIMULATED:
        raise NotForWorkers(
            f"{mode} orders are signed and sent by `manage.py live_guard` alone; start it, "
            "or choose a simulated mode in the trading settings"
        )
    config = TradingSettings.objects.current(as_of=as_of).as_config()
    return Paper(
        latency=timedelta(milliseconds=config.paper_latency_ms),
        refresh=partial(from_venue, clock=clock),
        clock=clock,
    )


def run(
    *,
    as_of: datetime,
    venues: Mapping[str, OrderVenue] | None = None,
    modes: Collection[str] = SIMULATED,
    clock: Clock | None = None,
    admit: Admission = anyone,
) -> SubmitReport:
    """Expire what is late; of these modes send what is approved and follow what is on its way.

    An order is submitted when `clock` says that it was marked, at `as_of` without one. `admit` is
    asked in the transactions that claim and mark.
    """
    now = given(clock, as_of)
    expired = intents.expire_due(as_of=as_of)
    try:
        sent, at_once = send_due(as_of=as_of, venues=venues, modes=modes, clock=clock, admit=admit)
    finally:
        # What is at the venue is followed and cancelled although sending broke.
        booked, failed = follow(as_of=now(), venues=venues, modes=modes, clock=clock, admit=admit)
        for mode in modes:
            failures.look(mode, as_of=now())
    return SubmitReport(expired=expired, sent=sent, fills=at_once + booked, failed=failed)


def send_due(
    *,
    as_of: datetime,
    venues: Mapping[str, OrderVenue] | None = None,
    modes: Collection[str] = SIMULATED,
    clock: Clock | None = None,
    admit: Admission = anyone,
) -> tuple[int, int]:
    """Carry on what others left before the venue, then claim what is approved.

    Returns orders handed in and trades booked. Raises what broke with one of them once the others
    had their turn; a `LockTimeout` at once, since the next would wait as long.
    """
    now = given(clock, as_of)
    sent = booked = 0

    def carry(order: Order) -> None:
        nonlocal sent, booked
        venue = _venue(order.mode, venues, as_of=as_of, clock=clock)
        went, trades = sending.send(order, venue, now=now, admit=admit)
        sent, booked = sent + went, booked + trades
        if went and failures.counts(order):
            failures.look(order.mode, as_of=now())

    def start(intent_id: UUID) -> None:
        claimed = claim(intent_id, as_of=as_of, clock=clock, admit=admit)
        if claimed is not None:
            crash_points.reach(crash_points.AFTER_CLAIM)
            carry(claimed)

    late = [partial(sending.expire, o, as_of=as_of, clock=clock) for o in _late(modes, as_of=as_of)]
    left = [partial(carry, order) for order in _left_behind(modes, venues, as_of=as_of)]
    _each([*late, *left, *(partial(start, pk) for pk in _approved(modes, venues))])
    return sent, booked


def _each(steps: Iterable[partial[None]]) -> None:
    """Take every step; what the first one broke with is raised once all had their turn."""
    broken: Exception | None = None
    for step in steps:
        try:
            step()
        except locks.LockTimeout:
            raise
        except Exception as unforeseen:
            # Those behind it are no worse for it: they go, and then it is told.
            log.exception("submit.order_broke", of=str(step.args[0]))
            broken = broken or unforeseen
    if broken is not None:
        raise broken


NOT_SENT = (Order.Status.APPROVED, Order.Status.SIGNED)


def _late(modes: Collection[str], *, as_of: datetime) -> list[Order]:
    """Orders of every wallet that never left and whose time is up: they end without a venue."""
    late = Order.objects.filter(status__in=NOT_SENT, mode__in=modes, intent__expires_at__lte=as_of)
    return list(late.select_related("intent").order_by("created_at"))


def _left_behind(
    modes: Collection[str], venues: Mapping[str, OrderVenue] | None, *, as_of: datetime
) -> list[Order]:
    """Orders that were claimed or signed and never handed in, whose time to wait is up."""
    waiting = Order.objects.filter(
        Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=as_of),
        _theirs(modes, venues),
        status__in=NOT_SENT,
        intent__expires_at__gt=as_of,
    )
    related = waiting.select_related("market__fees", "outcome", "intent")
    return list(related.order_by("created_at"))


def _approved(modes: Collection[str], venues: Mapping[str, OrderVenue] | None) -> list[UUID]:
    approved = TradeIntent.objects.filter(
        _theirs(modes, venues), status=TradeIntent.Status.APPROVED
    )
    rows = approved.order_by("created_at")
    return list(rows.values_list("pk", flat=True))


def _theirs(modes: Collection[str], venues: Mapping[str, OrderVenue] | None) -> Q:
    """What may be sent by these venues: one that signs does so for its own wallet alone."""
    found = Q(pk__in=())
    for mode in modes:
        wallet = getattr((venues or {}).get(mode), "wallet", None)
        found |= Q(mode=mode) if wallet is None else Q(mode=mode, wallet=wallet)
    return found


def _venue(
    mode: str,
    venues: Mapping[str, OrderVenue] | None,
    *,
    as_of: datetime,
    clock: Clock | None,
) -> OrderVenue:
    chosen = None if venues is None else venues.get(mode)
    return chosen or venue_for(mode, as_of=as_of, clock=clock)


@transaction.atomic
def claim(
    intent_id: UUID, *, as_of: datetime, clock: Clock | None = None, admit: Admission = anyone
) -> Order | None:
    """Turn an approved intent into an order; None where it may not be sent, or not now.

    Halts, switches, approval and expiry are read here, in the transaction that claims; the time is
    that of the lock, and never before the decision.
    """
    mode = TradeIntent.objects.values_list("mode", flat=True).get(pk=intent_id)
    # The lock comes before the row everywhere, or two workers would wait for each other.
    locks.hold(f"portfolio:{mode}")
    intent = (
        TradeIntent.objects.select_for_update(of=("self",))
        .filter(pk=intent_id, status=TradeIntent.Status.APPROVED)
        .select_related("market__fees", "outcome")
        .first()
    )
    if intent is None:
        return None
    as_of = max(given(clock, as_of)(), intent.created_at)
    to, why = _obstacle(intent, as_of=as_of)
    if to:
        intents.let_go(intent, to=to, reason=why, as_of=as_of)
        return None
    if restrictions.until(intent, as_of=as_of) is not None:
        return None
    if why := admit(intent, as_of):
        log.info("intent.held_back", intent_id=str(intent.pk), reason=why)
        return None
    try:
        shares = _sendable(intent)
    except BreaksRule as rule:
        intents.let_go(intent, to=TradeIntent.Status.REJECTED, reason=str(rule), as_of=as_of)
        return None
    return _order(intent, shares, as_of=as_of)


def _order(intent: TradeIntent, shares: Decimal, *, as_of: datetime) -> Order:
    TradeIntent.objects.filter(pk=intent.pk).update(status=TradeIntent.Status.EXECUTED)
    return Order.objects.create(
        intent=intent,
        mode=intent.mode,
        wallet=intent.wallet,
        market=intent.market,
        outcome=intent.outcome,
        side=intent.side,
        type=intent.type,
        post_only=intent.post_only,
        rest_until=intent.rest_until,
        price=intent.limit_price,
        shares=shares,
        reserved=portfolio.reservation(intent.pk),
        status=Order.Status.APPROVED,
        created_at=as_of,
    )


def _obstacle(intent: TradeIntent, *, as_of: datetime) -> tuple[str, str]:
    """The status an intent ends in instead of being sent, and why; empty where it may go."""
    status = TradeIntent.Status
    if intent.expires_at <= as_of:
        return status.EXPIRED, "its time ran out"
    why = sending.obstacle(intent, purpose=intent.purpose, strategy=intent.strategy, as_of=as_of)
    if why:
        return status.REJECTED, why
    if intent.mode in GUARDED and (why := _not_ours_to_send(intent)):
        return status.REJECTED, why
    if TradingSettings.objects.newest().dry_run:
        return status.EXECUTED_DRYRUN, "dry run: no order was made"
    return "", ""


def _not_ours_to_send(intent: TradeIntent) -> str:
    """What is wrong with who said yes, or with whose money it is; empty where all is well."""
    if intent.wallet != portfolio.wallet(intent.mode):
        return f"it was made for the wallet {intent.wallet}, which the guard does not hold"
    yes = len(approvals.persons_for(intent))
    no = Approval.objects.filter(intent=intent, approved=False)
    if no.exists() or yes < intent.approvals_needed:
        return f"{yes} of {intent.approvals_needed} persons who may approve said yes"
    return ""


def _sendable(intent: TradeIntent) -> Decimal:
    """Shares of an intent that the venue would take; raises `BreaksRule`."""
    market = intent.market
    if fee_terms.of(market).rate is None:
        raise BreaksRule(str(fee_terms.UnknownFees(market)))
    size = sendable(
        side=intent.side,
        order_type=intent.type,
        post_only=intent.post_only,
        price=intent.limit_price,
        shares=intent.shares,
        tick=market.tick_size,
        min_shares=market.min_shares,
        held=inventory.free_for(intent) if intent.side == Side.SELL else ZERO,
    )
    promised = _promised(intent, size)
    if promised < size:
        check_dollars(price=intent.limit_price, shares=promised)
    return min(size, promised)


def _promised(intent: TradeIntent, size: Decimal) -> Decimal:
    """Shares that cost no more than was set aside, whatever better price their dollars meet."""
    market, terms = intent.market, fee_terms.of(intent.market)
    binds_dollars = intent.mode in GUARDED and intent.type in IMMEDIATE
    entry = intent.side == Side.BUY and intent.purpose == TradeIntent.Purpose.ENTRY
    # Legs of a group must stay equal: their budget, not this, bounds what they may cost.
    if not (entry and binds_dollars) or terms.rate is None or market.tick_size is None:
        return size
    return within_promise(
        price=intent.limit_price,
        promised=portfolio.reservation(intent.pk),
        rate=terms.rate,
        exponent=terms.exponent,
        tick=market.tick_size,
    )


def follow(
    *,
    as_of: datetime,
    venues: Mapping[str, OrderVenue] | None = None,
    modes: Collection[str] = SIMULATED,
    clock: Clock | None = None,
    admit: Admission = anyone,
) -> tuple[int, int]:
    """Ask to cancel what is late, then after every order whose fate is open.

    Returns trades booked and answers that could not be booked.
    """
    now = given(clock, as_of)
    busy = Order.objects.filter(status__in=IN_FLIGHT, mode__in=modes)
    booked = failed = 0
    for mode in sorted(set(busy.values_list("mode", flat=True))):
        venue = _venue(mode, venues, as_of=as_of, clock=clock)
        cancel.run(mode, venue, now=now)
        trades, broken = following.follow(mode, venue, now=now, admit=admit)
        booked, failed = booked + trades, failed + broken
    return booked, failed
