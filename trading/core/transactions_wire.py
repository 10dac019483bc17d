"""EIP-1559 transactions as bytes: what is hashed and signed, and what is handed in.

The encoding is RLP (Ethereum yellow paper, appendix B) behind the type byte 2 (EIP-2718, EIP-1559).
"""

from dataclasses import dataclass

from trading.core.signing import keccak
from trading.core.transactions import Fees

TYPE = b"\x02"
SHORT = 0x80
LIST = 0x40
"""What a list adds to the first byte of a text of the same length."""
ONE_BYTE_LENGTHS = 55


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A call of a contract that moves no coins; `target` and `data` are hex."""

    chain_id: int
    nonce: int
    fees: Fees
    gas: int
    target: str
    data: str

    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return keccak(TYPE + _list(self._fields()))

    def signed(self, signature: bytes) -> bytes:
        """The bytes to hand in; `signature` is r, s and v (27 or 28), 65 bytes."""
        if len(signature) != 65 or signature[64] not in (27, 28):
            raise ValueError("a signature has 65 bytes, the last of them 27 or 28")
        parts = (signature[64] - 27, *(int.from_bytes(signature[at : at + 32]) for at in (0, 32)))
        return TYPE + _list([*self._fields(), *map(_number, parts)])

    def _fields(self) -> list[bytes]:
        fees = self.fees
        numbers = (self.chain_id, self.nonce, fees.priority_fee, fees.max_fee, self.gas)
        target = bytes.fromhex(self.target.removeprefix("0x"))
        data = bytes.fromhex(self.data.removeprefix("0x"))
        no_coins, no_access_list = _number(0), _list([])
        return [*map(_number, numbers), _text(target), no_coins, _text(data), no_access_list]


def hash_of(raw: bytes) -> str:
    """The name that the chain gives to signed bytes."""
    return f"0x{keccak(raw).hex()}"


def _number(value: int) -> bytes:
    """A number: big-endian without leading zeros, nothing at all for zero."""
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(value: bytes) -> bytes:
    if len(value) == 1 and value[0] < SHORT:
        return value
    return _head(len(value), SHORT) + value


def _list(items: list[bytes]) -> bytes:
    body = b"".join(items)
    return _head(len(body), SHORT + LIST) + body


def _head(length: int, base: int) -> bytes:
    if length <= ONE_BYTE_LENGTHS:
        return bytes([base + length])
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([base + ONE_BYTE_LENGTHS + len(digits)]) + digits
