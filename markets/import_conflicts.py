"""Where a record contradicts what is stored: the stored row and the stored label win."""

import polars as pl

from config.kernel import vendor
from markets.adapters.history_frames import TIME
from markets.models import Origin

MARKET, EVENT = ["venue", "market_key"], ["venue", "event_key"]
LABEL = {
    "payout": "stored_payout",
    "label_source": "stored_source",
    "label_strength": "stored_strength",
    "label_known_at": "stored_known_at",
}
SAME_S = 1e-3  # times are stored in microseconds and read as floats
NAMED = 3  # markets named in a note; the rest are counted
_MARKETS_OF_OTHERS = "SELECT venue, venue_key AS market_key FROM markets_market WHERE origin <> %s"
_EVENTS_OF_OTHERS = "SELECT venue, venue_key AS event_key FROM markets_event WHERE origin <> %s"
_STORED = (
    "SELECT m.venue, m.venue_key AS market_key, CAST(r.payout_0 AS double precision) AS "
    "stored_payout, r.source AS stored_source, r.strength AS stored_strength, "
    "r.received_at AS stored_at FROM markets_resolution r "
    "JOIN markets_market m ON m.id = r.market_id WHERE m.origin = %s"
)


def settle(markets: pl.DataFrame, *, origin: Origin) -> tuple[pl.DataFrame, list[str]]:
    """What of `markets` (columns `MARKETS`) may be filed as `origin`, and a sentence per conflict.

    Markets whose key, or whose event's key, belongs to a row of another origin are left out: that
    row is not touched. An answer that is stored already stands, for the archive too.
    """
    free = _of_others(markets, _MARKETS_OF_OTHERS, MARKET, origin)
    free = _of_others(free, _EVENTS_OF_OTHERS, EVENT, origin)
    left_out = markets.join(free, on=MARKET, how="anti")
    notes = []
    if len(left_out):
        notes.append(
            f"{len(left_out)} of {len(markets)} markets left out: rows of another origin, such as "
            f"the venue's own listing, hold their keys or their events' ({_named(left_out)}); "
            "those rows were not touched. Give the recorded markets and events keys of their own"
        )
    kept, differing = _labelled(free, origin)
    return kept, notes + differing


def _of_others(markets: pl.DataFrame, sql: str, key: list[str], origin: Origin) -> pl.DataFrame:
    held = vendor.read(sql, [origin.value], dict.fromkeys(key, pl.String))
    return markets.join(held, on=key, how="anti", maintain_order="left")


def _labelled(markets: pl.DataFrame, origin: Origin) -> tuple[pl.DataFrame, list[str]]:
    stored = vendor.read(
        _STORED,
        [origin.value],
        dict.fromkeys(MARKET, pl.String)
        | {
            "stored_payout": pl.Float64,
            "stored_source": pl.String,
            "stored_strength": pl.String,
            "stored_at": TIME,
        },
    )
    rows = markets.join(stored, on=MARKET, how="left", maintain_order="left").with_columns(
        stored_known_at=pl.col("stored_at").dt.timestamp("us") / 1e6
    )
    known = pl.col("stored_payout").is_not_null()
    strength = pl.col("label_strength").fill_null("unknown").str.slice(0, 20)
    moved = (pl.col("label_known_at") - pl.col("stored_known_at")).abs() > SAME_S
    flips = known & pl.col("payout").ne_missing(pl.col("stored_payout"))
    drifts = ~flips & known & (strength.ne_missing(pl.col("stored_strength")) | moved)
    settled = rows.with_columns(
        pl.when(flips | drifts.fill_null(value=False)).then(ours).otherwise(name).alias(name)
        for name, ours in LABEL.items()
    )
    notes = [_note(rows.filter(flips), "another answer than is stored, or none")]
    notes.append(_note(rows.filter(drifts), "another strength or time of the answer than stored"))
    return settled.select(markets.columns), [note for note in notes if note]


def _note(markets: pl.DataFrame, what: str) -> str:
    if markets.is_empty():
        return ""
    return (
        f"{len(markets)} markets carry {what} ({_named(markets)}): the stored label stands in "
        "database and archive until a person decides"
    )


def _named(markets: pl.DataFrame) -> str:
    names = [repr(key) for key in markets["market_key"].head(NAMED)]
    return ", ".join(names) + (", …" if len(markets) > NAMED else "")
