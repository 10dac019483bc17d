"""What the chain made of a trade: told step by step, final once, and unwound where it failed."""

from datetime import datetime
from decimal import Decimal

import structlog
from django.db.models import Sum

from config.kernel import audit
from config.kernel.units import ZERO
from risk import halts
from risk.models import Halt
from trading.books import claims, facts, ledger, positions
from trading.core import holdings
from trading.core.order_states import IN_FLIGHT
from trading.models import (
    Account,
    Discrepancy,
    Fill,
    Order,
    Position,
    Settlement,
    Side,
    Transfer,
)

log = structlog.get_logger()
ACTOR = "settlement"
FINAL = frozenset({Settlement.Status.CONFIRMED, Settlement.Status.FAILED})
GHOST = "a trade of it failed on the chain"
BOOKED_AS = ("buy", "buy:cash", "fee", "fee:cash", "sell", "gain", "loss")
"""Ends of the keys under which a fill is booked."""


def tell(fill: Fill, status: str, *, transaction_hash: str = "", as_of: datetime) -> None:
    """Note what became of a fill's trade; FAILED takes its bookings back.

    Call it in the transaction and under the lock that book fills. The same again, or older news
    after a final status, changes nothing; the other final status is recorded as a contradiction
    and halts.
    """
    known = set(Settlement.objects.filter(fill=fill).values_list("status", flat=True))
    if status in known:
        return
    if final := known & FINAL:
        if status in FINAL:
            _contradiction(fill, str(final.pop()), status, as_of=as_of)
        return
    Settlement.objects.create(
        fill=fill,
        status=Settlement.Status(status),
        transaction_hash=transaction_hash[:66],
        received_at=as_of,
    )
    if status == Settlement.Status.FAILED:
        _unwind(fill, as_of=as_of)


def settling(mode: str) -> dict[int, Decimal]:
    """Position → shares bought that are not on the chain yet: held, and not to be sold."""
    held = Position.objects.filter(mode=mode, shares__gt=ZERO)
    ids = {(p.wallet, p.outcome_id): p.pk for p in held}
    waiting = facts.unsettled(mode).filter(
        order__side=Side.BUY, order__outcome_id__in=[outcome for _wallet, outcome in ids]
    )
    rows = waiting.values_list("order__wallet", "order__outcome_id").annotate(Sum("shares"))
    return {
        ids[wallet, outcome]: shares for wallet, outcome, shares in rows if (wallet, outcome) in ids
    }


def _contradiction(fill: Fill, ours: str, theirs: str, *, as_of: datetime) -> None:
    """Two endings cannot both be true: nothing is booked, and a person looks at the chain."""
    order = fill.order
    explanation = f"{fill.key} was {ours}, now it is told to be {theirs}"
    told = {"mode": fill.mode, "subject": fill.trade_id[:120], "explanation": explanation[:400]}
    if Discrepancy.objects.filter(**told).exists():
        return
    failed = theirs == Settlement.Status.FAILED
    Discrepancy.objects.create(
        **told,
        wallet=order.wallet,
        kind=Discrepancy.Kind.TRADE,
        market_id=order.market_id,
        ours=fill.shares if failed else ZERO,
        theirs=ZERO if failed else fill.shares,
        explained=False,
        found_at=as_of,
    )
    halt(fill.mode, f"{explanation}; look the transaction up on the chain", as_of=as_of)


def _unwind(fill: Fill, *, as_of: datetime) -> None:
    """Take a fill back: its dollars, its shares and its part of the order."""
    order = Order.objects.select_for_update(of=("self",)).get(pk=fill.order_id)
    position = positions.of(
        mode=order.mode,
        wallet=order.wallet,
        market_id=order.market_id,
        outcome_id=order.outcome_id,
        as_of=as_of,
    )
    without_it = positions.held(position).booked + _reverse(fill, order, as_of=as_of)
    now = holdings.fold(facts.of_position(position))
    _correct_cost(fill, order, now.booked - without_it, as_of=as_of)
    positions.put(position, now, at=as_of)
    _take_from(order, fill, as_of=as_of)
    if now.shares > ZERO:
        _claim_again(order, fill, as_of=as_of)
    claims.release_if_idle(
        mode=order.mode, wallet=order.wallet, market_id=order.market_id, as_of=as_of
    )
    text = (
        f"Trade {fill.trade_id} of {fill.shares} shares failed on the chain: its bookings were "
        "taken back. Check that the wallet's balance and allowances are what they should be."
    )
    audit.alert(f"order:{order.pk}", text=text, actor=ACTOR, as_of=as_of, shares=fill.shares)
    log.warning("fill.unwound", order_id=str(order.pk), shares=str(fill.shares))
    if now.beyond:
        halt(order.mode, f"{now.beyond} shares were sold that {fill.key} never gave", as_of=as_of)


def _claim_again(order: Order, fill: Fill, *, as_of: datetime) -> None:
    """Shares that came back need the market, which was let go when they were sold."""
    if claims.is_held(order.intent):
        return
    try:
        claims.take(order.intent, as_of=as_of)
    except claims.AlreadyHeld:
        came_back = f"{fill.shares} shares of market {order.market_id} came back"
        halt(order.mode, f"{came_back} with {fill.key}; somebody else holds it", as_of=as_of)


def _reverse(fill: Fill, order: Order, *, as_of: datetime) -> Decimal:
    """Void every booking of a fill; returns what that adds to the cost of positions.

    What came from the reservation of an order that still works returns to it: the venue may yet
    fill it whole. Of any other order it is free cash.
    """
    keys = [f"{fill.key}:{end}" for end in BOOKED_AS]
    added, again = ZERO, ZERO
    for row in Transfer.objects.filter(key__in=keys).order_by("pk"):
        held_back = row.debit == Account.RESERVED and order.status in IN_FLIGHT
        freed = row.debit == Account.RESERVED and not held_back
        ledger.void(row, as_of=as_of, back_to=Account.CASH if freed else "")
        again += row.amount if held_back else ZERO
        if Account.POSITIONS in (row.debit, row.credit):
            added += row.amount if row.debit == Account.POSITIONS else -row.amount
    if again:
        Order.objects.filter(pk=order.pk).update(reserved=order.reserved + again)
    return added


def _correct_cost(fill: Fill, order: Order, missing: Decimal, *, as_of: datetime) -> None:
    """Sales since then took a part of the failed shares' cost: move it to where it belongs."""
    more = missing > ZERO
    ledger.post_if_any(
        f"{fill.key}:cost:void",
        debit=Account.REALISED if more else Account.POSITIONS,
        credit=Account.POSITIONS if more else Account.REALISED,
        amount=abs(missing),
        kind=ledger.VOID,
        mode=order.mode,
        wallet=order.wallet,
        market_id=order.market_id,
        as_of=as_of,
    )


def _take_from(order: Order, fill: Fill, *, as_of: datetime) -> None:
    """The order has less; one that was done is not done any more, and asks for nothing."""
    left = order.filled_shares - fill.shares
    Order.objects.filter(pk=order.pk).update(filled_shares=left)
    if left < order.shares - holdings.DUST:
        # Not a move that anybody may make: only the proof of a failed trade undoes FILLED.
        Order.objects.filter(pk=order.pk, status=Order.Status.FILLED).update(
            status=Order.Status.CANCELED, reason=GHOST, finished_at=as_of
        )


def halt(mode: str, reason: str, *, as_of: datetime) -> None:
    """Stop a mode whose trades say what cannot be."""
    halts.open_halt(
        "OVERFILL",
        reason=reason,
        actor=ACTOR,
        as_of=as_of,
        scope=Halt.Scope.MODE,
        scope_key=mode,
    )
