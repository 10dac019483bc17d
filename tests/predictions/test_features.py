"""The kernels agree with the plain reference, and no row sees its future."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.core.series import Snapshots
from predictions.core import features
from predictions.core.cells import BUCKETS, cells
from predictions.core.schema import COLUMN, DOMAINS, FEATURES, GROUPS, LOOKBACK_S, MAX_QUOTES, NAMES
from tests.predictions import reference, worlds

seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)


@given(seed=seeds, missing=st.sampled_from([0.0, 0.15, 0.6]), flat=st.sampled_from([0.0, 0.3, 1.0]))
@few
def test_every_feature_equals_the_plain_reference(seed, missing, flat):
    series, facts, rng = worlds.world(seed, missing=missing, flat=flat)
    asked = worlds.questions(rng, series, 12)

    found = features.compute(series, facts, asked)

    for row in range(asked.rows):
        expected = reference.features(series, facts, asked.market[row], asked.as_of[row])
        for column, name in enumerate(NAMES):
            np.testing.assert_allclose(
                found[row, column], expected[column], rtol=1e-9, atol=1e-9, err_msg=name
            )


def test_a_long_history_is_read_no_further_than_the_look_back():
    series, facts, rng = worlds.world(3, markets=2, quotes=900, hours=300)
    asked = worlds.questions(rng, series, 30, hours=300)

    found = features.compute(series, facts, asked)

    for row in range(asked.rows):
        expected = reference.features(series, facts, asked.market[row], asked.as_of[row])
        np.testing.assert_allclose(found[row], expected, rtol=1e-9, atol=1e-9)
    assert found[:, COLUMN["quotes_seen_log"]].max() <= np.log1p(MAX_QUOTES)


@given(seed=seeds)
@few
def test_erasing_the_future_changes_no_feature_and_no_price(seed):
    series, facts, rng = worlds.world(seed)
    as_of = worlds.questions(rng, series, 1).as_of[0]
    asked = Snapshots(market=np.arange(series.markets), as_of=np.full(series.markets, as_of))
    past = worlds.kept(series, series.known_at <= as_of)

    full, erased = (features.compute(each, facts, asked) for each in (series, past))

    assert np.array_equal(full, erased, equal_nan=True)
    prices = [features.price_at(each, asked, 3600) for each in (series, past)]
    assert np.array_equal(*prices, equal_nan=True)


@given(seed=seeds)
@few
def test_quotes_older_than_the_look_back_may_stay_unread(seed):
    series, facts, rng = worlds.world(seed, hours=120)
    as_of = worlds.questions(rng, series, 1, hours=120).as_of[0]
    asked = Snapshots(market=np.arange(series.markets), as_of=np.full(series.markets, as_of))
    recent = worlds.kept(series, series.known_at > as_of - LOOKBACK_S)

    full, truncated = (features.compute(each, facts, asked) for each in (series, recent))

    assert np.array_equal(full, truncated, equal_nan=True)


@given(seed=seeds)
@few
def test_a_row_alone_equals_the_row_in_a_batch_of_any_order(seed):
    series, facts, rng = worlds.world(seed)
    asked = worlds.questions(rng, series, 20)
    batch = features.compute(series, facts, asked)

    order = rng.permutation(asked.rows)
    shuffled = Snapshots(market=asked.market[order], as_of=asked.as_of[order])
    alone = [
        features.compute(
            series, facts, Snapshots(market=asked.market[[r]], as_of=asked.as_of[[r]])
        )[0]
        for r in range(asked.rows)
    ]

    assert np.array_equal(features.compute(series, facts, shuffled), batch[order], equal_nan=True)
    assert np.array_equal(np.array(alone), batch, equal_nan=True)


def test_inputs_are_left_as_they_were():
    series, facts, rng = worlds.world(5)
    asked = worlds.questions(rng, series, 10)
    before = [series.price.copy(), facts.opens_at.copy(), asked.as_of.copy()]

    features.compute(series, facts, asked)

    for was, now in zip(before, (series.price, facts.opens_at, asked.as_of), strict=True):
        assert np.array_equal(was, now, equal_nan=True)


def test_a_market_without_quotes_has_its_context_only():
    series, facts, _ = worlds.world(7, markets=1)
    empty = worlds.kept(series, np.zeros(len(series.known_at), dtype=bool))
    asked = Snapshots(market=np.array([0]), as_of=np.array([worlds.START]))

    row = features.compute(empty, facts, asked)[0]

    assert np.isnan(row[COLUMN["mid"]])
    assert row[COLUMN["quotes_seen_log"]] == 0
    assert row[COLUMN["event_markets"]] == 0
    assert row[COLUMN["missing_share"]] > 0.5


def test_no_questions_give_no_rows():
    series, facts, _ = worlds.world(7)
    asked = Snapshots(market=np.array([], dtype=np.int64), as_of=np.array([]))

    assert features.compute(series, facts, asked).shape == (0, len(FEATURES))
    assert len(features.price_at(series, asked, 60)) == 0


def test_histories_and_facts_of_different_markets_are_refused():
    series, _, rng = worlds.world(7, markets=4)
    _, other, _ = worlds.world(7, markets=5)

    with pytest.raises(ValueError, match="4 price histories but facts of 5 markets"):
        features.compute(series, other, worlds.questions(rng, series, 1))


def test_a_price_counts_up_to_its_age_limit_and_no_longer():
    series, _, _ = worlds.world(9, markets=1, missing=0.0)
    last = series.known_at[-1]
    asked = Snapshots(market=np.zeros(3, dtype=np.int64), as_of=last + np.array([0.0, 60.0, 60.5]))

    prices = features.price_at(series, asked, 60)

    assert prices[0] == prices[1] == series.price[-1]
    assert np.isnan(prices[2])
    assert np.isfinite(features.price_at(series, asked, np.array([0.0, 60.0, 61.0]))).all()


def test_the_registry_names_every_column_once_with_unit_and_meaning_of_missing():
    assert len(set(NAMES)) == len(NAMES) >= 40
    assert set(GROUPS) == {"book", "series", "flow", "quality", "derived", "context"}
    assert all(feature.unit and feature.missing for feature in FEATURES)


def test_cells_tell_domain_from_time_left_and_give_epochs_their_own_domain():
    _, facts, _ = worlds.world(11, markets=40)
    market = np.arange(facts.markets)
    asked = Snapshots(market=market, as_of=np.full(facts.markets, worlds.START))

    found = cells(facts, asked)

    epochs = np.isfinite(facts.window_s)
    assert set(found[epochs] // BUCKETS) == {DOMAINS.index("epoch")}
    assert set(found[epochs] % BUCKETS) == {1}
    unscheduled = np.isnan(facts.scheduled_end_at) & ~epochs
    assert set(found[unscheduled] % BUCKETS) == {BUCKETS - 1}
    macro = np.array([c == "macro" for c in facts.category]) & ~epochs
    assert set(found[macro] // BUCKETS) == {DOMAINS.index("economics")}
