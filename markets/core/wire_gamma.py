"""Gamma, the venue's catalogue: events, markets, fee schedules, tags, listing pages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from config.kernel.units import ConditionId, TokenId
from markets.core.wire import (
    DERIVED,
    NotUnderstood,
    Price,
    Unreadable,
    array,
    build,
    converter,
    decode,
    raw,
    read,
    read_all,
    shown,
)

SOURCE = "gamma"
LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTerms:
    """A market's own taker fee: shares × rate × (p (1 − p))^exponent dollars."""

    rate: Decimal
    exponent: Decimal
    taker_only: bool = True
    rebate_rate: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoConfig:
    """Which price series decides an up/down market."""

    asset: str = ""
    duration: str = ""
    twap_enabled: bool | None = None
    twap_lookback_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    """A recurring family of events."""

    id: str = ""
    slug: str
    title: str = ""
    recurrence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A label of the catalogue."""

    id: str
    slug: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPrices:
    """Opening and closing price of an up/down event; the opening appears about a minute late."""

    price_to_beat: Decimal | None = None
    final_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRef:
    """The event as a market names it."""

    id: str
    slug: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRow:
    """One binary question.

    Attributes
    ----------
    version
        As the venue said it. For anything but `v1` and `v2`, and for silence, `asset_ids` is empty:
        which ledger holds the shares is unknown.
    asset_ids
        Token ids (v1) or position ids (v2) in the order of `outcomes`; empty until hydrated.
    outcome_prices
        Empty where not given.
    """

    id: str
    question: str
    description: str | None = None
    condition_id: Annotated[ConditionId | None, "conditionId", "condition"] = None
    slug: str = ""
    version: str = ""
    outcomes: tuple[str, ...]
    outcome_prices: tuple[Price, ...] = ()
    asset_ids: Annotated[tuple[TokenId, ...], DERIVED] = ()
    active: bool | None = None
    closed: bool | None = None
    accepting_orders: bool | None = None
    enable_order_book: bool | None = None
    start_date: datetime | None = None
    event_start_time: datetime | None = None
    end_date: Annotated[datetime | None, "endDate", "endDateIso"] = None
    closed_time: datetime | None = None
    order_price_min_tick_size: Decimal | None = None
    order_min_size: Decimal | None = None
    neg_risk: bool | None = None
    neg_risk_other: bool | None = None
    neg_risk_market_id: Annotated[str | None, "negRiskMarketID"] = None
    group_item_title: str | None = None
    resolution_source: str | None = None
    volume: Annotated[Decimal | None, "volumeNum", "volume"] = None
    liquidity: Annotated[Decimal | None, "liquidityNum", "liquidity"] = None
    fees_enabled: bool | None = None
    fee_type: str | None = None
    fee_schedule: FeeTerms | None = None
    uma_resolution_status: str | None = None
    crypto_market_config: CryptoConfig | None = None
    category: str | None = None
    events: tuple[EventRef, ...] = ()
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A question group with its markets; rows that could not be read are in `refused`."""

    id: str
    title: str = ""
    slug: str = ""
    category: str | None = None
    active: bool | None = None
    closed: bool | None = None
    end_date: datetime | None = None
    neg_risk: bool | None = None
    neg_risk_augmented: bool | None = None
    neg_risk_market_id: Annotated[str | None, "negRiskMarketID"] = None
    series: tuple[SeriesRow, ...] = ()
    tags: tuple[Tag, ...] = ()
    event_metadata: EpochPrices | None = None
    simulated: bool = False
    markets: Annotated[tuple[MarketRow, ...], DERIVED] = ()
    refused: Annotated[tuple[NotUnderstood, ...], DERIVED] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _EventKey:
    """What an event must say, or its markets belong nowhere."""

    id: str
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing; `next_cursor` is empty on the last."""

    events: tuple[EventRow, ...] = ()
    markets: tuple[MarketRow, ...] = ()
    refused: tuple[NotUnderstood, ...] = ()
    next_cursor: str = ""


ASSET_LISTS: Mapping[str, str] = {"v1": "clobTokenIds", "v2": "positionIds"}
TOKENS = converter(tuple[TokenId, ...])


def market(body: bytes) -> MarketRow:
    """`GET /markets/{id}` or `/markets/slug/{slug}`."""
    return market_from(decode(body, source=SOURCE))


def markets(body: bytes) -> tuple[MarketRow, ...]:
    """`GET /markets`: a bare array."""
    rows = decode(body, source=SOURCE)
    if not isinstance(rows, list):
        raise NotUnderstood(SOURCE, f"expected an array of markets, got {shown(rows)}", body)
    return tuple(market_from(row) for row in rows)


def listing(body: bytes) -> Page:
    """`GET /markets`: a bare array; unreadable rows are refused one by one."""
    rows = decode(body, source=SOURCE)
    if not isinstance(rows, list):
        raise NotUnderstood(SOURCE, f"expected an array of markets, got {shown(rows)}", body)
    read_rows, refused = _each(rows, market_from)
    return Page(markets=tuple(read_rows), refused=tuple(refused))


def event(body: bytes) -> EventRow:
    """`GET /events/{id}` or `/events/slug/{slug}`."""
    return event_from(decode(body, source=SOURCE))


def events(body: bytes) -> tuple[EventRow, ...]:
    """`GET /events`: a bare array."""
    rows = decode(body, source=SOURCE)
    if not isinstance(rows, list):
        raise NotUnderstood(SOURCE, f"expected an array of events, got {shown(rows)}", body)
    return tuple(event_from(row) for row in rows)


def tags(body: bytes) -> tuple[Tag, ...]:
    """`GET /tags`."""
    return read_all(Tag, decode(body, source=SOURCE), source=SOURCE)


def page(body: bytes, kind: Literal["events", "markets"]) -> Page:
    """`GET /events/keyset` or `/markets/keyset`; unreadable rows are refused one by one."""
    envelope = decode(body, source=SOURCE)
    rows = envelope.get(kind) if isinstance(envelope, dict) else None
    if not isinstance(rows, list):
        raise NotUnderstood(SOURCE, f"the page has no array {kind!r}", body)
    simulated = envelope.get("simulated") is True
    reader = event_from if kind == "events" else market_from
    read_rows, refused = _each(rows, reader)
    if simulated:
        read_rows = [_marked_simulated(row) for row in read_rows]
    cursor = envelope.get("next_cursor") or ""
    return Page(**{kind: tuple(read_rows)}, refused=tuple(refused), next_cursor=str(cursor))


def search(body: bytes) -> Page:
    """`GET /public-search`: events only."""
    return page(body, "events")


def market_from(value: Any) -> MarketRow:
    """One decoded market; raises `NotUnderstood`, for instance for other than two outcomes."""
    try:
        return _market(value)
    except Unreadable as wrong:
        raise NotUnderstood(f"{SOURCE}.market", str(wrong), raw(value)) from wrong


def _market(value: Any) -> MarketRow:
    row = build(MarketRow, value)
    _check_key(row.id)
    if len(row.outcomes) != 2:
        raise Unreadable(f"outcomes: expected two, got {shown(row.outcomes)}")
    if row.outcome_prices and len(row.outcome_prices) != 2:
        raise Unreadable(f"outcomePrices: expected two, got {shown(row.outcome_prices)}")
    return replace(row, asset_ids=_asset_ids(value, row.version))


def _asset_ids(value: Mapping[str, Any], version: str) -> tuple[TokenId, ...]:
    name = ASSET_LISTS.get(version, "")
    found = value.get(name)
    if found is None or found in ("", "[]", []):
        return ()
    try:
        ids: tuple[TokenId, ...] = TOKENS(array(found))
    except Unreadable as wrong:
        raise Unreadable(f"{name}: {wrong}") from wrong
    if len(set(ids)) != 2:
        raise Unreadable(f"{name}: expected two different ids, got {shown(ids)}")
    return ids


def event_from(value: Any) -> EventRow:
    """One decoded event with every market that could be read.

    Where only its own words are unreadable, it keeps its markets and says nothing of itself.
    """
    source = f"{SOURCE}.event"
    row = read(_EventKey, value, source=source)
    try:
        _check_key(row.id)
    except Unreadable as wrong:
        raise NotUnderstood(source, str(wrong), raw(value)) from wrong
    children = value.get("markets") or []
    if not isinstance(children, list):
        raise NotUnderstood(
            source, f"markets: expected an array, got {shown(children)}", raw(value)
        )
    rows, refused = _each(children, market_from)
    try:
        said = read(EventRow, value, source=source)
    except NotUnderstood as wrong:
        if not rows:
            raise
        said, refused = EventRow(id=row.id, simulated=row.simulated), [wrong, *refused]
    found = replace(said, markets=tuple(rows), refused=tuple(refused))
    return _marked_simulated(found) if found.simulated else found


def _check_key(key: str) -> None:
    if not 0 < len(key) <= LONGEST_KEY or "\0" in key:
        raise Unreadable(f"id: {shown(key)} is not a text of 1 to {LONGEST_KEY} letters")


def _each(values: list[Any], reader: Any) -> tuple[list[Any], list[NotUnderstood]]:
    rows, refused = [], []
    for value in values:
        try:
            rows.append(reader(value))
        except NotUnderstood as wrong:
            refused.append(wrong)
    return rows, refused


def _marked_simulated(row: Any) -> Any:
    if isinstance(row, EventRow):
        children = tuple(replace(child, simulated=True) for child in row.markets)
        return replace(row, simulated=True, markets=children)
    return replace(row, simulated=True)
