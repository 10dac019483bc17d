"""The order-book service's public replies: books, prices, market parameters, price history."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from config.kernel.units import ConditionId, TokenId
from markets.core import book as books
from markets.core.book import Book
from markets.core.wire import (
    DERIVED,
    MILLISECONDS_FROM,
    Amount,
    NotUnderstood,
    Price,
    Tick,
    Unreadable,
    amount,
    array,
    build,
    decimal,
    decode,
    member,
    price,
    raw,
    read,
    read_all,
    shown,
)

SOURCE = "clob"
LAST_CURSOR = "LTE="


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRow:
    """One token's book with the market's current parameters, where the venue sent them."""

    token_id: Annotated[TokenId, "asset_id"]
    condition_id: Annotated[ConditionId, "market"]
    observed_at: Annotated[datetime, "timestamp"]
    tick_size: Tick | None = None
    min_shares: Annotated[Amount | None, "min_order_size"] = None
    neg_risk: bool | None = None
    last_trade_price: Price | None = None
    book: Annotated[Book, DERIVED]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTrade:
    """Price and taker side of the last trade; the side is empty where there was none."""

    price: Price
    side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One outcome with its result, where the market is resolved."""

    token_id: str
    outcome: str
    price: Decimal
    winner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """Parameters and result of one market as the matching engine sees it."""

    condition_id: ConditionId
    question: str
    tokens: tuple[Token, ...]
    active: bool
    closed: bool
    accepting_orders: bool | None = None
    enable_order_book: bool | None = None
    minimum_order_size: Decimal
    minimum_tick_size: Decimal
    neg_risk: bool | None = None
    is_50_50_outcome: bool = False
    end_date_iso: datetime | None = None
    game_start_time: datetime | None = None
    seconds_delay: int = 0
    market_slug: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketsPage:
    """One page of `GET /markets`; rows that could not be read are in `refused`."""

    markets: tuple[MarketState, ...]
    refused: tuple[NotUnderstood, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """A historical price of one token."""

    observed_at: Annotated[datetime, "t", "timestamp"]
    price: Annotated[Price, "p", "price"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRows:
    """Historical prices as sent, and how many rows could not be used, by reason."""

    points: tuple[PricePoint, ...]
    left_out: Counter[str]


def book(body: bytes) -> BookRow:
    """`GET /book`."""
    return book_from(decode(body, source=SOURCE), source=f"{SOURCE}.book")


def book_list(body: bytes) -> tuple[tuple[BookRow, ...], tuple[NotUnderstood, ...]]:
    """`POST /books`: the books that could be read, and the refusals of the others."""
    rows = decode(body, source=SOURCE)
    if not isinstance(rows, list):
        raise NotUnderstood(f"{SOURCE}.books", f"expected an array, got {shown(rows)}", body)
    found, refused = [], []
    for row in rows:
        try:
            found.append(book_from(row, source=f"{SOURCE}.books"))
        except NotUnderstood as wrong:
            refused.append(wrong)
    return tuple(found), tuple(refused)


def book_from(value: Any, *, source: str) -> BookRow:
    """One decoded book; the venue sorts levels worst first, ours are best first."""
    try:
        return _book(value)
    except Unreadable as wrong:
        raise NotUnderstood(source, str(wrong), raw(value)) from wrong


def _book(value: Any) -> BookRow:
    header = build(BookRow, value, book=None)
    levels = books.build(header.observed_at, _levels(value, "bids"), _levels(value, "asks"))
    return replace(header, book=levels)


def _levels(value: Mapping[str, Any], side: str) -> list[tuple[Decimal, Decimal]]:
    if side not in value:
        raise Unreadable(f"{side} is missing")
    found = []
    for item in array(value[side]):
        if not isinstance(item, dict) or "price" not in item or "size" not in item:
            raise Unreadable(f"{side}: {shown(item)} is not a price level")
        found.append(_level(item, side))
    return found


def _level(item: Mapping[str, Any], side: str) -> tuple[Decimal, Decimal]:
    """Price and shares; a price of 0 or 1 would give shares away."""
    try:
        at, shares = price(item["price"]), amount(item["size"])
    except Unreadable as wrong:
        raise Unreadable(f"{side}: {wrong}") from wrong
    if at in (0, 1):
        raise Unreadable(f"{side}: nobody trades at {at}")
    return at, shares


def number(body: bytes, name: str) -> Decimal:
    """The one number of `/price`, `/midpoint` (mid), `/spread`, `/tick-size` or `/fee-rate`."""
    source = f"{SOURCE}.{name}"
    value = decode(body, source=source)
    try:
        return decimal(member(value, name))
    except Unreadable as wrong:
        raise NotUnderstood(source, str(wrong), body) from wrong


def neg_risk(body: bytes) -> bool:
    """`GET /neg-risk`."""
    value = decode(body, source=SOURCE)
    found = value.get("neg_risk") if isinstance(value, dict) else None
    if not isinstance(found, bool):
        raise NotUnderstood(f"{SOURCE}.neg_risk", "neg_risk is not true or false", body)
    return found


def last_trade(body: bytes) -> LastTrade:
    """`GET /last-trade-price`."""
    return read(LastTrade, decode(body, source=SOURCE), source=f"{SOURCE}.last_trade_price")


def server_time(body: bytes) -> datetime:
    """`GET /time`: bare epoch seconds."""
    value = decode(body, source=SOURCE)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise NotUnderstood(f"{SOURCE}.time", f"expected epoch seconds, got {shown(value)}", body)
    return datetime.fromtimestamp(value, UTC)


def market(body: bytes) -> MarketState:
    """`GET /markets/{condition_id}`."""
    return market_from(decode(body, source=SOURCE))


def markets_page(body: bytes) -> MarketsPage:
    """`GET /markets`."""
    value = decode(body, source=SOURCE)
    rows = value.get("data") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise NotUnderstood(f"{SOURCE}.markets", "the page has no array 'data'", body)
    found, refused = [], []
    for row in rows:
        try:
            found.append(market_from(row))
        except NotUnderstood as wrong:
            refused.append(wrong)
    return MarketsPage(
        markets=tuple(found), refused=tuple(refused), next_cursor=str(value.get("next_cursor", ""))
    )


def market_from(value: Any) -> MarketState:
    """One decoded market; refuses other than two tokens with ids."""
    source = f"{SOURCE}.market"
    state = read(MarketState, value, source=source)
    ids = {token.token_id for token in state.tokens if token.token_id.isdigit()}
    if len(state.tokens) != 2 or len(ids) != 2:
        shape = shown([t.token_id for t in state.tokens])
        raise NotUnderstood(source, f"tokens: expected two different ids, got {shape}", raw(value))
    return state


def prices_history(body: bytes) -> tuple[PricePoint, ...]:
    """`GET /prices-history`, and the rows of its successor `GET /v2/prices-history`.

    Every row must be readable; raises `NotUnderstood`.
    """
    return read_all(PricePoint, _history(body), source=f"{SOURCE}.prices_history")


def price_rows(body: bytes) -> PriceRows:
    """The same reply, with the rows that could not be used counted by their reason."""
    found, left_out = [], Counter[str]()
    for row in _history(body):
        # Millions of rows come in the plain form; whatever differs from it is read with care.
        plain = _plain_point(row) if type(row) is dict else None
        if plain is not None:
            found.append(plain)
            continue
        try:
            found.append(read(PricePoint, row, source=f"{SOURCE}.prices_history"))
        except NotUnderstood:
            said = row.get("p", row.get("price")) if isinstance(row, dict) else None
            left_out["out_of_range" if _is_elsewhere(said) else "unreadable"] += 1
    return PriceRows(points=tuple(found), left_out=left_out)


def _plain_point(row: dict[str, Any]) -> PricePoint | None:
    at, said = row.get("t"), row.get("p")
    if type(at) is not int or not 0 < at < MILLISECONDS_FROM:
        return None
    if type(said) is not Decimal or not said.is_finite() or not 0 <= said <= 1:
        return None
    return PricePoint(observed_at=datetime.fromtimestamp(at, UTC), price=Price(said))


def _history(body: bytes) -> list[Any]:
    value = decode(body, source=SOURCE)
    rows = value.get("history") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        reason = f"expected an array, got {shown(rows)}"
        raise NotUnderstood(f"{SOURCE}.prices_history", reason, body)
    return rows


def _is_elsewhere(value: object) -> bool:
    try:
        return not 0 <= decimal(value) <= 1
    except Unreadable:
        return False
