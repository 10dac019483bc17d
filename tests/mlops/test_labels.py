"""Examples: strong answers only, dated, thinned and weighted by event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops import labels
from mlops.core import examples
from mlops.core.snapshots import Decisions
from mlops.models import LearningSettings
from predictions.core import features
from predictions.core.cells import BUCKETS
from predictions.core.schema import COLUMN
from tests.factories import MarketFactory, PredictionFactory, ResolutionFactory, ago
from tests.mlops.worlds import HOUR, START, world

CONFIG = LearningSettings(version=0).as_config()


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def test_an_example_is_a_decision_before_the_close_with_the_answer_known_after() -> None:
    found = labels.examples(world(events=5), until=None, config=CONFIG)

    assert found.rows == 5 * 4  # one six hours before the close, three of five later
    assert (found.as_of < found.known_at).all()
    assert found.x.shape == (20, len(features.FEATURES))
    assert np.allclose(found.weight, 1 / 4)


def test_answers_that_were_not_known_yet_teach_nothing() -> None:
    past = world(events=5, apart_s=24 * HOUR)

    found = labels.examples(past, until=moment(START + 26 * HOUR), config=CONFIG)

    assert found.events == 1


def test_answers_inferred_from_the_price_are_left_out() -> None:
    weak = world(events=5, strength="weak_inferred")

    assert labels.examples(weak, until=None, config=CONFIG).rows == 0


def test_the_vector_of_an_example_does_not_see_the_future() -> None:
    past = world(events=1)
    found = labels.examples(past, until=None, config=CONFIG)
    now = found.as_of[1]
    erased = replace(
        past,
        series=replace(
            past.series,
            price=np.where(past.series.known_at <= now, past.series.price, 0.99),
            bid=np.where(past.series.known_at <= now, past.series.bid, 0.98),
            ask=np.where(past.series.known_at <= now, past.series.ask, 1.0),
        ),
    )

    again = labels.examples(erased, until=None, config=CONFIG)

    assert np.array_equal(found.x[:2], again.x[:2], equal_nan=True)
    assert not np.array_equal(found.x[2:], again.x[2:], equal_nan=True)


def test_equal_examples_have_one_name_and_a_changed_number_another() -> None:
    found = labels.examples(world(events=3), until=None, config=CONFIG)
    changed = replace(found, y=1 - found.y)

    assert found.digest() == labels.examples(world(events=3), until=None, config=CONFIG).digest()
    assert found.digest() != changed.digest()


def test_two_sets_joined_keep_their_events_and_sources_apart() -> None:
    first = labels.examples(world(events=3), until=None, config=CONFIG)
    second = labels.examples(world(events=2), until=None, config=CONFIG)

    both = examples.joined(first, second)

    assert (both.rows, both.events) == (first.rows + second.rows, 5)
    assert both.sources == ("made_up", "made_up")
    assert set(both.source.tolist()) == {0, 1}
    assert examples.joined(first, second.take(np.array([], dtype=int))) is first


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=60),
    st.integers(1, 5),
)
def test_thinning_keeps_a_few_decisions_of_every_market_and_horizon(
    drawn: list[tuple[int, int]], keep: int
) -> None:
    drawn = sorted(drawn)
    n = len(drawn)
    found = Decisions(
        market=np.array([d[0] for d in drawn], dtype=np.int64),
        as_of=np.arange(n, dtype=float),
        price=np.full(n, 0.5),
        horizon=np.array([d[1] for d in drawn], dtype=np.int8),
        own_stamp=np.zeros(n, dtype=bool),
    )

    kept = examples.thinned(found, keep=keep)

    for group in set(drawn):
        mine = np.array([d == group for d in drawn])
        assert kept[mine].sum() == min(keep, mine.sum())


@pytest.mark.django_db
def test_without_forecasts_of_our_own_nothing_was_learned_live() -> None:
    assert labels.learned(as_of=datetime(2026, 1, 1, tzinfo=UTC)).rows == 0


def forecast(market, at: datetime, mark: float) -> None:
    PredictionFactory(
        market=market,
        as_of=at,
        price=0.4,
        schema_hash=features.SCHEMA_HASH,
        vector=np.full(len(features.FEATURES), mark).astype("<f8").tobytes(),
    )


@pytest.mark.django_db
def test_our_own_forecasts_become_examples_with_their_stored_vectors() -> None:
    market, weak, later = MarketFactory(), MarketFactory(), MarketFactory()
    for mark, hours in enumerate((3, 2, -1)):
        forecast(market, ago(hours * HOUR), float(mark))
    forecast(weak, ago(HOUR), 7.0)
    forecast(later, ago(HOUR), 8.0)
    ResolutionFactory(market=market, payout_0=0, received_at=ago(-HOUR))
    ResolutionFactory(market=weak, strength="weak")
    ResolutionFactory(market=later, received_at=ago(-9 * HOUR))

    found = labels.learned(as_of=ago(-2 * HOUR))

    assert found.x[:, 0].tolist() == [0.0, 1.0]  # the third came after the resolution
    assert found.y.tolist() == [0.0, 0.0]
    assert found.known_at.tolist() == [ago(-HOUR).timestamp()] * 2
    assert found.weight.tolist() == [0.5, 0.5]
    assert found.sources == ("live",)
    assert labels.count_since(ago(0), as_of=ago(-2 * HOUR)) == 1
    assert labels.count_since(ago(-HOUR), as_of=ago(-2 * HOUR)) == 0


@pytest.mark.history
def test_the_recorded_history_becomes_examples_of_every_strongly_answered_dataset(
    settings,
) -> None:
    from markets import history

    folder = (settings.ENV.history_dir or pytest.skip("HISTORY_DIR names no folder")) / "data"
    if not (folder / "polymarket").is_dir():
        pytest.skip(f"{folder / 'polymarket'} is not there")
    past = history.load(folder / "polymarket", datasets=["btc_daily_range", "cs2_prematch"])

    found = labels.examples(past, until=None, config=CONFIG)

    assert {found.sources[k] for k in np.unique(found.source)} == {
        "btc_daily_range",
        "cs2_prematch",
    }
    assert (found.as_of <= found.known_at).all()
    assert isinstance(past.markets, pl.DataFrame)
    assert timedelta(seconds=float((found.known_at - found.as_of).max())) < timedelta(days=30)


def test_moments_chosen_in_hindsight_teach_nothing_but_can_be_looked_at() -> None:
    past = world(events=4)
    marked = past.markets.with_columns(hindsight=pl.col("market_key") != "m0")
    past = replace(past, markets=marked)

    assert labels.examples(past, until=None, config=CONFIG).events == 1
    assert len(np.unique(labels.decided(past, config=CONFIG).market)) == 4


@pytest.mark.django_db
def test_the_cell_of_a_live_example_is_that_of_its_forecast_not_of_an_end_moved_since() -> None:
    market = MarketFactory(category="sports", scheduled_end_at=ago(-500 * HOUR))
    vector = np.full(len(features.FEATURES), 0.5)
    hours = {5.0: 1, 23.0: 2, 24.0: 3, np.nan: 5}
    for place, left in enumerate(hours):
        vector[COLUMN["hours_left"]] = left
        PredictionFactory(
            market=market,
            as_of=ago((9 - 2.5 * place) * HOUR),
            price=0.4,
            schema_hash=features.SCHEMA_HASH,
            vector=vector.astype("<f8").tobytes(),
        )
    ResolutionFactory(market=market, payout_0=1, resolved_at=ago(0), received_at=ago(0))

    found = labels.learned(as_of=ago(-HOUR))

    assert (found.cell % BUCKETS).tolist() == list(hours.values())
    assert len(set((found.cell // BUCKETS).tolist())) == 1


@pytest.mark.django_db
def test_live_examples_are_a_few_of_each_market_and_only_one_market_is_in_memory(
    monkeypatch,
) -> None:
    ours, asked = examples.thinned, []

    def thinned(found: Decisions, *, keep: int) -> np.ndarray:
        asked.append(found.rows)
        return ours(found, keep=keep)

    monkeypatch.setattr(examples, "thinned", thinned)
    for _ in range(2):
        market = MarketFactory()
        for k in range(9):
            forecast(market, ago((2 + k / 4) * HOUR), float(k))
        ResolutionFactory(market=market, resolved_at=ago(0), received_at=ago(0))

    found = labels.learned(as_of=ago(-HOUR))

    assert max(asked) == 9
    assert found.x[:, 0].tolist() == [8.0, 5.0, 2.0] * 2  # evenly spaced, of one bucket
    assert found.markets == 2
