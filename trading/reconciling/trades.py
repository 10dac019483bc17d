"""Trades as the venue tells them: booked where they are ours, named where they are not."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Min

from config.kernel import locks, texts
from config.kernel.models import DomainEvent
from config.kernel.units import ONE, ZERO
from trading.books import facts, fills
from trading.core import venue_reports
from trading.core.order_states import TERMINAL, sources
from trading.core.reconcile import (
    Finding,
    Kind,
    ReconciliationConfig,
    Verdict,
    as_amount,
    same_price,
)
from trading.models import Fill, Order, Side, VenueState
from trading.orders import transitions
from trading.reconciling import comparison
from trading.venue import AccountVenue, VenueTrade
from trading.watching import discrepancies, unbooked

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What one reading did: trades or states booked, how many could not be, what differs."""

    booked: int
    failed: int
    findings: tuple[Finding, ...] = ()
    agreed: frozenset[str] = frozenset()
    """Ids of trades of ours that were told as the books have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A trade that is booked, and what was told of its settlement."""

    fill: Fill
    statuses: frozenset[str]


Booked = Mapping[tuple[UUID, str], Known]
"""Order and trade id → what is booked."""


def read(
    mode: str, wallet: str, venue: AccountVenue, *, as_of: datetime, config: ReconciliationConfig
) -> Read:
    """Book every trade that happened or changed since the last reading.

    One that cannot be booked is told and leaves the others alone, and the next reading begins
    where this one did. Raises `LockTimeout` or `OperationalError` where the database is busy: that
    says nothing of a trade, and what was not read is read again.
    """
    since = _since(mode, wallet, as_of=as_of, config=config)
    told = _without_trial([_storable(trade) for trade in venue.trades(since=since)], wallet)
    ours = _ours(mode, wallet, {trade.venue_order_id for trade in told})
    booked_before = _booked(ours.values())
    news = failed = 0
    findings: list[Finding] = []
    for as_told in told:
        order = ours.get(as_told.venue_order_id)
        if order is None:
            findings.append(_stranger(as_told))
            continue
        try:
            is_news, differs = _book(order, as_told, booked_before, as_of=as_of, config=config)
            news += is_news
            findings += differs
        except (locks.LockTimeout, OperationalError):
            raise
        except (DatabaseError, ArithmeticError, ValueError, RuntimeError) as cause:
            finding = _unbooked(order, as_told, cause)
            if discrepancies.is_accepted(finding, mode=mode, wallet=wallet, as_of=as_of):
                continue
            failed += 1
            findings.append(finding)
            unbooked.trade(as_told.execution.trade_id, mode, cause, as_of=as_of)
    with transaction.atomic():
        # What is read is not told again: what differs is on record before it counts as read.
        discrepancies.keep(findings, mode=mode, wallet=wallet, as_of=as_of)
        if not failed:
            _remember(mode, wallet, as_of=as_of)
    differ = {finding.subject for finding in findings}
    agreed = {t.execution.trade_id for t in told if t.venue_order_id in ours} - differ
    return Read(booked=news, failed=failed, findings=tuple(findings), agreed=frozenset(agreed))


def _book(
    order: Order,
    as_told: VenueTrade,
    before: Booked,
    *,
    as_of: datetime,
    config: ReconciliationConfig,
) -> tuple[bool, list[Finding]]:
    """Book a trade of ours; whether it or its state was news, and what differs about it."""
    trade = _measured(order, _in_own_terms(order, as_told))
    if _is_of_another(order, trade):
        return False, [_misattributed(order, trade)]
    known = before.get((order.pk, trade.execution.trade_id))
    differs = _contradictions(known, trade, config) or _beyond_limit(order, trade, config)
    is_news = known is None or trade.execution.status not in known.statuses
    if is_news:
        _put_down(order, trade, as_of=as_of)
    return is_news, differs


def _since(mode: str, wallet: str, *, as_of: datetime, config: ReconciliationConfig) -> datetime:
    """The last reading, or what may have changed before it, a little earlier.

    That is the oldest trade that is not on the chain yet, and the oldest order of the last days
    that ended without being filled: the venue may tell late, and with the true time, that it was.
    """
    state = VenueState.objects.filter(mode=mode, wallet=wallet).first()
    last = None if state is None else state.trades_until
    if last is None:
        first = Order.objects.filter(mode=mode, wallet=wallet).aggregate(at=Min("created_at"))
        last = first["at"] or as_of
    waiting = facts.unsettled(mode, wallet=wallet).aggregate(at=Min("observed_at"))["at"]
    ended = Order.objects.filter(
        comparison.lately(as_of, config),
        mode=mode,
        wallet=wallet,
        status__in=sources(Order.Status.FILLED),
    )
    sent = ended.filter(status__in=TERMINAL).aggregate(at=Min("created_at"))["at"]
    return min(last, waiting or last, sent or last) - timedelta(seconds=config.overlap_s)


def _without_trial(told: list[VenueTrade], wallet: str) -> list[VenueTrade]:
    """Without the round trip of `moneydoctor`: it is made before the books begin, beside them."""
    signed = DomainEvent.objects.filter(kind="trial.order_signed", subject=f"wallet:{wallet}")
    trial = {str(json.loads(event.data)["order"]).lower() for event in signed}
    return [trade for trade in told if trade.venue_order_id.lower() not in trial]


def _ours(mode: str, wallet: str, ids: set[str]) -> dict[str, Order]:
    rows = Order.objects.filter(mode=mode, wallet=wallet, venue_order_id__in=ids)
    return {
        order.venue_order_id: order
        for order in rows.select_related("intent__market", "intent__outcome")
        if order.venue_order_id is not None
    }


def _booked(ours: Iterable[Order]) -> Booked:
    rows = Fill.objects.filter(order__in=list(ours)).prefetch_related("settlements")
    return {
        (fill.order_id, fill.trade_id): Known(
            fill=fill, statuses=frozenset(row.status for row in fill.settlements.all())
        )
        for fill in rows
    }


def _storable(trade: VenueTrade) -> VenueTrade:
    """Names as every database and log takes them: no NUL, no half of a character."""
    execution = trade.execution
    return replace(
        trade,
        venue_order_id=texts.storable(trade.venue_order_id),
        token_id=texts.storable(trade.token_id),
        execution=replace(
            execution,
            trade_id=texts.storable(execution.trade_id),
            transaction_hash=texts.storable(execution.transaction_hash),
        ),
    )


def _in_own_terms(order: Order, trade: VenueTrade) -> VenueTrade:
    """To sell one outcome is to buy the other at what is left of a dollar: it may be told so."""
    is_buy, token = order.side == Side.BUY, order.outcome.asset_id or ""
    if trade.token_id == token or trade.is_buy == is_buy:
        return trade
    if not order.market.outcomes.filter(asset_id=trade.token_id).exists():
        return trade
    told = replace(trade.execution, price=ONE - trade.execution.price)
    return replace(trade, token_id=token, is_buy=is_buy, execution=told)


def _measured(order: Order, trade: VenueTrade) -> VenueTrade:
    """The venue's list does not say in what its sizes count; what we sent does."""
    execution = venue_reports.measured(
        trade.execution,
        sent=order.shares,
        order_type=order.type,
        is_buy=order.side == Side.BUY,
    )
    return replace(trade, execution=execution)


def _stranger(trade: VenueTrade) -> Finding:
    execution = trade.execution
    return Finding(
        kind=Kind.TRADE,
        subject=execution.trade_id,
        ours=ZERO,
        theirs=as_amount(execution.shares),
        verdict=Verdict.UNEXPLAINED,
        explanation=f"of order {trade.venue_order_id[:80]}, which we never sent",
        certain=True,
    )


def _contradictions(
    known: Known | None, trade: VenueTrade, config: ReconciliationConfig
) -> list[Finding]:
    """A trade told twice has one price and one size."""
    if known is None:
        return []
    fill, now = known.fill, trade.execution
    same_size = abs(fill.shares - now.shares) <= config.dust_shares
    if same_size and same_price(fill.price, now.price, tolerance=config.price_tolerance):
        return []
    return [
        Finding(
            kind=Kind.TRADE,
            subject=now.trade_id,
            ours=fill.shares if not same_size else fill.price,
            theirs=as_amount(now.shares if not same_size else now.price),
            verdict=Verdict.UNEXPLAINED,
            explanation="the venue tells its size anew"
            if not same_size
            else "the venue tells its price anew",
            certain=True,
        )
    ]


def _is_of_another(order: Order, trade: VenueTrade) -> bool:
    """Whether a trade under our order's id is of another token, or of the other side."""
    ours = (order.outcome.asset_id or "", order.side == Side.BUY)
    return ours != (trade.token_id, trade.is_buy)


def _misattributed(order: Order, trade: VenueTrade) -> Finding:
    """Not booked: what our order asked for is not what this trade says was exchanged."""
    side = Side.BUY if trade.is_buy else Side.SELL
    return Finding(
        kind=Kind.TRADE,
        subject=trade.execution.trade_id,
        ours=ZERO,
        theirs=as_amount(trade.execution.shares),
        verdict=Verdict.UNEXPLAINED,
        explanation=f"a {side} of token {trade.token_id[:80]} under the id of our order {order.pk}",
        market_id=order.market_id,
        certain=True,
    )


def _beyond_limit(order: Order, trade: VenueTrade, config: ReconciliationConfig) -> list[Finding]:
    """Booked, for it is what was paid; but no order of ours permits such a price."""
    execution = trade.execution
    worse = execution.price - order.price
    if order.side == Side.SELL:
        worse = -worse
    fee = (execution.fee or ZERO) / execution.shares if execution.shares else ZERO
    close = same_price(order.price, execution.price, tolerance=config.price_tolerance)
    if worse <= fee or close:
        return []
    return [
        Finding(
            kind=Kind.TRADE,
            subject=execution.trade_id,
            ours=order.price,
            theirs=as_amount(execution.price),
            verdict=Verdict.UNEXPLAINED,
            explanation=f"at a worse price than our order {order.pk} permits",
            market_id=order.market_id,
            certain=True,
        )
    ]


@transaction.atomic
def _put_down(order: Order, trade: VenueTrade, *, as_of: datetime) -> None:
    locks.hold(f"portfolio:{order.mode}")
    fills.record(order, trade.execution, as_of=as_of)
    order.refresh_from_db()
    ended = order.status in TERMINAL and order.status in sources(Order.Status.FILLED)
    if ended and fills.is_full(order):
        transitions.move(
            order, to=Order.Status.FILLED, as_of=as_of, reason="filled after it had ended"
        )


def _unbooked(order: Order, trade: VenueTrade, cause: Exception) -> Finding:
    """The venue traded and the books do not show it: entries stop until they do."""
    execution = trade.execution
    log.error("trade.not_booked", trade_id=execution.trade_id, exc_info=cause)
    return Finding(
        kind=Kind.TRADE,
        subject=execution.trade_id,
        ours=ZERO,
        theirs=as_amount(execution.shares),
        verdict=Verdict.UNEXPLAINED,
        # The lines below name the row, which is another one at each look: that is no news.
        explanation=unbooked.words(cause).partition("\n")[0],
        market_id=order.market_id,
        certain=True,
    )


def _remember(mode: str, wallet: str, *, as_of: datetime) -> None:
    VenueState.objects.update_or_create(
        mode=mode,
        wallet=wallet,
        defaults={"trades_until": as_of},
        create_defaults={"trades_until": as_of, "changed_at": as_of},
    )
