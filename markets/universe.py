"""Which markets we follow, and the one reason why each of the others is left out."""

from collections import Counter
from datetime import datetime, timedelta

import polars as pl
import structlog
from django.db import transaction
from django.db.models import Count, QuerySet

from config.kernel import vendor
from config.kernel.clocks import Clock, given
from config.kernel.copy_format import Schema
from markets import quotes
from markets.adapters.clob_data import ClobData
from markets.core import universe as core
from markets.core.contracts import IngestConfig
from markets.core.universe import BOOK_RULES, CATALOGUE_RULES
from markets.core.universe_places import admitted, book_figures
from markets.models import IngestSettings, Market, Origin, QuoteKind

log = structlog.get_logger()
CHUNK = 5000
LIVE_ORIGINS = (Origin.VENUE, Origin.SANDBOX)
CLOSED = "CLOSED"
REASONS = (
    *(rule.code for rule in (*CATALOGUE_RULES, *BOOK_RULES)),
    core.OVER_LIMIT,
    core.UNKNOWN_LIQUIDITY,
    CLOSED,
)
"""Every reason for which a market is left out."""

# Numbers and times travel in binary, texts one by one: names only where a blacklist asks for them.
NUMBERS: Schema = {name: dtype for name, dtype in core.CANDIDATES.items() if dtype != pl.String}
NUMBERS_SQL = """
SELECT m.id, CASE WHEN m.accepting_orders IS NULL THEN NULL
       WHEN m.accepting_orders THEN 1 ELSE 0 END AS accepting,
       m.scheduled_end_at, m.window_s, m.epoch_start_at,
       CASE WHEN m.neg_risk_other OR m.placeholder THEN 1 ELSE 0 END AS placeholder, m.fees_id,
       (SELECT count(o.asset_id) FROM markets_outcome o WHERE o.market_id = m.id) AS assets,
       m.liquidity, CASE WHEN m.tracked THEN 1 ELSE 0 END AS tracked
FROM markets_market m WHERE m.closed_at IS NULL AND m.origin IN (%s, %s)
"""
TEXTS: Schema = {
    "id": pl.Int64,
    **{name: pl.String for name, dtype in core.CANDIDATES.items() if dtype == pl.String},
}
NAMES = "m.slug, e.slug AS event_slug, e.tags, m.question"
NO_NAMES = "'' AS slug, '' AS event_slug, '' AS tags, '' AS question"
TEXTS_SQL = """
SELECT m.id, m.protocol, m.filter_reason, m.profile, m.category, m.asset, {names}
FROM markets_market m {join} WHERE m.closed_at IS NULL AND m.origin IN (%s, %s)
"""
JOIN = "JOIN markets_event e ON e.id = m.event_id"
BOOK_SQL = """
SELECT q.market_id, q.observed_at, q.received_at, q.levels FROM markets_quote q
WHERE {condition} AND q.kind = %s AND q.received_at >= %s AND q.received_at <= %s
AND q.levels IS NOT NULL
"""
BOOKS: Schema = {
    "market_id": pl.Int64,
    "observed_at": core.TIME,
    "received_at": core.TIME,
    "levels": pl.Binary,
}
# A market that is not followed is judged by a book up to so many times older: each book is a row.
PATIENCE = 6


def refresh(
    *, as_of: datetime, venue: ClobData | None = None, clock: Clock | None = None
) -> dict[str, int]:
    """Choose the markets to follow, with one reason for each other; returns markets per reason.

    Markets that pass the catalogue's rules and have no fresh book get theirs fetched. The empty
    reason counts the followed.
    """
    config = IngestSettings.objects.current(as_of=as_of).as_config()
    frame = on_paper(config, as_of=as_of)
    passed = frame.filter(pl.col("reason") == "")
    known = _books(passed, config, since=as_of, as_of=as_of)["market_id"]
    missing = passed.filter(~pl.col("id").is_in(known.implode()))["id"].to_list()
    if missing:
        quotes.refresh(missing, as_of=as_of, venue=venue, clock=clock)
    judged = by_books(frame, config, since=as_of, as_of=given(clock, as_of)())
    changed = _file(judged)
    _drop_closed()
    counts = dict(Counter(judged["reason"].to_list()))
    shown = {reason or "TRACKED": n for reason, n in counts.items()}
    log.info("universe.refreshed", changed=changed, **shown)
    return counts


def on_paper(config: IngestConfig, *, as_of: datetime) -> pl.DataFrame:
    """The open markets, judged by what the catalogue says of them; `reason` is empty for passed.

    Of the passed as many are kept as may have their books judged, shared fairly.
    """
    frame = core.prepared(_candidates(config), config, as_of=as_of)
    frame = frame.with_columns(reason=core.first_broken(CATALOGUE_RULES, config))
    passed = frame.filter(pl.col("reason") == "")
    if len(passed) <= config.max_analysed:
        return frame
    inside = passed.filter(admitted(passed, config.max_analysed, by="liquidity"))["id"]
    unknown = pl.col("liquidity").is_null() & pl.col("window_s").is_null()
    surplus = (
        pl.when(unknown).then(pl.lit(core.UNKNOWN_LIQUIDITY)).otherwise(pl.lit(core.OVER_LIMIT))
    )
    outside = (pl.col("reason") == "") & ~pl.col("id").is_in(inside.implode())
    return frame.with_columns(reason=pl.when(outside).then(surplus).otherwise("reason"))


def _candidates(config: IngestConfig) -> pl.DataFrame:
    named = {"names": NAMES, "join": JOIN} if config.blacklist else {"names": NO_NAMES, "join": ""}
    numbers = vendor.read(NUMBERS_SQL, list(LIVE_ORIGINS), NUMBERS)
    texts = vendor.read(TEXTS_SQL.format(**named), list(LIVE_ORIGINS), TEXTS)
    return numbers.join(texts, on="id").sort("id").select(list(core.CANDIDATES))


def by_books(
    frame: pl.DataFrame, config: IngestConfig, *, since: datetime, as_of: datetime
) -> pl.DataFrame:
    """Judge those that passed on paper by their books that were fresh at `since` or came after.

    Adds `spread` and `depth_usd`, null where unknown, and limits the followed to `max_tracked`.
    """
    books = _books(frame.filter(pl.col("reason") == ""), config, since=since, as_of=as_of)
    spread, depth = book_figures(books["levels"].to_list(), within=config.depth_within)
    figures = pl.DataFrame(
        {"id": books["market_id"], "spread": spread, "depth_usd": depth},
        schema={"id": pl.Int64, "spread": pl.Float64, "depth_usd": pl.Float64},
    ).with_columns(pl.col(core.BOOK_COLUMNS).fill_nan(None))
    frame = frame.join(figures, on="id", how="left", maintain_order="left")
    passed = pl.col("reason") == ""
    verdict = core.first_broken(BOOK_RULES, config)
    frame = frame.with_columns(reason=pl.when(passed).then(verdict).otherwise("reason"))
    good = frame.filter(passed)
    if len(good) <= config.max_tracked:
        return frame
    inside = good.filter(admitted(good, config.max_tracked, by="depth_usd"))["id"]
    outside = passed & ~pl.col("id").is_in(inside.implode())
    return frame.with_columns(
        reason=pl.when(outside).then(pl.lit(core.OVER_LIMIT)).otherwise("reason")
    )


def reasons() -> dict[str, int]:
    """Open markets per reason; the empty reason counts the followed."""
    rows = _open().values_list("filter_reason").annotate(n=Count("pk"))
    return dict(rows)


def _open() -> QuerySet[Market]:
    return Market.objects.filter(origin__in=LIVE_ORIGINS, closed_at__isnull=True)


def _books(
    frame: pl.DataFrame, config: IngestConfig, *, since: datetime, as_of: datetime
) -> pl.DataFrame:
    """The newest book of each market that was fresh at `since`, or came until `as_of`."""
    condition, asked = vendor.among("q.market_id", frame["id"].to_list())
    fresh = since - timedelta(seconds=config.stale_after_s)
    oldest = since - timedelta(seconds=PATIENCE * config.stale_after_s)
    rows = vendor.read(
        BOOK_SQL.format(condition=condition),
        [asked, int(QuoteKind.BOOK), vendor.instant(oldest), vendor.instant(as_of)],
        BOOKS,
    )
    newest = rows.sort("observed_at").unique("market_id", keep="last", maintain_order=True)
    patient = frame.filter((pl.col("tracked") == 0) & (pl.col("fits") != core.EPOCH))["id"]
    good_enough = pl.col("market_id").is_in(patient.implode())
    return newest.filter(good_enough | (pl.col("received_at") >= fresh))


@transaction.atomic
def _file(judged: pl.DataFrame) -> int:
    """Write what changed, and nothing else; returns how many markets."""
    tracked = (pl.col("reason") == "").cast(pl.Int64)
    changes = judged.filter(
        (pl.col("filter_reason") != pl.col("reason"))
        | (pl.col("profile") != pl.col("fits"))
        | (pl.col("tracked") != tracked)
    )
    for (reason, profile), rows in changes.group_by("reason", "fits"):
        ids = rows["id"].to_list()
        for start in range(0, len(ids), CHUNK):
            Market.objects.filter(pk__in=ids[start : start + CHUNK]).update(
                tracked=not reason, filter_reason=reason, profile=profile
            )
    return len(changes)


def _drop_closed() -> None:
    Market.objects.filter(tracked=True, closed_at__isnull=False).update(
        tracked=False, filter_reason=CLOSED
    )
