"""An account's own messages: orders, trades, replies to orders and cancels, chain fills.

Nothing here signs or sends. Sizes are decimal shares, money dollars, unless a name says `micro`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from config.kernel.units import ConditionId, TokenId
from markets.core.wire import NotUnderstood, Price, decode, raw, read, read_all, shown

SOURCE = "clob.account"
USER_STREAM = "stream.user"
LAST_CURSOR = "LTE="
Side = Literal["BUY", "SELL"]
OrderKind = Literal["GTC", "GTD", "FOK", "FAK"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReply:
    """The answer to one order. `status` is as sent; amounts are empty or zero without a fill."""

    success: bool
    order_id: Annotated[str | None, "orderID"] = None
    error: Annotated[str | None, "errorMsg"] = None
    status: str = ""
    making: Annotated[Decimal | None, "makingAmount"] = None
    taking: Annotated[Decimal | None, "takingAmount"] = None
    trade_ids: Annotated[tuple[str, ...], "tradeIDs"] = ()

    @property
    def accepted(self) -> bool:
        """Proof that the order is at the venue: success, an id, no error and a status we know."""
        known = self.status in ("live", "matched", "delayed")
        return self.success and not self.error and bool(self.order_id) and known

    @property
    def rejected(self) -> bool:
        """Proof of refusal. `unmatched` and strange words are neither: ask by the order's hash."""
        return not self.success or bool(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply:
    """The body of an error status; a heartbeat's error also carries the id to send next."""

    error: Annotated[str, "error", "error_msg"]
    heartbeat_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReply:
    """What was cancelled, and why the rest was not; `not found` does not mean cancelled."""

    canceled: tuple[str, ...]
    not_canceled: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Collateral or tokens as the venue sees them, in its own unit (base units as a rule)."""

    balance: Decimal
    allowance: Decimal | None = None
    allowances: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order at the venue; `kind` and `observed_at` come on the user channel only."""

    id: str
    status: str
    condition_id: Annotated[ConditionId, "market"]
    token_id: Annotated[TokenId, "asset_id"]
    side: Side
    price: Price
    shares: Annotated[Decimal, "original_size"]
    matched: Annotated[Decimal | None, "size_matched"]
    order_type: OrderKind
    maker_address: str
    owner: str
    trade_ids: Annotated[tuple[str, ...] | None, "associate_trades"] = None
    created_at: datetime | None = None
    expires_at: Annotated[datetime | None, "expiration"] = None
    kind: Annotated[Literal["PLACEMENT", "UPDATE", "CANCELLATION"] | None, "type"] = None
    observed_at: Annotated[datetime | None, "timestamp"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerOrder:
    """A resting order that took part in a trade."""

    order_id: str
    owner: str
    maker_address: str
    shares: Annotated[Decimal, "matched_amount"]
    price: Price
    token_id: Annotated[TokenId, "asset_id"]
    outcome: str
    side: Side | None = None


TradeStatus = Literal[
    "MATCHED", "MATCHED_NOT_BROADCASTED", "MINED", "CONFIRMED", "RETRYING", "FAILED"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTrade:
    """A trade we took part in; only CONFIRMED and FAILED are final.

    Size, price and side are the taker's; where we were the maker, ours is among `maker_orders`.
    """

    id: str
    taker_order_id: str
    condition_id: Annotated[ConditionId, "market"]
    token_id: Annotated[TokenId, "asset_id"]
    side: Side
    shares: Annotated[Decimal, "size"]
    price: Price
    status: TradeStatus
    matched_at: Annotated[datetime, "match_time", "matchtime"]
    updated_at: Annotated[datetime, "last_update"]
    owner: str
    maker_address: str
    trader_side: Literal["TAKER", "MAKER"]
    maker_orders: tuple[MakerOrder, ...]
    transaction_hash: str | None = None
    observed_at: Annotated[datetime | None, "timestamp"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """An order as posted; amounts are integers of 1e-6."""

    salt: int
    maker: str
    signer: str
    token_id: Annotated[TokenId, "tokenId"]
    making_micro: Annotated[int, "makerAmount"]
    taking_micro: Annotated[int, "takerAmount"]
    side: Side
    signature_type: Annotated[int, "signatureType"]
    expiration: int
    timestamp: datetime
    metadata: str
    builder: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFill:
    """A decoded `OrderFilled` log; amounts are integers of 1e-6, the fee is in collateral."""

    order_hash: Annotated[str, "orderHash"]
    maker: str
    taker: str
    side: Side
    token_id: Annotated[TokenId | None, "tokenId"] = None
    making_micro: Annotated[int, "makerAmt"]
    taking_micro: Annotated[int, "takerAmt"]
    fee_micro: Annotated[int, "fee"]
    log_index: Annotated[int, "logIndex"]


def reply(body: bytes) -> OrderReply:
    """`POST /order` with status 200."""
    return read(OrderReply, decode(body, source=SOURCE), source=f"{SOURCE}.order")


def error(body: bytes) -> ErrorReply:
    """The body of a 4xx or 5xx reply."""
    return read(ErrorReply, decode(body, source=SOURCE), source=f"{SOURCE}.error")


def cancel(body: bytes) -> CancelReply:
    """`DELETE /order`, `/orders`, `/cancel-all`, `/cancel-market-orders`."""
    return read(CancelReply, decode(body, source=SOURCE), source=f"{SOURCE}.cancel")


def balance(body: bytes) -> Balance:
    """`GET /balance-allowance`."""
    return read(Balance, decode(body, source=SOURCE), source=f"{SOURCE}.balance")


def page(kind: type[T], body: bytes) -> tuple[tuple[T, ...], str]:
    """`GET /data/orders` or `/data/trades`: rows and the next cursor, empty on the last page."""
    value = decode(body, source=SOURCE)
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise NotUnderstood(SOURCE, f"expected a page, got {shown(value)}", body)
    rows = read_all(kind, [_plain(row) for row in value["data"]], source=SOURCE)
    cursor = str(value.get("next_cursor") or "")
    return rows, "" if cursor == LAST_CURSOR else cursor


def order(body: bytes) -> OpenOrder:
    """`GET /data/order/{id}`."""
    return read(OpenOrder, _plain(decode(body, source=SOURCE)), source=f"{SOURCE}.order")


def trade(body: bytes) -> AccountTrade:
    """One trade by REST."""
    return read(AccountTrade, _plain(decode(body, source=SOURCE)), source=f"{SOURCE}.trade")


def user_message(value: Any) -> OpenOrder | AccountTrade:
    """One decoded message of the user channel; early ones have no `event_type`, only a `type`."""
    kinds: Mapping[object, type] = {"order": OpenOrder, "trade": AccountTrade}
    word = value.get("event_type") if isinstance(value, dict) else None
    if word is None and isinstance(value, dict):
        word = "trade" if value.get("type") == "TRADE" else "order"
    if not isinstance(word, str) or word not in kinds:
        raise NotUnderstood(USER_STREAM, f"event_type {shown(word)} is unknown", raw(value))
    message: OpenOrder | AccountTrade = read(kinds[word], _plain(value), source=USER_STREAM)
    return message


def _plain(value: Any) -> Any:
    """Statuses without the prefix that some replies carry, and 0 for "never expires" as nothing."""
    if not isinstance(value, dict):
        return value
    plain = dict(value)
    if isinstance(status := plain.get("status"), str):
        plain["status"] = status.removeprefix("ORDER_STATUS_").removeprefix("TRADE_STATUS_")
    if plain.get("expiration") in ("0", 0):
        plain["expiration"] = None
    return plain
