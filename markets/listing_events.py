"""File the events of a listing, and the series that they belong to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets.core import wire_catalog
from markets.core.wire_catalog import text
from markets.core.wire_gamma import EventRow, MarketRow
from markets.models import Event, Series

COLUMNS: Schema = {
    "slug": pl.String,
    "title": pl.String,
    "category": pl.String,
    "tags": pl.String,
    "neg_risk": pl.Boolean,
    "neg_risk_augmented": pl.Boolean,
    "neg_risk_market_id": pl.String,
    "all_series": pl.String,
    "series_id": pl.Int64,
}
BLANK = {
    name: False if name == "neg_risk_augmented" else "" if dtype == pl.String else None
    for name, dtype in COLUMNS.items()
}
OF_SERIES = ("slug", "title", "recurrence", "venue_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One market with its event, and the keys under which we file it."""

    event: EventRow
    market: MarketRow
    venue: str
    origin: str


def store(venue: str, rows: Iterable[Row], *, as_of: datetime) -> dict[str, int]:
    """File the events of these rows; the venue's key → our id. What was left out keeps its last."""
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row.event.id, row)
    series = _store_series(venue, [row.event for row in firsts.values()])
    found = Event.objects.filter(venue=venue, venue_key__in=list(firsts))
    known = {row["venue_key"]: row for row in found.values("id", "venue_key", *COLUMNS)}
    wanted = {
        key: _wanted(row, series, known.get(key, {"category": ""} | BLANK))
        for key, row in firsts.items()
    }
    touched = [
        key
        for key, values in wanted.items()
        if key not in known or any(values[name] != known[key][name] for name in COLUMNS)
    ]
    ids = {key: row["id"] for key, row in known.items()}
    if not touched:
        return ids
    columns = {name: [wanted[key][name] for key in touched] for name in COLUMNS}
    frame = pl.DataFrame(columns, schema=dict(COLUMNS)).with_columns(
        pl.Series("venue_key", touched, pl.String),
        pl.Series("origin", [str(firsts[key].origin) for key in touched], pl.String),
        venue=pl.lit(venue),
        received_at=pl.lit(as_of).cast(pl.Datetime("us", "UTC")),
    )
    vendor.upsert(Event, frame, key=["venue", "venue_key"], update=list(COLUMNS))
    fresh = Event.objects.filter(venue=venue, venue_key__in=[k for k in touched if k not in known])
    return ids | dict(fresh.values_list("venue_key", "pk"))


def _wanted(row: Row, series: Mapping[str, int], known: Mapping[str, Any]) -> dict[str, Any]:
    event = row.event
    values = dict(wire_catalog.event_values(event, wire_catalog.category(event, row.market)))
    values["series_id"] = series.get(_slug(event.series[0].slug)) if event.series else None
    if not event.tags and known["category"]:
        values["category"] = known["category"]
    return {name: known[name] if value is None else value for name, value in values.items()}


def _store_series(venue: str, events: Sequence[EventRow]) -> dict[str, int]:
    """All series that the events name; slug → id."""
    said = {
        _slug(s.slug): (_slug(s.slug), text(s.title, 300), text(s.recurrence, 20), text(s.id, 40))
        for event in events
        for s in event.series
        if s.slug
    }
    if not said:
        return {}
    filed = Series.objects.filter(venue=venue, slug__in=list(said))
    known = {row[0]: row for row in filed.values_list(*OF_SERIES, "pk")}
    touched = [row for slug, row in said.items() if slug not in known or known[slug][:4] != row]
    if touched:
        frame = pl.DataFrame(touched, schema=dict.fromkeys(OF_SERIES, pl.String), orient="row")
        vendor.upsert(
            Series,
            frame.with_columns(venue=pl.lit(venue)),
            key=["venue", "slug"],
            update=["title", "recurrence", "venue_key"],
        )
    return dict(filed.values_list("slug", "pk"))


def _slug(slug: str) -> str:
    return text(slug, 200)
