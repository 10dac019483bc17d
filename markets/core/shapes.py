"""The shapes of the venue's messages as recorded: what we read, and in which type it came.

Parsers ignore what they do not need and take a missing optional field as unknown, so a field that
the venue renames would go quiet, not wrong. These contracts make such a change loud.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

ALWAYS_SHARE = 0.5
"""A field of every recording that more than half of a sample lacks has vanished."""
WORDS: Mapping[type, str] = {
    str: "text",
    bool: "truth",
    int: "number",
    float: "number",
    Decimal: "number",
    list: "list",
    dict: "object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One field of one message that is no longer as recorded; `what` says how in words."""

    source: str
    field: str
    what: str

    @property
    def subject(self) -> str:
        """Message and field, e.g. `gamma.market.feeSchedule`."""
        return f"{self.source}.{self.field}"


def contract(text: str) -> Mapping[str, tuple[frozenset[str], bool]]:
    """Field → (types seen, whether every recording has it), from `name: type|type` words.

    A question mark behind the types: not every recording has it.

    >>> contract("id: text, fees: object|null?")["fees"] == (frozenset({"object", "null"}), False)
    True
    """
    fields = {}
    for entry in text.replace("\n", " ").split(","):
        if not entry.strip():
            continue
        name, types = (part.strip() for part in entry.split(":"))
        fields[name] = (frozenset(types.rstrip("?").split("|")), not types.endswith("?"))
    return fields


CONTRACTS: Mapping[str, Mapping[str, tuple[frozenset[str], bool]]] = {
    "gamma.event": contract(
        """id: text, slug: text, title: text, active: truth, closed: truth, endDate: text|null?,
        negRisk: truth|null?, negRiskAugmented: truth|null?, negRiskMarketID: text|null?,
        series: list|null?, tags: list|null?, eventMetadata: object|null?, markets: list"""
    ),
    "gamma.market": contract(
        """id: text, question: text, conditionId: text, slug: text, outcomes: text,
        outcomePrices: text?, clobTokenIds: text?, positionIds: list?, version: text,
        description: text|null?, resolutionSource: text|null?, active: truth, closed: truth,
        acceptingOrders: truth, enableOrderBook: truth, startDate: text|null?,
        eventStartTime: text|null?, endDate: text|null?, closedTime: text|null?,
        orderPriceMinTickSize: number, orderMinSize: number, negRisk: truth|null,
        negRiskOther: truth|null?, volume: text|null?, volumeNum: number|null?,
        liquidity: text|null?, liquidityNum: number|null?, feesEnabled: truth,
        feeType: text|null?, feeSchedule: object|null?, umaResolutionStatus: text|null?,
        cryptoMarketConfig: object|null?"""
    ),
    "clob.book": contract(
        """market: text, asset_id: text, timestamp: text, hash: text, bids: list, asks: list,
        tick_size: text|null?, min_order_size: text|null?, neg_risk: truth|null?,
        last_trade_price: text|null?"""
    ),
    "clob.market": contract(
        """condition_id: text, closed: truth, active: truth, accepting_orders: truth,
        minimum_order_size: number, minimum_tick_size: number, neg_risk: truth, tokens: list,
        is_50_50_outcome: truth"""
    ),
    "clob.prices_history": contract("t: number, p: number"),
    "data.trade": contract(
        """proxy_wallet: text, side: text, token_id: text, condition_id: text, size: number,
        price: number, timestamp: number, transaction_hash: text, outcome: text?,
        outcome_index: number|null?"""
    ),
    "stream.book": contract(
        "event_type: text, market: text, asset_id: text, timestamp: text, bids: list, asks: list"
    ),
    "stream.price_change": contract(
        "event_type: text, market: text, timestamp: text, price_changes: list"
    ),
    "stream.price_change.level": contract(
        """asset_id: text, price: text, size: text, side: text, best_bid: text, best_ask: text"""
    ),
    "stream.last_trade_price": contract(
        """event_type: text, market: text, asset_id: text, price: text, size: text, side: text,
        timestamp: text, transaction_hash: text?"""
    ),
}


def compare(source: str, rows: Sequence[Any]) -> tuple[Drift, ...]:
    """How the rows of a sample differ from the recorded shape of `source`; none for no rows.

    A field that was always there counts as vanished once more than half of the rows lack it; one
    row of another type is enough to tell.
    """
    if not rows:
        return ()
    broken = [row for row in rows if not isinstance(row, dict)]
    if broken:
        return (Drift(source=source, field="", what=f"is {_word(broken[0])}, not an object"),)
    found = [
        drift
        for field, (types, always) in CONTRACTS[source].items()
        if (drift := _field(source, field, types, rows, always=always)) is not None
    ]
    return tuple(found)


def _field(
    source: str,
    field: str,
    types: frozenset[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    always: bool,
) -> Drift | None:
    present = [row[field] for row in rows if field in row]
    strange = Counter(word for value in present if (word := _word(value)) not in types)
    if strange:
        was, now = "|".join(sorted(types)), strange.most_common(1)[0][0]
        return Drift(source=source, field=field, what=f"was {was}, is {now}")
    if always and len(present) < len(rows) * ALWAYS_SHARE:
        lacking = len(rows) - len(present)
        return Drift(
            source=source, field=field, what=f"vanished from {lacking} of {len(rows)} rows"
        )
    return None


def _word(value: object) -> str:
    return WORDS.get(type(value), type(value).__name__)
