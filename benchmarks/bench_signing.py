"""How fast an order is hashed, signed and written, beside eth_account and the official client."""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eth_account import Account
from eth_account.messages import encode_typed_data
from polymarket._internal.actions.orders import typed_data
from polymarket._internal.actions.orders.types import UnsignedOrder as PeerOrder

from benchmarks.table import Row, report
from trading.adapters.signer import Signer
from trading.core import order_payload, signing, token_ids
from trading.core.order_payload import SignedOrder
from trading.core.signing import STANDARD, SignatureType, UnsignedOrder

KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
TOKEN = "48418917734180607831833027288777571190488909295977497623601373906809754084036"
CONDITION = "0xa5c6d0c4cef71fe53c0235790b5568574343551fe67c62db39e9ebf3387b415a"
RUNS = 400


def peer_order(order: UnsignedOrder) -> PeerOrder:
    """The same order in the official client's words."""
    values: dict[str, Any] = {
        "chain_id": 137,
        "builder": order.builder,
        "exchange_address": STANDARD.address,
        "expiration": 0,
        "maker": order.maker,
        "maker_amount": order.maker_amount,
        "metadata": order.metadata,
        "order_type": "GTC",
        "salt": order.salt,
        "side": "BUY",
        "signature_type": int(order.signature_type),
        "signer": order.signer,
        "taker_amount": order.taker_amount,
        "timestamp": order.timestamp_ms,
        "token_id": order.token_id,
    }
    return PeerOrder(**values)


def milliseconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """The median of some runs."""
    work()
    spent = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent) * 1e3


def main() -> int:
    """Measure and report."""
    signer, account = Signer(KEY), Account.from_key(KEY)
    order = UnsignedOrder(
        salt=123456789,
        maker=signer.wallet,
        signer=signer.wallet,
        token_id=TOKEN,
        maker_amount=5_200_000,
        taker_amount=10_000_000,
        is_buy=True,
        signature_type=SignatureType.DEPOSIT,
        timestamp_ms=1778584200000,
    )
    theirs = peer_order(order)

    def ours() -> str:
        _, signature = signer.order(order, STANDARD)
        return order_payload.write(SignedOrder(order=order, signature=signature, type="GTC"))

    def naive() -> None:
        """The id and the signature, each by eth_account's general encoder."""
        encode_typed_data(
            full_message=typed_data._build_standard_typed_data(theirs, protocol_version="2")  # noqa: SLF001
        )
        account.sign_typed_data(full_message=typed_data.build_order_typed_data(theirs))

    def client() -> None:
        """What the official client does; it computes no id."""
        signed = account.sign_typed_data(full_message=typed_data.build_order_typed_data(theirs))
        typed_data.build_order_signature(theirs, "0x" + signed.signature.hex())  # type: ignore[arg-type]

    rows = [
        Row(
            path="order of a deposit wallet: id, signature, stored text",
            ours=milliseconds(ours),
            unit="ms",
            higher_is_better=False,
            target=0.4,
            naive=milliseconds(naive),
            naive_is="eth_account, general encoder",
            peer=milliseconds(client),
            peer_is="polymarket-client (no id)",
        ),
        Row(
            path="id of an order alone",
            ours=milliseconds(lambda: signing.order_hash(order, STANDARD)),
            unit="ms",
            higher_is_better=False,
            target=0.2,
        ),
        Row(
            path="both token ids of a condition",
            ours=milliseconds(lambda: token_ids.position_ids(CONDITION, neg_risk=False), 100),
            unit="ms",
            higher_is_better=False,
        ),
    ]
    return report("signing", rows)


if __name__ == "__main__":
    sys.exit(main())
