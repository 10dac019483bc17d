"""Which wallets an owner's key may speak for: the venue derives their addresses from the key."""

from functools import lru_cache
from typing import Final

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

PROXY_FACTORY: Final = "aB45c5A4B0c941a2F231C04C3f49182e1A254052"
PROXY_IMPLEMENTATION: Final = "44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
SAFE_FACTORY: Final = "aacFeEa03eb1561C4e67d661e40682Bd20E3541b"
SAFE_INIT_CODE: Final = "2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf"
DEPOSIT_FACTORY: Final = "00000000000Fb5C9ADea0298D729A0CB3823Cc07"
DEPOSIT_IMPLEMENTATION: Final = "58CA52ebe0DadfdF531Cde7062e76746de4Db1eB"
DEPOSIT_BEACON: Final = "7A18EDfe055488A3128f01F563e5B479D92ffc3a"

EOA, PROXY, SAFE, DEPOSIT = range(4)
"""The venue's signature types."""


@lru_cache(maxsize=1024)
def of_owner(owner: str) -> dict[str, int]:
    """Every wallet of an owner, lower case → signature type; deposit wallets have two forms."""
    key = bytes.fromhex(owner.removeprefix("0x"))
    padded = key.rjust(32, b"\0")
    factory = bytes.fromhex(DEPOSIT_FACTORY)
    arguments = factory.rjust(32, b"\0") + padded
    salt = keccak(arguments)
    return {
        owner.lower(): EOA,
        _create2(PROXY_FACTORY, keccak(key), keccak(_proxy_code())): PROXY,
        _create2(SAFE_FACTORY, keccak(padded), bytes.fromhex(SAFE_INIT_CODE)): SAFE,
        _create2(DEPOSIT_FACTORY, salt, keccak(_uups_code(arguments))): DEPOSIT,
        _create2(DEPOSIT_FACTORY, salt, keccak(_beacon_code(arguments))): DEPOSIT,
    }


@lru_cache(maxsize=4096)
def checksummed(address: str) -> str:
    """The address in the mixed case that carries its check; raises `ValueError` for none."""
    return str(to_checksum_address(address))


def _create2(factory: str, salt: bytes, code_hash: bytes) -> str:
    return "0x" + keccak(b"\xff" + bytes.fromhex(factory) + salt + code_hash)[12:].hex()


def _proxy_code() -> bytes:
    return bytes.fromhex(
        f"3d3d606380380380913d393d73{PROXY_FACTORY}5af4602a57600080fd5b602d8060366000396000f3"
        f"363d3d373d3d3d363d73{PROXY_IMPLEMENTATION}5af43d82803e903d91602b57fd5bf352e831dd"
        + f"{32:064x}{0:064x}"
    )


def _uups_code(arguments: bytes) -> bytes:
    prefix = (0x61003D3D8160233D3973 + (len(arguments) << 56)).to_bytes(10, "big")
    tail = bytes.fromhex(
        "6009"
        "5155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076"
        "cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
    )
    return prefix + bytes.fromhex(DEPOSIT_IMPLEMENTATION) + tail + arguments


def _beacon_code(arguments: bytes) -> bytes:
    prefix = (0x6100523D8160233D3973 + (len(arguments) << 56)).to_bytes(10, "big")
    tail = bytes.fromhex(
        "60195155f3363d3d373d3d363d602036600436635c60da"
        "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
        "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
    )
    return prefix + bytes.fromhex(DEPOSIT_BEACON) + tail + arguments
