"""What shares of one outcome cost, and what each fact about them makes of that."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from config.kernel.units import ZERO, decimal, pay, receive

DUST = Decimal("0.01")
"""Shares by which the fills of an order may fall short of it, by the venue's own rounding."""


class Kind(StrEnum):
    """What can happen to shares."""

    BUY = "BUY"
    SELL = "SELL"
    SPLIT = "SPLIT"
    MERGE = "MERGE"
    PAYOUT = "PAYOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened to shares; `dollars` without the fee: paid, or received."""

    kind: Kind
    shares: Decimal
    dollars: Decimal
    at: datetime
    fee: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Shares of one outcome; dollars.

    `cost` includes fees, `booked` is what the ledger holds of it; `realised` is proceeds − fees −
    their cost. `beyond` counts shares that were given away and never held.
    """

    shares: Decimal = ZERO
    cost: Decimal = ZERO
    booked: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    beyond: Decimal = ZERO
    opened_at: datetime | None = None
    closed_at: datetime | None = None

    def after(self, fact: Fact) -> "Held":
        """What is held once `fact` has happened."""
        if fact.kind in (Kind.BUY, Kind.SPLIT):
            return self._more(fact)
        return self._less(fact)

    def _more(self, fact: Fact) -> "Held":
        return replace(
            self,
            shares=self.shares + fact.shares,
            cost=self.cost + fact.dollars + fact.fee,
            booked=self.booked + fact.dollars,
            fees=self.fees + fact.fee,
            opened_at=fact.at if self.shares == ZERO else self.opened_at,
            closed_at=None,
        )

    def _less(self, fact: Fact) -> "Held":
        """Shares leave with their part of the cost; more than there are leave none."""
        gone = min(fact.shares, self.shares)
        part = gone / self.shares if self.shares else ZERO
        paid = decimal(self.cost * part)
        left = self.shares - gone
        return replace(
            self,
            shares=left,
            cost=self.cost - paid,
            booked=self.booked - decimal(self.booked * part),
            realised=self.realised + fact.dollars - fact.fee - paid,
            fees=self.fees + fact.fee,
            beyond=self.beyond + fact.shares - gone,
            opened_at=self.opened_at or fact.at,
            closed_at=fact.at if left == ZERO else None,
        )


def fold(facts: Iterable[Fact]) -> Held:
    """What is held after all facts, given in the order in which they were booked."""
    held = Held()
    for fact in facts:
        held = held.after(fact)
    return held


def trade(*, buy: bool, price: Decimal, shares: Decimal, fee: Decimal, at: datetime) -> Fact:
    """A fill as a fact: never pay less, never receive more than it says.

    >>> t = trade(buy=True, price=Decimal("0.5"), shares=Decimal(10), fee=ZERO, at=datetime.min)
    >>> fold([t]).cost
    Decimal('5.000000')
    """
    notional = price * shares
    return Fact(
        kind=Kind.BUY if buy else Kind.SELL,
        shares=shares,
        dollars=pay(notional) if buy else receive(notional),
        fee=fee,
        at=at,
    )


def conversion(*, split: bool, shares: Decimal, index: int, at: datetime) -> Fact:
    """One side of a set made of collateral, or given back for it.

    Each side takes half the dollars: a price would be an opinion, and facts must give the same
    figures for ever. The odd millionth goes to outcome 0.

    >>> conversion(split=True, shares=Decimal(10), index=1, at=datetime.min).dollars
    Decimal('5.000000')
    """
    second = receive(shares / 2)
    return Fact(
        kind=Kind.SPLIT if split else Kind.MERGE,
        shares=shares,
        dollars=second if index else shares - second,
        at=at,
    )
