"""The list of features: complete, documented, and closed to what only hindsight knows."""

import json
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from config.env import ROOT
from markets.core.series import Snapshots
from predictions.core import compiled, features, glossary
from predictions.core.schema import (
    COLUMN,
    FEATURES,
    GROUPS,
    NAMES,
    DeniedFeature,
    Feature,
    columns,
)
from tests.predictions import surroundings, worlds

LEAST = {"book": 20, "series": 25, "flow": 15, "quality": 10, "derived": 20, "context": 10}
NAMED = {
    "mid",
    "spread",
    "depth_imbalance",
    "weighted_mid_gap",
    "depth_slope",
    "bid_depth_5",
    "impact_buy_10",
    "impact_buy_50",
    "impact_buy_100",
    "flow_toxicity",
    "return_5m",
    "return_15m",
    "return_1h",
    "return_4h",
    "return_24h",
    "volatility_24h",
    "volatility_annualised",
    "sma_5",
    "sma_20",
    "sma_20_deviation",
    "ema_1h",
    "autocorrelation_1",
    "autocorrelation_5",
    "hurst",
    "percentile_24h",
    "entropy_24h",
    "drawdown_24h",
    "trades_1h",
    "trade_volume_1h",
    "buy_ratio_1h",
    "flow_imbalance_1h",
    "trade_intensity_1h",
    "aggressive_share",
    "trade_momentum",
    "liquidity_score",
    "regime",
    "staleness",
    "flow_depth_agreement",
    "combined_momentum",
    "mean_reversion",
    "quality_adjusted_momentum",
    "hours_left",
    "hour_sin",
    "weekday_sin",
    "seasonal_return",
    "event_residual",
    "ladder_violation",
    "related_gap_1h",
}


def test_every_group_has_its_features_under_the_names_that_were_asked_for():
    assert {
        group: len(listed) >= LEAST[group] for group, listed in GROUPS.items()
    } == dict.fromkeys(LEAST, True)
    assert len(set(NAMES)) == len(NAMES) >= 120
    assert set(NAMES) >= NAMED


def test_every_feature_has_a_unit_a_meaning_of_missing_and_an_instant_that_makes_it_known():
    assert all(f.unit and f.missing and f.known_at for f in FEATURES)


@pytest.mark.parametrize(
    "name",
    [
        "price_change_1h",
        "price_change_4h",
        "price_change_24h",
        "one_day_price_change",
        "last_trade_price",
        "final_price",
        "settlement_value",
        "resolved",
        "resolution_price",
        "post_resolution_mid",
        "payout",
        "winner",
        "outcome",
        "y",
        "label_price",
        "close_at",
        "closed_at",
        "closing_price",
        "future_mid",
        "next_price",
        "volume",
        "volume_total",
        "volume_num",
        "total_volume",
        "uma_status",
    ],
)
def test_denylist_columns_rejected(name):
    with pytest.raises(DeniedFeature, match=name):
        Feature(name, "series", "logit", "never missing", "the newest quote's receipt")


def test_the_page_of_features_is_the_one_the_registry_writes():
    page = Path(features.__file__).parents[2] / "docs" / "features.md"

    assert page.read_text() == glossary.page(), (
        "python -m predictions.core.glossary > docs/features.md"
    )


def test_missing_indicator_present():
    """A model sees that something is missing, and how much of which group."""
    series, facts, rng = worlds.world(2, markets=1, missing=0.0)
    around = surroundings.context(rng, 1)
    silent = worlds.kept(series, np.zeros(len(series.known_at), dtype=bool))
    asked = Snapshots(market=np.array([0]), as_of=series.known_at[-1:])

    told = features.compute(series, facts, asked, around)[0]
    untold = features.compute(series, facts, asked)[0]
    nothing = features.compute(silent, facts, asked)[0]

    for group in GROUPS:
        column = COLUMN[f"missing_{group}"]
        counted = [
            i for i in range(*columns(group).indices(len(NAMES))) if "missing_" not in NAMES[i]
        ]
        for row in (told, untold, nothing):
            assert row[column] == pytest.approx(np.mean(np.isnan(row[counted])))
        assert told[column] <= untold[column] <= nothing[column]
    assert nothing[COLUMN["missing_series"]] == 1
    assert told[COLUMN["missing_series"]] < 0.5
    assert np.isnan(nothing[COLUMN["mid"]]), "a missing value is not a zero"


def test_any_change_of_a_kernel_or_of_the_schema_makes_the_compiled_code_stale(tmp_path):
    (tmp_path / "kernels_a.py").write_text("one")
    (tmp_path / "schema.py").write_text("two")
    before = compiled.stamp(tmp_path)

    (tmp_path / "other.py").write_text("not compiled")
    assert compiled.stamp(tmp_path) == before
    (tmp_path / "schema.py").write_text("three")
    assert compiled.stamp(tmp_path) != before

    cached = features.kernels.known_by._cache._cache_file._source_stamp
    assert compiled.STAMP in cached


COMPILED = """
import json, sys
import django; django.setup()
import numpy as np
from numba.core.dispatcher import Dispatcher
from predictions.core import coherence, features
from tests.predictions import surroundings, worlds

def compiled():
    ours = [m for name, m in sys.modules.items() if name.startswith("predictions.core.kernels")]
    found = {id(d): d for m in ours for d in vars(m).values() if isinstance(d, Dispatcher)}
    return {d.py_func.__name__: len(d.signatures) for d in found.values() if d.signatures}

features.warm()
warmed = compiled()
series, facts, rng = worlds.world(1)
asked = worlds.questions(rng, series, 3)
features.compute(series, facts, asked, surroundings.context(rng, facts.markets))
ladder = coherence.Groups(
    event=np.zeros(2, int), exclusive=np.zeros(2, bool), end=np.ones(2), strike=np.arange(2.0)
)
price, said = np.array([0.5, 0.45]), np.array([0.5, 0.6])
put = coherence.cohere(price, said, ladder, movable=np.ones(2, bool))
assert put[1] == 0.5
print(json.dumps([warmed, compiled()]))
"""


@pytest.mark.process
def test_a_warmed_process_compiles_nothing_at_its_first_forecast():
    ran = subprocess.run(
        [sys.executable, "-c", COMPILED], cwd=ROOT, check=True, capture_output=True, text=True
    )

    warmed, after = json.loads(ran.stdout)
    assert after == warmed
    assert {"quote_features", "trade_features", "spot_features", "news_features"} <= set(warmed)


def test_where_nothing_can_be_written_kernels_are_compiled_anew(monkeypatch):
    def without_cache(cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return original(**options)

    original = numba.njit
    with monkeypatch.context() as patch:
        patch.setattr(compiled.numba, "njit", without_cache)

        @compiled.njit
        def twice(x):
            return 2 * x

    assert twice(4) == 8
