"""From catalogue rows to the values of our columns: categories, epochs, fees, times."""

import math
import re
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


PLACEHOLDER = re.compile(
    r"(person|individual|candidate|nominee|party|player|team|club|driver|artist|song|album|movie|show"
    r"|company|model|country|state|city|coin|token|option|outcome|other) [a-z]{1,2}",
    re.IGNORECASE,
)
"""What the venue calls an outcome of an augmented group before it has a name."""
LONGEST_RULES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the catalogue says about a market, under the names of our columns; None = not said."""

    condition_id: str | None
    slug: str
    question: str
    description: str | None
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
    placeholder: bool
    asset: str
    window_s: int | None
    epoch_start_at: datetime | None
    reference_price: float | None
    twap_s: int | None
    oracle_status: str | None
    resolution_source: str | None
    volume: float | None
    liquidity: float | None


def listed(event: EventRow, row: MarketRow, *, as_of: datetime) -> Listed:
    """The column values of one market of `event`; a closed one without a time closed by `as_of`."""
    epoch = wire_epochs.of_market(row)
    prices = event.event_metadata
    opening = prices.price_to_beat if prices and epoch else None
    return Listed(
        condition_id=row.condition_id,
        slug=text(row.slug, 300),
        question=text(row.question, 1000),
        description=_said(row.description, LONGEST_RULES),
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
        placeholder=is_placeholder(event, row),
        asset=epoch.asset if epoch else "",
        window_s=epoch.window_s if epoch else None,
        epoch_start_at=epoch.starts_at if epoch else None,
        reference_price=_float(opening) or None,
        twap_s=wire_epochs.twap_s(row, epoch) if epoch else None,
        oracle_status=_said(row.uma_resolution_status, 20),
        resolution_source=_said(row.resolution_source, 500),
        volume=_float(row.volume),
        liquidity=_float(row.liquidity),
    )


def text(value: str, longest: int) -> str:
    """A text as a column holds it: no NUL, not longer than `longest`."""
    return value.replace("\0", "")[:longest]


def _said(value: str | None, longest: int) -> str | None:
    return None if value is None else text(value, longest)


def is_placeholder(event: EventRow, row: MarketRow) -> bool:
    """Whether the market stands for an outcome of an augmented group that has no name yet."""
    title = (row.group_item_title or "").strip()
    return bool(event.neg_risk_augmented) and PLACEHOLDER.fullmatch(title) is not None


def _known(read: Callable[[object], Decimal], value: Decimal | None) -> Decimal | None:
    """The value, or "not said" for one that makes no sense: the row's other news still count."""
    try:
        return None if value is None or not _fits(value, places=6) else read(value)
    except wire.Unreadable:
        return None


def _fits(value: Decimal, *, places: int) -> bool:
    """Whether a column with so many decimal places holds the value exactly."""
    exponent = value.normalize().as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -places


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
    """The market's own fee; zero where the venue switched fees off, None where it did not say.

    Raises `Unreadable` for terms that cannot be: then the fee is unknown, whatever held before.
    """
    terms = row.fee_schedule
    if terms is None:
        return FREE if row.fees_enabled is False else None
    for name, value, most, places in (
        ("rate", terms.rate, 1, 6),
        ("exponent", terms.exponent, 10, 2),
        ("rebateRate", terms.rebate_rate, 1, 4),
    ):
        if not 0 <= value <= most or not _fits(value, places=places):
            raise wire.Unreadable(
                f"feeSchedule.{name}: {wire.shown(value)} is not a number from 0 to {most} with at "
                f"most {places} decimal places"
            )
    return terms


def event_values(event: EventRow, word: str) -> Mapping[str, object]:
    """The column values of an event of category `word`, but for keys and times; None = not said."""
    group = event.neg_risk_market_id or next(
        (m.neg_risk_market_id for m in event.markets if m.neg_risk_market_id), None
    )
    return {
        "slug": text(event.slug, 300) or None,
        "title": text(event.title, 500) or None,
        "category": word or None,
        "tags": text("|".join(tag.slug for tag in event.tags), 2000) or None,
        "neg_risk": event.neg_risk,
        "neg_risk_augmented": event.neg_risk_augmented,
        "neg_risk_market_id": _said(group, 66) or None,
        "all_series": text("|".join(s.slug for s in event.series), 1000) or None,
    }


def _float(value: Decimal | None) -> float | None:
    """A figure that is not negative and that a float holds; anything else is unknown."""
    number = None if value is None else float(value)
    return number if number is not None and 0 <= number < math.inf else None
