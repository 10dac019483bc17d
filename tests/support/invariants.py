"""What must hold after every test that trades: money, shares, reservations and claims add up."""

from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum

from config.kernel import units
from config.kernel.units import ZERO
from risk.models import Halt
from tests.factories import NOW
from trading.books import facts, ledger, rebuild
from trading.core.holdings import DUST
from trading.core.order_states import IN_FLIGHT
from trading.models import (
    Account,
    Claim,
    Conversion,
    Fill,
    Order,
    Position,
    Redemption,
    Side,
    TradeIntent,
    Transfer,
)

FOREVER = NOW.replace(year=NOW.year + 100)


def check_everything() -> None:
    """Raise `AssertionError` naming the first thing that does not add up."""
    assert rebuild.positions(apply=False, as_of=FOREVER) == []
    claims_are_held_once()
    orders_and_intents_agree()
    failed_trades_left_nothing()
    for mode, wallet in ledgers():
        kept_balances_are_their_transfers(mode, wallet)
        balances_equal_facts(mode, wallet)
        reservations_equal_what_is_in_flight(mode, wallet)


def ledgers() -> list[tuple[str, str]]:
    """Every ledger in which something is booked, or that something was done for."""
    tables = (Transfer, Order, Position, TradeIntent)
    return sorted(
        {pair for t in tables for pair in t.objects.values_list("mode", "wallet").distinct()}
    )


def kept_balances_are_their_transfers(mode: str, wallet: str) -> None:
    kept = ledger.standing(mode=mode, wallet=wallet)
    assert kept == ledger.summed(mode=mode, wallet=wallet)
    assert sum(kept.values(), ZERO) == ZERO


def balances_equal_facts(mode: str, wallet: str) -> None:
    """Cash is deposits − buys − fees + sales + payouts − splits + merges, exactly."""
    totals = ledger.balances(mode=mode, wallet=wallet, as_of=FOREVER)
    here = {"mode": mode, "wallet": wallet}
    fills = facts.happened().filter(mode=mode, order__wallet=wallet).select_related("order")
    bought = sum((units.pay(f.price * f.shares) for f in fills if f.order.side == Side.BUY), ZERO)
    sold = sum((units.receive(f.price * f.shares) for f in fills if f.order.side != Side.BUY), ZERO)
    fees = sum((f.fee for f in fills), ZERO)
    paid = _sum(Redemption.objects.filter(**here, status=Redemption.Status.PAID), "payout")
    merged = _sum(Conversion.objects.filter(**here, kind=Conversion.Kind.MERGE), "shares")
    split = _sum(Conversion.objects.filter(**here, kind=Conversion.Kind.SPLIT), "shares")
    outside = -totals[Account.EXTERNAL]

    cash = totals[Account.CASH] + totals[Account.RESERVED]
    assert cash == outside - bought - fees + sold + paid + merged - split
    assert totals[Account.FEES] == fees
    assert totals[Account.CASH] >= ZERO
    assert totals[Account.RESERVED] >= ZERO

    positions = Position.objects.filter(**here)
    realised, open_cost = _sum(positions, "realised"), _sum(positions, "cost")
    assert _sum(positions.filter(shares__gt=0), "booked") == totals[Account.POSITIONS]
    # Money is neither made nor lost between the ledger and the positions.
    assert abs(outside + realised - open_cost - cash) < Decimal("0.00001")


def reservations_equal_what_is_in_flight(mode: str, wallet: str) -> None:
    here = {"mode": mode, "wallet": wallet}
    reserved = ledger.standing(**here)[Account.RESERVED]
    waiting = TradeIntent.objects.filter(**here, status__in=TradeIntent.OPEN)
    keys = [f"reserve:{intent.pk}" for intent in waiting]
    for_intents = _sum(Transfer.objects.filter(key__in=keys), "amount")
    on_the_way = Order.objects.filter(**here, status__in=IN_FLIGHT)
    assert reserved == for_intents + _sum(on_the_way, "reserved")
    done = Order.objects.filter(**here).exclude(status__in=IN_FLIGHT)
    assert not done.filter(reserved__gt=0).exists()


def claims_are_held_once() -> None:
    held = Claim.objects.filter(released_at__isnull=True)
    twice = held.values("mode", "wallet", "market").annotate(n=Count("pk")).filter(n__gt=1)
    assert not twice.exists()
    # Never both sides of a market, but as a set that a group holds or that was made of collateral.
    open_positions = Position.objects.filter(shares__gt=0)
    sides = open_positions.values("mode", "wallet", "market").annotate(n=Count("pk"))
    for both in sides.filter(n__gt=1):
        here = {name: both[name] for name in ("mode", "wallet", "market")}
        grouped = TradeIntent.objects.filter(**here, group__isnull=False)
        assert grouped.exists() or Conversion.objects.filter(**here).exists()
    claimed = set(held.values_list("mode", "wallet", "market_id"))
    for rows in (
        open_positions,
        Order.objects.filter(status__in=IN_FLIGHT),
        TradeIntent.objects.filter(status__in=TradeIntent.OPEN),
    ):
        assert set(rows.values_list("mode", "wallet", "market_id")) <= claimed


def orders_and_intents_agree() -> None:
    """The journal equals the orders, and every overfill was flagged."""
    executed = TradeIntent.objects.filter(status=TradeIntent.Status.EXECUTED)
    assert set(executed.values_list("pk", flat=True)) == set(
        Order.objects.values_list("intent_id", flat=True)
    )
    filled = dict(facts.happened().values_list("order").annotate(Sum("shares")))
    for order in Order.objects.all():
        shares = units.decimal(filled.get(order.pk, ZERO))
        assert order.filled_shares == shares
        if _took_too_much(order, shares):
            assert Halt.objects.filter(kind="OVERFILL").exists()
        if order.status == Order.Status.FILLED:
            assert shares >= order.shares - DUST or _spent(order) >= _most(order) - DUST


def failed_trades_left_nothing() -> None:
    """Every booking of a failed trade is reversed; the correction of costs is not its own."""
    failed = Fill.objects.filter(facts.FAILED).values_list("key", flat=True)
    for key in failed:
        bookings = Transfer.objects.filter(key__startswith=f"{key}:")
        own = bookings.exclude(key__endswith=":void")
        voided = {row.key.removesuffix(":void"): row for row in bookings.filter(kind="void")}
        assert all(voided[row.key].amount == row.amount for row in own)


def _took_too_much(order: Order, shares: Decimal) -> bool:
    if order.side == Side.BUY and order.type in {"FAK", "FOK"}:
        return _spent(order) > _most(order) + DUST
    return bool(shares > order.shares + DUST)


def _spent(order: Order) -> Decimal:
    fills = facts.happened().filter(order=order).values_list("price", "shares")
    return sum((price * shares for price, shares in fills), ZERO)


def _most(order: Order) -> Decimal:
    return order.price * order.shares


def _sum(rows: QuerySet[Any], column: str) -> Decimal:
    return units.decimal(rows.aggregate(s=Sum(column))["s"] or ZERO)
