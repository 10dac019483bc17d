"""Voters are averaged, the missing have no weight, and no opinion is no vote."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.core import rungs
from predictions.core import combination, roster, weighing
from predictions.core.cells import BUCKETS
from predictions.core.coherence import Groups
from predictions.core.combination import Rows, Stack
from predictions.core.ensemble import Blend, UnknownFormat, forecast, moves
from predictions.core.gating import WIDTH, Gate
from predictions.core.logits import logit, sigmoid
from predictions.core.schema import COLUMN, NAMES
from predictions.core.weighing import Answers
from tests.predictions.test_ensemble import Shift, blend, bundle, config

NAN = np.nan
# One expert per algorithm; the slices of all four cover a row without features.
FOUR = ("calm", "ends-later", "volume-low", "news-none")


def features(n, **columns):
    x = np.full((n, len(NAMES)), NAN)
    for name, values in columns.items():
        x[:, COLUMN[name]] = values
    return x


def served(said, *, weight=0.6, proportion=None, **changes):
    """An ensemble in fixed proportions; experts that say None are missing."""
    slugs = tuple(said)
    fixed = combination.fixed_weights(slugs, config()) if proportion is None else proportion
    rung = replace(combination.ensemble(slugs, fixed), weight=weight)
    members = {slug: Shift(by) for slug, by in said.items() if by is not None}
    return bundle(members=members, blend=blend(experts=slugs, rungs=(rung,)), **changes)


def ask(gate, price, *, x=None, groups=None, trust=1.0, **changes):
    price = np.array(price, dtype=float)
    return forecast(
        gate,
        features(len(price)) if x is None else x,
        price,
        cell=np.zeros(len(price), dtype=np.int64),
        config=config(**changes),
        trust=trust,
        groups=groups,
    )


def equal(*names):
    return dict.fromkeys(names, 1.0)


def test_missing_member_weight_zero_and_reported():
    # XGBoost and LightGBM loaded; the net and the text model have no artefact.
    said = dict(zip(FOUR, (0.2, 0.4, None, None), strict=True))

    made = ask(served(said, weight=0.6), [0.3])

    experts = made.shares[0, 1:] / 0.6
    assert dict(zip(made.order, experts.round(3).tolist(), strict=True)) == pytest.approx(
        {"calm": 0.583, "ends-later": 0.417, "volume-low": 0.0, "news-none": 0.0}, abs=1e-6
    )
    assert made.weights_json() == ['{"market": 0.4, "calm": 0.35, "ends-later": 0.25}']
    assert np.isnan(made.corrections[0, 2:]).all()


def test_experts_of_an_algorithm_split_its_weight_among_those_that_look():
    slugs = ("politics", "calm", "opening", "volume-low", "news-none")
    rung = combination.ensemble(slugs, combination.fixed_weights(slugs, config()))
    said = np.array([[0.1] * 5, [NAN, 0.1, 0.1, NAN, NAN], [NAN] * 5])

    shares = rung.shares(
        Rows(moves=said, odds=np.zeros(3), cell=np.zeros(3, np.int64), x=features(3))
    )

    assert shares[0] == pytest.approx([0.175, 0.175, 0.25, 0.2, 0.2])
    assert shares[1] == pytest.approx([0, 0.35 / 0.6, 0.25 / 0.6, 0, 0])
    assert not shares[2].any()


def test_tie_abstains():
    made = ask(served({"a": 0.3, "b": -0.3}, proportion=equal("a", "b")), [0.4])

    assert made.source.tolist() == ["PRICE"]
    assert made.probability[0] == 0.4
    assert made.weights_json() == ['{"market": 1}']


def test_more_weak_voters_do_not_raise_confidence():
    names = [f"voter{i}" for i in range(20)]
    few, many = (
        ask(served(dict.fromkeys(names[:n], 0.1), proportion=equal(*names)), [0.4]) for n in (1, 20)
    )

    assert many.probability[0] == pytest.approx(few.probability[0], abs=1e-12)
    assert many.sigma[0] >= few.sigma[0] - 1e-12


def test_baseline_without_information_has_zero_edge():
    price = [0.001, 0.02, 0.5, 0.97, 0.999]

    made = ask(served(dict.fromkeys(FOUR, 0.0)), price)

    assert made.probability.tolist() == price
    assert set(made.source) == {"PRICE"}


def test_deep_learning_switched_off_takes_the_weight_of_the_nets():
    gate = served(dict.fromkeys(FOUR, 0.3))

    on, off = ask(gate, [0.3]), ask(gate, [0.3], use_deep_learning=False)

    net = 1 + FOUR.index("volume-low")
    assert on.shares[0, net] > 0 == off.shares[0, net]
    assert off.shares[0].sum() == pytest.approx(1.0)
    assert not np.isnan(off.corrections[0, net - 1])


def test_an_ensemble_switched_off_leaves_the_recalibrated_price():
    slugs = (*FOUR, "recalibration")
    several = replace(
        combination.ensemble(slugs, combination.fixed_weights(slugs, config())), weight=0.6
    )
    alone = replace(combination.recalibrated(slugs), weight=0.5)
    gate = bundle(
        members={slug: Shift(0.3) for slug in slugs},
        blend=blend(experts=slugs, rungs=(several, alone)),
    )

    assert ask(gate, [0.3]).source.tolist() == ["ENSEMBLE"]
    assert ask(gate, [0.3], use_ensemble=False).source.tolist() == ["RECALIBRATED"]


def test_an_expert_that_is_not_active_is_asked_and_has_no_weight():
    gate = served({"a": 0.3, "b": 0.5}, proportion=equal("a", "b"), active=frozenset({"a"}))

    made = ask(gate, [0.4])
    nobody = ask(replace(gate, active=frozenset()), [0.4])

    assert made.corrections[0].tolist() == pytest.approx([0.3, 0.5])
    assert made.shares[0].tolist() == pytest.approx([0.4, 0.6, 0.0])
    assert nobody.corrections[0].tolist() == pytest.approx([0.3, 0.5])
    assert (nobody.probability[0], nobody.source[0]) == (0.4, "PRICE")


def test_an_expert_speaks_only_of_its_slice():
    x = features(3, mid=[0.05, 0.5, NAN])
    members = {"longshot": Shift(0.2), "contested": Shift(0.4)}

    said = moves(members, x, logit(x[:, 0]), np.zeros(3, np.int64), horizon="outcome")

    order = [role.slug for role in roster.members("outcome")]
    assert said.shape == (3, len(order))
    assert said[:, order.index("longshot")].tolist() == pytest.approx([0.2, NAN, NAN], nan_ok=True)
    assert said[:, order.index("contested")].tolist() == pytest.approx([NAN, 0.4, NAN], nan_ok=True)
    assert np.isnan(np.delete(said, [order.index(s) for s in members], axis=1)).all()


def test_trust_mixes_with_the_price_as_probabilities():
    gate = served({"a": 0.8}, proportion=equal("a"))
    full, half, none = (ask(gate, [0.3], trust=trust) for trust in (1.0, 0.5, 0.0))

    assert half.probability[0] == pytest.approx((full.probability[0] + 0.3) / 2)
    assert half.shares[0, 1] == pytest.approx(full.shares[0, 1] / 2)
    assert (none.probability[0], none.source[0]) == (0.3, "PRICE")


def test_exclusive_outcomes_forecast_together_keep_the_sum_of_their_prices():
    gate = served({"a": 0.4}, proportion=equal("a"))
    none = np.full(3, np.nan)
    groups = Groups(
        event=np.zeros(3, np.int64), exclusive=np.ones(3, dtype=bool), end=none, strike=none
    )

    alone, together = ask(gate, [0.5, 0.3, 0.2]), ask(gate, [0.5, 0.3, 0.2], groups=groups)

    assert alone.probability.sum() > 1.05
    assert together.probability.sum() == pytest.approx(1.0)


def test_a_weight_of_its_own_finds_the_one_expert_that_knows():
    rng = np.random.default_rng(2)
    n = 4000
    odds, missed = rng.normal(0, 1, n), rng.normal(0, 0.6, n)
    y = (rng.random(n) < sigmoid(odds + missed)).astype(float)
    said = np.column_stack([rng.normal(0, 0.3, (n, 9)), missed])

    weight, error = weighing.many(
        said, Answers(odds=odds, y=y, event=np.arange(n)), cap=1.0, caution=2.0
    )

    assert weight[-1] > 0.7
    assert np.count_nonzero(weight[:-1]) <= 1
    assert 0 < error[-1] < 0.2


def test_a_domain_gets_a_weight_of_its_own_only_where_it_differs():
    rng = np.random.default_rng(3)
    n = 9000
    domain, odds, missed = rng.integers(1, 4, n), rng.normal(0, 1, n), rng.normal(0, 0.6, n)
    truth = odds + np.where(domain == 2, -0.3, 0.5) * missed
    y = (rng.random(n) < sigmoid(truth)).astype(float)
    rows = Rows(moves=missed[:, None], odds=odds, cell=domain * BUCKETS, x=features(n))
    means = rungs.Means(names=("a",), fixed={"a": 1.0}, cap=0.7)

    found = rungs.domains(rows, Answers(odds=odds, y=y, event=np.arange(n)), means)

    assert found.domains[2][0] < 0.05
    weights = found.weights(rows)[:, 0]
    assert weights[domain == 2].max() < 0.05
    assert weights[domain == 1].min() > 0.3


def test_a_gate_learns_where_an_expert_is_right_and_abstains_elsewhere():
    rng = np.random.default_rng(4)
    n = 6000
    spread, odds, missed = rng.random(n), rng.normal(0, 1, n), rng.normal(0, 0.8, n)
    y = (rng.random(n) < sigmoid(odds + np.where(spread < 0.5, 0.7, -0.4) * missed)).astype(float)
    rows = Rows(
        moves=missed[:, None], odds=odds, cell=np.zeros(n, np.int64), x=features(n, spread=spread)
    )

    gate = Gate.fit(rows, Answers(odds=odds, y=y, event=np.arange(n)), cap=0.7)

    weights = gate.weights(rows)[:, 0]
    assert weights[spread < 0.3].mean() > 2 * weights[spread > 0.7].mean()
    assert weights.max() <= 0.7
    assert Gate.from_json(gate.as_json()) == gate
    assert len(gate.slopes[0]) == WIDTH


def test_a_gate_over_noise_is_the_market():
    rng = np.random.default_rng(5)
    n = 2000
    odds = rng.normal(0, 1, n)
    y = (rng.random(n) < sigmoid(odds)).astype(float)
    rows = Rows(
        moves=rng.normal(0, 0.3, (n, 4)), odds=odds, cell=np.zeros(n, np.int64), x=features(n)
    )

    made = Gate.fit(rows, Answers(odds=odds, y=y, event=np.arange(n)), cap=0.7)

    # What it learned by heart would pass in its own rows; the ladder asks it about others.
    assert np.abs(np.sum(made.weights(rows) * rows.moves, axis=1)).mean() < 0.02


def test_a_stack_scales_down_what_passes_the_cap_on_a_row():
    rung = Stack(weight=(0.5, 0.4, 0.1), error=(0.1,) * 3, cap=0.6)
    said = np.array([[0.1, 0.1, 0.1], [0.1, NAN, NAN]])

    weights = rung.weights(
        Rows(moves=said, odds=np.zeros(2), cell=np.zeros(2, np.int64), x=features(2))
    )

    assert weights[0] == pytest.approx([0.3, 0.24, 0.06])
    assert weights[1] == pytest.approx([0.5, 0.0, 0.0])


def test_an_artefact_of_another_format_is_refused():
    with pytest.raises(UnknownFormat, match="train again"):
        Blend.from_bytes(b'{"experts":["recalibration"],"weight":0.4,"cells":[0]}')
