"""What must hold after every test that trades: money, shares, reservations and claims add up."""

from decimal import Decimal

from django.db.models import Count, Sum

from config.kernel import units
from config.kernel.modes import STORED_MODES
from risk.models import Halt
from tests.factories import NOW
from trading import ledger, rebuild
from trading.core.order_states import IN_FLIGHT
from trading.models import (
    Account,
    Claim,
    Fill,
    Order,
    Position,
    Redemption,
    Side,
    TradeIntent,
    Transfer,
)

ZERO = Decimal(0)
FOREVER = NOW.replace(year=NOW.year + 100)


def check_everything() -> None:
    """Raise `AssertionError` naming the first thing that does not add up."""
    positions_are_their_facts()
    claims_are_held_once()
    orders_and_intents_agree()
    for mode in STORED_MODES:
        balances_equal_fills_and_payouts(mode)
        reservations_equal_what_is_in_flight(mode)


def positions_are_their_facts() -> None:
    assert rebuild.positions(apply=False, as_of=FOREVER) == []


def balances_equal_fills_and_payouts(mode: str) -> None:
    """Cash is deposits − buys − fees + sales + payouts, exactly; all accounts sum to zero."""
    totals = ledger.balances(mode=mode, as_of=FOREVER)
    assert sum(totals.values(), ZERO) == ZERO

    fills = Fill.objects.filter(mode=mode).select_related("order")
    bought = sum((units.pay(f.price * f.shares) for f in fills if f.order.side == Side.BUY), ZERO)
    sold = sum((units.receive(f.price * f.shares) for f in fills if f.order.side != Side.BUY), ZERO)
    fees = sum((f.fee for f in fills), ZERO)
    paid = sum(
        Redemption.objects.filter(mode=mode, status=Redemption.Status.PAID).values_list(
            "payout", flat=True
        ),
        ZERO,
    )
    deposits = sum(
        Transfer.objects.filter(mode=mode, debit=Account.EXTERNAL).values_list("amount", flat=True),
        ZERO,
    )
    cash = totals[Account.CASH] + totals[Account.RESERVED]
    assert cash == deposits - bought - fees + sold + paid
    assert totals[Account.FEES] == fees
    assert totals[Account.CASH] >= ZERO
    assert totals[Account.RESERVED] >= ZERO

    realised = Position.objects.filter(mode=mode).aggregate(s=Sum("realised"))["s"] or ZERO
    open_cost = Position.objects.filter(mode=mode).aggregate(s=Sum("cost"))["s"] or ZERO
    # Money is neither made nor lost between the ledger and the positions.
    assert abs(deposits + units.decimal(realised) - units.decimal(open_cost) - cash) < Decimal(
        "0.00001"
    )


def reservations_equal_what_is_in_flight(mode: str) -> None:
    reserved = ledger.balance(Account.RESERVED, mode=mode, as_of=FOREVER)
    waiting = TradeIntent.objects.filter(mode=mode, status__in=TradeIntent.OPEN)
    keys = [f"reserve:{intent.pk}" for intent in waiting]
    for_intents = sum(Transfer.objects.filter(key__in=keys).values_list("amount", flat=True), ZERO)
    on_the_way = Order.objects.filter(mode=mode, status__in=IN_FLIGHT)
    for_orders = sum(on_the_way.values_list("reserved", flat=True), ZERO)
    assert reserved == for_intents + for_orders
    done = Order.objects.filter(mode=mode).exclude(status__in=IN_FLIGHT)
    assert not done.filter(reserved__gt=0).exists()


def claims_are_held_once() -> None:
    held = Claim.objects.filter(released_at__isnull=True)
    twice = held.values("mode", "wallet", "market").annotate(n=Count("pk")).filter(n__gt=1)
    assert not twice.exists()
    # Never both sides of a market.
    sides = Position.objects.filter(shares__gt=0).values("mode", "wallet", "market")
    assert not sides.annotate(n=Count("pk")).filter(n__gt=1).exists()
    claimed = set(held.values_list("mode", "wallet", "market_id"))
    for rows in (
        Position.objects.filter(shares__gt=0),
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
    for order in Order.objects.prefetch_related("fills"):
        filled = sum((fill.shares for fill in order.fills.all()), ZERO)
        assert order.filled_shares == filled
        if filled > order.shares:
            assert Halt.objects.filter(kind="OVERFILL").exists()
        if order.status == Order.Status.FILLED:
            assert filled >= order.shares
