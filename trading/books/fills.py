"""Each venue trade once: fill, settlement, order, position and ledger together.

A trade is booked when it is matched: its shares count against every limit from then on. They may
be sold once the chain has them (MINED, CONFIRMED). A trade that FAILED never happened: its bookings
are reversed and the position becomes what the other facts make of it (`settlements`).
"""

from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction

from config.kernel import audit
from config.kernel.units import ZERO
from trading.books import claims, facts, ledger, positions, settlements
from trading.books.settlements import settling
from trading.core.amounts import IMMEDIATE
from trading.core.holdings import DUST
from trading.core.order_states import IN_FLIGHT
from trading.models import Account, Fill, Order, Position, Redemption, Side
from trading.venue import Execution

log = structlog.get_logger()

__all__ = ["is_full", "pay_out", "record", "settling"]


@transaction.atomic
def record(order: Order, execution: Execution, *, as_of: datetime) -> Fill:
    """Book one trade of an order and what became of it; the same again changes nothing.

    One whose fee nobody knows raises `FeeUnknown`. An overfill, or a sale of shares that the books
    do not hold, is recorded as reported, then the mode is halted.
    """
    key = f"fill:{order.mode}:{execution.trade_id}:{order.pk}"
    fill: Fill | None = Fill.objects.filter(key=key).select_related("order").first()
    if fill is None:
        fill = _book(order, execution, key, as_of=as_of)
    settlements.tell(
        fill, execution.status, transaction_hash=execution.transaction_hash, as_of=as_of
    )
    return fill


def is_full(order: Order) -> bool:
    """Whether nothing is left of an order but dust of the venue's own rounding."""
    return bool(order.filled_shares >= order.shares - DUST)


def _is_beyond(order: Order) -> bool:
    """Whether the venue gave more than was asked for.

    A FAK or FOK buy binds dollars at the venue: at better prices they buy more shares.
    """
    if order.side == Side.BUY and order.type in IMMEDIATE:
        told = facts.happened().filter(order=order).values_list("price", "shares")
        spent = sum((price * shares for price, shares in told), ZERO)
        return bool(spent > order.price * (order.shares + DUST))
    return bool(order.filled_shares > order.shares + DUST)


def pay_out(position: Position, redemption: Redemption, *, as_of: datetime) -> None:
    """Book a PAID redemption: shares go, their cost closes, cash comes, the claim is let go.

    Call it in the transaction that paid, under the portfolio's lock; `redemption.paid_at` is
    `positions.after(position, as_of=…)`.
    """
    positions.give_up(position, facts.of_payout(redemption), key=redemption.key, kind="payout")
    claims.release_if_idle(
        mode=position.mode, wallet=position.wallet, market_id=position.market_id, as_of=as_of
    )


def _book(order: Order, execution: Execution, key: str, *, as_of: datetime) -> Fill:
    locked = Order.objects.select_for_update(of=("self",)).get(pk=order.pk)
    position = positions.of(
        mode=locked.mode,
        wallet=locked.wallet,
        market_id=locked.market_id,
        outcome_id=locked.outcome_id,
        as_of=as_of,
    )
    fill: Fill = Fill.objects.create(
        key=key,
        mode=locked.mode,
        order=locked,
        price=execution.price,
        shares=execution.shares,
        fee=execution.fee_paid(),
        is_maker=execution.is_maker,
        trade_id=execution.trade_id,
        observed_at=execution.observed_at,
        received_at=positions.instant(position, as_of=as_of),
    )
    _tell(locked, fill)
    if locked.side == Side.BUY:
        _bought(locked, fill, position)
    else:
        _sold(locked, fill, position)
    locked.filled_shares += fill.shares
    locked.save(update_fields=["filled_shares", "reserved"])
    if _is_beyond(locked):
        _halt(locked, f"for {locked.shares} shares was filled beyond", fill)
    return fill


def _tell(order: Order, fill: Fill) -> None:
    audit.record(
        "fill.recorded",
        actor="fills",
        subject=f"order:{order.pk}",
        data={
            "mode": order.mode,
            "market": order.market_id,
            "side": order.side,
            "shares": fill.shares,
            "price": fill.price,
            "fee": fill.fee,
        },
        as_of=fill.received_at,
    )
    log.info(
        "fill.recorded", order_id=str(order.pk), shares=str(fill.shares), price=str(fill.price)
    )


def _bought(order: Order, fill: Fill, position: Position) -> None:
    """Cost and fee leave the reservation; what it does not cover leaves free cash."""
    bought = facts.of_fill(fill, side=order.side)
    for kind, amount, account in (
        ("buy", bought.dollars, Account.POSITIONS),
        ("fee", fill.fee, Account.FEES),
    ):
        covered = min(amount, order.reserved)
        order.reserved -= covered
        _move(order, fill, kind, debit=Account.RESERVED, credit=account, amount=covered)
        beyond = amount - covered
        _move(order, fill, f"{kind}:cash", debit=Account.CASH, credit=account, amount=beyond)
    positions.put(position, positions.held(position).after(bought), at=fill.received_at)
    if order.status not in IN_FLIGHT:
        _claim_again(order, fill)


def _move(order: Order, fill: Fill, name: str, *, debit: str, credit: str, amount: Decimal) -> None:
    ledger.post_if_any(
        f"{fill.key}:{name}",
        debit=debit,
        credit=credit,
        amount=amount,
        kind=name.partition(":")[0],
        mode=order.mode,
        wallet=order.wallet,
        market_id=order.market_id,
        as_of=fill.received_at,
    )


def _claim_again(order: Order, fill: Fill) -> None:
    """A fill that came after its order had ended needs the market that was let go."""
    try:
        claims.take(order.intent, as_of=fill.received_at)
    except claims.AlreadyHeld:
        other_side = Position.objects.filter(
            mode=order.mode, wallet=order.wallet, market_id=order.market_id, shares__gt=ZERO
        ).exclude(outcome_id=order.outcome_id)
        if order.intent.group_id is None and other_side.exists():
            _halt(order, "was filled late, while the other side is held", fill)


def _sold(order: Order, fill: Fill, position: Position) -> None:
    """Proceeds replace the cost of the shares sold; the rest is realised.

    Shares sold beyond those held cost nothing here, so their whole price is realised.
    """
    held = position.shares
    positions.give_up(position, facts.of_fill(fill, side=order.side), key=fill.key, kind="sell")
    _move(order, fill, "fee", debit=Account.CASH, credit=Account.FEES, amount=fill.fee)
    if held < fill.shares:
        _halt(order, f"sold {fill.shares} shares of which {held} were held", fill)


def _halt(order: Order, absurdity: str, fill: Fill) -> None:
    reason = f"order {order.pk} {absurdity}, says {fill.key}"
    settlements.halt(order.mode, reason, as_of=fill.received_at)
