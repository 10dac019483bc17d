"""Many payouts: read in batches, sent as room allows, resumed wherever they were cut off."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from markets.models import Market, Outcome, Resolution
from tests import factories
from tests.factories import NOW, ahead
from trading.core import abi
from trading.core.redemption import POLYGON, Call, Condition
from trading.models import Position, Redemption
from trading.redeeming import redeem_guarded
from trading.redeeming.transactions import Progress, Standing
from trading.venue import Unsent

WALLET = "0x" + "7" * 40
MODE = "REHEARSAL"
ROOM = 4
WON = Decimal(1)
MANY = 12
A_READ = 5
"""Small numbers behave as a thousand do, which take a minute."""


@dataclass
class Crowd:
    """A chain and a sender in memory: every call is final at once; counts what it is asked."""

    wallet: str = WALLET
    asked: list[int] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)
    dies_after: int = 10**9

    def cash(self) -> Decimal:
        return Decimal(0)

    def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
        self.asked.append(len(token_ids))
        return dict.fromkeys(token_ids, Decimal(10))

    def payouts(self, conditions: Sequence[Condition]) -> dict[str, tuple[Decimal, Decimal]]:
        self.asked.append(len(conditions))
        return {c.condition_id: (Decimal(1), Decimal(0)) for c in conditions}

    def head(self) -> int:
        return 100

    def departures(self, *, first: int, last: int) -> list[abi.Log]:
        return []

    def logs(self, transaction_hash: str) -> tuple[abi.Log, ...]:
        topics = (abi.TRANSFER, "0x" + abi.ZERO_WORD, f"0x{abi.address(WALLET)}")
        data = "0x" + abi.uint(10_000_000)
        place = {"transaction_hash": transaction_hash, "block_number": 1}
        return (abi.Log(address=POLYGON.collateral, topics=topics, data=data, **place),)

    def room(self, *, as_of: datetime) -> int:
        return ROOM

    def start(self, purpose: str, call: Call, *, as_of: datetime) -> None:
        if len(self.calls) >= self.dies_after:
            raise KeyboardInterrupt
        assert purpose not in self.calls
        self.calls[purpose] = call

    def follow(self, *, as_of: datetime) -> None:
        """Everything is final at once."""

    def standing(self, purpose: str) -> Standing:
        if purpose not in self.calls:
            return Standing(progress=Progress.NOTHING)
        return Standing(progress=Progress.CONFIRMED, transaction_hash=f"0x{purpose[-20:]:0>64}")


def positions(count: int, *, payout_0: Decimal = WON) -> None:
    """Won positions, each of a market of its own."""
    event = factories.EventFactory()
    fees = factories.FeeScheduleFactory()
    rows = [
        factories.MarketFactory.build(
            event=event, fees=fees, condition_id=f"0x{n:064x}", outcomes=()
        )
        for n in range(1, count + 1)
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
            shares=Decimal(10),
            cost=Decimal(4),
            booked=Decimal(4),
            opened_at=NOW,
        )
        for outcome in outcomes
        if outcome.index == 0
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
def test_many_payouts_are_read_in_batches_and_resumed_after_a_crash(monkeypatch):
    monkeypatch.setattr(redeem_guarded, "MARKETS_A_READ", A_READ)
    positions(MANY)
    crowd = Crowd(dies_after=2)

    with pytest.raises(KeyboardInterrupt):
        redeem_guarded.run(MODE, WALLET, crowd, crowd, as_of=ahead(60))
    assert Redemption.objects.count() == 3
    crowd.dies_after = 10**9
    for turn in range(1, 5):
        redeem_guarded.run(MODE, WALLET, crowd, crowd, as_of=ahead(60) + timedelta(seconds=turn))

    assert len(crowd.calls) == MANY
    assert Redemption.objects.filter(status="PAID", payout=10).count() == MANY
    assert not Position.objects.filter(shares__gt=0).exists()
    # Whole batches, and a turn reads no more of them than it has room to send.
    assert max(crowd.asked) == A_READ
    assert len(crowd.asked) <= 12


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
            self.calls[f"{purpose}@{as_of}"] = call

    relayed = Relayed()
    for after in (0, 30, 59, 61):
        redeem_guarded.run(MODE, WALLET, relayed, relayed, as_of=ahead(60 + after))

    assert len(relayed.calls) == 2
