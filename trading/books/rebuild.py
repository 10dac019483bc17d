"""What is kept, computed afresh from facts, and where the two differ.

Positions come from fills that happened, conversions and payouts; balances from transfers.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Q, Sum

from config.kernel import locks, units
from config.kernel.modes import STORED_MODES
from config.kernel.units import ZERO
from markets.models import Outcome
from trading.books import facts, ledger
from trading.core import holdings
from trading.core.holdings import Held
from trading.models import Account, Conversion, Position, Redemption, Transfer

log = structlog.get_logger()

Key = tuple[str, str, int]
"""Mode, wallet, outcome."""

MarketKey = tuple[str, str, int]
"""Mode, wallet, market."""

COLUMNS = ("shares", "cost", "booked", "realised", "fees")


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A position as its facts tell it, and when the last of them was booked."""

    market_id: int
    held: Held
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One column of one position, or one account of one ledger, that is not what its facts say.

    Besides the columns and accounts: `booked` of a market, what the ledger holds for it, and
    `redeemed`, a payout of shares that nothing explains. These two cannot be written: a person has
    to look.
    """

    mode: str
    outcome_id: int
    column: str
    stored: Decimal | None
    computed: Decimal | None
    wallet: str = ""


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


def everything(*, apply: bool, as_of: datetime) -> list[Difference]:
    """Compare positions and kept balances with their facts; with `apply`, write what these say."""
    with transaction.atomic():
        locks.hold(*(f"portfolio:{mode}" for mode in STORED_MODES))
        found = [*balances(), *_positions(apply=apply, as_of=as_of)]
        if apply:
            for mode in STORED_MODES:
                ledger.carry_anew(mode)
    return found


def positions(*, apply: bool, as_of: datetime) -> list[Difference]:
    """Compare every position with its facts; with `apply`, write what the facts say."""
    with transaction.atomic():
        locks.hold(*(f"portfolio:{mode}" for mode in STORED_MODES))
        return _positions(apply=apply, as_of=as_of)


def _positions(*, apply: bool, as_of: datetime) -> list[Difference]:
    found, computed = _compare(ALL, Position.objects.all())
    if apply and found:
        _write(computed, as_of=as_of)
    return found


def balances() -> list[Difference]:
    """Kept balances that are not the sums of their transfers."""
    return [
        Difference(
            mode=mode,
            wallet=wallet,
            outcome_id=0,
            column=f"balance of {account.value}",
            stored=kept,
            computed=exact,
        )
        for mode in STORED_MODES
        for wallet, account, kept, exact in ledger.drift(mode)
    ]


def differences(*, mode: str, market_ids: Collection[int]) -> list[Difference]:
    """Compare the positions of one mode on these markets; call it under the mode's lock."""
    stored = Position.objects.filter(mode=mode, market_id__in=market_ids)
    found, _computed = _compare(_FactsOf(mode=mode, market_ids=market_ids), stored)
    return found


def _compare(
    which: _FactsOf, stored: Iterable[Position]
) -> tuple[list[Difference], dict[Key, Computed]]:
    computed, unexplained = _from_facts(which)
    found = [
        *_differences(computed, stored),
        *_unlike_the_ledger(computed, _booked(which)),
        *unexplained,
    ]
    return found, computed


def from_facts(which: _FactsOf = ALL) -> dict[Key, Computed]:
    """Every position that facts ever opened."""
    computed, _unexplained = _from_facts(which)
    return computed


def _from_facts(which: _FactsOf) -> tuple[dict[Key, Computed], list[Difference]]:
    """The positions, and the payouts of shares that nothing explains."""
    told: dict[Key, list[facts.Dated]] = defaultdict(list)
    markets: dict[Key, int] = {}
    for key, market_id, dated in (*_fills(which), *_conversions(which)):
        told[key].append(dated)
        markets[key] = market_id
    unexplained: list[Difference] = []
    for paid in _payouts(which):
        key_of_it, difference = _of_payout(paid, told, markets)
        if difference is not None:
            unexplained.append(difference)
        else:
            told[key_of_it].append(facts.dated_payout(paid))
    return {key: _computed(markets[key], rows) for key, rows in told.items()}, unexplained


def _computed(market_id: int, rows: list[facts.Dated]) -> Computed:
    in_order = facts.in_order(rows)
    return Computed(market_id=market_id, held=holdings.fold(in_order), changed_at=in_order[-1].at)


def _fills(which: _FactsOf) -> Iterator[tuple[Key, int, facts.Dated]]:
    rows = facts.happened().filter(which.where("order__")).select_related("order")
    for fill in rows:
        order = fill.order
        yield (order.mode, order.wallet, order.outcome_id), order.market_id, facts.dated_fill(fill)


def _conversions(which: _FactsOf) -> Iterator[tuple[Key, int, facts.Dated]]:
    rows = list(Conversion.objects.filter(which.where()))
    outcomes = Outcome.objects.filter(market_id__in={row.market_id for row in rows})
    sides: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        sides[outcome.market_id].append(outcome)
    for row in rows:
        for outcome in sides[row.market_id]:
            dated = facts.dated_conversion(row, index=outcome.index)
            yield (row.mode, row.wallet, outcome.pk), row.market_id, dated


def _payouts(which: _FactsOf) -> Iterable[Redemption]:
    paid = Redemption.objects.filter(which.where(), status=Redemption.Status.PAID)
    return sorted(paid, key=lambda row: facts.dated_payout(row)[0])


def _of_payout(
    paid: Redemption, told: Mapping[Key, list[facts.Dated]], markets: Mapping[Key, int]
) -> tuple[Key, Difference | None]:
    """Whose shares a payout was for; a difference where nobody had them.

    Rows that are older than the column do not say: then it is the side that had them.
    """
    here = [
        key
        for key, market_id in markets.items()
        if (*key[:2], market_id) == (paid.mode, paid.wallet, paid.market_id)
        and paid.outcome_id in {None, key[2]}
    ]
    had = {key: holdings.fold(facts.in_order(told[key])).shares for key in here}
    exact = [key for key, shares in had.items() if shares == paid.shares]
    enough = exact or [key for key, shares in had.items() if shares > paid.shares]
    if exact or len(enough) == 1:
        return enough[0], None
    return ("", "", 0), Difference(
        mode=paid.mode,
        wallet=paid.wallet,
        outcome_id=paid.outcome_id or next((key[2] for key in here), 0),
        column="redeemed",
        stored=paid.shares,
        computed=max(had.values(), default=None),
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
    computed: Mapping[Key, Computed], booked: Mapping[MarketKey, Decimal]
) -> Iterator[Difference]:
    """Markets whose cost in the ledger is not that of the shares which their facts leave."""
    costs: dict[MarketKey, Decimal] = defaultdict(lambda: ZERO)
    outcomes: dict[MarketKey, int] = {}
    for (mode, wallet, outcome_id), position in computed.items():
        costs[mode, wallet, position.market_id] += position.held.booked
        outcomes.setdefault((mode, wallet, position.market_id), outcome_id)
    for key in sorted(costs.keys() | booked.keys()):
        ours, theirs = booked.get(key, ZERO), costs.get(key, ZERO)
        if ours != theirs:
            yield Difference(
                mode=key[0],
                wallet=key[1],
                outcome_id=outcomes.get(key, 0),
                column="booked for the market",
                stored=ours,
                computed=theirs,
            )


def _differences(
    computed: Mapping[Key, Computed], rows: Iterable[Position]
) -> Iterator[Difference]:
    stored = {(p.mode, p.wallet, p.outcome_id): p for p in rows}
    for key in sorted(stored.keys() | computed.keys()):
        mine, theirs = stored.get(key), computed.get(key)
        for column in COLUMNS:
            before = None if mine is None else _kept(mine, column)
            after = None if theirs is None else getattr(theirs.held, column)
            if (before or ZERO) != (after or ZERO):
                yield Difference(
                    mode=key[0],
                    wallet=key[1],
                    outcome_id=key[2],
                    column=column,
                    stored=before,
                    computed=after,
                )


def _kept(row: Position, column: str) -> Decimal:
    """A column as it counts: of a position without shares nothing is booked."""
    if column == "booked" and row.shares == ZERO:
        return ZERO
    value: Decimal = getattr(row, column)
    return value


def _write(computed: Mapping[Key, Computed], *, as_of: datetime) -> None:
    rows = {(p.mode, p.wallet, p.outcome_id): p for p in Position.objects.all()}
    paid_out = set(
        Redemption.objects.filter(status=Redemption.Status.PAID).values_list(
            "mode", "wallet", "market_id"
        )
    )
    for key, position in computed.items():
        mode, wallet, outcome_id = key
        stored = rows[key].shares if key in rows else ZERO
        if position.held.shares > stored and (mode, wallet, position.market_id) in paid_out:
            # Shares of a market that has paid out would be paid out once more.
            shares = str(position.held.shares)
            log.error("rebuild.refused", mode=mode, outcome_id=outcome_id, shares=shares)
            continue
        Position.objects.update_or_create(
            mode=mode,
            wallet=wallet,
            outcome_id=outcome_id,
            defaults={
                "market_id": position.market_id,
                "opened_at": position.held.opened_at or position.changed_at,
                "closed_at": position.held.closed_at,
                "changed_at": position.changed_at,
                **{column: getattr(position.held, column) for column in COLUMNS},
            },
        )
    for position_id in [row.pk for key, row in rows.items() if key not in computed]:
        # No fact ever opened it: it never was.
        Position.objects.filter(pk=position_id).update(
            **dict.fromkeys(COLUMNS, ZERO), closed_at=as_of
        )
