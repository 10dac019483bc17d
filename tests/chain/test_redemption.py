"""Payouts of a wallet on a real chain: sent once, booked when the money is there."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from config.kernel import audit
from tests import factories
from tests.chain.world import LATER, MODE, SIGNER, WALLET, World, a_world, shares_held
from tests.support import invariants
from tests.support.local_chain import DOLLAR, LocalChain
from trading.adapters.signer import Signer
from trading.core.redemption import POLYGON
from trading.models import ChainTransaction, Claim, Position, Redemption
from trading.redeeming import redeem, redeem_guarded, transactions
from trading.redeeming.senders import sender_of
from trading.venue import OutcomeUnknown

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(chain: LocalChain) -> Iterator[World]:
    yield a_world(chain)
    invariants.check_everything()


def redemption() -> Redemption:
    return Redemption.objects.get()


@pytest.mark.parametrize("kind", ["standard", "neg_risk", "v2"])
def test_a_winner_becomes_cash_over_every_path(world, kind):
    market = world.market(neg_risk=kind == "neg_risk", v2=kind == "v2")
    world.bought(market)
    world.resolved(market)

    world.turns()

    assert world.cash() == 1000 - 40 + 100
    assert world.chain.dollars(WALLET) == 1100 * DOLLAR
    assert redemption().status == "PAID"
    assert redemption().transaction_hash == ChainTransaction.objects.get().transaction_hash
    assert Position.objects.get().realised == 60
    assert Claim.objects.get().released_at == LATER


def test_nothing_is_booked_before_the_transaction_is_final(world):
    market = world.market()
    world.bought(market)
    world.resolved(market)

    world.turn()
    world.chain.mine(1)
    world.turn()

    assert world.chain.dollars(WALLET) == 1100 * DOLLAR
    assert redemption().status == "SENT"
    assert world.cash() == 960


@pytest.mark.parametrize("kind", ["standard", "v2"])
def test_half_a_dollar_each_for_whoever_holds_both(world, kind):
    market = world.market(v2=kind == "v2")
    world.bought(market, both=True)
    world.resolved(market, (1, 1))

    world.turns(6)

    assert world.cash() == 1000 - 80 + 100
    assert [row.payout for row in Redemption.objects.all()] == [50, 50]
    assert ChainTransaction.objects.count() == (2 if kind == "v2" else 1)
    assert shares_held() == [0, 0]


def test_a_loser_is_closed_without_a_transaction(world):
    market = world.market()
    world.bought(market, index=1)
    world.resolved(market)

    world.turn()

    assert ChainTransaction.objects.count() == 0
    assert (redemption().status, redemption().payout) == ("PAID", 0)
    assert Position.objects.get().realised == -40


def test_a_market_that_the_chain_has_not_resolved_waits(world):
    market = world.market()
    world.bought(market)
    factories.ResolutionFactory(market=market, resolved_at=LATER)

    assert world.turn().waiting == 1
    assert not Redemption.objects.exists()


def test_a_result_that_the_chain_contradicts_sends_nothing_and_tells(world):
    market = world.market()
    world.bought(market)
    world.resolved(market, (0, 1), told=Decimal(1))

    world.turn()

    assert ChainTransaction.objects.count() == 0
    assert shares_held() == [100]
    assert "nothing is sent until a person has looked" in audit.alerts().get().data


@pytest.mark.parametrize("path", ["CollateralAdapter", "Router"])
def test_redeem_without_balance_delta_stays_pending(world, path):
    """The adapter takes the call and moves nothing, as one of the venue's once did."""
    market = world.market(v2=path == "Router")
    world.bought(market)
    world.resolved(market)
    hollow = POLYGON.router if path == "Router" else POLYGON.collateral_adapter
    code = world.chain.ask("eth_getCode", hollow, "latest")
    world.chain.hollow(hollow)

    for number in range(3):
        world.turns(2, at=LATER + timedelta(hours=number))

    assert redemption().status == "PENDING"
    assert redemption().attempts == 3
    assert "paid nothing" in redemption().reason
    assert world.cash() == 960
    assert shares_held() == [100]
    assert "paid nothing" in audit.alerts().get().data

    world.chain.ask("anvil_setCode", hollow, code)
    world.turns(at=LATER + timedelta(hours=9))
    assert world.cash() == 1060
    assert redemption().status == "PAID"


def test_vain_attempts_come_ever_more_rarely(world):
    market = world.market()
    world.bought(market)
    world.resolved(market)
    world.chain.hollow(POLYGON.collateral_adapter)
    world.turns(2)
    assert redemption().next_attempt_at == LATER + timedelta(seconds=60)

    world.turn(at=LATER + timedelta(seconds=59))
    assert redemption().status == "PENDING"
    assert ChainTransaction.objects.count() == 1

    world.turns(2, at=LATER + timedelta(seconds=60))
    assert redemption().next_attempt_at == LATER + timedelta(seconds=60 + 120)


def test_venue_auto_redeem_is_booked_once(world):
    market, other = world.market(), world.market()
    for each in (market, other):
        world.bought(each)
        world.resolved(each)
        world.chain.redeemed_by_the_venue(WALLET, world.numbers[each.pk][1])
    world.chain.mine(3)

    world.turns(3)

    assert ChainTransaction.objects.count() == 0
    assert world.cash() == 1000 - 80 + 200
    assert [row.payout for row in Redemption.objects.all()] == [100, 100]
    assert {row.reason for row in Redemption.objects.all()} == {"redeemed by the venue"}
    assert not audit.alerts().exists()


def test_shares_that_left_without_a_payout_are_no_payout(world):
    """Sold by hand, or stolen: the books keep them until somebody explains it."""
    market = world.market()
    world.bought(market)
    world.resolved(market)
    token = world.numbers[market.pk][1].token_ids[0]
    world.chain.give(WALLET, world.chain.accounts[6], token, 100 * DOLLAR)
    world.chain.mine(3)

    for number in range(3):
        world.turn(at=LATER + timedelta(hours=number))

    assert shares_held() == [100]
    assert redemption().status == "PENDING"
    assert "no payout that took them" in audit.alerts().get().data


def test_an_unbooked_payout_is_booked_once_when_its_fill_arrives(world):
    """The chain redeemed more than the books knew; the late fill finds its money."""
    market = world.market()
    world.bought(market, shares=100)
    world.bought(market, shares=10)
    late = Position.objects.get()
    world.resolved(market)
    Position.objects.filter(pk=late.pk).update(shares=100, cost=40, booked=40)

    world.turns()
    assert redemption().payout == 100
    # The fill of ten is told only now.
    Position.objects.filter(pk=late.pk).update(shares=10, cost=4, booked=4)
    world.turns(at=LATER + timedelta(minutes=1))

    assert [row.payout for row in Redemption.objects.order_by("pk")] == [100, 10]
    assert len({row.transaction_hash for row in Redemption.objects.all()}) == 1


def test_shares_that_have_not_settled_are_waited_for(world):
    market = world.market()
    world.bought(market, shares=60)
    world.booked(market, shares=Decimal(40))
    world.resolved(market)

    world.turn()
    assert ChainTransaction.objects.count() == 0
    assert "60.000000 of 100.000000" in redemption().reason

    world.on_chain(market, 40)
    world.turns(at=LATER + timedelta(minutes=2))
    assert world.cash() == 1060


def test_shares_that_never_settle_do_not_hold_up_the_others(world):
    market = world.market()
    world.bought(market, shares=60)
    world.booked(market, shares=Decimal(40))
    world.resolved(market)

    for number in range(4):
        world.turns(2, at=LATER + timedelta(hours=number))

    assert world.cash() == 1020
    assert shares_held() == [40]
    assert "60.000000 of 100.000000" in audit.alerts().get().data


@pytest.mark.parametrize("state", ["LISTEN_ONLY", "REDUCING", "HALTED"])
def test_redeem_runs_in_each_halt_grade(world, state):
    factories.HaltFactory(state=state)
    market = world.market()
    world.bought(market)
    world.resolved(market)

    world.turns()

    assert world.cash() == 1060


CUT_OFF = [
    (redeem, "note_sent", True),
    (transactions.OwnSender, "start", False),
    (transactions.OwnSender, "start", True),
    (transactions.OwnSender, "_hand_in", False),
    (redeem, "pay", False),
    (redeem, "pay", True),
]


@pytest.mark.parametrize(("owner", "name", "after"), CUT_OFF)
def test_a_turn_may_be_cut_off_anywhere(world, monkeypatch, owner, name, after):
    market = world.market()
    world.bought(market)
    world.resolved(market)
    whole = getattr(owner, name)

    def cut(*arguments, **options):
        if after:
            whole(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, cut)
        with pytest.raises(KeyboardInterrupt):
            world.turns()
    world.chain.mine(3)
    world.turns()

    assert world.cash() == 1060
    assert world.chain.dollars(WALLET) == 1100 * DOLLAR
    assert redemption().status == "PAID"
    assert ChainTransaction.objects.count() == 1


def test_a_node_that_is_silent_while_we_hand_in_costs_nothing(world, monkeypatch):
    market = world.market()
    world.bought(market)
    world.resolved(market)

    def silent(raw: str) -> None:
        raise OutcomeUnknown("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(world.reader, "send", silent)
        world.turn()
    world.turns()

    assert world.cash() == 1060


def test_only_as_many_are_sent_as_may_wait_at_once(chain):
    world = a_world(chain, in_flight=2)
    markets = [world.market() for _ in range(3)]
    for market in markets:
        world.bought(market)
        world.resolved(market)
    chain.hold_blocks()

    assert world.turn().sent == 2
    assert world.turn().sent == 0

    chain.mine(3)
    assert world.turn().sent == 1
    chain.mine(3)
    world.turn()
    assert world.cash() == 1000 - 3 * 40 + 300


def test_what_a_venue_paid_is_booked_once_on_request(world):
    """Reconciliation asks for it, with proof of its own."""
    market = world.market()
    world.bought(market)
    position = Position.objects.get()

    assert redeem.by_venue(position, payout=Decimal(100), as_of=LATER)
    position.refresh_from_db()
    assert not redeem.by_venue(position, payout=Decimal(100), as_of=LATER)

    assert world.cash() == 1060
    assert redeem_guarded.run(MODE, WALLET, world.reader, world.sender, as_of=LATER).sent == 0


def test_a_wallet_that_only_the_venue_moves_is_booked_when_it_did(world):
    """A deposit wallet: its key signs orders, the chain takes nothing from it."""
    deposit = Signer((7).to_bytes(32, "big"))
    world.sender = sender_of(world.reader, deposit, mode=MODE)
    market = world.market()
    world.bought(market)
    world.resolved(market)

    world.turn()
    assert "approve its auto-redeemer" in redemption().reason
    assert ChainTransaction.objects.count() == 0

    world.chain.redeemed_by_the_venue(WALLET, world.numbers[market.pk][1])
    world.chain.mine(3)
    world.turn(at=LATER + timedelta(minutes=2))
    assert world.cash() == 1060


def test_a_wallet_that_is_its_own_key_sends_for_itself(world):
    sender = sender_of(world.reader, SIGNER, mode=MODE)

    assert sender == world.sender
