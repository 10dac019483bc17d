"""How the chain names conditions and positions, recomputed: a token id is not taken on trust.

The Conditional Tokens contract maps (condition, index set) to a point of the curve alt_bn128 and
hashes it with the collateral; the newer ledger writes module and outcome into the id itself.
"""

from collections.abc import Sequence
from typing import Final

from trading.core.signing import address_bytes, is_v2_position, keccak, word

USDC_E: Final = "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"
WRAPPED_COLLATERAL: Final = "0x3A3BD7bb9528E159577F7C2e685CC81A765002E2"
FIELD: Final = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_ODD_Y: Final = 1 << 254
MODULES: Final = {1: "binary", 2: "neg-risk", 3: "combination"}


def condition_id(oracle: str, question_id: str, *, outcomes: int = 2) -> str:
    """The id under which an oracle reports a question's payouts."""
    question = bytes.fromhex(question_id.removeprefix("0x"))
    return "0x" + keccak(address_bytes(oracle) + question + word(outcomes)).hex()


def collection_id(condition: str, index_set: int) -> str:
    """The id of a set of outcomes: the x of a curve point, y's parity in bit 254.

    Notes
    -----
    Gnosis CTHelpers: x starts at the hash and grows until x³ + 3 is a square; the hash's first bit
    picks between the two roots.
    """
    start = int.from_bytes(
        keccak(bytes.fromhex(condition.removeprefix("0x")) + word(index_set)), "big"
    )
    wants_odd, x = bool(start >> 255), start % FIELD
    while True:
        x = (x + 1) % FIELD
        square = (x * x * x + 3) % FIELD
        y = pow(square, (FIELD + 1) // 4, FIELD)
        if y * y % FIELD == square:
            break
    if (y % 2 == 1) != wants_odd:
        y = FIELD - y
    return "0x" + word(x ^ _ODD_Y if y % 2 else x).hex()


def position_id(condition: str, index_set: int, *, neg_risk: bool) -> str:
    """The token id of an outcome in the older ledger: index set 1 is the first, 2 the second.

    The collateral is what wraps the dollars there, never the dollars that the venue shows.
    """
    collateral = WRAPPED_COLLATERAL if neg_risk else USDC_E
    collection = bytes.fromhex(collection_id(condition, index_set)[2:])
    return str(int.from_bytes(keccak(address_bytes(collateral) + collection), "big"))


def position_ids(condition: str, *, neg_risk: bool) -> tuple[str, str]:
    """Token ids of the two outcomes of a binary condition, in their order."""
    first, second = (position_id(condition, number, neg_risk=neg_risk) for number in (1, 2))
    return first, second


def v2_condition(token_id: str) -> tuple[str, int]:
    """The condition (31 bytes) and outcome index that an id of the newer ledger spells out.

    Raises `ValueError` for an id of the older one, or of a module that is not known.

    >>> v2_condition(str(int("01" + "ab" * 18 + "00" * 8 + "cd" * 4 + "01", 16)))[1]
    1
    """
    number = int(token_id)
    raw = word(number)
    if not is_v2_position(token_id) or raw[0] not in MODULES or raw[-1] > 1:
        raise ValueError(f"{token_id} is no outcome of the newer ledger")
    return "0x" + raw[:-1].hex(), raw[-1]


def belongs(token_ids: Sequence[str], condition: str, *, protocol: str, neg_risk: bool) -> bool:
    """Whether a binary market's tokens are those of its condition, in their order."""
    if protocol == "v2":
        try:
            found = [v2_condition(token) for token in token_ids]
        except ValueError:
            return False
        return found == [(condition.lower(), 0), (condition.lower(), 1)]
    return tuple(token_ids) == position_ids(condition, neg_risk=neg_risk)
