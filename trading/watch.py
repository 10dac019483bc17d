"""Look at orders and journal: what does not add up halts its ledger until a person has looked."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum

from config.kernel import locks, units
from config.kernel.modes import STORED_MODES
from config.kernel.units import ZERO
from risk import halts
from risk.models import Halt
from trading import ledger, portfolio, rebuild
from trading.core.order_states import IN_FLIGHT
from trading.models import Account, Fill, Order, Position, TradeIntent

ACTOR = "journal check"
RECENT = timedelta(hours=1)
"""How long a closed position is still compared with its facts; `rebuild` compares all of them."""


def run(*, as_of: datetime) -> list[Halt]:
    """Halt every mode whose books disagree with their facts; returns the halts now open for it."""
    wrong = {mode: _complaints(mode, as_of=as_of) for mode in STORED_MODES}
    return [
        halts.open_halt(
            "LEDGER_MISMATCH",
            reason="; ".join(complaints),
            actor=ACTOR,
            as_of=as_of,
            scope=Halt.Scope.MODE,
            scope_key=mode,
        )
        for mode, complaints in wrong.items()
        if complaints
    ]


@transaction.atomic
def _complaints(mode: str, *, as_of: datetime) -> list[str]:
    """What disagrees while nobody books anything: everything is read as it stands now."""
    locks.hold(f"portfolio:{mode}")
    return [*_positions(mode, as_of=as_of), *_accounts(mode)]


def _positions(mode: str, *, as_of: datetime) -> Iterator[str]:
    recent = Q(shares__gt=0) | Q(closed_at__gt=as_of - RECENT)
    touched = set(Position.objects.filter(recent, mode=mode).values_list("market_id", flat=True))
    fresh = Fill.objects.filter(mode=mode, received_at__gt=as_of - RECENT)
    touched |= set(fresh.values_list("order__market_id", flat=True))
    for difference in rebuild.differences(mode=mode, market_ids=touched):
        yield (
            f"{difference.column} of outcome {difference.outcome_id} is {difference.stored}, "
            f"its facts say {difference.computed}"
        )


def _accounts(mode: str) -> Iterator[str]:
    accounts = ledger.standing(mode=mode)
    fees = Fill.objects.filter(mode=mode).aggregate(s=Sum("fee"))["s"]
    if accounts[Account.FEES] != units.decimal(fees or ZERO):
        yield f"fees booked are {accounts[Account.FEES]}, fills say {fees}"
    reserved = _reserved(mode)
    if accounts[Account.RESERVED] != reserved:
        yield f"{accounts[Account.RESERVED]} is reserved, orders and intents need {reserved}"
    orphans = TradeIntent.objects.filter(
        mode=mode, status=TradeIntent.Status.EXECUTED, order__isnull=True
    )
    if count := orphans.count():
        yield f"{count} executed intents have no order"
    for account in (Account.CASH, Account.RESERVED):
        if accounts[account] < ZERO:
            yield f"{account.label} is below zero: {accounts[account]}"


def _reserved(mode: str) -> Decimal:
    """Dollars that orders on their way and open intents hold."""
    orders = Order.objects.filter(mode=mode, status__in=IN_FLIGHT)
    intents = TradeIntent.objects.filter(mode=mode, status__in=TradeIntent.OPEN)
    held = sum(orders.values_list("reserved", flat=True), ZERO)
    return held + sum(map(portfolio.reservation, intents.values_list("pk", flat=True)), ZERO)
