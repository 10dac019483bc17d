"""The data service: anybody's positions, trades and activity; resolutions. Versions 1 and 2.

Version 1 answers bare arrays in camelCase, version 2 rows in snake_case inside an envelope with a
cursor. Both give the same types here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

from config.kernel.units import ConditionId, TokenId
from markets.core.wire import (
    DERIVED,
    Amount,
    NotUnderstood,
    Price,
    TxHash,
    Wallet,
    decode,
    read,
    shown,
)

SOURCE = "data"
Side = Literal["BUY", "SELL"]
ActivityKind = Literal[
    "TRADE",
    "SPLIT",
    "MERGE",
    "REDEEM",
    "REWARD",
    "CONVERSION",
    "MIGRATION",
    "DEPOSIT",
    "WITHDRAWAL",
    "YIELD",
    "MAKER_REBATE",
    "TAKER_REBATE",
    "REFERRAL_REWARD",
    "TIP",
]
UNKNOWN_OUTCOME = 999
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What one wallet holds of one outcome; money in dollars."""

    wallet: Annotated[Wallet, "proxy_wallet", "proxyWallet"]
    token_id: Annotated[TokenId, "token_id", "asset"]
    condition_id: ConditionId
    shares: Annotated[Amount, "current_size", "size"]
    average_price: Annotated[Decimal, "avg_price", "avgPrice"]
    current_price: Annotated[Price, "current_price", "curPrice"]
    current_value: Decimal
    realized_pnl: Decimal
    entry_fees: Annotated[Decimal | None, "entry_fees_usdc", "entryFeesUsdc"] = None
    bought: Annotated[Decimal | None, "total_size", "totalBought"] = None
    total_pnl: Annotated[Decimal | None, "total_pnl", "cashPnl"] = None
    changed_at: Annotated[datetime | None, "last_event_at", "timestamp"] = None
    redeemable: bool
    mergeable: bool
    outcome: str
    outcome_index: int
    title: str = ""
    slug: str = ""
    event_slug: str = ""
    end_date: datetime | None = None
    negative_risk: bool | None = None
    status: Literal["OPEN", "REDEEMABLE", "CLOSED"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """One side of one trade. It has no id: two equal rows may be two trades."""

    wallet: Annotated[Wallet, "proxy_wallet", "proxyWallet"]
    side: Side
    token_id: Annotated[TokenId, "token_id", "asset"]
    condition_id: ConditionId
    shares: Annotated[Amount, "size"]
    price: Price
    traded_at: Annotated[datetime, "timestamp"]
    transaction_hash: TxHash
    outcome_index: int | None = None
    outcome: str = ""
    slug: str = ""

    @property
    def known_outcome_index(self) -> int | None:
        """0 or 1; None where the venue did not know it."""
        return self.outcome_index if self.outcome_index in (0, 1) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One thing a wallet did. For a taker's purchase `dollars` holds the fee, `price` does not."""

    wallet: Annotated[Wallet, "proxy_wallet", "proxyWallet"]
    kind: Annotated[ActivityKind, "type"]
    happened_at: Annotated[datetime, "timestamp"]
    condition_id: ConditionId | None
    token_id: Annotated[TokenId | None, "token_id", "asset"]
    side: Side | None
    shares: Annotated[Amount, "size"]
    dollars: Annotated[Amount, "usdc_size", "usdcSize"]
    price: Price
    outcome_index: int
    transaction_hash: TxHash


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleState:
    """Where a question stands with its oracle; the price 69 means that there is none yet.

    The status is kept as said: an unknown word must not be lost with its row.
    """

    question_id: str
    condition_id: ConditionId
    status: str
    was_disputed: bool
    price: Decimal
    proposed_price: Decimal
    updated_at: Annotated[datetime, "last_update_timestamp"]
    payouts: tuple[int, ...] = ()
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Value of a wallet's open positions, dollars."""

    wallet: Annotated[Wallet, "proxy_wallet", "proxyWallet", "user"]
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One holder of a token."""

    wallet: Annotated[Wallet, "proxy_wallet", "proxyWallet"]
    token_id: Annotated[TokenId, "token_id", "asset"]
    shares: Annotated[Amount, "amount"]
    outcome_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """The biggest holders of a token."""

    token_id: Annotated[TokenId, "token_id", "token"]
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReference:
    """What a token is: its market, its side, and its final price once resolved."""

    token_id: Annotated[TokenId, "token_id"]
    condition_id: ConditionId | None = None
    module: str = ""
    outcome_index: int
    outcome: str | None = None
    opposite_token_id: TokenId | None = None
    resolved: bool
    final_price: Decimal | None = None
    market_slug: str | None = None
    closed: bool | None = None
    neg_risk: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The service's own error; a `code` and `retryable` only in version 2."""

    error: str
    code: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagination:
    """Where the next page of version 2 begins."""

    has_more: bool
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Generic[T]):
    """One page of rows; the cursor is empty on the last page and always in version 1.

    Rows that could not be read are in `refused`: one must not hide the others.
    """

    rows: Annotated[tuple[T, ...], DERIVED]
    refused: Annotated[tuple[NotUnderstood, ...], DERIVED] = ()
    next_cursor: str = ""

    def where(self, wanted: Callable[[T], bool]) -> "Rows[T]":
        """The same page with only the rows for which `wanted` holds."""
        return replace(self, rows=tuple(row for row in self.rows if wanted(row)))


def rows(kind: type[T], body: bytes, *, source: str = SOURCE) -> Rows[T]:
    """A page of which every row must be readable; raises `NotUnderstood`."""
    found = page(kind, body, source=source)
    if found.refused:
        raise found.refused[0]
    return found


def page(kind: type[T], body: bytes, *, source: str = SOURCE) -> Rows[T]:
    """A page of either version: a bare array, or `{"data": …, "pagination": …}`.

    Raises `NotUnderstood` where the page itself has another form.
    """
    value = decode(body, source=source)
    cursor = ""
    if isinstance(value, dict) and "data" in value:
        cursor = _next_cursor(value.get("pagination"), source=source)
        value = value["data"]
    if not isinstance(value, list):
        raise NotUnderstood(source, f"expected rows, got {shown(value)}", body)
    found, refused = [], []
    for item in value:
        try:
            found.append(read(kind, item, source=f"{source}.{kind.__name__.lower()}"))
        except NotUnderstood as wrong:
            refused.append(wrong)
    return Rows(rows=tuple(found), refused=tuple(refused), next_cursor=cursor)


def _next_cursor(value: Any, *, source: str) -> str:
    if value is None:
        return ""
    pagination = read(Pagination, value, source=source)
    return (pagination.next_cursor or "") if pagination.has_more else ""


def worth(body: bytes) -> Worth:
    """`GET /v2/value`, or the one row of version 1."""
    value = decode(body, source=SOURCE)
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    return read(Worth, only, source=f"{SOURCE}.value")


def refusal(body: bytes) -> Refusal:
    """The body of a 4xx reply."""
    return read(Refusal, decode(body, source=SOURCE), source=f"{SOURCE}.error")
