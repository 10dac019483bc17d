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
from trading.books import ledger, portfolio, rebuild
from trading.core.order_states import IN_FLIGHT
from trading.models import Account, Fill, Order, Position, Settlement, TradeIntent

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
    for wallet in ledger.wallets(mode):
        yield from _accounts_of(mode, wallet)
    for wallet, account, kept, summed in ledger.drift(mode):
        yield f"{account.label} of {wallet} is kept as {kept}, its transfers say {summed}"
    orphans = TradeIntent.objects.filter(
        mode=mode, status=TradeIntent.Status.EXECUTED, order__isnull=True
    )
    if count := orphans.count():
        yield f"{count} executed intents have no order"


def _accounts_of(mode: str, wallet: str) -> Iterator[str]:
    accounts = ledger.summed(mode=mode, wallet=wallet)
    # A trade that failed on the chain never happened: its fee was given back.
    stood = Fill.objects.filter(mode=mode, order__wallet=wallet).exclude(
        settlements__status=Settlement.Status.FAILED
    )
    fees = stood.aggregate(s=Sum("fee"))["s"]
    if accounts[Account.FEES] != units.decimal(fees or ZERO):
        yield f"fees booked are {accounts[Account.FEES]}, fills say {fees}"
    reserved = _reserved(mode, wallet)
    if accounts[Account.RESERVED] != reserved:
        yield f"{accounts[Account.RESERVED]} is reserved, orders and intents need {reserved}"
    for account in (Account.CASH, Account.RESERVED):
        if accounts[account] < ZERO:
            yield f"{account.label} is below zero: {accounts[account]}"


def _reserved(mode: str, wallet: str) -> Decimal:
    """Dollars that orders on their way and open intents hold."""
    orders = Order.objects.filter(mode=mode, wallet=wallet, status__in=IN_FLIGHT)
    intents = TradeIntent.objects.filter(mode=mode, wallet=wallet, status__in=TradeIntent.OPEN)
    held = sum(orders.values_list("reserved", flat=True), ZERO)
    waiting = portfolio.reservations(intents.values_list("pk", flat=True))
    return held + sum(waiting.values(), ZERO)
