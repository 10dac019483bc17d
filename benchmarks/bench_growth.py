"""How much the forecasts of 2,000 markets grow in a day, by the size of real rows.

Rows of the price alone and of a served model are written with and without their vector, and the
table with its indexes is measured before and after. A day has 288 cycles, and 8,640 of the up/down
epochs alone; the naive way keeps every vector, and every price horizon in each cycle. Runs in a
test database on DATABASE_URL, or SQLite.
"""

import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TEST_DB_SUFFIX", "_bench_growth")

import numpy as np
from django.db import connection
from django.test.runner import DiscoverRunner

from benchmarks import bench_cycle
from benchmarks.table import Row, report
from config.kernel import vendor
from predictions import keeping, predict
from predictions.bundles import Standing
from predictions.core import roster
from predictions.models import Prediction
from predictions.view import look

MARKETS, CYCLE_S, DAY_S, WRITTEN = 2000, 300, 86400, 6
CYCLES = DAY_S // CYCLE_S
# Epochs of four assets, one of each window at a time: every ten seconds a cycle of these alone.
ASSETS, WINDOWS_S, FAST_S = 4, (300, 900, 3600, 14_400, 86_400), 10
# No forecast is this far from its price: whether a row keeps its vector is for us to say here.
CONFIG = replace(bench_cycle.CONFIG, vector_min_move=2.0)
NOBODY = np.empty(0, dtype=np.int64)


def size() -> int:
    """Bytes of the table of forecasts with its indexes; of the whole file on SQLite."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size('predictions_prediction')")
            return int(cursor.fetchone()[0])
        cursor.execute("PRAGMA page_count")
        pages = int(cursor.fetchone()[0])
        cursor.execute("PRAGMA page_size")
        return pages * int(cursor.fetchone()[0])


def row_bytes(part: predict.Part, *, horizon: str, vectors: bool, after_s: int) -> float:
    """What one row of these takes, averaged over some cycles."""
    view, made, bundle = part
    before = size()
    for cycle in range(WRITTEN):
        rows = predict.as_rows(
            view,
            made,
            horizon=horizon,
            bundle=bundle,
            config=CONFIG,
            as_of=bench_cycle.NOW + timedelta(seconds=after_s + cycle * CYCLE_S),
            due=None if vectors else NOBODY,
        )
        vendor.append(Prediction, rows)
    return (size() - before) / (WRITTEN * len(view.market_id))


def day_mb(kept: float, bare: float, *, moved: float) -> float:
    """Megabytes a day of outcomes when a share of the forecasts moves away from the price."""
    first = DAY_S / max(CONFIG.vector_every_s, CYCLE_S)
    share = (first + moved * (CYCLES - first)) / CYCLES
    return MARKETS * CYCLES * (share * kept + (1 - share) * bare) / 1e6


def fast_mb(kept: float, bare: float, *, moved: float) -> float:
    """The same of the epochs, which keep a vector a minute and a last one before each end."""
    cycles, sizes = DAY_S / FAST_S, 0.0
    for window_s in WINDOWS_S:
        first = DAY_S / keeping.EPOCH_EVERY_S + DAY_S / window_s
        vectors = first + moved * (cycles - first)
        sizes += vectors * kept + (cycles - vectors) * bare
    return ASSETS * sizes / 1e6


def measure(ids: list[int]) -> list[Row]:
    view = look(ids, as_of=bench_cycle.NOW, config=CONFIG)
    standing = Standing(bundle=bench_cycle.taught(view))
    alone = predict.forecasts(view, Standing(), CONFIG)[0][0]
    served = predict.forecasts(view, standing, CONFIG)[0][0]
    found = []
    for k, (name, part) in enumerate((("the price alone", alone), ("a served model", served))):
        kept, bare = (
            row_bytes(part, horizon=roster.OUTCOME, vectors=v, after_s=DAY_S * (2 * k + v))
            for v in (True, False)
        )
        moves = (0.0,) if part is alone else (0.0, 0.1, 0.3)
        found += [
            _row(
                f"outcomes, {name}, {share:.0%} moved: rows of {kept:,.0f} and {bare:,.0f} bytes",
                day_mb(kept, bare, moved=share),
                day_mb(kept, bare, moved=1.0),
            )
            for share in moves
        ]
        found += [
            _row(
                f"{ASSETS * len(WINDOWS_S)} epochs every {FAST_S} s, {name}, {share:.0%} moved",
                fast_mb(kept, bare, moved=share),
                fast_mb(kept, bare, moved=1.0),
            )
            for share in moves
        ]
    ahead = row_bytes(served, horizon="24h", vectors=False, after_s=0)
    rows = sum(DAY_S / max(keeping.every_s(h, CONFIG), CYCLE_S) for h in roster.HORIZON_S)
    each = MARKETS * ahead / 1e6
    name = f"six prices ahead: rows of {ahead:,.0f} bytes"
    return [*found, _row(name, each * rows, each * CYCLES * len(roster.HORIZON_S))]


def _row(path: str, ours: float, naive: float) -> Row:
    return Row(
        path=path,
        ours=ours,
        unit="MB a day",
        higher_is_better=False,
        target=None,
        naive=naive,
        naive_is="everything, every cycle",
    )


def main() -> int:
    runner = DiscoverRunner(verbosity=0, interactive=False)
    old = runner.setup_databases()
    try:
        rows = measure(bench_cycle.world())
        about = {"database": connection.vendor, "markets": MARKETS, "cycle_s": CYCLE_S}
    finally:
        runner.teardown_databases(old)
    return report("growth", rows, about=about)


if __name__ == "__main__":
    sys.exit(main())
