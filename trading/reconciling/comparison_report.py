"""The comparison of every ledger as lines for people."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from config.kernel import locks, terminal
from config.kernel.modes import GUARDED
from config.kernel.units import ZERO
from trading.books import ledger, rebuild
from trading.core.reconcile import cents
from trading.models import Account, Discrepancy, VenueState
from trading.watching import discrepancies


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing compared: dollars or shares of ours, and of whoever knows it too."""

    mode: str
    wallet: str
    what: str
    ours: Decimal | None
    theirs: Decimal | None
    cents: str
    explained: bool
    verdict: str

    def shown(self, amount: Decimal | None) -> str:
        """An amount of it for people: dollars where cents can differ, else shares."""
        return terminal.dollars(amount) if self.cents else terminal.shares(amount)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: str(v) if isinstance(v, Decimal) else v for name, v in asdict(self).items()}


def lines(modes: Iterable[str], *, as_of: datetime) -> list[Line]:
    """Every ledger of these modes: against its facts, and against the last look outside."""
    with transaction.atomic():
        locks.hold(*(f"portfolio:{mode}" for mode in modes))
        found = [line for mode in modes for line in _of_mode(mode, as_of=as_of)]
    wrong = rebuild.everything(apply=False, as_of=as_of)
    return found + [_of_facts(row) for row in wrong if row.mode in set(modes)]


def _of_mode(mode: str, *, as_of: datetime) -> Iterator[Line]:
    for wallet in ledger.wallets(mode):
        yield _cash(mode, wallet)
        if mode in GUARDED:
            yield from _outside(mode, wallet, as_of=as_of)


def _cash(mode: str, wallet: str) -> Line:
    """Cash as it is kept against the sum of all transfers."""
    kept, summed = (
        accounts[Account.CASH] + accounts[Account.RESERVED]
        for accounts in (
            ledger.standing(mode=mode, wallet=wallet),
            ledger.summed(mode=mode, wallet=wallet),
        )
    )
    return Line(
        mode=mode,
        wallet=wallet,
        what="cash by its transfers",
        ours=kept,
        theirs=summed,
        cents=cents(summed - kept),
        explained=kept == summed,
        verdict="agrees" if kept == summed else "run `manage.py rebuild`",
    )


def _outside(mode: str, wallet: str, *, as_of: datetime) -> Iterator[Line]:
    state = VenueState.objects.filter(mode=mode, wallet=wallet).first()
    agreed = None if state is None else state.reconciled_at
    standing = discrepancies.standing(mode, wallet, as_of=as_of)
    yield Line(
        mode=mode,
        wallet=wallet,
        what="venue and chain",
        ours=None,
        theirs=None,
        cents="",
        explained=agreed is not None,
        verdict="never compared; start `manage.py live_guard`"
        if agreed is None
        else f"agreed at {agreed:%Y-%m-%d %H:%M:%S} UTC",
    )
    for row in standing:
        yield _of_discrepancy(row)


def _of_discrepancy(row: Discrepancy) -> Line:
    dollars = row.kind == Discrepancy.Kind.CASH
    return Line(
        mode=row.mode,
        wallet=row.wallet,
        what=f"{row.kind} {row.subject}",
        ours=row.ours,
        theirs=row.theirs,
        cents=cents(row.theirs - row.ours) if dollars else "",
        explained=row.explained,
        verdict=row.explanation,
    )


def _of_facts(row: rebuild.Difference) -> Line:
    ours, theirs = row.stored or ZERO, row.computed or ZERO
    shares = row.column in {"shares", "redeemed"}
    return Line(
        mode=row.mode,
        wallet=row.wallet,
        what=f"{row.column} of outcome {row.outcome_id}" if row.outcome_id else row.column,
        ours=row.stored,
        theirs=row.computed,
        cents="" if shares else cents(theirs - ours),
        explained=False,
        verdict="its facts say otherwise; run `manage.py rebuild`",
    )
