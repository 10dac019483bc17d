"""Positions computed afresh from fills and redemptions, and where the stored ones differ."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from config.kernel import locks, units
from config.kernel.units import ZERO
from trading.models import Fill, Position, Redemption, Side

Key = tuple[str, str, int]
"""Mode, wallet, outcome."""

COLUMNS = ("shares", "cost", "realised", "fees")


@dataclass(slots=True, kw_only=True)
class Sums:
    """A position as its facts tell it."""

    market_id: int
    opened_at: datetime
    shares: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    closed_at: datetime | None = field(default=None)

    def bought(self, fill: Fill) -> None:
        """Add one buy."""
        if self.shares == ZERO:
            self.opened_at = fill.received_at
        self.shares += fill.shares
        self.cost += units.pay(fill.price * fill.shares) + fill.fee
        self.fees += fill.fee
        self.closed_at = None

    def left(self, shares: Decimal, proceeds: Decimal, at: datetime) -> None:
        """Take shares away for `proceeds`; more than there are leave none."""
        gone = min(shares, self.shares)
        paid = units.decimal(self.cost * (gone / self.shares)) if self.shares else ZERO
        self.shares -= gone
        self.cost -= paid
        self.realised += proceeds - paid
        self.closed_at = at if self.shares == ZERO else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One column of one position that is not what its facts say."""

    mode: str
    outcome_id: int
    column: str
    stored: Decimal | None
    computed: Decimal | None


def positions(*, apply: bool, as_of: datetime) -> list[Difference]:
    """Compare every position with its facts; with `apply`, write what the facts say."""
    with transaction.atomic():
        for mode in sorted(set(Fill.objects.values_list("mode", flat=True))):
            locks.hold(f"portfolio:{mode}")
        computed = from_facts()
        found = list(_differences(computed, Position.objects.all()))
        if apply and found:
            _write(computed, as_of=as_of)
    return found


def differences(*, mode: str, market_ids: Collection[int]) -> list[Difference]:
    """Compare the positions of one mode on these markets; call it under the mode's lock."""
    stored = Position.objects.filter(mode=mode, market_id__in=market_ids)
    return list(_differences(from_facts(_FactsOf(mode=mode, market_ids=market_ids)), stored))


@dataclass(frozen=True, slots=True, kw_only=True)
class _FactsOf:
    """Which facts to read; the default is all of them."""

    mode: str = ""
    market_ids: Collection[int] = ()

    def where(self, prefix: str = "") -> Q:
        """The same choice as a condition on rows whose market is at `prefix`."""
        if not self.mode:
            return Q()
        return Q(**{"mode": self.mode, f"{prefix}market_id__in": self.market_ids})


ALL = _FactsOf()


def from_facts(which: _FactsOf = ALL) -> dict[Key, Sums]:
    """Every position that fills ever opened, with redemptions applied in order of time."""
    sums: dict[Key, Sums] = {}
    for at, _order, fact in sorted(_facts(which), key=lambda f: (f[0], f[1])):
        if isinstance(fact, Redemption):
            _redeem(sums, fact, at)
            continue
        order = fact.order
        key = (order.mode, order.wallet, order.outcome_id)
        position = sums.setdefault(key, Sums(market_id=order.market_id, opened_at=at))
        if order.side == Side.BUY:
            position.bought(fact)
        else:
            position.fees += fact.fee
            position.left(fact.shares, units.receive(fact.price * fact.shares) - fact.fee, at)
    return sums


def _facts(which: _FactsOf) -> Iterable[tuple[datetime, int, Fill | Redemption]]:
    trades = Fill.objects.filter(which.where("order__"))
    for fill in trades.select_related("order").order_by("id"):
        yield fill.received_at, fill.pk, fill
    payouts = Redemption.objects.filter(which.where(), status=Redemption.Status.PAID)
    for paid in payouts.order_by("id"):
        yield paid.paid_at or paid.created_at, paid.pk, paid


def _redeem(sums: dict[Key, Sums], paid: Redemption, at: datetime) -> None:
    """A redemption empties what is held of its market."""
    for (mode, wallet, _outcome), position in sums.items():
        same = (mode, wallet, position.market_id) == (paid.mode, paid.wallet, paid.market_id)
        if same and position.shares == paid.shares:
            position.left(paid.shares, paid.payout, at)


def _differences(computed: dict[Key, Sums], rows: Iterable[Position]) -> Iterable[Difference]:
    stored = {(p.mode, p.wallet, p.outcome_id): p for p in rows}
    for key in sorted(stored.keys() | computed.keys()):
        mine, theirs = stored.get(key), computed.get(key)
        for column in COLUMNS:
            before = None if mine is None else getattr(mine, column)
            after = None if theirs is None else getattr(theirs, column)
            if (before or ZERO) != (after or ZERO):
                yield Difference(
                    mode=key[0], outcome_id=key[2], column=column, stored=before, computed=after
                )


def _write(computed: dict[Key, Sums], *, as_of: datetime) -> None:
    for (mode, wallet, outcome_id), sums in computed.items():
        Position.objects.update_or_create(
            mode=mode,
            wallet=wallet,
            outcome_id=outcome_id,
            defaults={
                "market_id": sums.market_id,
                "opened_at": sums.opened_at,
                "closed_at": sums.closed_at,
                **{column: getattr(sums, column) for column in COLUMNS},
            },
        )
    strangers = [
        p for p in Position.objects.all() if (p.mode, p.wallet, p.outcome_id) not in computed
    ]
    for position in strangers:
        # No fill ever opened it: it never was.
        Position.objects.filter(pk=position.pk).update(
            shares=ZERO, cost=ZERO, realised=ZERO, fees=ZERO, closed_at=as_of
        )
