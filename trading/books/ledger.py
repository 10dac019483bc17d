"""The ledger: balanced moves of dollars, each booked once, and balances as sums over them.

A reservation is a pending move: `reserve` puts dollars aside (CASH → RESERVED), what an order buys
posts it (RESERVED → POSITIONS, FEES), `release` voids the rest (RESERVED → CASH). A booking that
turned out never to have happened is voided by its reverse, under the key that it was booked with
and `:void`. Every transfer names its `kind`, so that `flows` tells where each dollar came from.

Sums over all transfers grow with history, so `LedgerBalance` keeps them: one row a ledger, moved in
the transaction that writes the transfer, in whole millionths. `drift` compares the two.
"""

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet, Sum

from config.kernel import locks, units
from config.kernel.modes import SIMULATED
from config.kernel.units import ZERO
from trading.models import MAIN_WALLET, Account, LedgerBalance, Transfer
from trading.settings import TradingSettings

COLUMN = {account: account.value.lower() for account in Account}
"""Account → its column of `LedgerBalance`."""

ADJUSTMENT, DEPOSIT, VOID = "adjustment", "deposit", "void"


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
            _carry(row)
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


def void(row: Transfer, *, as_of: datetime, back_to: str = "") -> Transfer:
    """Book the reverse of a transfer, once; `back_to` where its dollars belong elsewhere now."""
    return post(
        f"{row.key}:void",
        debit=row.credit,
        credit=back_to or row.debit,
        amount=row.amount,
        kind=VOID,
        mode=row.mode,
        wallet=row.wallet,
        market_id=row.market_id,
        as_of=as_of,
    )


def _content(row: Transfer) -> tuple[object, ...]:
    return row.mode, row.wallet, row.debit, row.credit, row.amount, row.kind, row.market_id


def _carry(row: Transfer) -> None:
    """Move the kept balances with the transfer that was just written."""
    amount = units.to_micro(units.decimal(row.amount))
    debit, credit = COLUMN[Account(row.debit)], COLUMN[Account(row.credit)]
    kept = LedgerBalance.objects.filter(mode=row.mode, wallet=row.wallet)
    moves = {debit: F(debit) - amount, credit: F(credit) + amount}
    if kept.update(**moves):
        return
    # The first transfer of a ledger, or of one that is older than its kept balances.
    locks.hold(f"ledger:{row.mode}:{row.wallet}")
    if not kept.update(**moves):
        LedgerBalance.objects.create(
            mode=row.mode,
            wallet=row.wallet,
            **_columns(summed(mode=row.mode, wallet=row.wallet)),
        )


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
    """Every account of one ledger; the balances sum to zero. `market_id` narrows to one market.

    Counted back from those of now, so the cost grows with what came after `as_of` alone.
    """
    now = standing(mode=mode, wallet=wallet, market_id=market_id)
    later = _totals(
        _rows(mode, wallet, market_id).filter(posted_at__gt=as_of),
    )
    return {account: now[account] - later[account] for account in Account}


def standing(
    *, mode: str, wallet: str = MAIN_WALLET, market_id: int | None = None
) -> dict[Account, Decimal]:
    """Every account with all that is booked: what goes with positions, which know no past."""
    if market_id is None:
        kept = LedgerBalance.objects.filter(mode=mode, wallet=wallet).first()
        if kept is not None:
            return _amounts(kept)
    return summed(mode=mode, wallet=wallet, market_id=market_id)


def summed(
    *, mode: str, wallet: str = MAIN_WALLET, market_id: int | None = None
) -> dict[Account, Decimal]:
    """Every account, added up from its transfers: the truth, at a cost that grows with them."""
    return _totals(_rows(mode, wallet, market_id))


def flows(
    *, mode: str, wallet: str = MAIN_WALLET, market_id: int | None = None
) -> dict[str, Decimal]:
    """Kind → dollars that were ever moved under it."""
    rows = _rows(mode, wallet, market_id).values_list("kind").annotate(Sum("amount"))
    return {kind: units.decimal(amount) for kind, amount in rows}


def wallets(mode: str) -> list[str]:
    """The wallets that a mode's ledgers belong to."""
    kept = LedgerBalance.objects.filter(mode=mode).values_list("wallet", flat=True)
    return sorted(kept)


def drift(mode: str) -> list[tuple[str, Account, Decimal, Decimal]]:
    """Wallet, account, kept and summed balance, wherever these two differ."""
    return [
        (kept.wallet, account, amounts[account], exact[account])
        for kept in LedgerBalance.objects.filter(mode=mode).order_by("wallet")
        if (amounts := _amounts(kept)) != (exact := summed(mode=mode, wallet=kept.wallet))
        for account in Account
        if amounts[account] != exact[account]
    ]


@transaction.atomic
def carry_anew(mode: str) -> None:
    """Write the kept balances of a mode from its transfers; call it under the mode's lock."""
    for kept in LedgerBalance.objects.select_for_update(of=("self",)).filter(mode=mode):
        columns = _columns(summed(mode=mode, wallet=kept.wallet))
        LedgerBalance.objects.filter(pk=kept.pk).update(**columns)


def _rows(mode: str, wallet: str, market_id: int | None) -> QuerySet[Transfer]:
    rows: QuerySet[Transfer] = Transfer.objects.filter(mode=mode, wallet=wallet)
    return rows if market_id is None else rows.filter(market_id=market_id)


def _amounts(kept: LedgerBalance) -> dict[Account, Decimal]:
    return {account: units.from_micro(getattr(kept, name)) for account, name in COLUMN.items()}


def _columns(totals: dict[Account, Decimal]) -> dict[str, int]:
    return {COLUMN[account]: units.to_micro(amount) for account, amount in totals.items()}


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
        kind=DEPOSIT,
        mode=mode,
        as_of=as_of,
    )
