"""A combination climbs only on folds it had not seen: it finds what is there, and else nothing."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.core import ladder, metrics, profit
from mlops.core.examples import Examples, weights
from mlops.models import LearningSettings
from predictions.core import roster
from predictions.core.cells import BUCKETS
from predictions.core.combination import Rows, fixed_weights
from predictions.core.ensemble import ENSEMBLE, EXPERTS, RECALIBRATED, Blend
from predictions.core.logits import corrected, logit, sigmoid
from predictions.core.schema import COLUMN, DOMAINS, NAMES
from predictions.models import PredictionSettings

CONFIG = LearningSettings(version=0).as_config()
SETTINGS = PredictionSettings(version=0).as_config()
SLUGS = tuple(role.slug for role in roster.members("outcome"))
FIXED = fixed_weights(SLUGS, SETTINGS)
CAP = 0.7
ROWS = 3
SOURCES = {
    "recalibrated": RECALIBRATED,
    "ensemble": ENSEMBLE,
    "domains": ENSEMBLE,
    "stack": EXPERTS,
    "gate": EXPERTS,
}


def world(seed, *, finds=(), strength=0.0, inside=None, events=2000, slugs=SLUGS):
    """Examples, out-of-fold moves and folds; `finds` see most of what the price misses `inside`."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(events), ROWS)
    n = len(event)
    domain = rng.integers(1, 4, events)[event]
    odds = rng.normal(0, 1.3, events)[event] + rng.normal(0, 0.2, n)
    price = sigmoid(odds)
    missed = strength * rng.normal(0, 1, events)[event]
    if inside is not None:
        missed = np.where(inside(domain, price), missed, 0.0)
    y = (rng.random(events)[event] < sigmoid(odds + missed)).astype(float)
    moves = np.full((n, len(slugs)), np.nan)
    for k, slug in enumerate(slugs):
        of = roster.BY_SLUG[slug].slice
        covered = rng.random(events)[event] < 0.4
        if of.domains:
            covered = np.isin(domain, [DOMAINS.index(name) for name in of.domains])
        elif of.column == "mid":
            covered = (price >= of.low) & (price < of.high)
        noise = rng.normal(0, 0.25, events)[event]
        said = 0.8 * missed + 0.4 * noise if slug in finds else noise
        moves[covered | (slug == "recalibration"), k] = said[covered | (slug == "recalibration")]
    x = np.full((n, len(NAMES)), np.nan)
    x[:, COLUMN["spread"]] = 0.01
    as_of = np.repeat(np.arange(events) * 3600.0, ROWS)
    data = Examples(
        x=x, market=event, price=price, y=y, weight=weights(event),
        cell=domain * BUCKETS + np.tile(np.arange(ROWS), events), event=event,
        source=np.zeros(n, dtype=np.int64), horizon=np.zeros(n, dtype=np.int8),
        as_of=as_of, known_at=as_of + 1800, sources=("made",),
    )  # fmt: skip
    return data, moves, event * 8 // events, sigmoid(odds + missed)


def climbed(made, **changes):
    data, moves, fold, _ = made
    values = {"fold": fold, "fixed": FIXED, "cap": CAP, "config": CONFIG}
    rng = np.random.default_rng(0)
    names = changes.pop("names", SLUGS)
    return ladder.climb(data, moves, names, rng=rng, **{**values, **changes})


def gain(blend, made):
    """Share of the market's expected log loss that a blend saves under the known truth."""
    data, moves, *_ = made
    if not blend.rungs:
        return 0.0
    rows = Rows(moves=moves, odds=logit(data.price), cell=data.cell, x=data.x)
    move = np.sum(blend.rungs[0].weights(rows) * rows.filled, axis=1)
    move = np.where(np.isin(data.cell, blend.cells), move, 0.0)
    return saved(corrected(data.price, move), made)


def saved(probability, made):
    data, _, _, truth = made
    market = np.average(metrics.log_loss(data.price, truth), weights=data.weight)
    return 1 - np.average(metrics.log_loss(probability, truth), weights=data.weight) / market


def politics(domain, price):
    return domain == DOMAINS.index("politics")


def contested(domain, price):
    return (price >= 0.15) & (price < 0.85)


PLANTED = {
    "everywhere, seen by one": {"finds": ("recalibration",), "strength": 0.45},
    "in one domain": {"finds": ("politics",), "strength": 0.65, "inside": politics},
    "at contested prices": {"finds": ("contested",), "strength": 0.5, "inside": contested},
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_most_of_a_planted_inefficiency_is_recovered_where_one_expert_found_it(planted, seed):
    found = climbed(world(seed, **planted))

    fresh = world(seed + 500, **planted)
    slug = planted["finds"][0]
    expert = np.nan_to_num(fresh[1][:, SLUGS.index(slug)])
    there = saved(corrected(fresh[0].price, expert), fresh)
    assert 0.01 < there < 0.08
    assert gain(found.blend, fresh) >= 0.7 * there
    assert found.trials == len(found.rungs)


@pytest.mark.parametrize("seed", range(8))
def test_where_nothing_is_planted_the_blend_is_mostly_the_price(seed):
    found = climbed(world(seed))

    assert abs(gain(found.blend, world(seed + 500))) < 0.002
    assert abs(saved(found.model, world(seed))) < 0.002


def test_over_many_null_worlds_the_price_nearly_always_stays_bit_by_bit():
    exact = sum(not climbed(world(seed, events=500)).blend.cells for seed in range(12))

    assert exact >= 11


def test_a_rung_and_its_weights_know_no_answer_of_their_fold_or_later():
    data, moves, fold, truth = made = world(4, finds=("recalibration",), strength=0.5)
    told = climbed(made).model
    late = fold >= 6
    turned = replace(data, y=np.where(late, 1 - data.y, data.y))

    again = climbed((turned, moves, fold, truth)).model

    known = fold <= 6
    assert not np.array_equal(told, data.price)
    assert np.array_equal(told[known], again[known])


def test_an_answer_that_came_late_is_not_known_to_the_next_fold():
    data, moves, fold, truth = made = world(4, finds=("recalibration",), strength=0.5)
    never = replace(data, known_at=np.full(data.rows, 1e12))

    assert not np.array_equal(climbed(made).model, data.price)
    assert np.array_equal(climbed((never, moves, fold, truth)).model, data.price)


def test_only_admitted_experts_have_weight_and_all_keep_their_place():
    made = world(2, **PLANTED["in one domain"])

    without = climbed(made, admitted=frozenset(SLUGS) - {"politics"})
    nobody = climbed(made, admitted=frozenset())

    assert without.blend.experts == nobody.blend.experts == SLUGS
    assert not without.blend.cells
    assert np.array_equal(nobody.model, made[0].price)
    assert (nobody.blend.rungs, nobody.blend.cells) == ((), ())


def test_a_rung_that_lost_serves_nobody_not_even_where_the_higher_one_cannot():
    found = climbed(world(2, **PLANTED["in one domain"]))

    plain = [score for score in found.rungs if "+" not in score.name]
    highest = max(k for k, score in enumerate(plain) if score.climbed)
    assert not all(score.climbed for score in plain[:highest])
    assert len(found.blend.rungs) == sum(score.climbed for score in plain)
    earned = [SOURCES[score.name] for score in reversed(plain) if score.climbed]
    assert [rung.source for rung in found.blend.rungs] == earned


def test_the_weights_of_a_row_never_pass_the_cap():
    made = world(1, finds=SLUGS, strength=0.5)

    blend = climbed(made, cap=0.3).blend

    data, moves = made[0], made[1]
    rows = Rows(moves=moves, odds=logit(data.price), cell=data.cell, x=data.x)
    assert blend.rungs
    for rung in blend.rungs:
        assert rung.weights(rows).sum(axis=1).max() <= 0.3 + 1e-9


def test_a_blend_of_the_ladder_reads_back_as_it_was_written():
    blend = climbed(world(2, **PLANTED["in one domain"])).blend

    assert blend.rungs
    assert Blend.from_bytes(blend.to_bytes()) == blend


def test_profit_counts_what_lies_beyond_its_cost_once_an_event():
    price, said = np.array([0.5, 0.5, 0.5]), np.array([0.6, 0.505, 0.3])

    made = profit.after_costs(
        price, said, np.array([1.0, 1.0, 1.0]), cost=np.full(3, 0.01), event=np.array([0, 0, 1])
    )

    # +0.49 and nothing make the first event, −0.51 the second.
    assert made == pytest.approx((0.49 / 2 - 0.51) / 2)
