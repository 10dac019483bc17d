"""One prediction cycle of 2,000 markets: reading, forecasting with every outcome expert, writing.

The experts are fitted on the markets' own features with a planted answer, so that each of them has
something to say. The naive way asks one market at a time and saves one row at a time; both must
agree to 1e-9 before a time is printed. Runs in a test database of its own on DATABASE_URL, SQLite
without it.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
os.environ.setdefault("TEST_DB_SUFFIX", "_bench_cycle")

import django  # noqa: E402 - settings come first

django.setup()

import numpy as np  # noqa: E402 - settings come first
import polars as pl  # noqa: E402 - settings come first
from django.db import connection  # noqa: E402 - settings come first
from django.test.runner import DiscoverRunner  # noqa: E402 - settings come first

from benchmarks.table import Row, report  # noqa: E402 - settings come first
from config.kernel import vendor  # noqa: E402 - settings come first
from markets import queries  # noqa: E402 - settings come first
from markets.models import Event, Market, Quote  # noqa: E402 - settings come first
from predictions import predict  # noqa: E402 - settings come first
from predictions.bundles import Standing  # noqa: E402 - settings come first
from predictions.core import estimators, roster  # noqa: E402 - settings come first
from predictions.core.combination import Fixed  # noqa: E402 - settings come first
from predictions.core.ensemble import ENSEMBLE, Blend, Bundle  # noqa: E402 - settings come first
from predictions.core.logits import logit, sigmoid  # noqa: E402 - settings come first
from predictions.core.schema import COLUMN, SCHEMA_HASH  # noqa: E402 - settings come first
from predictions.core.uncertainty import PriceErrors  # noqa: E402 - settings come first
from predictions.models import Prediction, PredictionSettings  # noqa: E402 - settings come first
from predictions.view import View, look, seen  # noqa: E402 - settings come first

MARKETS, QUOTES, PER_EVENT, TAUGHT, NAIVE = 2000, 300, 4, 4_000, 20
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CATEGORIES = ("politics", "sports", "crypto", "finance", "culture", "science", "esports", "other")
TARGETS_MS = {"look": 600.0, "forecast": 300.0, "write": 100.0}
CONFIG = PredictionSettings(version=1).as_config()


def world() -> list[int]:
    """Markets of every category with two days of quotes each."""
    Event.objects.bulk_create(
        Event(venue="bench", venue_key=str(i), received_at=NOW - timedelta(days=30))
        for i in range(MARKETS // PER_EVENT)
    )
    events = list(Event.objects.order_by("id"))
    Market.objects.bulk_create(
        Market(
            venue="bench",
            venue_key=str(i),
            event=events[i // PER_EVENT],
            question="Will it happen?",
            category=CATEGORIES[i % len(CATEGORIES)],
            opens_at=NOW - timedelta(days=1 + i % 60),
            scheduled_end_at=NOW + timedelta(hours=1 + 5 * (i % 200)),
            received_at=NOW - timedelta(days=30),
            tracked=True,
        )
        for i in range(MARKETS)
    )
    ids = list(Market.objects.order_by("id").values_list("id", flat=True))
    rng = np.random.default_rng(1)
    steps = rng.normal(0, 0.05, (MARKETS, QUOTES)).cumsum(axis=1) + rng.normal(0, 1, (MARKETS, 1))
    price, half = sigmoid(steps), rng.uniform(0.002, 0.01, (MARKETS, QUOTES))
    age_s = np.sort(rng.uniform(10, 47 * 3600, (MARKETS, QUOTES)), axis=1)[:, ::-1]
    at = pl.Series((NOW.timestamp() - age_s.ravel()) * 1e6).cast(pl.Int64)
    moment = at.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    shape = price.shape
    vendor.append(
        Quote,
        pl.DataFrame(
            {
                "market_id": np.repeat(ids, QUOTES),
                "observed_at": moment,
                "received_at": moment,
                "kind": np.full(price.size, 2, np.int16),
                "price": price.ravel(),
                "bid": (price - half).ravel(),
                "ask": (price + half).ravel(),
                "bid_depth": rng.uniform(100, 5000, shape).ravel(),
                "ask_depth": rng.uniform(100, 5000, shape).ravel(),
                "volume_24h": rng.uniform(0, 1e5, shape).ravel(),
            }
        ),
    )
    vendor.analyze(Quote)
    return ids


def taught(view: View) -> Bundle:
    """Every expert of the outcome, fitted on the rows of its slice with a planted answer."""
    rng = np.random.default_rng(2)
    rows = rng.integers(0, len(view.price), TAUGHT)
    x, odds, cell = view.x[rows], logit(view.price)[rows], view.cell[rows]
    hidden = 1.5 * np.sign(x[:, COLUMN["return_24h"]]) + 0.5 * np.nan_to_num(odds)
    y = (rng.random(TAUGHT) < sigmoid(odds + hidden)).astype(np.float64)
    members = {}
    for role in roster.members(roster.OUTCOME):
        own = role.slice.covers(x, cell)
        own = own if own.sum() > 500 else np.ones(TAUGHT, dtype=bool)
        members[role.slug] = estimators.make(role.algorithm).fit(
            x[own], odds[own], y[own], cell=cell[own], weight=np.ones(own.sum()), seed=7
        )
    k, flat = len(members), np.full(500, 0.4)
    rung = Fixed(
        source=ENSEMBLE,
        proportion=(1.0,) * k,
        group=tuple(range(k)),
        weight=0.5,
        error=0.1,
        domains={},
    )
    return Bundle(
        horizon=roster.OUTCOME,
        schema_hash=SCHEMA_HASH,
        members=members,
        blend=Blend(
            experts=tuple(members),
            rungs=(rung,),
            cells=tuple(range(200)),
            errors=PriceErrors.fit(flat, flat, event=np.arange(500)),
        ),
        version=None,
        label="bench",
        sha256="",
        data_until=0.0,
    )


def median_ms(work: Callable[[], object], *, times: int = 9) -> float:
    work()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return 1e3 * float(np.median(took))


def measure(ids: list[int]) -> list[Row]:
    view = look(ids, as_of=NOW, config=CONFIG)
    bundle = taught(view)
    standing = Standing(bundle=bundle)
    since = NOW - timedelta(days=2)
    arrays = (
        queries.quote_series(ids, since=since, as_of=NOW),
        queries.facts(ids, as_of=NOW),
        queries.context(ids, since=since, as_of=NOW),
    )

    def whole() -> list[predict.Part]:
        known = seen(ids, *arrays, as_of=NOW, config=CONFIG)
        return predict.forecasts(known, standing, CONFIG)[0]

    def looking() -> View:
        return look(ids, as_of=NOW, config=CONFIG)

    def combining() -> list[predict.Part]:
        return predict.forecasts(view, standing, CONFIG)[0]

    moment = [NOW]

    def written() -> None:
        moment[0] += timedelta(seconds=1)
        vendor.append(Prediction, frame(moment[0]))

    part, made, _ = whole()[0]

    def frame(as_of: datetime) -> pl.DataFrame:
        return predict.as_rows(
            part, made, horizon=roster.OUTCOME, bundle=bundle, config=CONFIG, as_of=as_of
        )

    naive_forecast, naive_write = naive(ids, arrays, standing, whole()), saved(frame(NOW))
    voices = int(np.isfinite(made.corrections).any(axis=0).sum())
    name = f"{MARKETS:,} markets, {voices} of {len(bundle.members)} experts with a voice"
    each = "one market at a time"
    return [
        _row(f"look: {MARKETS * QUOTES:,} quotes read, features", "look", looking),
        _row(f"forecast from arrays: {name}", "forecast", whole, naive_forecast, each),
        _row("of it experts and combination", "", combining),
        _row("write: vectors and corrections", "write", written, naive_write, "save()"),
    ]


def _row(
    path: str, target: str, work: Callable[[], object], naive: float | None = None, name: str = ""
) -> Row:
    return Row(
        path=path,
        ours=median_ms(work),
        unit="ms",
        higher_is_better=False,
        target=TARGETS_MS.get(target),
        naive=naive,
        naive_is=f"{name}, scaled from {NAIVE}" if name else "",
    )


def naive(
    ids: list[int], arrays: tuple[object, ...], standing: Standing, whole: list[predict.Part]
) -> float:
    """Milliseconds of asking for each market by itself, checked equal and scaled."""
    view, made, _ = whole[0]
    began = time.perf_counter()
    alone = [
        predict.forecasts(seen([market], *arrays, as_of=NOW, config=CONFIG), standing, CONFIG)[0][
            0
        ][1].probability[0]
        for market in view.market_id[:NAIVE].tolist()
    ]
    took = time.perf_counter() - began
    np.testing.assert_allclose(made.probability[:NAIVE], alone, rtol=0, atol=1e-9)
    return 1e3 * took * len(ids) / NAIVE


def saved(frame: pl.DataFrame) -> float:
    """Milliseconds of `save()` row by row, scaled."""
    later = NOW + timedelta(days=1)
    rows = [Prediction(**{**row, "as_of": later}) for row in frame[:NAIVE].iter_rows(named=True)]
    began = time.perf_counter()
    for row in rows:
        row.save(force_insert=True)
    return 1e3 * (time.perf_counter() - began) * len(frame) / NAIVE


def main() -> int:
    runner = DiscoverRunner(verbosity=0, interactive=False)
    old = runner.setup_databases()
    try:
        rows = measure(world())
        about = {"database": connection.vendor, "features": len(COLUMN)}
    finally:
        runner.teardown_databases(old)
    return report("cycle", rows, about=about)


if __name__ == "__main__":
    sys.exit(main())
