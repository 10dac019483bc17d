"""What is scored, replayed and contested is what would be served: coherent within events."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from markets import history
from markets.history import History
from mlops import backtest, champion, evaluate, labels
from mlops.core.examples import Examples
from mlops.core.snapshots import Decisions
from mlops.models import LearningSettings
from predictions import predict, view
from predictions.bundles import Standing
from predictions.core.coherence import Groups
from predictions.core.ensemble import Bundle
from predictions.core.estimators import PriceExpert
from predictions.models import PredictionSettings
from tests.mlops.worlds import HOUR, world
from tests.predictions.test_ensemble import blend, bundle

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = ("lightgbm-residual", "recalibration")
EXCLUSIVE, DATES, STRIKES = range(3)
pytestmark = pytest.mark.django_db


class Wave(PriceExpert):
    """An expert whose opinion contradicts itself within every event."""

    def correction(self, x, logit, cell):
        return 1.2 * np.sin(25 * logit) + 0.4


@pytest.fixture
def past() -> History:
    """Events of three markets: exclusive ones, ladders of dates, ladders of strikes."""
    made = world(events=45, apart_s=0.0)
    event, rung = np.arange(45) // 3, np.arange(45) % 3
    kind = event % 3
    price = np.sort(made.series.price.reshape(15, 3, -1), axis=1)
    price[kind[::3] == STRIKES] = price[kind[::3] == STRIKES, ::-1]
    price[kind[::3] == EXCLUSIVE] /= price[kind[::3] == EXCLUSIVE].sum(axis=1, keepdims=True)
    markets = made.markets.with_columns(
        event_key=pl.Series([f"e{k:02d}" for k in event]),
        exclusive=pl.Series(kind == EXCLUSIVE),
        scheduled_end_at=pl.col("close_at") + pl.Series(HOUR * rung * (kind == DATES)),
        reference_price=pl.Series(np.where(kind == STRIKES, 100.0 + rung, np.nan)),
        label_strength=pl.Series(np.where(np.arange(45) % 5 == 0, "", "official")),
    )
    series = replace(made.series, price=price.ravel())
    return History(markets=markets, facts=history.facts(markets), series=series, digest="test")


@pytest.fixture
def gate() -> Bundle:
    rungs = blend(experts=NAMES, cells=tuple(range(500)))
    return bundle(members=dict.fromkeys(NAMES, Wave()), blend=rungs)


def served(past: History, gate: Bundle, found: Decisions) -> np.ndarray:
    """What a cycle at the instant of each decision says of its market."""
    settings = PredictionSettings.objects.current(as_of=NOW).as_config()
    said = {}
    for at in np.unique(found.as_of).tolist():
        every = past.facts.market_id.tolist()
        when = datetime.fromtimestamp(at, tz=UTC)
        seen = view.seen(every, past.series, past.facts, past.context, as_of=when, config=settings)
        ((part, made, _),), _ = predict.forecasts(seen, Standing(bundle=gate), settings)
        said |= {(m, at): p for m, p in zip(part.market_id, made.probability, strict=True)}
    return np.array([said[key] for key in keys(found)])


def evaluated(past: History, gate: Bundle) -> evaluate.Forecast:
    return evaluate.forecast(
        past,
        bundle=gate,
        config=LearningSettings.objects.current(as_of=NOW).as_config(),
        settings=PredictionSettings.objects.current(as_of=NOW).as_config(),
        after=np.full(45, -np.inf),
    )


def test_what_is_evaluated_is_what_is_served(past: History, gate: Bundle, monkeypatch) -> None:
    found = evaluated(past, gate)

    assert np.array_equal(found.model, served(past, gate, found.decisions))
    assert len(np.unique(found.decisions.market)) == 36  # though nine others have no answer
    monkeypatch.setattr(evaluate, "CHUNK", 4)
    assert np.array_equal(found.model, evaluated(past, gate).model)


def test_groups_change_what_is_said_here(past: History, gate: Bundle, monkeypatch) -> None:
    """Else the tests beside this one would show nothing."""
    coherent = evaluated(past, gate)
    apart = classmethod(lambda cls, _facts, asked: alone(asked.market))
    monkeypatch.setattr(Groups, "of", apart)

    moved = coherent.model != evaluated(past, gate).model

    kinds = coherent.event[moved] % 3
    assert set(kinds.tolist()) == {EXCLUSIVE, DATES, STRIKES}


def alone(market: np.ndarray) -> Groups:
    none = np.full(len(market), np.nan)
    rows = np.arange(len(market))
    return Groups(event=rows, exclusive=rows < 0, end=none, strike=none)


def test_what_is_replayed_is_what_is_served(past: History, gate: Bundle) -> None:
    used = backtest.Settings.current(as_of=NOW)
    found = labels.decided(past, config=used.learning)

    said = backtest._say(gate, past, found, used.prediction)

    assert np.array_equal(said.probability, served(past, gate, found))


def keys(rows: Decisions | Examples) -> Iterator[tuple[int, float]]:
    return zip(rows.market.tolist(), rows.as_of.tolist(), strict=True)


def test_what_the_champion_is_judged_by_is_what_is_served(past: History, gate: Bundle) -> None:
    answered = past.markets.with_columns(label_strength=pl.lit("official"))
    known = replace(past, markets=answered)
    config = LearningSettings.objects.current(as_of=NOW).as_config()
    rows = labels.examples(known, until=None, config=replace(config, rows_per_bucket=100))

    said = champion._said(gate, rows, champion._groups(rows), as_of=NOW)

    found = evaluated(known, gate)
    place = {key: k for k, key in enumerate(keys(found.decisions))}
    same = [place[key] for key in keys(rows)]
    without_strikes = rows.event % 3 != STRIKES
    assert said[without_strikes] == pytest.approx(found.model[same][without_strikes], abs=1e-12)
