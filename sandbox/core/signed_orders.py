"""Orders as they come over the wire: their fields, their hash, and who signed them.

Deliberately not the code that signs for us: both would be wrong together. The venue's scheme is
EIP-712 ("Polymarket CTF Exchange"), and ERC-7739 around it for wallets that are contracts.
"""

from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

from sandbox.core import wallets

CHAIN_ID: Final = 137
STANDARD: Final = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK: Final = "0xe2222d279d744050d28e00520010520000310F59"
RETIRED: Final = (
    ("0xe3333700cA9d93003F00f0F71f8515005F6c00Aa", "3"),
    ("0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E", "1"),
)
"""Exchanges that take no order for markets of this world."""
LARGEST_SALT: Final = 2**53
SESSION_MAGIC: Final = bytes.fromhex("6492" * 16)
FIELDS: Final = (
    ("salt", "uint256"),
    ("maker", "address"),
    ("signer", "address"),
    ("tokenId", "uint256"),
    ("makerAmount", "uint256"),
    ("takerAmount", "uint256"),
    ("side", "uint8"),
    ("signatureType", "uint8"),
    ("timestamp", "uint256"),
    ("metadata", "bytes32"),
    ("builder", "bytes32"),
)
ORDER_TYPE: Final = "Order(" + ",".join(f"{kind} {name}" for name, kind in FIELDS) + ")"
ORDER_TYPES: Final = ("GTC", "GTD", "FOK", "FAK")


class Malformed(ValueError):
    """The body is not an order."""


class BadSignature(ValueError):
    """Nobody who may speak for the maker signed this order."""


class WrongVersion(BadSignature):
    """Signed for an exchange that is none of this market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """One order of a POST body; amounts are integers of 1e-6, addresses lower case."""

    salt: int
    maker: str
    signer: str
    token: str
    maker_amount: int
    taker_amount: int
    is_buy: bool
    expiration: int
    signature_type: int
    timestamp_ms: int
    metadata: bytes
    builder: bytes
    signature: bytes
    order_type: str
    post_only: bool
    owner: str


def parse(body: Any) -> SignedOrder:
    """One order of a decoded body; raises `Malformed` with what is wrong."""
    try:
        order = body["order"]
        found = SignedOrder(
            salt=_number(order["salt"], int),
            maker=_address(order["maker"]),
            signer=_address(order["signer"]),
            token=str(_number(order["tokenId"], str)),
            maker_amount=_number(order["makerAmount"], str),
            taker_amount=_number(order["takerAmount"], str),
            is_buy={"BUY": True, "SELL": False}[order["side"]],
            expiration=_number(order["expiration"], str),
            signature_type=_number(order["signatureType"], int),
            timestamp_ms=_number(order["timestamp"], str),
            metadata=_bytes(order["metadata"], 32),
            builder=_bytes(order["builder"], 32),
            signature=_bytes(order["signature"]),
            order_type=str(body["orderType"]),
            post_only=body.get("postOnly", False) is True,
            owner=str(body["owner"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise Malformed(f"Invalid order payload: {wrong}") from None
    known = found.order_type in ORDER_TYPES and found.signature_type in range(4)
    if not known or not 0 <= found.salt < LARGEST_SALT or found.timestamp_ms <= 0:
        raise Malformed("Invalid order payload")
    if found.maker_amount <= 0 or found.taker_amount <= 0:
        raise Malformed("Invalid order payload: amounts are positive")
    return found


def order_hash(order: SignedOrder, *, neg_risk: bool) -> str:
    """The order's id: its EIP-712 hash on the exchange of its market."""
    exchange = NEG_RISK if neg_risk else STANDARD
    return "0x" + _digest(_order_data(order, exchange, "2")).hex()


def signed_by(order: SignedOrder, *, neg_risk: bool) -> str:
    """Who signed, lower case: the wallet's owner, or a session key that speaks for it.

    Raises `WrongVersion` where the signature is one for a retired exchange, else `BadSignature`
    where it is none at all. Whether the signer may speak for the maker is asked elsewhere.
    """
    exchange = NEG_RISK if neg_risk else STANDARD
    if order.signature_type != wallets.DEPOSIT:
        return _recovered(_order_data(order, exchange, "2"), order.signature)
    if order.signer != order.maker:
        raise BadSignature("a deposit wallet signs for itself")
    inner, separator, contents = _unwrapped(order.signature)
    if contents != _order_data(order, exchange, "2").body:
        raise BadSignature("the wrapped hash is not this order's")
    if separator != _order_data(order, exchange, "2").header:
        others = [_order_data(order, *retired).header for retired in RETIRED]
        raise WrongVersion if separator in others else BadSignature("another exchange's domain")
    return _wrapped_signer(order, exchange, inner)


def is_for_retired(order: SignedOrder, account: str) -> bool:
    """Whether `account` signed this very order, but for an exchange that is retired."""
    if order.signature_type == wallets.DEPOSIT:
        return False
    for exchange, version in RETIRED:
        try:
            if _recovered(_order_data(order, exchange, version), order.signature) == account:
                return True
        except BadSignature:
            continue
    return False


def _wrapped_signer(order: SignedOrder, exchange: str, inner: bytes) -> str:
    data = _wrapped_data(order, exchange)
    if not inner.endswith(SESSION_MAGIC):
        return _recovered(data, inner)
    named, _, signature = decode(["bytes32", "bytes32", "bytes"], inner[: -len(SESSION_MAGIC)])
    signer = _recovered(data, signature)
    if "0x" + named[12:].hex() != signer:
        raise BadSignature("another session key than the one named")
    return signer


def _unwrapped(signature: bytes) -> tuple[bytes, bytes, bytes]:
    """Inner signature, domain separator and contents hash of an ERC-7739 signature."""
    length = int.from_bytes(signature[-2:], "big")
    described = signature[-2 - length : -2]
    rest = signature[: -2 - length]
    if described != ORDER_TYPE.encode() or len(rest) < 65 + 64:
        raise BadSignature("not the wrapped form of a contract wallet")
    return rest[:-64], rest[-64:-32], rest[-32:]


def _order_data(order: SignedOrder, exchange: str, version: str) -> SignableMessage:
    return encode_typed_data(_domain(exchange, version), {"Order": _typed(FIELDS)}, _message(order))


def _wrapped_data(order: SignedOrder, exchange: str) -> SignableMessage:
    wrap = (
        ("contents", "Order"),
        ("name", "string"),
        ("version", "string"),
        ("chainId", "uint256"),
        ("verifyingContract", "address"),
        ("salt", "bytes32"),
    )
    message = {
        "contents": _message(order),
        "name": "DepositWallet",
        "version": "1",
        "chainId": CHAIN_ID,
        "verifyingContract": order.maker,
        "salt": bytes(32),
    }
    types = {"TypedDataSign": _typed(wrap), "Order": _typed(FIELDS)}
    return encode_typed_data(_domain(exchange, "2"), types, message)


def _domain(exchange: str, version: str) -> dict[str, Any]:
    return {
        "name": "Polymarket CTF Exchange",
        "version": version,
        "chainId": CHAIN_ID,
        "verifyingContract": exchange,
    }


def _message(order: SignedOrder) -> dict[str, Any]:
    return {
        "salt": order.salt,
        "maker": order.maker,
        "signer": order.signer,
        "tokenId": int(order.token),
        "makerAmount": order.maker_amount,
        "takerAmount": order.taker_amount,
        "side": 0 if order.is_buy else 1,
        "signatureType": order.signature_type,
        "timestamp": order.timestamp_ms,
        "metadata": order.metadata,
        "builder": order.builder,
    }


def _typed(fields: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields]


def _digest(data: SignableMessage) -> bytes:
    return keccak(b"\x19" + data.version + data.header + data.body)


def _recovered(data: SignableMessage, signature: bytes) -> str:
    if len(signature) != 65:
        raise BadSignature("a signature has 65 bytes")
    try:
        return str(Account.recover_message(data, signature=signature)).lower()
    except Exception as wrong:  # the curve library raises many kinds for nonsense
        raise BadSignature("no point on the curve") from wrong


def _number(value: Any, kind: type[int] | type[str]) -> int:
    """A number of the JSON type that the venue insists on."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{value!r} should be a {kind.__name__}")
    if isinstance(value, str) and not value.isdecimal():
        raise ValueError(f"{value!r} is not a number")
    return int(value)


def _address(value: Any) -> str:
    if not isinstance(value, str) or len(_bytes(value, 20)) != 20:
        raise ValueError(f"{value!r} is not an address")
    return value.lower()


def _bytes(value: Any, size: int | None = None) -> bytes:
    found = bytes.fromhex(str(value).removeprefix("0x"))
    if size is not None and len(found) != size:
        raise ValueError(f"{value!r} should have {size} bytes")
    return found
