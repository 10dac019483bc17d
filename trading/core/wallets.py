"""Which wallet a key may trade for: the addresses that the venue's factories give it (CREATE2)."""

from typing import Final

from trading.core.signing import SignatureType, address_bytes, checksummed, keccak

PROXY_FACTORY: Final = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
PROXY_IMPLEMENTATION: Final = "0x44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
SAFE_FACTORY: Final = "0xaacFeEa03eb1561C4e67d661e40682Bd20E3541b"
SAFE_INIT_HASH: Final = "2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf"
DEPOSIT_FACTORY: Final = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
DEPOSIT_IMPLEMENTATION: Final = "0x58CA52ebe0DadfdF531Cde7062e76746de4Db1eB"
DEPOSIT_BEACON: Final = "0x7A18EDfe055488A3128f01F563e5B479D92ffc3a"

_PROXY_HEAD: Final = "3d3d606380380380913d393d73"
_PROXY_BODY: Final = "5af4602a57600080fd5b602d8060366000396000f3363d3d373d3d3d363d73"
_PROXY_TAIL: Final = "5af43d82803e903d91602b57fd5bf352e831dd"
_ERC1967: Final = (
    "60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076"
    "cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
)
_BEACON: Final = (
    "60195155f3363d3d373d3d363d602036600436635c60da"
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
    "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
)


def wallets_of(signer: str) -> dict[str, SignatureType]:
    """Every address that trades under this key as its owner, with its signature type."""
    return {
        checksummed(signer): SignatureType.EOA,
        deposit_wallet(signer): SignatureType.DEPOSIT,
        _deposit_wallet(signer, beacon=False): SignatureType.DEPOSIT,
        proxy_wallet(signer): SignatureType.PROXY,
        safe_wallet(signer): SignatureType.SAFE,
    }


def type_of(wallet: str, *, signer: str) -> SignatureType | None:
    """The signature type of a wallet that belongs to this key; None for one that does not.

    None with a deposit wallet may be right: then the key is a session key of its owner.
    """
    return wallets_of(signer).get(checksummed(wallet))


def proxy_wallet(signer: str) -> str:
    """The wallet of an account made by e-mail."""
    code = bytes.fromhex(
        _PROXY_HEAD
        + address_bytes(PROXY_FACTORY).hex()
        + _PROXY_BODY
        + address_bytes(PROXY_IMPLEMENTATION).hex()
        + _PROXY_TAIL
    )
    call = (32).to_bytes(32, "big") + bytes(32)
    return _create2(PROXY_FACTORY, keccak(address_bytes(signer)), keccak(code + call))


def safe_wallet(signer: str) -> str:
    """The wallet of an account made with a browser wallet."""
    salt = keccak(address_bytes(signer).rjust(32, b"\0"))
    return _create2(SAFE_FACTORY, salt, bytes.fromhex(SAFE_INIT_HASH))


def deposit_wallet(signer: str) -> str:
    """The wallet of an account made since May 2026."""
    return _deposit_wallet(signer, beacon=True)


def _deposit_wallet(signer: str, *, beacon: bool) -> str:
    owner = address_bytes(DEPOSIT_FACTORY).rjust(32, b"\0") + address_bytes(signer).rjust(32, b"\0")
    prefix = (0x6100523D8160233D3973 if beacon else 0x61003D3D8160233D3973) + (len(owner) << 56)
    target = address_bytes(DEPOSIT_BEACON if beacon else DEPOSIT_IMPLEMENTATION)
    code = prefix.to_bytes(10, "big") + target + bytes.fromhex(_BEACON if beacon else _ERC1967)
    return _create2(DEPOSIT_FACTORY, keccak(owner), keccak(code + owner))


def _create2(factory: str, salt: bytes, code_hash: bytes) -> str:
    return checksummed(
        "0x" + keccak(b"\xff" + address_bytes(factory) + salt + code_hash)[12:].hex()
    )
