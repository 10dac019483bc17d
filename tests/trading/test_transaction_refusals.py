"""What a node's refusal means is its kind; its words are for people and decide nothing."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from config.kernel import audit
from tests.factories import NOW
from tests.support.local_chain import key
from trading.core.redemption import Call
from trading.core.transactions import Seen
from trading.models import ChainTransaction
from trading.redeeming.transactions import OwnSender
from trading.venue import NonceUsed, Rejected, Underpriced

pytestmark = pytest.mark.django_db
PATIENCE_IS_OVER = NOW + timedelta(seconds=61)


class Node:
    """A node that mines nothing and refuses as it is told."""

    def __init__(self) -> None:
        self.refusal: Rejected | None = None
        self.taken: list[str] = []

    def head(self) -> int:
        return 100

    def nonce(self) -> int:
        return 0

    def nonce_at(self, block: int) -> int:
        return 0

    def market_fees(self) -> tuple[int, int]:
        return 10**9, 10**9

    def gas(self, call: Call) -> int:
        return 50_000

    def send(self, raw: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.taken.append(raw)

    def seen(self, hashes: Sequence[str]) -> dict[str, Seen]:
        return {each: Seen() for each in hashes}


def started(refusal: Rejected) -> tuple[Node, OwnSender]:
    """A transaction that the node refuses from the beginning."""
    node, account = Node(), key(7)
    node.refusal = refusal
    sender = OwnSender(network=node, signer=account, mode="REHEARSAL", wallet=account.address)
    sender.start("one", Call(target=account.address, data="0x"), as_of=NOW)
    return node, sender


def statuses() -> list[str]:
    return list(ChainTransaction.objects.order_by("pk").values_list("status", flat=True))


def test_what_is_too_cheap_is_replaced_whatever_the_node_calls_it():
    node, sender = started(Underpriced("offer more"))
    assert not audit.alerts().exists()
    node.refusal = None

    sender.follow(as_of=PATIENCE_IS_OVER)

    assert statuses() == ["REPLACED", "SENT"]
    assert len(node.taken) == 1


def test_another_refusal_is_told_and_the_same_bytes_go_again_whatever_its_words():
    node, sender = started(Rejected("underpriced or not, nonce too low or not: no"))
    assert "refuses one" in audit.alerts().get().data
    assert (statuses(), sender.room(as_of=NOW)) == (["SIGNED"], 0)
    node.refusal = None

    sender.follow(as_of=PATIENCE_IS_OVER)

    assert statuses() == ["SENT"]
    assert ChainTransaction.objects.get().refusal == ""


def test_a_nonce_that_is_used_is_looked_up_not_told():
    started(NonceUsed("that number is gone"))

    assert statuses() == ["SENT"]
    assert not audit.alerts().exists()
