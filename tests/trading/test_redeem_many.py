"""Many payouts: read in batches, sent as room allows, resumed wherever they were cut off."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets.models import Market, Outcome, Resolution
from tests import factories
from tests.factories import NOW, ahead
from trading.books import ledger
from trading.core import abi
from trading.core.redemption import POLYGON, Call, Condition
from trading.models import Account, Position, Redemption
from trading.redeeming import redeem_guarded
from trading.redeeming.transactions import Progress, Standing
from trading.venue import Unsent

WALLET = "0x" + "7" * 40
MODE = "REHEARSAL"
ROOM = 100
"""As many as the settings let wait at once."""
WON = Decimal(1)
EACH = 10
"""Shares of a position, so the dollars that it pays."""
MANY = {"sqlite": 1000, "postgresql": 400}
"""Positions; the second database shows in fewer that it does the same."""
LEAST, MOST = 5, 50
"""Markets in a small and in a full batch."""
QUERIES_A_PAYOUT = 30
"""To book one: its proof, its row, two transfers, its claim, its event, and the locks of each."""


class Killed(BaseException):
    """The process dies here: nobody handles it."""


@dataclass
class Crowd:
    """A chain and a sender in memory: every call is final at once; counts what it is asked.

    What is redeemed is gone: the shares are burned, and a second call for them would pay nothing.
    """

    wallet: str = WALLET
    asked: list[int] = field(default_factory=list)
    calls: dict[str, str] = field(default_factory=dict)
    dies_after_calls: int = 10**9
    dies_after_logs: int = 10**9
    forgets_the_last: bool = False
    _condition_of: dict[str, str] = field(default_factory=dict)
    _logs_read: int = 0

    def cash(self) -> Decimal:
        return Decimal(0)

    def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
        self.asked.append(len(token_ids))
        burned = set(self.calls.values())
        return {t: Decimal(0 if self._condition_of.get(t) in burned else EACH) for t in token_ids}

    def payouts(self, conditions: Sequence[Condition]) -> dict[str, tuple[Decimal, Decimal]]:
        self.asked.append(len(conditions))
        for condition in conditions:
            word = abi.fixed(condition.condition_id, size=32)
            self._condition_of |= dict.fromkeys(condition.token_ids, word)
        return {c.condition_id: (Decimal(1), Decimal(0)) for c in conditions}

    def head(self) -> int:
        return 100

    def departures(self, *, first: int, last: int) -> list[abi.Log]:
        return []

    def logs(self, transaction_hash: str) -> tuple[abi.Log, ...]:
        self._logs_read += 1
        if self._logs_read > self.dies_after_logs:
            raise Killed
        topics = (abi.TRANSFER, "0x" + abi.ZERO_WORD, f"0x{abi.address(WALLET)}")
        data = "0x" + abi.uint(EACH * 1_000_000)
        place = {"transaction_hash": transaction_hash, "block_number": 1}
        return (abi.Log(address=POLYGON.collateral, topics=topics, data=data, **place),)

    def room(self, *, as_of: datetime) -> int:
        return ROOM

    def start(self, purpose: str, call: Call, *, as_of: datetime) -> None:
        if len(self.calls) >= self.dies_after_calls and self.forgets_the_last:
            raise Killed
        condition = call.data.removeprefix(abi.REDEEM_POSITIONS)[2 * abi.WORD : 3 * abi.WORD]
        assert purpose not in self.calls
        assert condition not in self.calls.values()
        self.calls[purpose] = condition
        if len(self.calls) >= self.dies_after_calls:
            raise Killed

    def follow(self, *, as_of: datetime) -> None:
        """Everything is final at once."""

    def standing(self, purpose: str) -> Standing:
        if purpose not in self.calls:
            return Standing(progress=Progress.NOTHING)
        return Standing(progress=Progress.CONFIRMED, transaction_hash=f"0x{purpose[-20:]:0>64}")


def positions(count: int, *, first: int = 1, payout_0: Decimal = WON) -> None:
    """Won positions, each of a market of its own."""
    event = factories.EventFactory()
    fees = factories.FeeScheduleFactory()
    rows = [
        factories.MarketFactory.build(
            event=event, fees=fees, condition_id=f"0x{n:064x}", outcomes=()
        )
        for n in range(first, first + count)
    ]
    made = Market.objects.bulk_create(rows)
    outcomes = Outcome.objects.bulk_create(
        Outcome(market=m, index=i, name=str(i), asset_id=f"{m.pk}{i}") for m in made for i in (0, 1)
    )
    Resolution.objects.bulk_create(
        factories.ResolutionFactory.build(market=market, resolved_at=NOW, payout_0=payout_0)
        for market in made
    )
    Position.objects.bulk_create(
        Position(
            mode=MODE,
            wallet=WALLET,
            market=outcome.market,
            outcome=outcome,
            shares=Decimal(EACH),
            cost=Decimal(4),
            booked=Decimal(4),
            opened_at=NOW,
        )
        for outcome in outcomes
        if outcome.index == 0
    )


def a_turn(crowd: Crowd, number: int) -> None:
    redeem_guarded.run(MODE, WALLET, crowd, crowd, as_of=ahead(60) + timedelta(seconds=number))


def killed(crowd: Crowd, turns: range, **when: object) -> None:
    """Go on until the process dies at the moment that `when` names."""
    spared = {name: getattr(crowd, name) for name in when}
    for name, value in when.items():
        setattr(crowd, name, value)

    def go_on() -> None:
        for number in turns:
            a_turn(crowd, number)

    with pytest.raises(Killed):
        go_on()
    for name, value in spared.items():
        setattr(crowd, name, value)


@pytest.mark.timeout(120)
@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
def test_a_thousand_payouts_survive_being_killed_and_none_is_paid_twice_or_forgotten():
    many = MANY[connection.vendor]
    positions(many)
    crowd = Crowd()

    killed(crowd, range(5), dies_after_calls=130)
    killed(crowd, range(5, 10), dies_after_calls=333, forgets_the_last=True)
    killed(crowd, range(10, 15), dies_after_logs=crowd._logs_read + 57)
    for number in range(15, 27):
        a_turn(crowd, number)

    assert len(crowd.calls) == many
    paid = Redemption.objects.filter(status="PAID", payout=EACH)
    assert paid.count() == Redemption.objects.count() == many
    assert len(set(paid.values_list("transaction_hash", flat=True))) == many
    assert not Position.objects.filter(shares__gt=0).exists()
    assert ledger.summed(mode=MODE, wallet=WALLET)[Account.CASH] == many * EACH
    # Whole batches, and a turn reads no more of them than it has room to send.
    assert max(crowd.asked) == MOST
    assert len(crowd.asked) <= 2 * (many // MOST + 4)


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
def test_a_full_batch_is_read_and_noted_with_as_many_queries_as_a_small_one():
    def cost(count: int) -> tuple[int, int]:
        """Queries of the turn that sends so many payouts, and of the one that books them."""
        positions(count, first=1 + Market.objects.count())
        crowd = Crowd()
        spent = []
        for number in (2 * count, 2 * count + 1):
            with CaptureQueriesContext(connection) as seen:
                a_turn(crowd, number)
            spent.append(len(seen))
        assert len(crowd.calls) == count
        return spent[0], spent[1]

    (small, few), (full, many) = cost(LEAST), cost(MOST)

    assert full == small
    assert (many - few) / (MOST - LEAST) <= QUERIES_A_PAYOUT


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
def test_a_silent_chain_stops_the_turn_and_changes_nothing():
    positions(1)

    class Silent(Crowd):
        def payouts(self, conditions: Sequence[Condition]) -> dict[str, tuple[Decimal, Decimal]]:
            raise Unsent("no answer")

    with pytest.raises(Unsent):
        redeem_guarded.run(MODE, WALLET, Silent(), Silent(), as_of=ahead(60))

    assert not Redemption.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
def test_what_somebody_else_carries_out_is_sent_again_only_after_a_while():
    """A relayer keeps no record that we could trust: the shares on the chain decide."""
    positions(1)

    class Relayed(Crowd):
        def standing(self, purpose: str) -> Standing:
            return Standing(progress=Progress.UNTOLD)

        def start(self, purpose: str, call: Call, *, as_of: datetime) -> None:
            self.calls[f"{purpose}@{as_of}"] = ""

    relayed = Relayed()
    for after in (0, 30, 59, 61):
        redeem_guarded.run(MODE, WALLET, relayed, relayed, as_of=ahead(60 + after))

    assert len(relayed.calls) == 2
