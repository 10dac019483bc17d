"""The ledger: balanced moves of dollars, each booked once, and balances as sums over them."""

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum

from config.kernel import units
from config.kernel.modes import Mode
from trading.models import MAIN_WALLET, Account, Transfer
from trading.settings import TradingSettings

ZERO = Decimal(0)
SIMULATED = (Mode.PAPER, Mode.DEMO)


class KeyReused(RuntimeError):
    """The idempotency key belongs to a booking with other content."""


def post(
    key: str,
    *,
    debit: str,
    credit: str,
    amount: Decimal,
    kind: str,
    mode: str,
    as_of: datetime,
    wallet: str = MAIN_WALLET,
    market_id: int | None = None,
) -> Transfer:
    """Move `amount` from `debit` to `credit`, once per key.

    A second call with the same content returns the first row, whenever it was made; another
    content under the same key raises `KeyReused`.
    """
    row = Transfer(
        key=key,
        mode=mode,
        wallet=wallet,
        debit=debit,
        credit=credit,
        amount=amount,
        kind=kind,
        market_id=market_id,
        posted_at=as_of,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        first: Transfer | None = Transfer.objects.filter(key=key).first()
        if first is None:
            raise
        if _content(first) != _content(row):
            raise KeyReused(
                f"{key} was booked as {first} already; derive a key of its own for {row}"
            ) from None
        return first
    return row


def post_if_any(key: str, *, amount: Decimal, **move: object) -> Transfer | None:
    """`post`, or None where there is nothing to move."""
    return post(key, amount=amount, **move) if amount > ZERO else None  # type: ignore[arg-type]


def _content(row: Transfer) -> tuple[object, ...]:
    return row.mode, row.wallet, row.debit, row.credit, row.amount, row.kind, row.market_id


def balance(
    account: str,
    *,
    mode: str,
    as_of: datetime,
    wallet: str = MAIN_WALLET,
    market_id: int | None = None,
) -> Decimal:
    """What arrived on the account minus what left it, up to and including `as_of`."""
    return balances(mode=mode, as_of=as_of, wallet=wallet, market_id=market_id)[Account(account)]


def balances(
    *, mode: str, as_of: datetime, wallet: str = MAIN_WALLET, market_id: int | None = None
) -> dict[Account, Decimal]:
    """Every account of one ledger; the balances sum to zero. `market_id` narrows to one market."""
    rows = Transfer.objects.filter(mode=mode, wallet=wallet, posted_at__lte=as_of)
    return _totals(rows if market_id is None else rows.filter(market_id=market_id))


def standing(
    *, mode: str, wallet: str = MAIN_WALLET, market_id: int | None = None
) -> dict[Account, Decimal]:
    """Every account with all that is booked: what goes with positions, which know no past."""
    rows = Transfer.objects.filter(mode=mode, wallet=wallet)
    return _totals(rows if market_id is None else rows.filter(market_id=market_id))


def _totals(rows: QuerySet[Transfer]) -> dict[Account, Decimal]:
    totals = dict.fromkeys(Account, ZERO)
    for debit, credit, amount in rows.values_list("debit", "credit").annotate(Sum("amount")):
        # SQLite adds up in float64; the grid of 1e-6 is finer than its error below 10^9 dollars.
        exact = units.decimal(amount)
        totals[Account(debit)] -= exact
        totals[Account(credit)] += exact
    return totals


def open_books(mode: str, *, as_of: datetime) -> Transfer | None:
    """Book the starting cash of a simulated ledger, once in its life; None for LIVE."""
    if mode not in SIMULATED:
        return None
    key = f"deposit:{mode}:{MAIN_WALLET}:start"
    standing: Transfer | None = Transfer.objects.filter(key=key).first()
    if standing is not None:
        return standing
    return post(
        key,
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=TradingSettings.objects.current(as_of=as_of).as_config().starting_cash,
        kind="deposit",
        mode=mode,
        as_of=as_of,
    )
