"""API keys: the signature that makes one (level 1) and the one under every call (level 2)."""

import base64
import hashlib
import hmac
import uuid
from dataclasses import dataclass
from typing import Final

from eth_account import Account
from eth_account.messages import encode_typed_data

from sandbox.core.signed_orders import CHAIN_ID

ATTESTATION: Final = "This message attests that I control the given wallet"
NAMED: Final = (
    ("address", "address"),
    ("timestamp", "string"),
    ("nonce", "uint256"),
    ("message", "string"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Credentials of one address; `secret` is base64 for URLs."""

    key: str
    secret: str
    passphrase: str
    address: str
    nonce: int

    def shown(self) -> dict[str, str]:
        """As the venue hands them out."""
        return {"apiKey": self.key, "secret": self.secret, "passphrase": self.passphrase}


def made(seed: int, address: str, nonce: int) -> ApiKey:
    """The credentials of an address and a nonce: the same ones whenever they are asked for."""

    def part(what: str) -> bytes:
        return hashlib.sha256(f"sandbox:{seed}:{address.lower()}:{nonce}:{what}".encode()).digest()

    return ApiKey(
        key=str(uuid.UUID(bytes=part("key")[:16], version=4)),
        secret=base64.urlsafe_b64encode(part("secret")).decode(),
        passphrase=part("passphrase").hex(),
        address=address.lower(),
        nonce=nonce,
    )


def attested(*, address: str, timestamp: str, nonce: int, signature: str) -> bool:
    """Whether `address` itself signed this attestation."""
    message = {"address": address, "timestamp": timestamp, "nonce": nonce, "message": ATTESTATION}
    domain = {"name": "ClobAuthDomain", "version": "1", "chainId": CHAIN_ID}
    types = {"ClobAuth": [{"name": name, "type": kind} for name, kind in NAMED]}
    try:
        data = encode_typed_data(domain, types, message)
        return str(Account.recover_message(data, signature=signature)).lower() == address.lower()
    except Exception:  # the curve library raises many kinds for nonsense
        return False


def signature(secret: str, *, timestamp: str, method: str, path: str, body: bytes) -> str:
    """HMAC-SHA256 of a call, base64 for URLs; `path` carries no query."""
    key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    said = f"{timestamp}{method}{path}".encode() + body
    return base64.urlsafe_b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
