"""What is held: one row an outcome, moved by facts alone, ledger and shares together."""

from datetime import datetime, timedelta
from decimal import Decimal

from config.kernel.units import ZERO
from trading.books import ledger
from trading.core.holdings import Fact, Held, Kind
from trading.core.settlement import settle
from trading.models import Account, Position

INSTANT = timedelta(microseconds=1)


def of(*, mode: str, wallet: str, market_id: int, outcome_id: int, as_of: datetime) -> Position:
    """The position of an outcome, locked; an empty one where there is none."""
    position, _created = Position.objects.select_for_update(of=("self",)).get_or_create(
        mode=mode,
        wallet=wallet,
        outcome_id=outcome_id,
        defaults={"market_id": market_id, "shares": ZERO, "cost": ZERO, "opened_at": as_of},
    )
    return position


def held(position: Position) -> Held:
    """The row as a value; what is empty cost nothing."""
    empty = position.shares == ZERO
    return Held(
        shares=position.shares,
        cost=ZERO if empty else position.cost,
        booked=ZERO if empty else position.booked,
        realised=position.realised,
        fees=position.fees,
        opened_at=position.opened_at,
        closed_at=position.closed_at,
    )


def instant(position: Position, *, as_of: datetime) -> datetime:
    """When the next fact of a position is booked: not before its last one.

    Clocks of two processes differ; facts are replayed in the order of their booking.
    """
    last = position.changed_at
    return as_of if last is None else max(as_of, last)


def after(position: Position, *, as_of: datetime) -> datetime:
    """`instant`, for a fact of another table than the last one: later than it."""
    last = position.changed_at
    return as_of if last is None else max(as_of, last + INSTANT)


def put(position: Position, now: Held, *, at: datetime) -> None:
    """Write what is held, and that nothing may be booked before `at`."""
    changed = max(at, position.changed_at or at)
    values = {
        "shares": now.shares,
        "cost": now.cost,
        "booked": now.booked,
        "realised": now.realised,
        "fees": now.fees,
        "opened_at": now.opened_at or position.opened_at,
        "closed_at": now.closed_at,
        "changed_at": changed,
    }
    Position.objects.filter(pk=position.pk).update(**values)
    for name, value in values.items():
        setattr(position, name, value)


def give_up(position: Position, fact: Fact, *, key: str, kind: str) -> None:
    """Let shares go for dollars: the ledger closes their cost, the position keeps the rest."""
    before = held(position)
    now = before.after(fact)
    close_cost(
        key,
        before.booked - now.booked,
        fact.dollars,
        position=position,
        kind=kind,
        as_of=fact.at,
    )
    # A payout sorts after the fills of its instant: what is bought after it has to be later.
    paid = fact.kind is Kind.PAYOUT
    put(position, now, at=fact.at + INSTANT if paid else fact.at)


def close_cost(
    key: str, cost: Decimal, proceeds: Decimal, *, position: Position, kind: str, as_of: datetime
) -> None:
    """Book `proceeds` of something that stood in the ledger at `cost`: cash, gain or loss."""
    split = settle(cost, proceeds)
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
