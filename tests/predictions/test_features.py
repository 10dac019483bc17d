"""The kernels agree with the plain reference, and no row sees its future."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.core.series import Snapshots
from predictions.core import features
from predictions.core.cells import BUCKETS, cells
from predictions.core.schema import COLUMN, DOMAINS, FEATURES, LOOKBACK_S, NAMES
from tests.predictions import reference, surroundings, worlds

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

    np.testing.assert_allclose(truncated, full, rtol=1e-9, atol=1e-9)


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
    np.testing.assert_allclose(np.array(alone), batch, rtol=1e-9, atol=1e-9)


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


@given(seed=seeds, dense=st.booleans())
@few
def test_what_a_live_worker_reads_gives_what_training_gives(seed, dense):
    """The look-back alone, one instant at a time, against the whole history at once."""
    hours = 60 if dense else 300
    series, facts, rng = worlds.world(seed, markets=4, quotes=900, hours=hours)
    around = surroundings.context(rng, 4)
    asked = worlds.questions(rng, series, 6, hours=hours)
    batch = features.compute(series, facts, asked, around)

    for row in range(asked.rows):
        when = asked.as_of[row]
        live = features.compute(
            surroundings.quotes_by(series, when),
            facts,
            Snapshots(market=asked.market[[row]], as_of=asked.as_of[[row]]),
            surroundings.looked_back(around, when),
        )[0]
        np.testing.assert_allclose(live, batch[row], rtol=1e-9, atol=1e-9)


@given(seed=seeds)
@few
def test_future_mutation_leaves_features_unchanged(seed):
    """Whatever is learned after the decision may say anything: no feature of any group moves."""
    series, facts, rng = worlds.world(seed)
    around = surroundings.context(rng, series.markets)
    as_of = worlds.questions(rng, series, 1).as_of[0]
    asked = Snapshots(market=np.arange(series.markets), as_of=np.full(series.markets, as_of))
    parts = {name: mutated(getattr(around, name), as_of, rng) for name in surroundings.PARTS}

    told = features.compute(series, facts, asked, around)
    other = features.compute(mutated(series, as_of, rng), facts, asked, replace(around, **parts))

    assert np.array_equal(told, other, equal_nan=True)


def mutated(part, as_of, rng):
    """The same times, and other values in every column wherever they lie after `as_of`."""
    later = part.known_at > as_of
    columns = {}
    for field in fields(part):
        values = getattr(part, field.name)
        if field.name in {"starts", "known_at", "assets"}:
            continue
        columns[field.name] = values.copy()
        columns[field.name][later] = rng.uniform(0.01, 0.99, values[later].shape)
    return replace(part, **columns)


def test_a_stream_of_many_quotes_is_counted_in_full():
    """Two quotes a minute for two days: nothing is cut off, and sums stay exact."""
    series, facts, _ = worlds.world(4, markets=1, quotes=5000, hours=47)
    asked = Snapshots(market=np.array([0]), as_of=series.known_at[-1:])

    found = features.compute(series, facts, asked)[0]

    assert found[COLUMN["quotes_seen_log"]] == np.log1p(5000)
    expected = reference.features(series, facts, 0, asked.as_of[0])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_a_ladder_out_of_order_is_told_in_cents():
    """Higher strikes and earlier deadlines cannot be likelier; by how much they are is told."""
    series, facts, _ = worlds.world(9, markets=3, missing=0.0)
    when = worlds.START + 10
    quotes = worlds.kept(series, np.zeros(len(series.known_at), dtype=bool))
    prices = {
        name: np.array([0.5, 0.6, 0.2])
        for name in ("price", "bid", "ask", "bid_depth", "ask_depth", "volume_24h")
    }
    quotes = replace(quotes, starts=np.arange(4), known_at=np.full(3, when - 5), **prices)
    unknown = np.full(3, np.nan)
    ladder = replace(
        facts,
        event=np.zeros(3, dtype=np.int64),
        exclusive=np.zeros(3, dtype=bool),
        opens_at=unknown,
        window_s=unknown,
        scheduled_end_at=unknown,
        reference_price=np.array([100.0, 110.0, 130.0]),
    )
    dated = replace(
        ladder, scheduled_end_at=when + np.array([3e5, 1e5, 9e5]), reference_price=unknown
    )
    asked = Snapshots(market=np.arange(3), as_of=np.full(3, when))

    strikes = features.compute(quotes, ladder, asked)[:, COLUMN["ladder_violation"]]
    deadlines = features.compute(quotes, dated, asked)[:, COLUMN["deadline_violation"]]

    assert strikes == pytest.approx([10, 10, 0])
    assert deadlines == pytest.approx([30, 40, 40])
