"""What leaving prices belong to: the archive's word on markets and how they ended.

Prices without their market teach nothing. A market is described before its first price leaves, and
again when an answer came or was corrected; until then it has no label there.
"""

from collections.abc import Sequence

import polars as pl

from config.kernel import vendor
from markets import archive, ended_markets
from markets.core import retention as policies
from markets.models import Market, Origin

CHUNK = 500
ANSWER = {"market_key": pl.String, "payout": pl.Float64, "label_strength": pl.String}
_NUMBERS = (
    "SELECT id, venue || ':' || venue_key AS market_key FROM markets_market WHERE origin <> %s"
)
_ANSWERS = (
    "SELECT m.venue || ':' || m.venue_key AS market_key, "
    "CAST(r.payout_0 AS double precision) AS payout, r.strength AS label_strength "
    "FROM markets_resolution r JOIN markets_market m ON m.id = r.market_id WHERE m.origin <> %s"
)


def describe(table: str, rows: pl.DataFrame) -> None:
    """Describe the venue's markets that quotes in `market_key`, `origin` are the first of.

    An import described its own markets, under keys of its own.
    """
    if table != policies.QUOTES:
        return
    ours = rows.filter(pl.col("origin") != Origin.IMPORT.value)
    keys = ours.select("market_key").unique()
    missing = keys.join(_described(["market_key"]), on="market_key", how="anti")
    if len(missing):
        _write(missing["market_key"].to_list())


def refresh() -> int:
    """Describe those again whose answer is another one by now; returns how many."""
    stored = _described(list(ANSWER))
    if stored.is_empty():
        return 0
    now = vendor.read(_ANSWERS, [Origin.IMPORT.value], ANSWER)
    both = stored.join(now, on="market_key", suffix="_now")
    moved = both.filter(
        pl.col("payout").ne_missing(pl.col("payout_now"))
        | pl.col("label_strength").ne_missing(pl.col("label_strength_now"))
    )
    if len(moved):
        _write(moved["market_key"].to_list())
    return len(moved)


def _described(columns: list[str]) -> pl.DataFrame:
    files = archive.files("markets", [archive.VENUE])
    parts = [pl.read_parquet(file, columns=columns) for file in files]
    return pl.concat([pl.DataFrame(schema={name: ANSWER[name] for name in columns}), *parts])


def _write(keys: Sequence[str]) -> None:
    schema = {"id": pl.Int64, "market_key": pl.String}
    known = vendor.read(_NUMBERS, [Origin.IMPORT.value], schema)
    ids = known.filter(pl.col("market_key").is_in(list(keys)))["id"].to_list()
    parts = []
    for low in range(0, len(ids), CHUNK):
        markets = Market.objects.filter(pk__in=ids[low : low + CHUNK])
        loaded = list(markets.select_related("event", "resolution").prefetch_related("outcomes"))
        parts.append(ended_markets.described(loaded))
        if any(market.origin == Origin.SANDBOX for market in loaded):
            archive.mark_simulated()
    if parts:
        archive.write("markets", pl.concat(parts), dataset=archive.VENUE)
