"""The verdict of an evaluation: what counts as harm, and when there is too little to say."""

import numpy as np
import pytest

from mlops.core import safety, scorecard
from mlops.core.scorecard import Forecast
from mlops.core.snapshots import Decisions
from predictions.core.cells import BUCKETS
from predictions.core.schema import DOMAINS

RNG_SEED = 4


def forecast(events: int, *, harm: float = 0.0, gain: float = 0.0) -> Forecast:
    """Fair prices in two domains; the model distorts politics by `harm` or sharpens by `gain`."""
    rng = np.random.default_rng(RNG_SEED)
    truth = np.clip(rng.beta(1.5, 1.5, events), 0.01, 0.99)
    politics = np.arange(events) % 2 == 0
    price = np.where(politics, truth + gain * (0.5 - truth), truth)
    model = np.where(politics, truth + harm * (0.5 - truth), truth)
    domain = np.where(politics, DOMAINS.index("politics"), DOMAINS.index("sports"))
    flat = np.zeros(events, dtype=bool)
    return Forecast(
        decisions=Decisions(
            market=np.arange(events),
            as_of=np.arange(events, dtype=float),
            price=price,
            horizon=np.zeros(events, dtype=np.int8),
            own_stamp=flat,
        ),
        model=model,
        y=(rng.random(events) < truth).astype(float),
        event=np.arange(events),
        cell=domain * BUCKETS,
        dataset=np.full(events, "made_up"),
        hindsight=flat,
        price_inferred=flat,
    )


def judged(found: Forecast) -> dict:
    return scorecard.report(found, rng=np.random.default_rng(1), resamples=400)


def test_the_price_itself_is_safe() -> None:
    found = judged(forecast(3000))

    assert found["safety"]["verdict"] == safety.SAFE
    assert found["safety"]["reasons"] == []
    assert found["pooled"]["skill"] == 0


def test_a_domain_that_is_worse_than_the_price_is_named() -> None:
    found = judged(forecast(6000, harm=0.6))

    assert found["safety"]["verdict"] == safety.UNSAFE
    assert any("politics" in reason for reason in found["safety"]["reasons"])
    assert not any("sports" in reason for reason in found["safety"]["reasons"])


def test_a_pooled_loss_beyond_the_limit_is_unsafe_however_wide_its_interval() -> None:
    pooled = {"skill": -0.002, "log_loss_skill": 0.0, "events": 5000}

    found = safety.verdict([], pooled=pooled, calibration=[])

    assert found["verdict"] == safety.UNSAFE
    assert found["reasons"] == ["pooled skill -0.20%, at least -0.1%"]


def test_few_events_are_insufficient_not_safe() -> None:
    found = judged(forecast(90))

    assert found["safety"]["verdict"] == safety.INSUFFICIENT
    assert found["safety"]["cells_tested"] == 0


def test_a_gain_is_safe_and_shows_in_the_right_domain() -> None:
    found = judged(forecast(6000, gain=0.5))

    domains = {cell["name"]: cell for cell in found["domains"]}
    assert found["safety"]["verdict"] == safety.SAFE
    assert domains["politics"]["skill_low"] > 0
    assert domains["politics"]["direction"] > domains["politics"]["direction_market"]
    assert domains["sports"]["skill"] == 0


def test_a_slope_that_excludes_one_is_unsafe_where_there_are_events_enough() -> None:
    part = {"name": "all", "events": 2000, "slope": 1.2, "slope_low": 1.1, "slope_high": 1.3}
    pooled = {"skill": 0.01, "log_loss_skill": 0.01, "events": 5000}

    found = safety.verdict([], pooled=pooled, calibration=[part])
    fewer = safety.verdict([], pooled=pooled, calibration=[part | {"events": 1999}])

    assert found["verdict"] == safety.UNSAFE
    assert fewer["verdict"] == safety.SAFE


def test_every_cut_holds_every_row_once() -> None:
    found = judged(forecast(1000))

    for cut in ("datasets", "domains", "horizons", "price_buckets", "extremes"):
        assert sum(cell["rows"] for cell in found[cut]) == 1000


@pytest.mark.parametrize("trial", range(3))
def test_holm_names_no_harmless_cell_among_many(trial: int) -> None:
    rng = np.random.default_rng(trial)
    cells = [
        {"insufficient": False, "p_worse": p, "p_worse_log_loss": q}
        for p, q in rng.uniform(0, 1, (40, 2))
    ]

    safety.adjust(cells)

    assert min(cell["p_worse_holm"] for cell in cells) > safety.LIMITS.level
