"""The signed order as text: what is stored before it is sent, and sent every time."""

import json
from dataclasses import dataclass
from decimal import Decimal

from config.kernel.units import from_micro
from trading.core.signing import SignatureType, UnsignedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """An order, its signature, and what travels beside both; `expiration` in epoch s, or 0."""

    order: UnsignedOrder
    signature: str
    type: str
    expiration: int = 0
    post_only: bool = False

    @property
    def shares(self) -> Decimal:
        """How many shares it names."""
        order = self.order
        return from_micro(order.taker_amount if order.is_buy else order.maker_amount)

    @property
    def dollars(self) -> Decimal:
        """How many dollars it names."""
        order = self.order
        return from_micro(order.maker_amount if order.is_buy else order.taker_amount)


def write(signed: SignedOrder) -> str:
    """The venue's own wire form (§ POST /order), without the owner: credentials may be renewed."""
    order = signed.order
    return json.dumps(
        {
            "order": {
                "salt": order.salt,
                "maker": order.maker,
                "signer": order.signer,
                "tokenId": order.token_id,
                "makerAmount": str(order.maker_amount),
                "takerAmount": str(order.taker_amount),
                "side": "BUY" if order.is_buy else "SELL",
                "expiration": str(signed.expiration),
                "signatureType": int(order.signature_type),
                "timestamp": str(order.timestamp_ms),
                "metadata": order.metadata,
                "builder": order.builder,
                "signature": signed.signature,
            },
            "orderType": signed.type,
            "postOnly": signed.post_only,
        },
        separators=(",", ":"),
    )


def read(payload: str) -> SignedOrder:
    """The order of a stored text; raises `ValueError` for one that was not written here."""
    try:
        body = json.loads(payload)
        order = body["order"]
        return SignedOrder(
            order=UnsignedOrder(
                salt=order["salt"],
                maker=order["maker"],
                signer=order["signer"],
                token_id=order["tokenId"],
                maker_amount=int(order["makerAmount"]),
                taker_amount=int(order["takerAmount"]),
                is_buy=order["side"] == "BUY",
                signature_type=SignatureType(order["signatureType"]),
                timestamp_ms=int(order["timestamp"]),
                metadata=order["metadata"],
                builder=order["builder"],
            ),
            signature=order["signature"],
            type=body["orderType"],
            expiration=int(order["expiration"]),
            post_only=body["postOnly"],
        )
    except (KeyError, TypeError, ValueError) as trouble:
        raise ValueError(f"the stored order cannot be read: {trouble!r}") from None
