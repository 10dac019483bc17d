"""Forecasts of one event agree with each other as far as corrections made them disagree."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.core.series import Snapshots
from predictions.core.coherence import Groups, cohere, pool
from predictions.core.kernels_event import direction
from predictions.core.logits import corrected, logit
from tests.predictions import worlds

probabilities = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=12)


def grouped(n, *, exclusive=True, event=None, end=None, strike=None):
    none = np.full(n, np.nan)
    return Groups(
        event=np.zeros(n, dtype=np.int64) if event is None else np.array(event),
        exclusive=np.broadcast_to(exclusive, n),
        end=none if end is None else np.array(end, dtype=float),
        strike=none if strike is None else np.array(strike, dtype=float),
    )


def together(price, correction, *, movable=None, **changes):
    price = np.array(price, dtype=float)
    n = len(price)
    return cohere(
        price,
        corrected(price, np.array(correction, dtype=float)),
        grouped(n, **changes),
        movable=np.ones(n, dtype=bool) if movable is None else np.array(movable),
    )


def test_corrections_move_probability_between_exclusive_outcomes_and_create_none():
    made = together([0.5, 0.3, 0.22], [0.4, 0.0, 0.1])

    assert made.sum() == pytest.approx(1.02, abs=1e-9)
    assert made[0] > 0.5
    assert made[1] < 0.3


def test_the_projection_is_one_shift_of_all_log_odds():
    price, correction = np.array([0.5, 0.3, 0.2]), np.array([0.4, -0.2, 0.1])

    made = together(price, correction)

    shift = logit(made) - logit(corrected(price, correction))
    assert shift == pytest.approx(np.full(3, shift[0]), abs=1e-9)


def test_outcomes_that_leave_some_out_may_gain_together_up_to_one():
    assert together([0.3, 0.2], [0.4, 0.2]).tolist() == pytest.approx([0.3900, 0.2339], abs=1e-4)
    assert together([0.5, 0.38], [1.0, 1.0]).sum() == pytest.approx(1.0)


@given(probabilities)
def test_what_nobody_corrected_stays_bit_by_bit(price):
    price = np.array(price) / max(sum(price), 1.0)

    for exclusive in (True, False):
        made = together(price, np.zeros(len(price)), exclusive=exclusive, end=range(len(price)))

        assert np.array_equal(made, price)


@pytest.mark.parametrize(
    "changes",
    [
        {"exclusive": False},
        {"movable": [True, False, True]},
        {"price": [0.1, 0.1, 0.1]},
        {"price": [0.5, 0.3, np.nan]},
        {"event": [0, 1, 2]},
    ],
    ids=["not exclusive", "a cell without evidence", "not exhaustive", "no price", "alone"],
)
def test_groups_that_are_not_known_to_be_whole_are_left_alone(changes):
    price = changes.pop("price", [0.5, 0.3, 0.2])
    made = together(price, [0.4, 0.0, 0.1], **changes)

    expected = corrected(np.array(price), np.array([0.4, 0.0, 0.1]))
    assert np.array_equal(made, expected, equal_nan=True)


def test_events_do_not_touch_each_other():
    price, correction = [0.6, 0.4, 0.7, 0.3], [0.3, 0.0, 0.0, 0.0]

    made = together(price, correction, event=[7, 7, 3, 3])

    assert made[:2].sum() == pytest.approx(1.0)
    assert made[2:].tolist() == [0.7, 0.3]


def test_by_june_is_no_likelier_than_by_december():
    made = together([0.30, 0.34, 0.6], [0.4, 0.05, 0.1], exclusive=False, end=[6, 12, 24])

    mean = logit(np.array([0.30, 0.34])).mean() + 0.225
    assert logit(made[:2]) == pytest.approx([mean, mean])
    assert made[2] == corrected(np.array([0.6]), np.array([0.1]))[0]


def test_above_110_is_no_likelier_than_above_100():
    made = together([0.34, 0.30], [0.0, 0.4], exclusive=False, strike=[100, 110], end=[5, 5])

    assert made.tolist() == [0.34, 0.34]


def test_dates_and_strikes_of_exclusive_outcomes_are_slices_and_no_ladder():
    """An event that is both: its outcomes keep their sum, and an early slice may be likelier."""
    rungs = {"end": [6, 12, 24], "strike": [1, 2, 3]}
    price, correction = [0.3, 0.32, 0.38], [0.5, 0.1, 0.1]

    assert np.array_equal(together(price, correction, **rungs), together(price, correction))


def test_prices_far_out_of_order_are_no_ladder():
    """Such as strikes to be touched from either side: likelier the nearer, not the higher."""
    price = [0.1, 0.6, 0.65, 0.2]
    made = together(price, [0, 0.4, 0.1, 0], exclusive=False, strike=[80, 90, 110, 130])

    assert np.array_equal(made, corrected(np.array(price), np.array([0, 0.4, 0.1, 0])))


def test_strikes_at_several_dates_are_in_order_both_ways():
    price = np.array([0.50, 0.40, 0.52, 0.43])
    end, strike = [1, 1, 2, 2], [100, 110, 100, 110]

    made = together(price, [0.3, 0.6, 0.1, 0.05], exclusive=False, end=end, strike=strike)

    assert made[0] >= made[1] - 1e-9
    assert made[2] >= made[3] - 1e-9
    assert made[2] >= made[0] - 1e-9
    assert made[3] >= made[1] - 1e-9


@st.composite
def events(draw):
    """Rows of a few events, exclusive ones and ladders of dates or strikes, in any order."""
    rows = []
    for event in range(draw(st.integers(1, 4))):
        n = draw(st.integers(1, 7))
        price = np.array(draw(st.lists(st.floats(0.02, 0.98), min_size=n, max_size=n)))
        kind = draw(st.sampled_from(["exclusive", "end", "strike"]))
        rungs = draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))
        if kind == "exclusive":
            price = np.minimum(price / price.sum() * draw(st.floats(0.5, 1.0)), 0.98)
        elif draw(st.booleans()):
            price = price[np.argsort(np.argsort(rungs))]
        for p, rung in zip(price.tolist(), rungs, strict=True):
            move = draw(st.sampled_from([0.0, 0.0, 0.3, -0.4, 1.1]))
            rows.append((event, kind, rung, p, move, draw(st.sampled_from([True, True, False]))))
    return draw(st.permutations(rows))


def projected(rows):
    event, kind, rung, price, move, movable = (np.array(each) for each in zip(*rows, strict=True))
    groups = Groups(
        event=event,
        exclusive=kind == "exclusive",
        end=np.where(kind == "strike", 1.0, rung),
        strike=np.where(kind == "strike", rung, np.nan),
    )
    said = corrected(price, np.where(movable, move, 0.0))
    return groups, price, said, cohere(price, said, groups, movable=movable), movable


def ladder(groups, price, i, j):
    """Whether row j may not be less likely than row i, by prices that are about in order."""
    same = np.flatnonzero(groups.event == groups.event[i])
    if groups.exclusive[i] or groups.event[j] != groups.event[i]:
        return False
    dated = np.isnan(groups.strike[i])
    rung = groups.end if dated else groups.strike
    same = same[np.lexsort((price[same], rung[same]))]
    rising = 1.0 if dated else direction(rung[same].astype(float), price[same])
    worst = max(
        (price[a] - price[b] for a in same for b in same if rising * (rung[b] - rung[a]) > 0),
        default=0.0,
    )
    return worst < 0.0999 and rising * (rung[j] - rung[i]) > 0


@given(events())
def test_corrected_rungs_rise_and_whatever_contradicts_nothing_stays(rows):
    groups, price, said, made, movable = projected(rows)
    free = movable & (said != price)
    pairs = [
        (i, j) for i in range(len(rows)) for j in range(len(rows)) if ladder(groups, price, i, j)
    ]

    held_well = all(price[i] <= price[j] for i, j in pairs if not free[i] and not free[j])
    for i, j in pairs:
        if (free[i] and free[j]) or (held_well and (free[i] or free[j])):
            assert made[i] <= made[j] + 1e-12
    broken = {k for i, j in pairs if said[i] > said[j] for k in (i, j)}
    for k in np.flatnonzero(~groups.exclusive):
        assert made[k] == said[k] or (free[k] and k in broken)


@given(events())
def test_exclusive_outcomes_that_may_move_never_sum_above_one(rows):
    groups, _, _, made, movable = projected(rows)

    for event in np.unique(groups.event[groups.exclusive]):
        mine = groups.event == event
        if movable[mine].all() and mine.sum() > 1:
            assert made[mine].sum() <= 1 + 1e-9


@given(events(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    *_, made, _ = projected(rows)
    order = list(range(len(rows)))
    random.shuffle(order)

    *_, shuffled, _ = projected([rows[k] for k in order])

    assert shuffled == pytest.approx(made[order], abs=1e-12)


def test_a_group_is_an_event_at_one_instant():
    _, facts, _ = worlds.world(3, markets=4)
    facts = replace(facts, event=np.array([5, 5, -1, -1]))
    asked = Snapshots(market=np.array([0, 1, 0, 2, 3]), as_of=np.array([1.0, 1.0, 2.0, 1.0, 1.0]))

    groups = Groups.of(facts, asked)

    first, second, later, alone, other = groups.event.tolist()
    assert first == second
    assert len({first, later, alone, other}) == 4
    assert groups.take(np.array([2])).event.tolist() == [later]


def test_pooling_is_the_closest_order_in_squares():
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(4)
    for _ in range(30):
        values, weight = rng.random(25), rng.uniform(0.1, 3, 25)
        oracle = IsotonicRegression().fit_transform(np.arange(25), values, sample_weight=weight)

        assert pool(values, weight) == pytest.approx(oracle)
