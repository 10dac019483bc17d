"""Which markets we follow, and the one reason why each of the others is left out."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from django.db.models import Count, Q, QuerySet

from config.kernel.clocks import Clock, given
from markets import quotes
from markets.adapters.clob_data import ClobData
from markets.core import book as books
from markets.core.book import Book
from markets.core.contracts import IngestConfig
from markets.models import IngestSettings, Market, Origin, Protocol, Quote, QuoteKind

log = structlog.get_logger()
CHUNK = 500
COLUMNS = (
    "pk",
    "protocol",
    "accepting_orders",
    "scheduled_end_at",
    "window_s",
    "epoch_start_at",
    "neg_risk_other",
    "assets",
    "liquidity",
    "tracked",
    "filter_reason",
)
LIVE_ORIGINS = (Origin.VENUE, Origin.SANDBOX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the catalogue knows about an open market."""

    market_id: int
    protocol: str
    accepting_orders: bool | None
    scheduled_end_at: datetime | None
    window_s: int | None
    epoch_start_at: datetime | None
    neg_risk_other: bool
    has_schedule: bool
    assets: int
    liquidity: float | None
    tracked: bool
    filter_reason: str


Rule = Callable[[Candidate, IngestConfig, datetime], bool]
BookRule = Callable[[Book | None, IngestConfig], bool]


def _ended(market: Candidate, _config: IngestConfig, as_of: datetime) -> bool:
    return market.scheduled_end_at is not None and market.scheduled_end_at <= as_of


def _ends_too_soon(market: Candidate, config: IngestConfig, as_of: datetime) -> bool:
    needed = config.min_epoch_seconds_left if market.window_s else config.min_seconds_left
    end = market.scheduled_end_at
    return end is not None and end - as_of < timedelta(seconds=needed)


def _ends_too_late(market: Candidate, config: IngestConfig, as_of: datetime) -> bool:
    if market.epoch_start_at is not None:
        return market.epoch_start_at - as_of > timedelta(seconds=config.max_epoch_lead_s)
    end = market.scheduled_end_at
    return end is not None and end - as_of > timedelta(days=config.max_days_left)


# In this order: the first reason that holds is the one recorded.
CATALOGUE_RULES: tuple[tuple[str, Rule], ...] = (
    ("UNKNOWN_PROTOCOL", lambda m, _c, _t: m.protocol == Protocol.UNKNOWN),
    ("ENDED", _ended),
    ("NOT_ACCEPTING", lambda m, _c, _t: m.accepting_orders is not True),
    ("NO_ASSET_ID", lambda m, _c, _t: m.assets != 2),
    ("NEG_RISK_OTHER", lambda m, _c, _t: m.neg_risk_other),
    ("NO_FEE_SCHEDULE", lambda m, _c, _t: not m.has_schedule),
    ("ENDS_TOO_SOON", _ends_too_soon),
    ("ENDS_TOO_LATE", _ends_too_late),
)


def _wide(book: Book | None, config: IngestConfig) -> bool:
    return book is None or book.spread is None or float(book.spread) > config.max_spread


def _thin(book: Book | None, config: IngestConfig) -> bool:
    if book is None:
        return True
    near = Decimal(str(config.depth_within))
    depth = book.depth_usd("bid", within=near) + book.depth_usd("ask", within=near)
    return float(depth) < config.min_depth_usd


BOOK_RULES: tuple[tuple[str, BookRule], ...] = (
    ("NO_BOOK", lambda book, _c: book is None or book.mid is None),
    ("WIDE_SPREAD", _wide),
    ("THIN_BOOK", _thin),
)
OVER_LIMIT = "OVER_LIMIT"
CLOSED = "CLOSED"


def refresh(
    *, as_of: datetime, venue: ClobData | None = None, clock: Clock | None = None
) -> dict[str, int]:
    """Choose the markets to follow, with one reason for each other; returns markets per reason.

    Markets that pass the catalogue's rules and have no fresh book get theirs fetched. The empty
    reason counts the followed.
    """
    config = IngestSettings.objects.current(as_of=as_of).as_config()
    candidates = _candidates()
    reasons = {c.market_id: by_catalogue(c, config, as_of=as_of) for c in candidates}
    passed = sorted((c for c in candidates if not reasons[c.market_id]), key=_urgency)
    admitted, surplus = passed[: config.max_tracked], passed[config.max_tracked :]
    reasons |= dict.fromkeys((c.market_id for c in surplus), OVER_LIMIT)
    found = _fresh_books(
        [c.market_id for c in admitted], config, as_of=as_of, venue=venue, clock=clock
    )
    for candidate in admitted:
        reasons[candidate.market_id] = by_book(found.get(candidate.market_id), config)
    _file(candidates, reasons)
    _drop_closed()
    counts = dict(Counter(reasons.values()))
    log.info("universe.refreshed", **{reason or "TRACKED": n for reason, n in counts.items()})
    return counts


def by_catalogue(market: Candidate, config: IngestConfig, *, as_of: datetime) -> str:
    """The first catalogue rule that the market breaks, or an empty text."""
    return next((name for name, holds in CATALOGUE_RULES if holds(market, config, as_of)), "")


def by_book(book: Book | None, config: IngestConfig) -> str:
    """The first book rule that the market breaks, or an empty text."""
    return next((name for name, holds in BOOK_RULES if holds(book, config)), "")


def reasons() -> dict[str, int]:
    """Open markets per reason; the empty reason counts the followed."""
    rows = _open().values_list("filter_reason").annotate(n=Count("pk"))
    return dict(rows)


def _open() -> QuerySet[Market]:
    return Market.objects.filter(origin__in=LIVE_ORIGINS, closed_at__isnull=True)


def _candidates() -> list[Candidate]:
    rows = (
        _open()
        .annotate(assets=Count("outcomes", filter=Q(outcomes__asset_id__isnull=False)))
        .values(*COLUMNS, "fees_id")
    )
    return [_candidate(row) for row in rows.iterator(chunk_size=5000)]


def _candidate(row: dict[str, Any]) -> Candidate:
    return Candidate(
        market_id=row.pop("pk"),
        has_schedule=row.pop("fees_id") is not None,
        **row,
    )


def _urgency(market: Candidate) -> tuple[bool, bool, float, int]:
    """Up/down windows first, then what is followed already, then the most liquid."""
    return (
        market.window_s is None,
        not market.tracked,
        -(market.liquidity or 0.0),
        market.market_id,
    )


def _fresh_books(
    ids: Sequence[int],
    config: IngestConfig,
    *,
    as_of: datetime,
    venue: ClobData | None,
    clock: Clock | None,
) -> dict[int, Book]:
    since = as_of - timedelta(seconds=config.stale_after_s)
    known = _books(ids, since=since, as_of=as_of)
    missing = [market_id for market_id in ids if market_id not in known]
    if missing and quotes.refresh(missing, as_of=as_of, venue=venue, clock=clock):
        known |= _books(missing, since=since, as_of=given(clock, as_of)())
    return known


def _books(ids: Sequence[int], *, since: datetime, as_of: datetime) -> dict[int, Book]:
    """The newest book snapshot of each market in [since, as_of]."""
    found: dict[int, Book] = {}
    for start in range(0, len(ids), CHUNK):
        rows = (
            Quote.objects.filter(
                market_id__in=ids[start : start + CHUNK],
                kind=QuoteKind.BOOK,
                received_at__gte=since,
                received_at__lte=as_of,
                levels__isnull=False,
            )
            .order_by("observed_at")
            .values_list("market_id", "observed_at", "levels")
        )
        found |= {pk: books.unpack(at, bytes(levels)) for pk, at, levels in rows if levels}
    return found


def _file(candidates: Iterable[Candidate], reasons: Mapping[int, str]) -> None:
    changes: dict[str, list[int]] = {}
    for candidate in candidates:
        reason = reasons[candidate.market_id]
        if (candidate.filter_reason, candidate.tracked) != (reason, not reason):
            changes.setdefault(reason, []).append(candidate.market_id)
    for reason, ids in changes.items():
        for start in range(0, len(ids), CHUNK):
            Market.objects.filter(pk__in=ids[start : start + CHUNK]).update(
                tracked=not reason, filter_reason=reason
            )


def _drop_closed() -> None:
    Market.objects.filter(tracked=True, closed_at__isnull=False).update(
        tracked=False, filter_reason=CLOSED
    )
