"""A planted world as a folder of recorded history, with the truth beside it in `truth.parquet`.

Readers of recorded history leave that file alone; `evaluate` reads it to say which share of the
planted gain a forecast recovered.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from sandbox import history
from sandbox.core import planted
from sandbox.core.planted import HALF_SPREAD, HOUR, LIFE_H, WINDOW_S, Paths
from sandbox.history import DATASET, SOURCE

SHARES: Final = 20.0  # of every public trade
TRUTH: Final = pl.Schema({"ts": pl.Int64, "probability": pl.Float64, "affected": pl.Boolean})
TRADES: Final = pl.Schema({"ts": pl.Int64, "price": pl.Float64, "side": pl.String})


def write(folder: Path, world: str, *, events: int, seed: int) -> dict[str, int]:
    """Write `events` resolved markets of a world of `planted.WORLDS`; rows per file.

    Raises `KeyError` for a world that there is not.
    """
    if world not in planted.WORLDS:
        raise KeyError(world)
    found = planted.paths(world, events=events, seed=seed)
    tables = (_epoch_tables if len(found.spot) else _market_tables)(found)
    names = np.array([_key(i) for i in range(len(found.won))])
    points = {"ts": found.at, "probability": found.truth, "affected": found.affected}
    tables["truth"] = _rows("market_key", names, points, TRUTH)
    return history.save(folder, tables, seed=seed, planted=world)


def _key(number: int) -> str:
    return f"planted:{number}"


def _rows(name: str, keys: Any, figures: Mapping[str, Any], schema: pl.Schema) -> pl.DataFrame:
    """Figures of all markets at all moments, below each other, under the key of each market."""
    moments = next(iter(figures.values())).shape[1]
    columns = {each: np.ascontiguousarray(figures[each]).ravel() for each in schema}
    table = pl.DataFrame(columns, nan_to_null=True).cast(schema)
    return table.insert_column(0, pl.Series(name, np.repeat(keys, moments), dtype=pl.String))


def _market_tables(found: Paths) -> dict[str, pl.DataFrame]:
    keys = np.array([_key(i) for i in range(len(found.won))])
    bid, ask = found.price - HALF_SPREAD, found.price + HALF_SPREAD
    prices = _rows(
        "market_key",
        keys,
        {"ts": found.at, "price": found.price, "bid": bid, "ask": ask},
        history.PRICES,
    ).with_columns(
        pl.lit(None, dtype=pl.Float32).alias("last"),
        pl.lit(None, dtype=pl.Float32).alias("volume24h"),
        pl.lit("book_top_2min").alias("kind"),
        pl.lit(DATASET).alias("dataset"),
    )
    rows = [_market(found, i) for i in range(len(found.won))]
    return {
        "markets": pl.DataFrame(rows, schema=history.MARKETS, orient="row"),
        "prices": prices,
        "trades": _trades(found, keys),
    }


def _market(found: Paths, i: int) -> dict[str, Any]:
    domain = planted.DOMAINS[int(found.domain[i])]
    opened = int(found.at[i, 0])
    ends = opened + LIFE_H * HOUR
    return {
        "market_key": _key(i),
        "venue": "polymarket",
        "dataset": DATASET,
        "condition_id": f"0x{i:064x}",
        "market_id": str(i),
        "slug": f"planted-{i}",
        "event_slug": f"planted-{i}",
        "group_key": _key(i),
        "question": f"Will simulated question {i} about {domain} come true?",
        "category": domain,
        "tags": f"{domain}|simulated",
        "outcomes": json.dumps(["Yes", "No"]),
        "token_id_0": f"{2 * i + 1:077d}",
        "token_id_1": f"{2 * i + 2:077d}",
        "start_ts": opened,
        "end_ts": ends,
        "closed_ts": ends,
        "close_ref_ts": ends,
        "close_ref_kind": "market_end_date (announced by the generator)",
        "close_censored": False,
        "volume": None,
        "neg_risk": False,
        "outcome": int(found.won[i]),
        "label_source": SOURCE,
        "label_strength": "official",
        "n_price_points": found.at.shape[1],
        "first_price_ts": opened,
        "last_price_ts": int(found.at[i, -1]),
        "source_repo": SOURCE,
        "source_commit": "",
        "source_license": "",
    }


def _trades(found: Paths, keys: Any) -> pl.DataFrame:
    """Public trades at the true price; whoever took, took the side that was too cheap."""
    side = np.where(found.last >= found.price, "BUY", "SELL")
    rows = _rows("market_key", keys, {"ts": found.at, "price": found.last, "side": side}, TRADES)
    kept = rows.filter(pl.col("price").is_not_null()).with_row_index("number")
    nobody = [pl.lit(None, dtype=pl.String).alias(n) for n in ("order_hash", "maker", "taker")]
    return kept.select(
        "market_key",
        "ts",
        "price",
        "side",
        *nobody,
        pl.lit(DATASET).alias("dataset"),
        pl.lit("Yes").alias("outcome"),
        pl.lit(SHARES).alias("size"),
        pl.lit("simulated").alias("wallet"),
        pl.col("number").cast(pl.String).alias("tx_hash"),
        pl.lit("").alias("token_id"),
    )


def _epoch_tables(found: Paths) -> dict[str, pl.DataFrame]:
    keys = np.array([_key(i) for i in range(len(found.won))])
    bid, ask = found.price - HALF_SPREAD, found.price + HALF_SPREAD
    ends = found.at[:, :1] + WINDOW_S
    spot = found.spot[np.searchsorted(found.spot_at, found.at)]
    figures = {"ts_ms": found.at * 1000, "secs_to_end": ends - found.at, "spot": spot}
    sides = {"up_bid": bid, "up_ask": ask, "dn_bid": 1 - ask, "dn_ask": 1 - bid}
    unknown = ("up_last", "up_bid_depth", "up_ask_depth", "up_bid_high", "up_ask_low", "n_trades")
    quotes = _rows("epoch_key", keys, figures | sides, history.EPOCH_QUOTES).with_columns(
        *(pl.lit(None, dtype=pl.Float32).alias(name) for name in unknown),
        pl.lit("ws_best_bid_ask").alias("kind"),
        pl.lit(SOURCE).alias("source_repo"),
    )
    rows = [_epoch(found, i) for i in range(len(found.won))]
    return {
        "updown_epochs": pl.DataFrame(rows, schema=history.EPOCHS, orient="row"),
        "updown_quotes": quotes,
        "spot_klines": _ticks(found),
    }


def _epoch(found: Paths, i: int) -> dict[str, Any]:
    start = int(found.at[i, 0])
    last = int(np.searchsorted(found.spot_at, start + WINDOW_S))
    return {
        "epoch_key": _key(i),
        "venue": "polymarket",
        "dataset": DATASET,
        "asset": planted.ASSET.lower(),
        "window_s": WINDOW_S,
        "start_ts": start,
        "end_ts": start + WINDOW_S,
        "outcome_up": int(found.won[i]),
        "outcome_source": SOURCE,
        "outcome_strength": "official",
        "ref_open": float(found.reference[i]),
        "ref_close": float(found.spot[last]),
        "ref_source": SOURCE,
        "volume": None,
        "fee_rate": 0.0,
        "condition_id": f"0x{i:064x}",
        "token_up": f"{2 * i + 1:077d}",
        "token_down": f"{2 * i + 2:077d}",
        "has_quotes": True,
        "source_repo": SOURCE,
        "source_commit": "",
    }


def _ticks(found: Paths) -> pl.DataFrame:
    """Spot bars whose close is the tick: a bar is known at its end."""
    step = planted.SPOT_STEP_S
    before, close = found.spot[:-1], found.spot[1:]
    return pl.DataFrame({"ts": found.spot_at[:-1], "open": before, "close": close}).select(
        pl.lit(planted.ASSET.lower()).alias("asset"),
        pl.lit(DATASET).alias("exchange"),
        pl.lit(step, dtype=pl.Int64).alias("interval_s"),
        "ts",
        "close",
        pl.lit(SOURCE).alias("source_repo"),
        "open",
        pl.max_horizontal("open", "close").alias("high"),
        pl.min_horizontal("open", "close").alias("low"),
        pl.lit(None, dtype=pl.Float64).alias("volume"),
    )
