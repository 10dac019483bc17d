"""What is signed, as digests and hashes. No key comes near this module.

An order's id is the EIP-712 hash of the order under its exchange's domain, so it is known before
anything is sent. A deposit wallet signs a nested struct (ERC-7739) over the same order; its id
stays the plain hash. Requests are authenticated by an HMAC, the request for credentials by a
second EIP-712 struct.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from Crypto.Hash import keccak as _keccak

POLYGON: Final = 137
ZERO_32: Final = "0x" + "00" * 32
SALT_BITS: Final = 53
"""Salts travel as JSON numbers, so they must survive a float."""


class UnknownExchange(ValueError):
    """The market's protocol and the token disagree, or the protocol has no exchange here."""


class SignatureType(IntEnum):
    """Who vouches for an order: the numbers of the wire."""

    EOA = 0
    PROXY = 1
    SAFE = 2
    DEPOSIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The contract that settles an order, and the domain version it verifies."""

    address: str
    version: str
    chain_id: int = POLYGON


STANDARD: Final = Exchange(address="0xE111180000d2663C0091e4f400237545B87B996B", version="2")
NEG_RISK: Final = Exchange(address="0xe2222d279d744050d28e00520010520000310F59", version="2")
V3: Final = Exchange(address="0xe3333700cA9d93003F00f0F71f8515005F6c00Aa", version="3")
EXCHANGES: Final = (STANDARD, NEG_RISK, V3)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedOrder:
    """An order as an exchange verifies it; amounts in 1e-6, timestamp in milliseconds."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: int
    taker_amount: int
    is_buy: bool
    signature_type: SignatureType
    timestamp_ms: int
    metadata: str = ZERO_32
    builder: str = ZERO_32


def keccak(data: bytes) -> bytes:
    """Keccak-256, the hash of the chain.

    >>> keccak(b"").hex()[:16]
    'c5d2460186f7233c'
    """
    return _keccak.new(data=data, digest_bits=256).digest()


ORDER_TYPE: Final = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    b"bytes32 builder)"
)
_WRAPPED_TYPE: Final = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    b"address verifyingContract,bytes32 salt)" + ORDER_TYPE
)
_ORDER_TYPE_HASH: Final = keccak(ORDER_TYPE)
_WRAPPED_TYPE_HASH: Final = keccak(_WRAPPED_TYPE)
_DOMAIN_TYPE_HASH: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_EXCHANGE_NAME_HASH: Final = keccak(b"Polymarket CTF Exchange")
_WALLET_NAME_HASH: Final = keccak(b"DepositWallet")
_WALLET_VERSION_HASH: Final = keccak(b"1")
_AUTH_DOMAIN_TYPE_HASH: Final = keccak(b"EIP712Domain(string name,string version,uint256 chainId)")
_AUTH_TYPE_HASH: Final = keccak(
    b"ClobAuth(address address,string timestamp,uint256 nonce,string message)"
)
_AUTH_NAME_HASH: Final = keccak(b"ClobAuthDomain")
_AUTH_MESSAGE_HASH: Final = keccak(b"This message attests that I control the given wallet")
_SESSION_MARK: Final = bytes.fromhex("6492") * 16
"""How the deposit wallet recognises a signature made by a session key."""


def word(number: int) -> bytes:
    """An integer as the chain's 32 bytes."""
    return number.to_bytes(32, "big")


def address_bytes(address: str) -> bytes:
    """The 20 bytes of a hex address; raises `ValueError` for anything else."""
    raw = bytes.fromhex(address.removeprefix("0x"))
    if len(raw) != 20:
        raise ValueError(f"{address!r} is no address: 0x and 40 hex digits were expected")
    return raw


def _address(address: str) -> bytes:
    return address_bytes(address).rjust(32, b"\0")


def _bytes_32(value: str) -> bytes:
    raw = bytes.fromhex(value.removeprefix("0x"))
    if len(raw) != 32:
        raise ValueError(f"{value!r} is not 32 bytes of hex")
    return raw


def is_v2_position(token_id: str) -> bool:
    """Whether a token belongs to the newer ledger: the eight bytes before the last five are zero.

    >>> is_v2_position(str((1 << 248) | 1)), is_v2_position(str(2**255 - 19))
    (True, False)
    """
    return not (int(token_id) >> 40) & ((1 << 64) - 1)


def exchange_of(*, protocol: str, neg_risk: bool, token_id: str) -> Exchange:
    """Which contract settles trades in a token.

    Raises `UnknownExchange` where the catalogue's protocol and the token's own bits disagree: an
    order for the wrong exchange is refused at best.
    """
    newer = is_v2_position(token_id)
    if protocol not in ("v1", "v2") or newer != (protocol == "v2"):
        raise UnknownExchange(
            f"token {token_id} is of protocol {'v2' if newer else 'v1'}, its market says "
            f"{protocol!r}; sync the catalogue, and trade it when both agree"
        )
    if newer:
        return V3
    return NEG_RISK if neg_risk else STANDARD


@lru_cache(maxsize=16)
def domain_separator(exchange: Exchange) -> bytes:
    """The hash that ties a signature to one contract on one chain."""
    return keccak(
        _DOMAIN_TYPE_HASH
        + _EXCHANGE_NAME_HASH
        + keccak(exchange.version.encode())
        + word(exchange.chain_id)
        + _address(exchange.address)
    )


def struct_hash(order: UnsignedOrder) -> bytes:
    """The order's own hash, before any domain."""
    return keccak(
        b"".join(
            (
                _ORDER_TYPE_HASH,
                word(order.salt),
                _address(order.maker),
                _address(order.signer),
                word(int(order.token_id)),
                word(order.maker_amount),
                word(order.taker_amount),
                word(0 if order.is_buy else 1),
                word(order.signature_type),
                word(order.timestamp_ms),
                _bytes_32(order.metadata),
                _bytes_32(order.builder),
            )
        )
    )


def _digest(separator: bytes, struct: bytes) -> bytes:
    return keccak(b"\x19\x01" + separator + struct)


def order_hash(order: UnsignedOrder, exchange: Exchange) -> str:
    """The order's id at the venue and on the chain, whoever signs it."""
    return "0x" + _digest(domain_separator(exchange), struct_hash(order)).hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSign:
    """An order's id, the digest to sign, and what follows the 65 bytes of the signature."""

    order_id: str
    digest: bytes
    trailer: bytes = b""

    def complete(self, signature: bytes) -> str:
        """The signature as it travels."""
        return "0x" + (signature + self.trailer).hex()


def to_sign(order: UnsignedOrder, exchange: Exchange) -> ToSign:
    """What the key has to sign: the order itself, or the deposit wallet's struct around it."""
    separator, struct = domain_separator(exchange), struct_hash(order)
    plain = _digest(separator, struct)
    order_id = "0x" + plain.hex()
    if order.signature_type != SignatureType.DEPOSIT:
        return ToSign(order_id=order_id, digest=plain)
    wrapped = keccak(
        _WRAPPED_TYPE_HASH
        + struct
        + _WALLET_NAME_HASH
        + _WALLET_VERSION_HASH
        + word(exchange.chain_id)
        + _address(order.signer)
        + bytes(32)
    )
    trailer = separator + struct + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
    return ToSign(order_id=order_id, digest=_digest(separator, wrapped), trailer=trailer)


def by_session_key(session_address: str, signature: str) -> str:
    """A deposit wallet's signature made by a session key: who signed, and the wallet's mark.

    The ABI encoding of (bytes32 signer, bytes32 zero, bytes signature), then the mark.
    """
    raw = bytes.fromhex(signature.removeprefix("0x"))
    padded = raw + bytes(-len(raw) % 32)
    body = _address(session_address) + bytes(32) + word(96) + word(len(raw)) + padded
    return "0x" + (body + _SESSION_MARK).hex()


@lru_cache(maxsize=4)
def _auth_separator(chain_id: int) -> bytes:
    return keccak(_AUTH_DOMAIN_TYPE_HASH + _AUTH_NAME_HASH + _WALLET_VERSION_HASH + word(chain_id))


def clob_auth_digest(
    address: str, *, timestamp_s: int, nonce: int = 0, chain_id: int = POLYGON
) -> bytes:
    """What is signed to be given API credentials (the venue's L1)."""
    struct = keccak(
        _AUTH_TYPE_HASH
        + _address(address)
        + keccak(str(timestamp_s).encode())
        + word(nonce)
        + _AUTH_MESSAGE_HASH
    )
    return _digest(_auth_separator(chain_id), struct)


def l2_signature(
    secret: str, *, timestamp_s: int, method: str, path: str, body: str | None = None
) -> str:
    """The HMAC of one request (the venue's L2); `path` has no query string.

    >>> key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    >>> l2_signature(key, timestamp_s=1778584200, method="GET", path="/data/orders")
    'zGjeAjNn5gFNbPOaSXblQlbnQmhM4YvMX3mqr6Ry3d4='
    """
    key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    message = f"{timestamp_s}{method}{path}{body or ''}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).decode()


def checksummed(address: str) -> str:
    """An address in the mixed case that carries its own checksum (EIP-55).

    >>> checksummed("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
    """
    digits = address_bytes(address).hex()
    seal = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(mark, 16) >= 8 else digit
        for digit, mark in zip(digits, seal, strict=False)
    )


def address_of(public_key: bytes) -> str:
    """The address of an uncompressed public key (65 bytes, or 64 without its prefix)."""
    return checksummed("0x" + keccak(public_key[-64:])[12:].hex())
