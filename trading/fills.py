"""Each venue trade once: fill, order, position and ledger together."""

from datetime import datetime
from decimal import Decimal
from functools import partial

import structlog
from django.db import transaction
from django.db.models import F

from config.kernel import audit, units
from risk import halts
from risk.models import Halt
from trading import ledger
from trading.core.settlement import settle
from trading.models import Account, Fill, Order, Position, Side
from trading.venue import Execution

log = structlog.get_logger()
ZERO = Decimal(0)


@transaction.atomic
def record(order: Order, execution: Execution, *, as_of: datetime) -> Fill:
    """Book one trade of an order; the same trade again returns the first row.

    An overfill, or a sale of shares that the books do not hold, is recorded as reported, then the
    mode is halted.
    """
    key = f"fill:{order.mode}:{execution.trade_id}:{order.pk}"
    standing: Fill | None = Fill.objects.filter(key=key).first()
    if standing is not None:
        return standing
    locked = Order.objects.select_for_update(of=("self",)).get(pk=order.pk)
    fill = Fill.objects.create(
        key=key,
        mode=locked.mode,
        order=locked,
        price=execution.price,
        shares=execution.shares,
        fee=execution.fee,
        observed_at=execution.observed_at,
        received_at=as_of,
    )
    if locked.side == Side.BUY:
        _bought(locked, fill, as_of=as_of)
    else:
        _sold(locked, fill, as_of=as_of)
    Order.objects.filter(pk=locked.pk).update(filled_shares=F("filled_shares") + fill.shares)
    audit.record(
        "fill.recorded",
        actor="fills",
        subject=f"order:{locked.pk}",
        data={
            "mode": locked.mode,
            "market": locked.market_id,
            "side": locked.side,
            "shares": fill.shares,
            "price": fill.price,
            "fee": fill.fee,
        },
        as_of=as_of,
    )
    log.info(
        "fill.recorded", order_id=str(locked.pk), shares=str(fill.shares), price=str(fill.price)
    )
    if locked.filled_shares + fill.shares > locked.shares:
        beyond = f"for {locked.shares} shares was filled beyond"
        _halt(locked, beyond, fill, as_of=as_of)
    return fill


def _bought(order: Order, fill: Fill, *, as_of: datetime) -> None:
    """Cost and fee leave the reservation; what it does not cover leaves free cash."""
    notional = units.pay(fill.price * fill.shares)
    reserved = order.reserved
    for kind, amount, account in (
        ("buy", notional, Account.POSITIONS),
        ("fee", fill.fee, Account.FEES),
    ):
        covered = min(amount, reserved)
        reserved -= covered
        move = partial(
            ledger.post_if_any,
            credit=account,
            kind=kind,
            mode=order.mode,
            wallet=order.wallet,
            market_id=order.market_id,
            as_of=as_of,
        )
        move(f"{fill.key}:{kind}", debit=Account.RESERVED, amount=covered)
        move(f"{fill.key}:{kind}:cash", debit=Account.CASH, amount=amount - covered)
    Order.objects.filter(pk=order.pk).update(reserved=reserved)
    position = _position(order, as_of=as_of)
    Position.objects.filter(pk=position.pk).update(
        shares=F("shares") + fill.shares,
        cost=F("cost") + notional + fill.fee,
        fees=F("fees") + fill.fee,
        opened_at=as_of if position.shares == ZERO else position.opened_at,
        closed_at=None,
    )


def _position(order: Order, *, as_of: datetime) -> Position:
    """The position of an order's outcome, locked; an empty one where there is none."""
    position, _created = Position.objects.select_for_update(of=("self",)).get_or_create(
        mode=order.mode,
        wallet=order.wallet,
        outcome_id=order.outcome_id,
        defaults={
            "market_id": order.market_id,
            "shares": ZERO,
            "cost": ZERO,
            "opened_at": as_of,
        },
    )
    return position


def _sold(order: Order, fill: Fill, *, as_of: datetime) -> None:
    """Proceeds replace the cost of the shares sold; the rest is realised.

    Shares sold beyond those held cost nothing here, so their whole price is realised.
    """
    position = _position(order, as_of=as_of)
    proceeds = units.receive(fill.price * fill.shares)
    sold = min(fill.shares, position.shares)
    part = sold / position.shares if position.shares else ZERO
    close_cost(
        fill.key,
        book_cost(position) * part,
        proceeds,
        position=position,
        kind="sell",
        as_of=as_of,
    )
    ledger.post_if_any(
        f"{fill.key}:fee",
        debit=Account.CASH,
        credit=Account.FEES,
        amount=fill.fee,
        kind="fee",
        mode=order.mode,
        wallet=order.wallet,
        market_id=order.market_id,
        as_of=as_of,
    )
    paid = units.decimal(position.cost * part)
    left = position.shares - sold
    Position.objects.filter(pk=position.pk).update(
        shares=left,
        cost=position.cost - paid,
        realised=F("realised") + proceeds - fill.fee - paid,
        fees=F("fees") + fill.fee,
        closed_at=as_of if left == ZERO else None,
    )
    if sold < fill.shares:
        _halt(order, f"sold {fill.shares} shares of which {sold} were held", fill, as_of=as_of)


def book_cost(position: Position) -> Decimal:
    """What the ledger holds for a position's market: its cost without fees."""
    accounts = ledger.standing(
        mode=position.mode, wallet=position.wallet, market_id=position.market_id
    )
    return accounts[Account.POSITIONS]


def close_cost(
    key: str, cost: Decimal, proceeds: Decimal, *, position: Position, kind: str, as_of: datetime
) -> None:
    """Book `proceeds` of something that stood in the ledger at `cost`: cash, gain or loss."""
    split = settle(units.decimal(cost), proceeds)
    for name, debit, credit, amount in (
        (kind, Account.POSITIONS, Account.CASH, split.returned),
        ("gain", Account.REALISED, Account.CASH, split.gain),
        ("loss", Account.POSITIONS, Account.REALISED, split.loss),
    ):
        ledger.post_if_any(
            f"{key}:{name}",
            debit=debit,
            credit=credit,
            amount=amount,
            kind=name,
            mode=position.mode,
            wallet=position.wallet,
            market_id=position.market_id,
            as_of=as_of,
        )


def _halt(order: Order, absurdity: str, fill: Fill, *, as_of: datetime) -> None:
    halts.open_halt(
        "OVERFILL",
        reason=f"order {order.pk} {absurdity}, says {fill.key}",
        actor="fills",
        as_of=as_of,
        scope=Halt.Scope.MODE,
        scope_key=order.mode,
    )
