"""One suite for every expert: what it learns is a finite, repeatable correction to the price."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from predictions.core import onnx_graph, restraint, sealed, text
from predictions.core.boosting import CorruptModel
from predictions.core.cells import BUCKETS
from predictions.core.estimators import (
    ALGORITHM_OF_KIND,
    KINDS,
    Estimator,
    PriceExpert,
    Recalibration,
    ResidualBooster,
    importance,
    make,
    parse,
)
from predictions.core.learned import ParityLost
from predictions.core.logits import CLIP, corrected, logit, sigmoid
from predictions.core.neural import Preparation
from predictions.core.roster import MEMBERS
from tests.predictions.lessons import FACTORIES, answers, fitted, lesson

LEARNED = ("lightgbm", "xgboost", "forest", "mlp", "text")
experts = pytest.mark.parametrize("expert", list(FACTORIES.values()), ids=list(FACTORIES))
learned = pytest.mark.parametrize("expert", [FACTORIES[name] for name in LEARNED], ids=LEARNED)
NAMES = ("odds", "signal", "quiet", "still", "mute")


@experts
def test_the_same_seed_and_rows_give_the_same_bytes(expert):
    again = fitted(expert, lesson(planted=0.8, slope=1.3, bend=0.5))

    assert again is not fitted(expert)
    assert again.to_bytes() == fitted(expert).to_bytes()


@experts
def test_an_artefact_answers_like_the_estimator_that_wrote_it(expert):
    examples = lesson(seed=2)
    before = fitted(expert)

    after = parse(before.kind, before.to_bytes())

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
def test_extreme_values_and_columns_without_any_value_get_a_finite_answer(expert):
    examples = lesson(planted=0.8)
    examples["x"][:, 4] = np.nan
    examples["x"][::50, 3] = 1e300
    estimator = fitted(expert, examples)
    rows = np.array([[1e300] * 5, [-1e300] * 5, [np.inf] * 5, [-np.inf] * 5])

    assert np.isfinite(answers(estimator, examples)).all()
    assert np.isfinite(estimator.correction(rows, np.zeros(4), np.zeros(4, dtype=np.int64))).all()


@learned
def test_answers_that_never_differ_teach_nothing(expert):
    examples = lesson(planted=0.8)
    examples["y"][:] = 1.0

    assert not answers(fitted(expert, examples), examples).any()


@learned
def test_a_few_events_teach_nothing_however_many_rows_they_have(expert):
    examples = lesson(planted=0.8)
    examples["weight"] = np.full(4000, 0.02)

    assert not answers(fitted(expert, examples), examples).any()


@learned
def test_rows_of_no_weight_do_not_matter_and_heavy_ones_do(expert):
    examples = lesson(3000, planted=0.8)
    examples["weight"][:600] = 0.0
    examples["weight"][600:1500] = 3.0
    heavy = fitted(expert, examples)
    examples["y"][:600] = 1 - examples["y"][:600]
    rest = {name: values[600:] for name, values in examples.items()}
    even = {**rest, "weight": np.ones(2400)}

    assert heavy.to_bytes() == fitted(expert, examples).to_bytes()
    assert heavy.to_bytes() == fitted(expert, rest).to_bytes()
    assert heavy.to_bytes() != fitted(expert, even).to_bytes()


@learned
def test_a_row_alone_is_answered_as_it_is_among_others(expert):
    estimator, examples = fitted(expert), lesson(50, seed=3)

    together = answers(estimator, examples)

    for row in range(50):
        alone = {name: values[row : row + 1] for name, values in examples.items()}
        assert answers(estimator, alone)[0] == pytest.approx(together[row], abs=1e-12)


@learned
def test_a_strong_signal_is_found_among_noise(expert):
    train, later = lesson(4000, planted=0.8), lesson(8000, seed=5, planted=0.8)

    share = recovered(fitted(expert, train), later)

    assert share > 0.5


@learned
def test_noise_alone_moves_no_price(expert):
    rng = np.random.default_rng(3)
    skills = []
    for seed in range(4):
        train = lesson(1500, seed=seed) | {"x": rng.normal(size=(1500, 150))}
        moved = answers(fitted(expert, train), train | {"x": rng.normal(size=(1500, 150))})
        price = sigmoid(train["logit"])
        skills.append(np.mean((sigmoid(train["logit"] + moved) - price) ** 2))

    # The price is the truth here: squared moves are the whole loss, at most 0.2 % of its Brier.
    assert np.mean(skills) < 0.002 * 0.2


@learned
def test_prices_hours_later_teach_though_they_scatter_little(expert):
    def later_prices(seed):
        examples = lesson(4000, seed=seed)
        rng = np.random.default_rng(seed)
        signal = np.nan_to_num(examples["x"][:, 1])
        examples["y"] = sigmoid(examples["logit"] + 0.04 * signal + rng.normal(0, 0.08, 4000))
        return examples

    test = later_prices(9)
    price = sigmoid(test["logit"])
    moved = sigmoid(test["logit"] + answers(fitted(expert, later_prices(8)), test))

    # 0.04² / (0.04² + 0.08²) of the scatter is known beforehand, less what is missing.
    explained = 1 - np.mean((moved - test["y"]) ** 2) / np.mean((price - test["y"]) ** 2)
    assert explained > 0.08


@learned
def test_what_an_expert_leans_on_is_told_by_name_and_adds_up(expert):
    found = importance(fitted(expert), NAMES)

    assert found[0][0] == "signal"
    assert found[0][1] > 0.5
    assert sum(share for _, share in found) == pytest.approx(1.0)
    assert importance(expert(), NAMES) == []


@learned
def test_wrong_bytes_are_refused_before_a_library_reads_them(expert):
    estimator = fitted(expert)
    blob, kind = estimator.to_bytes(), type(estimator)
    other = next(k for k in KINDS.values() if k not in (kind, PriceExpert, Recalibration))
    changed = bytearray(blob)
    changed[-40] ^= 1

    for wrong in (blob[:-200], bytes(changed), b"", b"[]\n", blob.replace(b"0.0", b"0.1", 1)):
        with pytest.raises(CorruptModel, match="restore the file or train again"):
            kind.from_bytes(wrong)
    with pytest.raises(CorruptModel, match="is of the kind"):
        other.from_bytes(blob)


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.parametrize("algorithm", ["lightgbm", "xgboost", "forest", "mlp"])
def test_a_child_process_uses_what_was_written_and_dies_of_what_only_looks_right(algorithm):
    estimator = fitted(FACTORIES[algorithm])
    head, payload = sealed.unpack(estimator.kind, estimator.to_bytes())

    whole = estimator.to_bytes()
    half = sealed.pack(estimator.kind, head, payload[: len(payload) // 2])
    contents = json.dumps([[estimator.kind, len(blob)] for blob in (whole, half)]).encode()

    ended = subprocess.run(
        [sys.executable, "-m", "predictions.core.canary", "5"],
        input=contents + b"\n" + whole + half,
        capture_output=True,
        cwd=Path(__file__).resolve().parents[2],
        check=False,
    )

    assert estimator.native
    assert ended.stdout.split() == [b"0"]
    assert ended.returncode != 0


def test_every_role_has_an_algorithm_that_can_be_made():
    for role in MEMBERS:
        assert ALGORITHM_OF_KIND[make(role.algorithm).kind] == role.algorithm
    with pytest.raises(KeyError):
        make("oracle")


def test_scaler_fitted_on_train_only():
    rng = np.random.default_rng(1)
    train = rng.normal(3.0, 2.0, (500, 2))
    train[::4, 1] = np.nan
    prepare = Preparation.of(train, np.array([0, 1]))

    shifted = prepare(train + 100.0)
    again = Preparation.of(train, np.array([0, 1]))

    assert prepare.centre == pytest.approx(np.nanmean(train, axis=0))
    assert prepare.scale == pytest.approx(np.nanstd(train, axis=0))
    assert (shifted[:, 0] == 5.0).all()
    assert np.array_equal(again(train), prepare(train))
    assert prepare.flags.tolist() == [1]
    assert prepare(train)[0].tolist()[1:] == [0.0, 1.0]


def test_a_file_that_answers_otherwise_than_what_was_trained_is_refused():
    payload, examples = fitted(FACTORIES["mlp"]).payload_, lesson()
    honest = onnx_graph.run(onnx_graph.session(payload), examples["x"])

    onnx_graph.require_parity(payload, examples["x"], lambda _rows: honest)
    with pytest.raises(ParityLost, match="differs from what was trained by"):
        onnx_graph.require_parity(payload, examples["x"], lambda _rows: honest + 2e-6)


def test_text_reads_its_columns_by_name_and_is_the_market_without_them(monkeypatch):
    examples = lesson(planted=0.8)
    monkeypatch.setattr(text.schema, "NAMES", ("mid", "spread"))
    assert text.columns() == ()
    assert not answers(fitted(partial(make, "text"), examples), examples).any()

    monkeypatch.setattr(text.schema, "NAMES", ("mid", "word_before", "sentiment_mean"))
    assert text.columns() == (1, 2)
    assert answers(fitted(partial(make, "text"), examples), examples).any()


def test_trust_grows_with_the_evidence_of_the_tail():
    examples = lesson(4000, slope=1.5)
    tail = restraint.Lesson.of(*(examples[k] for k in ("x", "logit", "y", "weight")))
    right = 0.5 * tail.logit

    assert restraint.trust(right, tail) > restraint.trust(right[:300], tail.take(slice(300)))
    assert restraint.trust(-right, tail) == 0
    assert restraint.trust(np.zeros(4000), tail) == 0


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


def recovered(estimator, examples):
    """Share of the log loss that knowing the signal gains, in expectation."""
    truth = sigmoid(examples["logit"] + 0.8 * examples["signal"])
    market = sigmoid(examples["logit"])
    model = sigmoid(examples["logit"] + answers(estimator, examples))
    reference = log_loss(market, truth)
    return (reference - log_loss(model, truth)) / (reference - log_loss(truth, truth))


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

    for expert in FACTORIES.values():
        assert np.isfinite(answers(fitted(expert, examples), examples)).all()


def test_trees_that_find_no_split_are_the_market_bit_by_bit():
    examples = lesson(1000)

    booster = fitted(partial(ResidualBooster, min_rows=900), examples)
    price = sigmoid(examples["logit"])

    assert booster.payload_ == b""
    assert np.array_equal(corrected(price, answers(booster, examples)), price)


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


def test_recalibration_learns_from_the_answers_how_far_domains_lie_apart():
    examples = lesson(6000)
    domain = examples["cell"] // BUCKETS
    rng = np.random.default_rng(3)
    bent = sigmoid(np.where(domain == 1, 1.6, 1.0) * examples["logit"])
    examples["y"] = (rng.random(6000) < bent).astype(float)

    found = fitted(Recalibration, examples)
    quiet = fitted(Recalibration, lesson(6000))

    cells = np.arange(3) * BUCKETS
    bend = found.correction(np.empty((3, 5)), np.ones(3), cells)
    still = quiet.correction(np.empty((3, 5)), np.ones(3), cells)

    assert bend[1] > 0.4
    assert abs(bend[[0, 2]]).max() < 0.12
    assert abs(still).max() < 0.06


def test_rows_of_an_event_that_say_the_same_are_one_observation():
    single = lesson(3000, slope=1.3)
    tenfold = {k: np.repeat(v, 10, axis=0) for k, v in single.items()}
    tenfold["weight"] = np.full(30_000, 0.1)

    one, ten = fitted(Recalibration, single), fitted(Recalibration, tenfold)

    assert ten.root_ == pytest.approx(one.root_, abs=1e-9)
