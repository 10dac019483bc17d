"""What surrounds live markets, as it was known `as_of`, as arrays: seven queries for any number."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets import context_frames
from markets.core import levels, lookback, wording
from markets.core.contracts import SpotConfig
from markets.core.series import (
    BookSeries,
    Context,
    MoodSeries,
    NewsSeries,
    SpotPaths,
    TradeSeries,
)
from markets.models import CohortMood, Origin, QuoteKind, SpotSettings
from markets.wallets import SKILLED, WHALES

TIME = pl.Datetime("us", "UTC")
# Clocks differ: what is stamped a little ahead has its place, as with quotes.
STAMPED_AHEAD = timedelta(minutes=1)
MARKETS: Schema = {
    "market_id": pl.Int64,
    "asset": pl.String,
    "question": pl.String,
    "told": pl.Boolean,
}
TRADES: Schema = {
    "market_id": pl.Int64,
    "observed_at": TIME,
    "received_at": TIME,
    "sort": pl.Int64,
    "price": pl.Float64,
    "shares": pl.Float64,
}
BOOKS: Schema = {
    "market_id": pl.Int64,
    "observed_at": TIME,
    "received_at": TIME,
    "levels": pl.Binary,
}
NEWS: Schema = {
    "market_id": pl.Int64,
    "received_at": TIME,
    "published_at": TIME,
    "sentiment": pl.Float64,
}
MOODS: Schema = {"market_id": pl.Int64, "as_of": TIME, "mood": pl.Float64}
SPOT: Schema = {
    "asset": pl.Int64,
    "source": pl.Int64,
    "interval_s": pl.Int64,
    "observed_at": TIME,
    "received_at": TIME,
    "close": pl.Float64,
}
SECOND = 10
SIDE_BYTES = 16 * levels.KEPT
BIDS = f"substr(levels, 1, {SIDE_BYTES})"
ASKS = f"substr(levels, length(levels) / 2 + 1, {SIDE_BYTES})"
WAYS = " ".join(f"WHEN '{side}' THEN {way}" for side, way in context_frames.SIDES.items())


def context(market_ids: Sequence[int], *, since: datetime, as_of: datetime) -> Context:
    """What surrounds markets, in the order asked, with nothing that was learned after `as_of`.

    `since` bounds the trades; books, news, moods and spot prices are read as far back as
    `core.lookback` says.
    """
    asked = pl.DataFrame({"market_id": list(market_ids)}, schema={"market_id": pl.Int64})
    described = asked.join(_markets(market_ids), on="market_id", how="left", maintain_order="left")
    place = described.select("market_id", "told").with_row_index("row")
    assets = sorted({asset for asset in described["asset"].to_list() if asset})
    return Context(
        trades=_trades(market_ids, place, since=since, as_of=as_of),
        books=_books(market_ids, place, as_of=as_of),
        news=_news(market_ids, place, as_of=as_of),
        moods=_moods(market_ids, place, as_of=as_of),
        spot=_spot(assets, as_of=as_of),
        asset=context_frames.asset_index(described["asset"], assets),
        wording=wording.project(described["question"].fill_null("").to_list()),
    )


def _markets(market_ids: Sequence[int]) -> pl.DataFrame:
    condition, ids = vendor.among("id", market_ids)
    return vendor.read(
        # Who took an imported trade is known only where its side says so.
        "SELECT id AS market_id, asset, question, origin <> %s AS told "  # noqa: S608 - constants
        f"FROM markets_market WHERE {condition}",
        [Origin.IMPORT, ids],
        MARKETS,
    )


def _trades(
    market_ids: Sequence[int], place: pl.DataFrame, *, since: datetime, as_of: datetime
) -> TradeSeries:
    condition, ids = vendor.among("market_id", market_ids)
    bounds = (since, as_of + STAMPED_AHEAD, as_of)
    rows = vendor.read(
        "SELECT market_id, observed_at, received_at, "  # noqa: S608 - constants
        f"outcome_index * {SECOND} + CASE side {WAYS} ELSE 0 END AS sort, price, shares "
        "FROM markets_publictrade "
        f"WHERE {condition} AND outcome_index IN (0, 1) "
        "AND observed_at >= %s AND observed_at <= %s AND received_at <= %s",
        [ids, *map(vendor.instant, bounds)],
        TRADES,
        by="market_id",
    )
    # Both in one number, which travels once: outcome 1 lies `SECOND` above outcome 0.
    second = pl.col("sort") > SECOND // 2
    rows = rows.with_columns(
        outcome_index=second.cast(pl.Int64),
        way=pl.col("sort") - pl.when(second).then(SECOND).otherwise(0),
    )
    return context_frames.trades(rows.join(place, on="market_id"), len(place))


def _books(market_ids: Sequence[int], place: pl.DataFrame, *, as_of: datetime) -> BookSeries:
    condition, ids = vendor.among("market_id", market_ids)
    oldest = as_of - timedelta(seconds=lookback.BOOKS_S)
    bounds = (oldest - STAMPED_AHEAD, as_of + STAMPED_AHEAD, oldest, as_of)
    # Bids fill the first half of the bytes, asks the second; only the best of each are read.
    best = vendor.joined_bytes(BIDS, ASKS)
    rows = vendor.read(
        "SELECT market_id, observed_at, received_at, "  # noqa: S608 - constants
        f"CASE WHEN length(levels) > {2 * SIDE_BYTES} THEN {best} ELSE levels END AS levels "
        "FROM markets_quote "
        f"WHERE {condition} AND kind = {int(QuoteKind.BOOK)} AND levels IS NOT NULL "
        "AND observed_at >= %s AND observed_at <= %s AND received_at > %s AND received_at <= %s",
        [ids, *map(vendor.instant, bounds)],
        BOOKS,
    )
    return context_frames.books(rows.join(place, on="market_id"), len(place))


def _news(market_ids: Sequence[int], place: pl.DataFrame, *, as_of: datetime) -> NewsSeries:
    """Links stand at the moment by which the item was received and linked."""
    condition, ids = vendor.among("l.market_id", market_ids)
    oldest = vendor.instant(as_of - timedelta(seconds=lookback.NEWS_S))
    moment = vendor.instant(as_of)
    rows = vendor.read(
        "SELECT l.market_id, CASE WHEN i.received_at > l.received_at THEN i.received_at "  # noqa: S608 - constants
        "ELSE l.received_at END AS received_at, i.published_at, i.sentiment "
        "FROM markets_newslink l JOIN markets_newsitem i ON i.digest = l.item_id "
        f"WHERE {condition} AND l.received_at >= %s AND l.received_at <= %s "
        "AND i.received_at <= %s AND i.published_at >= %s",
        [ids, oldest, moment, moment, oldest],
        NEWS,
    )
    return context_frames.news(rows.join(place, on="market_id"), len(place))


def _moods(market_ids: Sequence[int], place: pl.DataFrame, *, as_of: datetime) -> MoodSeries:
    """The newest mood of each cohort: a mood is written when it changes and holds until then."""
    oldest = as_of - timedelta(seconds=lookback.MOODS_S)
    parts = []
    for cohort, name, other in ((SKILLED, "skilled", "whales"), (WHALES, "whales", "skilled")):
        found = vendor.newest(
            CohortMood,
            market_ids,
            MOODS,
            key="market_id",
            at="as_of",
            where={"cohort =": cohort, "as_of <=": as_of, "as_of >=": oldest},
        )
        unsaid = pl.lit(None, dtype=pl.Float64).alias(other)
        parts.append(
            found.with_columns(pl.col("mood").alias(name), unsaid).select(
                "market_id", "as_of", "skilled", "whales"
            )
        )
    return context_frames.moods(pl.concat(parts).join(place, on="market_id"), len(place))


def _spot(assets: Sequence[str], *, as_of: datetime) -> SpotPaths:
    config: SpotConfig = SpotSettings.objects.current(as_of=as_of).as_config()
    if not assets:
        return context_frames.spot(pl.DataFrame(schema=dict(SPOT)), assets, config)
    # Words travel slowly: assets and sources are numbered on the way.
    sources = list(config.sources)
    number = " ".join(f"WHEN %s THEN {i}" for i in range(len(assets)))
    named = " ".join(f"WHEN %s THEN {i}" for i in range(len(sources)))
    source = f"CASE source {named} ELSE -1 END" if sources else "-1"
    marks = ", ".join(["%s"] * len(assets))
    earliest = as_of - timedelta(seconds=lookback.SPOT_S + config.stale_after_s)
    bounds = (earliest, as_of + STAMPED_AHEAD, as_of)
    rows = vendor.read(
        f"SELECT CASE asset {number} END AS asset, {source} AS source, interval_s, "  # noqa: S608 - only marks are put in
        "observed_at, COALESCE(received_at, observed_at) AS received_at, close "
        f"FROM markets_spottick WHERE asset IN ({marks}) "
        "AND observed_at >= %s AND observed_at <= %s "
        "AND COALESCE(received_at, observed_at) <= %s",
        [*assets, *sources, *assets, *map(vendor.instant, bounds)],
        SPOT,
    )
    names = pl.col("source").replace_strict(
        dict(enumerate(sources)), default="", return_dtype=pl.String
    )
    return context_frames.spot(rows.with_columns(source=names), assets, config)
