"""The few Ethereum encodings that redemption needs: words, calls, logs.

Everything is hex text with 0x; amounts are integers of the contract's own unit (1e-6 for
collateral and shares). Layout and selectors: the Solidity ABI specification.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WORD = 64
"""Hex digits of 32 bytes."""
ZERO_WORD = "0" * WORD

# keccak of the signature in the comment, first four bytes; a test computes them again.
BALANCE_OF = "0x70a08231"  # balanceOf(address)
BALANCE_OF_BATCH = "0x4e1273f4"  # balanceOfBatch(address[],uint256[])
PAYOUT_DENOMINATOR = "0xdd34de67"  # payoutDenominator(bytes32)
PAYOUT_NUMERATORS = "0x0504c814"  # payoutNumerators(bytes32,uint256)
REDEEM_POSITIONS = "0x01b7037c"  # redeemPositions(address,bytes32,bytes32,uint256[])
ROUTER_REDEEM = "0xd217a3cc"  # redeem(bytes31,uint256,uint256)
GET_PAYOUT = "0x4c619e4c"  # getPayout(uint256,uint256)

# keccak of the event's signature.
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
TRANSFER_SINGLE = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
TRANSFER_BATCH = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
PAYOUT_REDEMPTIONS = frozenset(
    {
        # PayoutRedemption of the tokens contract, and of the adapter of exclusive markets.
        "0x2682012a4a4f1973119f1c9b90745d1bd91fa2bab387344f044cb3586864d18d",
        "0x9140a6a270ef945260c03894b3c6b3b2695e9d5101feef0ff24fec960cfd3224",
    }
)


class NotEncodable(ValueError):
    """The value has no place in such a word; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One event of a transaction."""

    address: str
    topics: tuple[str, ...]
    data: str
    transaction_hash: str
    block_number: int


def uint(value: int) -> str:
    """A number as a word.

    >>> uint(255)[-4:]
    '00ff'
    """
    if not 0 <= value < 1 << 256:
        raise NotEncodable(f"{value} is no uint256")
    return f"{value:0{WORD}x}"


def address(value: str) -> str:
    """An address as a word, right-aligned."""
    digits = _digits(value, 40)
    return digits.rjust(WORD, "0")


def fixed(value: str, *, size: int) -> str:
    """`size` bytes as a word, left-aligned."""
    return _digits(value, size * 2).ljust(WORD, "0")


def uints(values: Sequence[int]) -> str:
    """The tail of a dynamic array: its length, then its words."""
    return uint(len(values)) + "".join(map(uint, values))


def words(data: str) -> list[int]:
    """The words of a return value or of a log's data as numbers; an odd rest is refused."""
    digits = data.removeprefix("0x")
    if len(digits) % WORD:
        raise NotEncodable(f"{len(digits)} hex digits are no whole words")
    return [int(digits[at : at + WORD], 16) for at in range(0, len(digits), WORD)]


def array(data: str) -> list[int]:
    """A return value that is one dynamic array of numbers; a shorter one than it says is refused.

    >>> array("0x" + uint(32) + uints([7, 8]))
    [7, 8]
    """
    found = words(data)
    if len(found) < 2 or found[0] != WORD // 2 or len(found) < 2 + found[1]:
        raise NotEncodable(f"{data[:74]}… is no array")
    return found[2 : 2 + found[1]]


def balances_call(wallet: str, token_ids: Sequence[str]) -> str:
    """Ask an ERC-1155 contract for one wallet's balances of many tokens."""
    owners = uint(len(token_ids)) + address(wallet) * len(token_ids)
    head = uint(64) + uint(64 + len(owners) // 2)
    return BALANCE_OF_BATCH + head + owners + uints([int(token) for token in token_ids])


def received(logs: Iterable[Log], *, token: str, wallet: str) -> int:
    """What the ERC-20 `token` moved to the wallet minus what it moved away from it."""
    total, word = 0, address(wallet)
    for log in logs:
        if log.address.lower() != token.lower() or len(log.topics) != 3:
            continue
        if log.topics[0] != TRANSFER:
            continue
        amount = int(log.data, 16)
        total += amount * (_same(log.topics[2], word) - _same(log.topics[1], word))
    return total


def departed(logs: Iterable[Log], *, wallet: str) -> dict[str, int]:
    """Shares that left the wallet, by token id, of any ERC-1155 contract in these logs."""
    gone: dict[str, int] = {}
    for log in logs:
        if len(log.topics) != 4 or not _same(log.topics[2], address(wallet)):
            continue
        for token, amount in _moved(log):
            gone[str(token)] = gone.get(str(token), 0) + amount
    return gone


def pays_out(logs: Iterable[Log], *, wallet: str) -> bool:
    """Whether these events are a redemption: a payout, or shares of the wallet that were burnt.

    A trade that merges complementary orders burns shares too, but the exchange's, not a wallet's.
    """
    burnt = (address(wallet), ZERO_WORD)
    for log in logs:
        if log.topics and log.topics[0] in PAYOUT_REDEMPTIONS:
            return True
        ends = tuple(topic.removeprefix("0x").lower() for topic in log.topics[2:])
        if log.topics and log.topics[0] in (TRANSFER_SINGLE, TRANSFER_BATCH) and ends == burnt:
            return True
    return False


def _moved(log: Log) -> list[tuple[int, int]]:
    """Token and amount of each movement that one ERC-1155 event tells."""
    said = words(log.data)
    if log.topics[0] == TRANSFER_SINGLE:
        return [(said[0], said[1])]
    if log.topics[0] != TRANSFER_BATCH:
        return []
    ids, values = (_array_at(said, offset) for offset in said[:2])
    return list(zip(ids, values, strict=True))


def _array_at(said: Sequence[int], offset: int) -> Sequence[int]:
    start = offset // 32
    return said[start + 1 : start + 1 + said[start]]


def _same(topic: str, word: str) -> bool:
    return topic.removeprefix("0x").lower() == word


def _digits(value: str, length: int) -> str:
    digits = value.removeprefix("0x").lower()
    if len(digits) != length or any(d not in "0123456789abcdef" for d in digits):
        raise NotEncodable(f"{value} is not {length // 2} bytes of hex")
    return digits
