"""The combination follows experts as far as evidence carries, and is the price everywhere else."""

from dataclasses import replace

import numpy as np
import pytest

from predictions.core.combination import Fixed, Stack
from predictions.core.ensemble import (
    EXPERTS,
    PRICE,
    RECALIBRATED,
    Blend,
    Bundle,
    forecast,
)
from predictions.core.estimators import PriceExpert, Recalibration
from predictions.core.logits import corrected, sigmoid
from predictions.core.schema import SCHEMA_HASH
from predictions.core.uncertainty import PriceErrors
from predictions.models import PredictionSettings
from tests.predictions.fitted import fitted

ALL = frozenset({0, 1})


class Shift(PriceExpert):
    """An expert with one opinion for every row."""

    def __init__(self, by=0.3):
        self.by = by

    def correction(self, x, logit, cell):
        return np.where(np.isfinite(logit), self.by, 0.0)


def config(**changes):
    values = PredictionSettings(version=3).as_config()
    return replace(values, **changes)


def history(n=4000, *, seed=1, skill=0.4):
    """Prices, payouts and an expert who sees `skill` of what the price misses."""
    rng = np.random.default_rng(seed)
    odds, hidden = rng.normal(0, 1.2, n), rng.normal(0, 0.4, n)
    y = (rng.random(n) < sigmoid(odds + hidden)).astype(float)
    move = skill * hidden + np.sqrt(1 - skill) * rng.normal(0, 0.1, n)
    return sigmoid(odds), y, move


def blended(price, y, move, *, event=None, allowed=ALL, cap=0.7, **experts):
    return fitted(
        experts or {"recalibration": move},
        price,
        y,
        event=np.arange(len(price)) if event is None else event,
        cell=np.zeros(len(price), dtype=np.int64),
        cap=cap,
        allowed=allowed,
    )


def blend(*, weight=0.4, alone=0.2, experts=("lightgbm-residual", "recalibration"), **changes):
    """Experts of equal weight; without one of them, the recalibrated price."""
    k = len(experts)
    several = Fixed(
        source=EXPERTS,
        proportion=(1.0,) * k,
        group=tuple(range(k)),
        weight=weight,
        error=0.1,
        domains={},
    )
    recalibrated = Fixed(
        source=RECALIBRATED,
        proportion=tuple(float(name == "recalibration") for name in experts),
        group=tuple(range(k)),
        weight=alone,
        error=0.05,
        domains={},
    )
    values = {
        "experts": experts,
        "rungs": (several, recalibrated),
        "cells": (0, 1),
        "errors": PriceErrors.fit(np.full(500, 0.4), np.ones(500) * 0.4, event=np.arange(500)),
    }
    return Blend(**{**values, **changes})


def bundle(**changes):
    values = {
        "horizon": "outcome",
        "schema_hash": SCHEMA_HASH,
        "members": {"lightgbm-residual": Shift(0.2), "recalibration": Shift(0.4)},
        "blend": blend(),
        "version": 12,
        "label": "gate v1",
        "sha256": "",
        "data_until": 0.0,
    }
    return Bundle(**{**values, **changes})


def ask(served, price, *, cell=None, **changes):
    price = np.array(price)
    cell = np.zeros(len(price), dtype=np.int64) if cell is None else np.array(cell)
    return forecast(served, np.empty((len(price), 5)), price, cell=cell, config=config(**changes))


def test_worthless_experts_get_no_weight_and_the_forecast_is_the_price():
    zero = 0
    for seed in range(40):
        price, y, _ = history(1000, seed=seed)
        noise = np.random.default_rng(seed + 999).normal(0, 0.2, len(price))
        zero += blended(price, y, noise).weight == 0

    assert zero >= 36


def test_a_skilled_expert_earns_its_weight_and_more_events_earn_more():
    small, large = (blended(*history(n, skill=0.8)) for n in (250, 12_000))

    assert small.weight < large.weight <= 0.7
    assert large.weight > 0.3
    assert 0 < large.rungs[0].error < 0.3


def test_the_weight_never_passes_the_cap():
    assert blended(*history(12_000, skill=0.8), cap=0.1).weight == 0.1


def test_a_hundred_copies_of_an_event_are_one_event():
    price, y, move = history(150, skill=0.8)
    copies = np.repeat(np.arange(150), 100)

    once = blended(price, y, move)
    often = blended(price[copies], y[copies], move[copies], event=copies)

    assert often.weight == pytest.approx(once.weight, abs=1e-6)
    assert often.errors.events == once.errors.events


def test_rows_outside_the_allowed_cells_teach_nothing():
    assert blended(*history(12_000, skill=0.8), allowed=frozenset({5})).weight == 0
    assert blended(*history(12_000, skill=0.8), allowed=frozenset()).cells == ()


def test_rows_without_a_price_a_label_or_a_correction_are_left_out():
    price, y, move = history(3000, skill=0.8)
    holed = [np.concatenate([each, [0.5] * 3]) for each in (price, y, move)]
    for position, each in enumerate(holed):
        each[3000 + position] = np.nan

    assert blended(*holed).weight == blended(price, y, move).weight


def test_no_history_at_all_is_the_price():
    found = blended(*(np.array([]) for _ in range(3)))

    assert [rung.total for rung in found.rungs] == [0.0, 0.0]


def test_a_blend_reads_back_as_it_was_written():
    found = blended(*history())

    assert Blend.from_bytes(found.to_bytes()) == found


def test_experts_together_move_the_price_by_their_weighted_mean():
    made = ask(bundle(), [0.3, 0.6])

    expected = corrected(np.array([0.3, 0.6]), np.full(2, 0.4 * 0.3))
    assert np.allclose(made.probability, expected, atol=1e-12)
    assert made.source.tolist() == [EXPERTS, EXPERTS]
    assert made.weights == pytest.approx(
        {"market": 0.6, "lightgbm-residual": 0.2, "recalibration": 0.2}
    )
    assert (made.sigma > 0).all()


def test_without_experts_of_the_highest_rung_the_recalibrated_price_is_next():
    stack = Stack(weight=(0.4, 0.0), error=(0.1, 0.0), cap=0.7)
    rungs = (stack, blend().rungs[1])

    made = ask(bundle(blend=blend(rungs=rungs), members={"recalibration": Shift(0.4)}), [0.3])

    assert made.source.tolist() == [RECALIBRATED]
    assert made.weights == pytest.approx({"market": 0.8, "recalibration": 0.2})


@pytest.mark.parametrize(
    "served",
    [
        None,
        bundle(members={}),
        bundle(blend=blend(weight=0.0, alone=0.0)),
        bundle(blend=blend(cells=())),
    ],
    ids=["nothing served", "no member", "no weight", "no cell"],
)
def test_without_evidence_the_forecast_is_the_price_bit_by_bit(served):
    price = np.random.default_rng(0).uniform(0.001, 0.999, 500)

    made = ask(served, price)

    assert np.array_equal(made.probability, price)
    assert set(made.source) == {PRICE}


def test_ml_switched_off_is_the_price():
    made = ask(bundle(), [0.3], enable_ml=False)

    assert made.probability[0] == 0.3
    assert made.weights == {"market": 1.0}


def test_a_cell_without_evidence_is_the_price_among_others_that_are_not():
    made = ask(bundle(), [0.3, 0.3], cell=[0, 7])

    assert made.source.tolist() == [EXPERTS, PRICE]
    assert made.probability[1] == 0.3 != made.probability[0]


def test_a_row_without_a_price_has_no_forecast():
    made = ask(bundle(), [np.nan, 0.4])

    assert np.isnan(made.probability[0])
    assert np.isnan(made.sigma[0])
    assert made.source.tolist() == [PRICE, EXPERTS]


def test_the_cap_of_the_settings_holds_whatever_was_learned():
    made = ask(bundle(), [0.3], correction_cap=0.1)

    assert made.weights["market"] == pytest.approx(0.9)


def test_doubt_grows_with_disagreement_and_shrinks_with_events():
    calm, torn = (
        ask(bundle(members={"lightgbm-residual": Shift(a), "recalibration": Shift(b)}), [0.4])
        for a, b in ((0.3, 0.3), (-0.6, 1.2))
    )
    price, y, _ = history(20_000)
    errors = [PriceErrors.fit(price[:n], y[:n], event=np.arange(n)) for n in (200, 20_000)]

    assert torn.sigma[0] > calm.sigma[0]
    few, many = (each.at(np.array([0.45]))[0] for each in errors)
    assert many < few < 0.5


def test_a_price_range_that_was_never_seen_is_wholly_uncertain():
    errors = PriceErrors.fit(np.full(100, 0.4), np.zeros(100), event=np.arange(100))

    assert errors.at(np.array([0.96]))[0] == pytest.approx(np.sqrt(0.96 * 0.04))
    assert errors.at(np.array([0.4]))[0] == pytest.approx(0.4)


def test_recalibration_is_the_expert_that_stands_alone():
    price, y, move = history(6000, skill=0.9)

    found = blended(price, y, move, **{Recalibration.kind: move, "lightgbm-residual": -2 * move})

    assert found.weight == 0 < found.rungs[1].total
