"""A tiny history folder in the recorded format, with words and numbers of our own."""

from pathlib import Path
from typing import Any

import polars as pl

NOON = 1_760_000_400


def market(key: str, **known: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "market_key": key,
        "venue": "polymarket",
        "dataset": "btc_daily_range",
        "condition_id": None,
        "slug": f"slug-{key}",
        "event_slug": "an-event",
        "group_key": "group:1",
        "question": f"Will {key} happen, naïvely — ¿sí?",
        "category": "crypto",
        "tags": "crypto|range",
        "outcomes": '["Yes","No"]',
        "token_id_0": None,
        "token_id_1": None,
        "start_ts": NOON - 86_400,
        "closed_ts": NOON + 600,
        "close_ref_ts": NOON,
        "close_censored": False,
        "volume": 12.5,
        "outcome": 1,
        "label_source": "venue",
        "label_strength": "official",
    }
    return row | known


def price(key: str, ts: int, **known: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "market_key": key,
        "ts": ts,
        "price": 0.4,
        "bid": None,
        "ask": None,
        "last": None,
        "volume24h": None,
        "kind": "clob_history_1m",
        "dataset": "btc_daily_range",
    }
    return row | known


def epoch(key: str, **known: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "epoch_key": key,
        "venue": "kalshi",
        "dataset": "kalshi_15m",
        "asset": "btc",
        "window_s": 900,
        "start_ts": NOON,
        "end_ts": NOON + 900,
        "outcome_up": 1,
        "outcome_source": "venue",
        "outcome_strength": "official",
        "ref_open": 100_000.5,
        "volume": 3.0,
        "fee_rate": None,
        "condition_id": None,
        "token_up": None,
        "token_down": None,
    }
    return row | known


def epoch_quote(key: str, ts_ms: int, **known: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "epoch_key": key,
        "ts_ms": ts_ms,
        "up_bid": None,
        "up_ask": None,
        "dn_bid": None,
        "dn_ask": None,
        "up_last": None,
        "up_bid_depth": None,
        "up_ask_depth": None,
        "kind": "kalshi_1m_candle_close",
    }
    return row | known


PRICES = dict.fromkeys(("price", "bid", "ask", "last", "volume24h"), pl.Float32)
SIDES = dict.fromkeys(
    ("up_bid", "up_ask", "dn_bid", "dn_ask", "up_last", "up_bid_depth", "up_ask_depth"), pl.Float32
)
FLAGS = {"start_ts": pl.Int64, "closed_ts": pl.Int64, "outcome": pl.Int8, "condition_id": pl.String}


def write(folder: Path, **rows: list[dict[str, Any]]) -> Path:
    """Write `markets=…`, `prices=…` as Parquet files of those names."""
    types: dict[str, Any] = {"prices": PRICES, "updown_quotes": SIDES, "markets": FLAGS}
    for name, content in rows.items():
        frame = pl.DataFrame(content, infer_schema_length=None, schema_overrides=types.get(name))
        frame.write_parquet(folder / f"{name}.parquet")
    return folder
