"""One suite for every expert: what it learns is a finite, repeatable correction to the price."""

import numpy as np
import pytest

from predictions.core.boosting import CorruptModel
from predictions.core.cells import BUCKETS
from predictions.core.estimators import (
    KINDS,
    Estimator,
    PriceExpert,
    Recalibration,
    ResidualBooster,
    parse,
)
from predictions.core.logits import CLIP, corrected, logit, sigmoid

experts = pytest.mark.parametrize("expert", list(KINDS.values()), ids=list(KINDS))


def lesson(n=4000, *, seed=1, slope=1.0, shift=0.0, planted=0.0):
    """Examples whose true log odds are shift + slope·ℓ + planted·x₁."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.5, n)
    x = rng.normal(size=(n, 5))
    truth = sigmoid(shift + slope * odds + planted * x[:, 1])
    y = (rng.random(n) < truth).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 0] = odds
    cell = rng.integers(0, 3, n) * BUCKETS + rng.integers(0, 3, n)
    return {"x": x, "logit": odds, "y": y, "cell": cell, "weight": np.ones(n)}


def fitted(expert, examples=None, *, seed=7):
    e = examples or lesson(planted=0.8, slope=1.3)
    return expert().fit(e["x"], e["logit"], e["y"], cell=e["cell"], weight=e["weight"], seed=seed)


def answers(estimator, examples):
    return estimator.correction(examples["x"], examples["logit"], examples["cell"])


@experts
def test_the_same_seed_and_rows_give_the_same_bytes(expert):
    assert fitted(expert).to_bytes() == fitted(expert).to_bytes()


@experts
def test_an_artefact_answers_like_the_estimator_that_wrote_it(expert):
    examples = lesson(seed=2)
    before = fitted(expert)

    after = parse(expert.kind, before.to_bytes())

    assert isinstance(after, Estimator)
    assert np.array_equal(answers(before, examples), answers(after, examples))
    assert after.to_bytes() == before.to_bytes()


@experts
def test_fitting_and_asking_leave_the_inputs_as_they_were(expert):
    examples = lesson()
    before = {name: values.copy() for name, values in examples.items()}

    answers(fitted(expert, examples), examples)

    for name, values in examples.items():
        assert np.array_equal(values, before[name], equal_nan=True), name


@experts
def test_missing_values_and_unseen_cells_get_a_finite_answer_and_no_price_none(expert):
    estimator = fitted(expert)
    x = np.full((4, 5), np.nan)
    odds = np.array([0.0, 5.3, -5.3, np.nan])

    found = estimator.correction(x, odds, np.array([99999, 0, 7 * BUCKETS, -1]))

    assert np.isfinite(found).all()
    assert found[3] == 0


@experts
def test_rows_without_a_price_or_a_label_teach_nothing(expert):
    examples = lesson(slope=1.4)
    holed = {name: values.copy() for name, values in examples.items()}
    holed["logit"][:500] = np.nan
    holed["y"][500:600] = np.nan
    rest = {name: values[600:] for name, values in examples.items()}

    assert fitted(expert, holed).to_bytes() == fitted(expert, rest).to_bytes()


@experts
def test_no_rows_at_all_are_the_market(expert):
    none = {name: values[:0] for name, values in lesson().items()}

    estimator = fitted(expert, none)

    assert not answers(estimator, lesson()).any()
    assert len(answers(estimator, none)) == 0


@experts
def test_a_fair_price_is_hardly_corrected(expert):
    examples = lesson(20_000)

    assert np.abs(answers(fitted(expert, examples), examples)).mean() < 0.12


@pytest.mark.parametrize("expert", [Recalibration, ResidualBooster])
def test_a_bent_price_is_bent_back(expert):
    train, later = lesson(20_000, slope=1.4), lesson(20_000, seed=5, slope=1.4)

    improved = sigmoid(later["logit"] + answers(fitted(expert, train), later))

    y, price = later["y"], sigmoid(later["logit"])
    assert log_loss(improved, y) < log_loss(price, y) - 0.002


def log_loss(p, y):
    return -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))


def test_recalibration_finds_intercept_and_slope_up_to_its_shrinkage():
    examples = lesson(60_000, slope=1.3)

    root = fitted(Recalibration, examples).root_

    assert root[1] == pytest.approx(0.3, abs=0.06)
    assert root[0] == pytest.approx(0.0, abs=0.03)


def test_a_cell_with_few_events_speaks_as_its_domain_does():
    examples = lesson(6000, slope=1.3)
    examples["cell"][:] = BUCKETS
    examples["cell"][:50] = BUCKETS + 1

    estimator = fitted(Recalibration, examples)
    both = estimator.correction(
        np.empty((2, 5)), np.array([1.0, 1.0]), np.array([BUCKETS + 1, BUCKETS + 2])
    )

    assert BUCKETS + 1 not in estimator.cells_
    assert both[0] == both[1] != 0


def test_few_events_leave_the_price_alone():
    examples = lesson(4000, slope=1.5)
    examples["weight"] = np.full(4000, 0.04)

    assert fitted(Recalibration, examples).root_ == (0.0, 0.0)


def test_payouts_between_zero_and_one_are_labels_too():
    examples = lesson()
    examples["y"] = sigmoid(1.4 * examples["logit"])

    for expert in (Recalibration, ResidualBooster):
        assert np.isfinite(answers(fitted(expert, examples), examples)).all()


def test_trees_that_find_no_split_are_the_market_bit_by_bit():
    examples = lesson(1000)

    booster = ResidualBooster(min_rows=900).fit(
        examples["x"],
        examples["logit"],
        examples["y"],
        cell=examples["cell"],
        weight=examples["weight"],
        seed=1,
    )
    price = sigmoid(examples["logit"])

    assert booster.text_ == ""
    assert np.array_equal(corrected(price, answers(booster, examples)), price)


def test_a_cut_or_changed_tree_text_is_refused_before_the_library_reads_it():
    blob = fitted(ResidualBooster).to_bytes()

    for wrong in (blob[:-200], blob.replace(b"leaf_value=", b"leaf_value=9", 1)):
        with pytest.raises(CorruptModel, match="restore the file or train again"):
            ResidualBooster.from_bytes(wrong)


def test_the_price_expert_never_corrects():
    assert not answers(fitted(PriceExpert), lesson()).any()


def test_log_odds_are_clipped_but_the_price_is_not():
    price = np.array([0.0, 1e-4, 0.5, 0.999, 1.0, np.nan])

    assert logit(price)[0] == logit(np.array([CLIP]))[0]
    assert np.array_equal(corrected(price, np.zeros(6)), price, equal_nan=True)
    moved = corrected(price, np.full(6, 0.4))
    assert moved[0] == 0
    assert moved[4] == 1
    assert price[1] < moved[1] < 2 * price[1]
    assert moved[2] == pytest.approx(sigmoid(np.array([0.4]))[0])
