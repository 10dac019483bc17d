"""Positions computed afresh from fills and redemptions, and where the stored ones differ."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Q, Sum

from config.kernel import locks, units
from config.kernel.units import ZERO
from trading.models import Account, Fill, Position, Redemption, Side, Transfer

log = structlog.get_logger()

Key = tuple[str, str, int]
"""Mode, wallet, outcome."""

MarketKey = tuple[str, str, int]
"""Mode, wallet, market."""

COLUMNS = ("shares", "cost", "realised", "fees")


@dataclass(slots=True, kw_only=True)
class Sums:
    """A position as its facts tell it; `booked` is the cost of its shares without fees."""

    market_id: int
    opened_at: datetime
    shares: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    booked: Decimal = ZERO
    closed_at: datetime | None = field(default=None)

    def bought(self, fill: Fill) -> None:
        """Add one buy."""
        if self.shares == ZERO:
            self.opened_at = fill.received_at
        self.shares += fill.shares
        notional = units.pay(fill.price * fill.shares)
        self.cost += notional + fill.fee
        self.booked += notional
        self.fees += fill.fee
        self.closed_at = None

    def left(self, shares: Decimal, proceeds: Decimal, at: datetime) -> None:
        """Take shares away for `proceeds`; more than there are leave none."""
        gone = min(shares, self.shares)
        part = gone / self.shares if self.shares else ZERO
        paid = units.decimal(self.cost * part)
        self.booked -= units.decimal(self.booked * part)
        self.shares -= gone
        self.cost -= paid
        self.realised += proceeds - paid
        self.closed_at = at if self.shares == ZERO else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One column of one position that is not what its facts say.

    Besides the columns: `booked`, what the ledger holds for the position's market; `redeemed`, a
    payout of shares that no fill explains. Neither can be written: a person has to look.
    """

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
        found, computed = _compare(ALL, Position.objects.all())
        if apply and found:
            _write(computed, as_of=as_of)
    return found


def differences(*, mode: str, market_ids: Collection[int]) -> list[Difference]:
    """Compare the positions of one mode on these markets; call it under the mode's lock."""
    stored = Position.objects.filter(mode=mode, market_id__in=market_ids)
    found, _computed = _compare(_FactsOf(mode=mode, market_ids=market_ids), stored)
    return found


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


def _compare(
    which: _FactsOf, stored: Iterable[Position]
) -> tuple[list[Difference], dict[Key, Sums]]:
    computed, unexplained = _from_facts(which)
    found = [
        *_differences(computed, stored),
        *_unlike_the_ledger(computed, _booked(which)),
        *unexplained,
    ]
    return found, computed


def from_facts(which: _FactsOf = ALL) -> dict[Key, Sums]:
    """Every position that fills ever opened, with redemptions applied in order of time."""
    computed, _unexplained = _from_facts(which)
    return computed


def _from_facts(which: _FactsOf) -> tuple[dict[Key, Sums], list[Difference]]:
    """The positions, and the payouts of shares that no fill explains."""
    sums: dict[Key, Sums] = {}
    unexplained: list[Difference] = []
    # A payout follows the fills of its instant: only what was bought can be paid out.
    for at, _after, _number, fact in sorted(_facts(which), key=lambda f: f[:3]):
        if isinstance(fact, Redemption):
            unexplained += _redeem(sums, fact, at)
            continue
        order = fact.order
        key = (order.mode, order.wallet, order.outcome_id)
        position = sums.setdefault(key, Sums(market_id=order.market_id, opened_at=at))
        if order.side == Side.BUY:
            position.bought(fact)
        else:
            position.fees += fact.fee
            position.left(fact.shares, units.receive(fact.price * fact.shares) - fact.fee, at)
    return sums, unexplained


def _facts(which: _FactsOf) -> Iterable[tuple[datetime, bool, int, Fill | Redemption]]:
    trades = Fill.objects.filter(which.where("order__"))
    for fill in trades.select_related("order"):
        yield fill.received_at, False, fill.pk, fill
    payouts = Redemption.objects.filter(which.where(), status=Redemption.Status.PAID)
    for paid in payouts:
        yield paid.paid_at or paid.created_at, True, paid.pk, paid


def _redeem(sums: Mapping[Key, Sums], paid: Redemption, at: datetime) -> Iterator[Difference]:
    """Take what was paid out from the one position of its market that had it."""
    of_market = {
        key: position
        for key, position in sums.items()
        if (*key[:2], position.market_id) == (paid.mode, paid.wallet, paid.market_id)
    }
    exact = [x for x in of_market.values() if x.shares == paid.shares]
    enough = exact or [x for x in of_market.values() if x.shares > paid.shares]
    if len(enough) == 1 or exact:
        enough[0].left(paid.shares, paid.payout, at)
        return
    yield Difference(
        mode=paid.mode,
        outcome_id=next((key[2] for key in of_market), 0),
        column="redeemed",
        stored=paid.shares,
        computed=max((x.shares for x in of_market.values()), default=None),
    )


def _booked(which: _FactsOf) -> dict[MarketKey, Decimal]:
    """What the ledger holds as cost of positions, by market."""
    totals: dict[MarketKey, Decimal] = defaultdict(lambda: ZERO)
    for column, sign in (("credit", 1), ("debit", -1)):
        rows = Transfer.objects.filter(
            which.where(), market__isnull=False, **{column: Account.POSITIONS}
        ).values_list("mode", "wallet", "market_id")
        for mode, wallet, market_id, amount in rows.annotate(Sum("amount")):
            totals[mode, wallet, market_id] += sign * units.decimal(amount)
    return totals


def _unlike_the_ledger(
    computed: Mapping[Key, Sums], booked: Mapping[MarketKey, Decimal]
) -> Iterator[Difference]:
    """Markets whose cost in the ledger is not that of the shares which their facts leave."""
    costs: dict[MarketKey, Decimal] = defaultdict(lambda: ZERO)
    outcomes: dict[MarketKey, int] = {}
    for (mode, wallet, outcome_id), position in computed.items():
        costs[mode, wallet, position.market_id] += position.booked
        outcomes.setdefault((mode, wallet, position.market_id), outcome_id)
    for key in sorted(costs.keys() | booked.keys()):
        ours, theirs = booked.get(key, ZERO), costs.get(key, ZERO)
        if ours != theirs:
            yield Difference(
                mode=key[0],
                outcome_id=outcomes.get(key, 0),
                column="booked",
                stored=ours,
                computed=theirs,
            )


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
    held = {(p.mode, p.wallet, p.outcome_id): p.shares for p in Position.objects.all()}
    paid_out = set(
        Redemption.objects.filter(status=Redemption.Status.PAID).values_list(
            "mode", "wallet", "market_id"
        )
    )
    for key, sums in computed.items():
        mode, wallet, outcome_id = key
        more = sums.shares > held.get(key, ZERO)
        if more and (mode, wallet, sums.market_id) in paid_out:
            # Shares of a market that has paid out would be paid out once more.
            log.error("rebuild.refused", mode=mode, outcome_id=outcome_id, shares=str(sums.shares))
            continue
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
