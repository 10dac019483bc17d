"""Transactions on a chain that forgets, replaces and reorganises."""

from datetime import timedelta

import pytest

from config.kernel import audit
from config.kernel.models import DomainEvent
from tests.factories import NOW
from tests.support.local_chain import RICH, LocalChain, key
from trading.adapters.chain import Chain, connect
from trading.core.redemption import POLYGON, Call
from trading.core.transactions import bumped
from trading.core.transactions_wire import hash_of
from trading.models import ChainTransaction
from trading.redeeming.transactions import OwnSender, Progress
from trading.settings import ChainSettings
from trading.venue import OutcomeUnknown, Rejected

pytestmark = pytest.mark.django_db
ACCOUNT = key(7)
WALLET = ACCOUNT.address
APPROVE = Call(
    target=POLYGON.collateral, data=f"0x095ea7b3{POLYGON.router[2:].lower():0>64}{1:064x}"
)
STUCK = timedelta(seconds=61)


@pytest.fixture
def sender(chain: LocalChain) -> OwnSender:
    ChainSettings.objects.create(
        version=1, reason="short", created_at=NOW - timedelta(1), confirmations=3
    )
    reader = connect(chain.url, wallet=WALLET)
    return OwnSender(network=reader, signer=ACCOUNT, mode="REHEARSAL", wallet=WALLET)


def rows() -> list[ChainTransaction]:
    return list(ChainTransaction.objects.order_by("pk"))


def statuses() -> list[str]:
    return [row.status for row in rows()]


def standing(sender: OwnSender, purpose: str = "one") -> Progress:
    return sender.standing(purpose).progress


def test_a_transaction_counts_after_as_many_blocks_as_set(chain, sender):
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)
    chain.mine(1)
    sender.follow(as_of=NOW)
    assert statuses() == ["MINED"]

    chain.mine(2)
    sender.follow(as_of=NOW)

    assert statuses() == ["CONFIRMED"]
    assert standing(sender) is Progress.CONFIRMED


def test_what_is_under_way_is_not_started_again(chain, sender):
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)
    sender.start("one", APPROVE, as_of=NOW)
    sender.start("two", APPROVE, as_of=NOW)

    assert [(row.purpose, row.nonce - rows()[0].nonce) for row in rows()] == [
        ("one", 0),
        ("two", 1),
    ]


def test_a_nonce_is_ours_before_the_network_heard_of_it(chain, sender):
    """The node forgot what waits, the rows did not."""
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)
    chain.drop(rows()[0].transaction_hash)

    sender.start("two", APPROVE, as_of=NOW)

    first, second = rows()
    assert second.nonce == first.nonce + 1


def test_a_dropped_transaction_is_handed_in_again_with_the_same_bytes(chain, sender):
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)
    chain.drop(rows()[0].transaction_hash)

    sender.follow(as_of=NOW)
    chain.mine(3)
    sender.follow(as_of=NOW)

    assert statuses() == ["CONFIRMED"]


def test_a_stuck_transaction_is_replaced_for_a_tenth_more(chain, sender):
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)

    sender.follow(as_of=NOW + STUCK)
    old, new = rows()
    assert (old.status, new.status, old.nonce) == ("REPLACED", "SENT", new.nonce)
    assert new.max_fee >= bumped(old.max_fee)
    assert new.priority_fee >= bumped(old.priority_fee)

    chain.mine(3)
    sender.follow(as_of=NOW + STUCK)
    assert statuses() == ["REPLACED", "CONFIRMED"]


def test_the_replaced_one_may_be_mined_all_the_same(chain, sender):
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)
    first = rows()[0]
    chain.drop(first.transaction_hash)
    # The network that took the first one back never sees the second.
    sender.network.send(first.raw)
    deaf = OwnSender(
        network=Deaf(sender.network), signer=sender.signer, mode=sender.mode, wallet=WALLET
    )
    deaf.follow(as_of=NOW + STUCK)
    assert statuses() == ["REPLACED", "SENT"]

    chain.mine(3)
    sender.follow(as_of=NOW + STUCK)

    assert statuses() == ["CONFIRMED", "REPLACED"]
    assert sender.standing("one").transaction_hash == first.transaction_hash


class Deaf(Chain):
    """A node that answers reads and loses what is handed in."""

    def __init__(self, chain: Chain) -> None:
        self.__dict__ |= chain.__dict__

    def send(self, raw: str) -> None:
        raise OutcomeUnknown("no answer")


def test_a_reorganisation_before_confirmation_sends_the_bytes_again(chain, sender):
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)
    chain.mine(1)
    sender.follow(as_of=NOW)
    chain.reorganise(1)
    chain.drop(rows()[0].transaction_hash)

    sender.follow(as_of=NOW)
    assert statuses() == ["SENT"]
    assert rows()[0].block_number is None
    assert DomainEvent.objects.filter(kind="transaction.reorganised").exists()

    chain.mine(3)
    sender.follow(as_of=NOW)
    assert statuses() == ["CONFIRMED"]


def test_a_crash_after_signing_leaves_bytes_that_are_sent_later(chain, sender):
    deaf = OwnSender(
        network=Crashing(sender.network), signer=sender.signer, mode=sender.mode, wallet=WALLET
    )
    with pytest.raises(KeyboardInterrupt):
        deaf.start("one", APPROVE, as_of=NOW)
    assert statuses() == ["SIGNED"]

    sender.start("one", APPROVE, as_of=NOW)
    sender.follow(as_of=NOW)
    chain.mine(3)
    sender.follow(as_of=NOW)

    assert statuses() == ["CONFIRMED"]


class Crashing(Deaf):
    """The process dies while it hands in."""

    def send(self, raw: str) -> None:
        raise KeyboardInterrupt


def test_a_call_that_would_fail_is_never_signed(chain, sender):
    transfer = Call(target=POLYGON.collateral, data=f"0xa9059cbb{'1' * 40:0>64}{1:064x}")

    with pytest.raises(Rejected, match="balance too small"):
        sender.start("one", transfer, as_of=NOW)

    assert rows() == []


def test_a_call_that_fails_on_the_chain_is_final_after_its_confirmations(chain, sender):
    chain.pay(WALLET, 1)
    transfer = Call(target=POLYGON.collateral, data=f"0xa9059cbb{'1' * 40:0>64}{10**6:064x}")
    chain.hold_blocks()
    sender.start("one", transfer, as_of=NOW)
    chain.ask("anvil_setStorageAt", POLYGON.collateral, slot_of(WALLET), f"0x{0:064x}")
    chain.mine(3)

    sender.follow(as_of=NOW)

    assert statuses() == ["REVERTED"]
    assert "reverted in block" in rows()[0].reason
    assert standing(sender) is Progress.REVERTED


def slot_of(wallet: str) -> str:
    from trading.core.signing import keccak

    return "0x" + keccak(bytes(12) + bytes.fromhex(wallet[2:]) + bytes(32)).hex()


def test_a_nonce_that_somebody_else_used_ends_the_transaction(chain, sender):
    chain.hold_blocks()
    sender.start("one", APPROVE, as_of=NOW)
    row = rows()[0]
    chain.drop(row.transaction_hash)
    with chain.acting_as(WALLET):
        chain.ask("eth_sendTransaction", {"from": WALLET, "to": WALLET, "nonce": hex(row.nonce)})
    chain.mine(5)

    sender.follow(as_of=NOW)

    assert statuses() == ["REPLACED"]
    assert standing(sender) is Progress.NOTHING
    assert "none of ours" in audit.alerts().get().data


def test_a_wallet_without_gas_says_so_and_starts_no_more(chain, sender):
    chain.ask("anvil_setBalance", WALLET, hex(10**9))
    sender.network.gas = lambda call: 50_000

    sender.start("one", APPROVE, as_of=NOW)

    assert statuses() == ["SIGNED"]
    assert "nsufficient funds" in rows()[0].reason
    assert sender.room(as_of=NOW) == 0

    chain.ask("anvil_setBalance", WALLET, hex(RICH))
    sender.follow(as_of=NOW)
    assert statuses() == ["SENT"]


def test_no_more_than_the_set_number_waits_at_once(chain, sender):
    chain.hold_blocks()
    for number in range(3):
        sender.start(str(number), APPROVE, as_of=NOW)

    assert sender.room(as_of=NOW) == 7
    assert hash_of(bytes.fromhex(rows()[0].raw[2:])) == rows()[0].transaction_hash
