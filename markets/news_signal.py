"""What news said about markets as far as it was known then, for features."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets.core import news
from markets.core.news import NewsSignal

TIME = pl.Datetime("us", "UTC")
LINKED: Schema = {"market_id": pl.Int64, "sentiment": pl.Float64, "published_at": TIME}


def news_signal(market_ids: Sequence[int], *, since: datetime, as_of: datetime) -> NewsSignal:
    """Count, mean sentiment and age of the newest item of each market, in the order asked.

    Items count that were published from `since` on, and received, read and linked by `as_of`.
    Raises nothing for markets without news: their count is 0, the rest NaN. One query.
    """
    condition, ids = vendor.among("l.market_id", market_ids)
    moment, start = vendor.instant(as_of), vendor.instant(since)
    rows = vendor.read(
        "SELECT l.market_id, i.sentiment, i.published_at "  # noqa: S608 - constants
        "FROM markets_newslink l JOIN markets_newsitem i ON i.digest = l.item_id "
        f"WHERE {condition} AND l.received_at >= %s AND l.received_at <= %s "
        "AND i.received_at <= %s AND i.published_at >= %s",
        [ids, start, moment, moment, start],
        LINKED,
    )
    place = {market_id: row for row, market_id in enumerate(market_ids)}
    return news.summarise(
        np.array([place[market_id] for market_id in rows["market_id"]], dtype=np.int64),
        rows["sentiment"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        rows["published_at"].to_physical().to_numpy() / 1e6,
        markets=len(market_ids),
        as_of=as_of.timestamp(),
    )
