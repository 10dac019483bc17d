"""Which of the trades that several sources tell are the same one. The venue gives them no id."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from config.kernel.units import TokenId

# The service writes a taker's mean price with ten digits, the stream the price on the grid.
PRICE_STEP, SHARES_STEP = Decimal("0.0001"), Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One trade as its taker made it, dollars per share of its own token.

    `wallet` is empty where the stream told it: the stream names nobody.
    """

    token_id: TokenId
    side: str
    price: Decimal
    shares: Decimal
    traded_at: datetime
    tx_hash: str
    wallet: str = ""


def keys(trades: Sequence[Heard]) -> list[str]:
    """The key of each trade: a digest of its content and of how often that came before.

    The time is no part of it: the service stamps the block's second, the stream the match's
    millisecond. All trades of one transaction must be in one call, else a repetition within the
    transaction has the key of the first.

    >>> one = Heard(token_id=TokenId("7"), side="BUY", price=Decimal("0.5"), shares=Decimal(2),
    ...             traded_at=datetime.min, tx_hash="0xAB")
    >>> len(set(keys([one, one])))
    2
    >>> keys([one])[0] == keys([one, one])[0]
    True
    """
    met: Counter[str] = Counter()
    found = []
    for trade in trades:
        content = "|".join(
            (
                trade.tx_hash.lower(),
                trade.token_id,
                trade.side,
                str(trade.price.quantize(PRICE_STEP)),
                str(trade.shares.quantize(SHARES_STEP)),
            )
        )
        text = f"{content}|{met[content]}"
        met[content] += 1
        found.append(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
    return found
