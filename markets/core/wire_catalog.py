"""From catalogue rows to the values of our columns: categories, epochs, fees, times."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from config.kernel.units import ZERO
from markets.core import wire, wire_epochs
from markets.core.wire_gamma import ASSET_LISTS, EventRow, FeeTerms, MarketRow

UNKNOWN_PROTOCOL = "unknown"
FREE = FeeTerms(rate=ZERO, exponent=Decimal(1))
# The first word that matches decides, so the narrow ones come first.
CATEGORIES: tuple[tuple[str, frozenset[str]], ...] = (
    ("esports", frozenset({"esports", "counter-strike-2", "league-of-legends", "dota-2"})),
    ("sports", frozenset({"sports", "soccer", "nba", "nfl", "mlb", "nhl", "tennis", "ufc"})),
    ("crypto", frozenset({"crypto", "crypto-prices", "bitcoin", "ethereum", "up-or-down"})),
    ("geopolitics", frozenset({"geopolitics", "foreign-policy", "ukraine", "middle-east"})),
    ("mentions", frozenset({"mentions", "mention-markets"})),
    ("politics", frozenset({"politics", "elections", "us-current-affairs", "trump"})),
    ("economics", frozenset({"economics", "economy", "fed", "fed-rates", "inflation"})),
    ("finance", frozenset({"finance", "stocks", "business", "earnings", "commodities"})),
    ("tech", frozenset({"tech", "technology", "ai", "science"})),
    ("climate", frozenset({"climate", "weather", "temperature", "climate-weather"})),
    ("culture", frozenset({"culture", "pop-culture", "movies", "music", "awards"})),
)
OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the catalogue says about a market, under the names of our columns; None = not said."""

    condition_id: str | None
    slug: str
    question: str
    category: str
    protocol: str
    opens_at: datetime | None
    scheduled_end_at: datetime | None
    closed_at: datetime | None
    accepting_orders: bool | None
    tick_size: Decimal | None
    min_shares: Decimal | None
    neg_risk: bool | None
    neg_risk_other: bool
    asset: str
    window_s: int | None
    epoch_start_at: datetime | None
    reference_price: float | None
    volume: float | None
    liquidity: float | None


def listed(event: EventRow, row: MarketRow, *, as_of: datetime) -> Listed:
    """The column values of one market of `event`; a closed one without a time closed by `as_of`."""
    epoch = wire_epochs.from_slug(row.slug, ends_at=row.end_date)
    prices = event.event_metadata
    opening = prices.price_to_beat if prices and epoch else None
    return Listed(
        condition_id=row.condition_id,
        slug=row.slug[:300],
        question=row.question[:1000],
        category=category(event, row),
        protocol=row.version if row.version in ASSET_LISTS else UNKNOWN_PROTOCOL,
        opens_at=row.start_date,
        scheduled_end_at=epoch.ends_at if epoch else row.end_date,
        closed_at=(row.closed_time or as_of) if row.closed else None,
        accepting_orders=accepts_orders(row),
        tick_size=_known(wire.tick, row.order_price_min_tick_size),
        min_shares=_known(wire.amount, row.order_min_size),
        neg_risk=row.neg_risk,
        neg_risk_other=bool(row.neg_risk_other),
        asset=epoch.asset if epoch else "",
        window_s=epoch.window_s if epoch else None,
        epoch_start_at=epoch.starts_at if epoch else None,
        reference_price=_float(opening),
        volume=_float(row.volume),
        liquidity=_float(row.liquidity),
    )


def _known(read: Callable[[object], Decimal], value: Decimal | None) -> Decimal | None:
    """The value, or "not said" for one that makes no sense: the row's other news still count."""
    try:
        return None if value is None else read(value)
    except wire.Unreadable:
        return None


def accepts_orders(row: MarketRow) -> bool | None:
    """Whether orders are taken now; a closed market takes none, whatever its flags say."""
    if row.closed or row.active is False or row.enable_order_book is False:
        return False
    return row.accepting_orders


def category(event: EventRow, row: MarketRow) -> str:
    """One word for the subject, by tags, category and fee type; empty where nothing is said."""
    said = [tag.slug.lower() for tag in event.tags]
    said += [text.lower().replace(" ", "-") for text in (event.category, row.category) if text]
    if row.fee_type:
        said.append(row.fee_type.split("_", 1)[0])
    if not said:
        return ""
    matches = (name for name, words in CATEGORIES if words.intersection(said))
    return next(matches, OTHER)


def fee_terms(row: MarketRow) -> FeeTerms | None:
    """The market's own fee; zero where the venue switched fees off, None where it did not say."""
    if row.fee_schedule is not None:
        return row.fee_schedule
    return FREE if row.fees_enabled is False else None


def event_values(event: EventRow, category_word: str) -> Mapping[str, object]:
    """The column values of an event, apart from keys and times."""
    tags = "|".join(tag.slug for tag in event.tags)
    return {
        "slug": event.slug[:300],
        "title": event.title[:500],
        "category": category_word,
        "tags": tags[:2000],
        "neg_risk": event.neg_risk,
        "neg_risk_augmented": bool(event.neg_risk_augmented),
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
