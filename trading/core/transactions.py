"""The life of a transaction of ours on a chain: nonces, fees, and what to do next.

A transaction is stored signed before it is sent. Sending the same bytes twice is harmless; two
different ones of one nonce are not, so only a replacement with higher fees may follow the first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

BUMP_PERCENT = 10
"""What a node asks of a replacement, on both fees; a smaller one is refused as underpriced."""

NEXT: Mapping[str, frozenset[str]] = {
    "SIGNED": frozenset({"SENT", "MINED", "REPLACED"}),
    "SENT": frozenset({"MINED", "REPLACED"}),
    # A block that is gone takes its transactions with it.
    "MINED": frozenset({"SENT", "CONFIRMED", "REVERTED"}),
    # The replaced one may be mined all the same.
    "REPLACED": frozenset({"MINED"}),
    "CONFIRMED": frozenset(),
    "REVERTED": frozenset(),
}
"""Status → statuses that may follow."""

ALIVE = ("SIGNED", "SENT", "MINED")
"""Statuses of a transaction that may still take effect."""


class FeeCapReached(ValueError):
    """A replacement would cost more than is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """EIP-1559 fees in wei a gas: at most `max_fee` in all, `priority_fee` of it for the block."""

    max_fee: int
    priority_fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the chain says of one transaction: mined in a block, waiting, or unknown."""

    known: bool = False
    block_number: int | None = None
    block_hash: str = ""
    succeeded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, and for how many blocks."""

    confirmations: int
    stuck_after: timedelta


class Step(StrEnum):
    """What to do with a transaction."""

    WAIT = "WAIT"
    SEND = "SEND"
    """Hand in the same bytes, for the first time or because the network forgot them."""
    REPLACE = "REPLACE"
    NOTE_MINED = "NOTE_MINED"
    NOTE_REORGANISED = "NOTE_REORGANISED"
    NOTE_CONFIRMED = "NOTE_CONFIRMED"
    NOTE_REVERTED = "NOTE_REVERTED"
    NOTE_SUPERSEDED = "NOTE_SUPERSEDED"
    """Its nonce was used up by a transaction that is none of ours."""


def fees_for(base_fee: int, priority_fee: int, *, cap: int) -> Fees:
    """Fees that survive a doubling of the base fee, never above the cap.

    >>> fees_for(30, 40, cap=1000)
    Fees(max_fee=100, priority_fee=40)
    """
    return Fees(max_fee=min(2 * base_fee + priority_fee, cap), priority_fee=min(priority_fee, cap))


def bumped(fee: int) -> int:
    """The smallest fee that a node takes in place of this one.

    >>> bumped(100), bumped(101), bumped(0)
    (110, 112, 1)
    """
    return max(-(-fee * (100 + BUMP_PERCENT) // 100), fee + 1)


def replacement(old: Fees, market: Fees, *, cap: int) -> Fees:
    """Fees of a replacement: at least a tenth more on both, and what the market asks now.

    Raises `FeeCapReached` where a tenth more is above the cap.
    """
    max_fee = max(bumped(old.max_fee), min(market.max_fee, cap))
    if max_fee > cap:
        raise FeeCapReached(
            f"a replacement needs {max_fee} wei a gas and the cap is {cap}; raise it in the chain "
            "settings, or wait until the network is cheaper"
        )
    priority = max(bumped(old.priority_fee), min(market.priority_fee, cap))
    return Fees(max_fee=max_fee, priority_fee=min(priority, max_fee))


def next_nonce(pending: int, own: Iterable[int]) -> int:
    """The first nonce that neither the network nor any transaction of ours has taken.

    >>> next_nonce(3, [4, 5]), next_nonce(7, [4])
    (6, 7)
    """
    return max(pending, max(own, default=-1) + 1)


def next_step(
    status: str,
    seen: Seen,
    *,
    age: timedelta,
    head: int,
    settled_nonce: bool,
    patience: Patience,
    underpriced: bool = False,
) -> Step:
    """What to do with an alive transaction that was signed or handed in `age` ago.

    `head` is the newest block; `settled_nonce` whether the nonce is used up for good;
    `underpriced` whether the node refused it for its fees.
    """
    if seen.block_number is not None:
        if head - seen.block_number + 1 < patience.confirmations:
            return Step.NOTE_MINED
        return Step.NOTE_CONFIRMED if seen.succeeded else Step.NOTE_REVERTED
    if status == "MINED":
        return Step.NOTE_REORGANISED
    if settled_nonce:
        return Step.NOTE_SUPERSEDED
    waiting = seen.known or underpriced
    if waiting and age >= patience.stuck_after:
        return Step.REPLACE
    return Step.WAIT if status != "SIGNED" and seen.known else Step.SEND
