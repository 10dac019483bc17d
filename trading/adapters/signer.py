"""The key, and the only place where it is used. Nothing gives it back.

It lives in a closure: `repr`, `vars`, pickling and copying show the address and nothing else. That
hides it from logs, tracebacks and crash reports, not from code that runs in this process, which is
why the process that holds it runs nothing else.
"""

from collections.abc import Callable
from typing import NoReturn

import coincurve

from trading.core import signing, wallets
from trading.core.signing import Exchange, SignatureType, UnsignedOrder

KEY_BYTES = 32


class BadKey(ValueError):
    """What was given is no key of the curve; the message never repeats it."""


class Signer:
    """Signs orders and requests for credentials on behalf of one wallet.

    `address` is the key's own, `wallet` the one that pays. Where the wallet does not belong to the
    key as its owner, the key is taken for a session key of that deposit wallet.
    """

    __slots__ = ("_sign", "address", "is_session_key", "signature_type", "wallet")

    def __init__(self, key: bytes, *, wallet: str = "") -> None:
        self._sign, self.address = _locked_away(key)
        self.wallet = signing.checksummed(wallet or wallets.deposit_wallet(self.address))
        owned = wallets.type_of(self.wallet, signer=self.address)
        self.is_session_key = owned is None
        self.signature_type = SignatureType.DEPOSIT if owned is None else owned

    def order(self, order: UnsignedOrder, exchange: Exchange) -> tuple[str, str]:
        """An order's id and its signature as it travels."""
        asked = signing.to_sign(order, exchange)
        signature = asked.complete(self._sign(asked.digest))
        if self.is_session_key:
            signature = signing.by_session_key(self.address, signature)
        return asked.order_id, signature

    def credentials_request(self, *, timestamp_s: int, nonce: int = 0) -> str:
        """The signature that asks the venue for API credentials."""
        digest = signing.clob_auth_digest(self.address, timestamp_s=timestamp_s, nonce=nonce)
        return "0x" + self._sign(digest).hex()

    def digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes that somebody else hashed (chain transactions): r, s and v, 65 bytes."""
        return self._sign(digest)

    @property
    def order_signer(self) -> str:
        """Who stands as signer in an order: a deposit wallet vouches for itself."""
        return self.wallet if self.signature_type == SignatureType.DEPOSIT else self.address

    def __repr__(self) -> str:
        return f"Signer(address={self.address}, wallet={self.wallet})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer holds a key, so it is neither pickled nor copied")

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        self.__reduce__()


def _locked_away(key: bytes) -> tuple[Callable[[bytes], bytes], str]:
    """A function that signs with the key, and the key's address."""
    if len(key) != KEY_BYTES:
        raise BadKey(f"a key has {KEY_BYTES} bytes, this has {len(key)}")
    try:
        secret = coincurve.PrivateKey(key)
    except ValueError:
        raise BadKey("the 32 bytes are no key of the curve secp256k1") from None

    def sign(digest: bytes) -> bytes:
        raw = secret.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes([raw[64] + 27])

    return sign, signing.address_of(secret.public_key.format(compressed=False))
