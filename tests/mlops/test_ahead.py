"""Price horizons: what the label is, when it was known, and which way it points."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops import ahead
from mlops.core import targets
from mlops.models import LearningSettings
from predictions.core.logits import corrected
from predictions.core.schema import COLUMN, FEATURES, SCHEMA_HASH
from tests.factories import (
    NOW,
    EventFactory,
    MarketFactory,
    PredictionFactory,
    QuoteFactory,
    ago,
)
from tests.mlops.worlds import HOUR, START, world

CONFIG = LearningSettings(version=0).as_config()
probability = st.floats(0.01, 0.99)


@given(price=probability, later=probability)
def test_target_sign_matches_direction(price: float, later: float) -> None:
    y = targets.target(np.array([later]))
    now = np.array([price])

    assert np.sign(targets.move(y, now)) == np.sign(later - price)
    # A correction that lowers the loss of a move points the same way as the move.
    up = corrected(now, np.array([0.1])) - now
    assert up > 0
    assert (np.square(now + (later - price) / 2 - y) <= np.square(now - y)).all()


def test_the_label_is_the_first_price_an_horizon_later_and_known_with_it() -> None:
    past = world(events=5)

    found = ahead.examples(past, horizon="1h", until=None, config=CONFIG)

    series = past.series
    for row in range(found.rows):
        mine = slice(series.starts[found.market[row]], series.starts[found.market[row] + 1])
        known, price = series.known_at[mine], series.price[mine]
        later = np.flatnonzero(known >= found.as_of[row] + HOUR)[0]
        assert found.y[row] == price[later]
        assert found.known_at[row] == known[later]
    assert found.rows > 0
    assert (found.known_at - found.as_of >= HOUR).all()
    assert (found.known_at - found.as_of <= HOUR + CONFIG.label_tolerance_s).all()


def test_a_price_at_or_after_the_close_or_too_late_is_no_label() -> None:
    past = world(events=5)

    last = ahead.examples(past, horizon="1h", until=None, config=CONFIG)
    close = np.array(past.markets["close_at"].to_list())[last.market]
    assert (last.known_at < close).all()
    # The last decision whose label would be known at the close itself is not there.
    assert (last.as_of + HOUR < close).all()
    # Quotes a second before five minutes past: the next one comes half an hour later.
    shifted = replace(past.series, known_at=past.series.known_at + 299)
    assert (
        ahead.examples(replace(past, series=shifted), horizon="5m", until=None, config=CONFIG).rows
        == 0
    )


def test_labels_that_were_not_known_yet_teach_nothing_and_answers_are_not_needed() -> None:
    past = world(events=5, strength="weak_inferred", apart_s=24 * HOUR)
    until = datetime.fromtimestamp(START + 26 * HOUR, tz=UTC)

    early = ahead.examples(past, horizon="1h", until=until, config=CONFIG)

    assert 0 < early.rows < ahead.examples(past, horizon="1h", until=None, config=CONFIG).rows
    assert (early.known_at <= until.timestamp()).all()


def test_the_features_of_an_example_do_not_change_when_its_label_does() -> None:
    past = world(events=2)
    found = ahead.examples(past, horizon="4h", until=None, config=CONFIG)
    cut = found.as_of[0]
    after = past.series.known_at > cut
    other = replace(past.series, price=np.where(after, 0.9, past.series.price))

    again = ahead.examples(replace(past, series=other), horizon="4h", until=None, config=CONFIG)

    assert again.y[0] != found.y[0]
    assert np.array_equal(found.x[0], again.x[0], equal_nan=True)
    assert found.x[0, COLUMN["mid"]] == pytest.approx(found.price[0])


@given(
    times=st.lists(st.integers(0, 1000), min_size=1, max_size=20),
    asked=st.lists(st.integers(-5, 1010), min_size=1, max_size=10),
)
def test_the_first_price_is_that_of_a_plain_search(times, asked) -> None:
    past = world(events=1, hours=1)
    known = np.sort(np.array(times, dtype=float))
    price = np.where(np.arange(len(known)) % 3 == 1, np.nan, 0.5 + np.arange(len(known)) / 100)
    blank = np.full(len(known), np.nan)
    series = replace(
        past.series,
        starts=np.array([0, len(known)]),
        known_at=known,
        price=price,
        **dict.fromkeys(("bid", "ask", "bid_depth", "ask_depth", "volume_24h"), blank),
    )
    since = np.array(asked, dtype=float)

    found, at = targets.first_price(
        series, np.zeros(len(since), dtype=int), since, until=since + 50
    )

    for k, moment in enumerate(since):
        good = (known >= moment) & (known <= moment + 50) & np.isfinite(price)
        first = np.flatnonzero((known >= moment) & np.isfinite(price))[:1]
        expected = first[0] if len(first) and good[first[0]] else None
        if expected is None:
            assert np.isnan(found[k])
        else:
            assert at[k] == known[expected]


def forecast(market, at: datetime) -> None:
    PredictionFactory(
        market=market, as_of=at, schema_hash=SCHEMA_HASH, vector=bytes(8 * len(FEATURES))
    )
    QuoteFactory(market=market, at=at + timedelta(minutes=61), bid=0.6, ask=0.62)


@pytest.mark.django_db
def test_how_many_markets_are_read_at_once_does_not_show_in_what_is_learned(monkeypatch) -> None:
    siblings = EventFactory()
    for event in (siblings, EventFactory(), siblings):
        market = MarketFactory(event=event)
        for hours in (5, 4):
            forecast(market, ago(hours * HOUR))
    asked = {"horizon": "1h", "as_of": NOW, "config": CONFIG}
    whole = ahead.learned(**asked)

    monkeypatch.setattr(ahead, "MARKETS_AT_ONCE", 1)
    parts = ahead.learned(**asked)

    assert (parts.rows, parts.markets, parts.events) == (6, 3, 2)
    assert parts.sources == ("live",)
    assert parts.digest() == whole.digest()


@pytest.mark.django_db
def test_new_answers_are_markets_that_training_has_not_had_its_few_decisions_of() -> None:
    old, new, young, over = MarketFactory(), MarketFactory(), MarketFactory(), MarketFactory()
    for hours in range(2, 12):
        forecast(old, ago(hours * HOUR))
    forecast(new, ago(2 * HOUR))
    forecast(young, ago(HOUR / 2))  # its price an hour later is still ahead
    forecast(over, ago(2 * HOUR))
    over.closed_at = ago(1.5 * HOUR)  # before the hour was over
    over.save()

    count = partial(ahead.count_since, horizon="1h", as_of=NOW, config=CONFIG)

    assert count(ago(3 * HOUR)) == 1
    assert count(ago(12 * HOUR)) == 2  # the old one was new then
    assert count(ago(HOUR / 2)) == 0
