"""The generated world: a function of seed and second, calibrated, biased as stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.core import chance, spot, world
from sandbox.core.families import DEMO, Kind
from sandbox.core.ladder import best_paths, ladder
from sandbox.core.world import UnknownMarket, World

NOW = 1_795_226_000
WORLD = World(7)
seconds = st.integers(1_780_000_000, 1_900_000_000)


@pytest.fixture(scope="module")
def past() -> list[world.Happening]:
    return WORLD.resolved(NOW - 3 * 3600, NOW)


def test_the_same_seed_and_second_give_the_same_world_after_a_restart():
    before = [(h.number, h.mid.tobytes()) for h in WORLD.listed(NOW)]
    world._happening.cache_clear()

    after = [(h.number, h.mid.tobytes()) for h in World(7).listed(NOW)]

    assert before == after
    assert len(before) > 20


def test_another_seed_is_another_world():
    assert World(8).listed(NOW)[0].mid.tobytes() != WORLD.listed(NOW)[0].mid.tobytes()


@given(seconds)
@settings(max_examples=8, deadline=None)
def test_every_second_offers_every_kind_of_market(second):
    assert {h.family.kind for h in WORLD.listed(second)} == set(Kind)


@given(seconds)
@settings(max_examples=8, deadline=None)
def test_listed_and_resolved_never_overlap_and_none_is_lost_between(second):
    open_now = {h.number for h in WORLD.listed(second)}
    closed = {h.number for h in WORLD.resolved(second - 900, second + 1)}
    later = {h.number for h in WORLD.listed(second + 1)}

    assert not open_now & closed
    gone = {h.number for h in WORLD.resolved(second + 1, second + 2)}
    assert open_now <= later | gone


def test_the_true_probability_is_calibrated(past):
    truth = np.concatenate([h.probability[:, h.at(h.ends_at - 30)] for h in past])
    won = np.array([w for h in past for w in h.winners])

    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        inside = (truth >= low) & (truth < high)
        error = 4 * np.sqrt(truth[inside].mean() * (1 - truth[inside].mean()) / inside.sum())
        assert abs(won[inside].mean() - truth[inside].mean()) < error


def test_the_quoted_price_is_squeezed_towards_the_middle_so_that_truth_scores_better(past):
    binary = [h for h in past if h.markets == 1]
    truth = np.concatenate([h.probability[:, h.at(h.ends_at - 30)] for h in binary])
    mid = np.concatenate([h.mid[:, h.at(h.ends_at - 30)] for h in binary])
    sure = truth > 0.7

    assert (truth[sure] - mid[sure]).mean() > 0.02
    doubtful = truth < 0.3
    assert (mid[doubtful] - truth[doubtful]).mean() > 0.02


def test_the_outcomes_of_an_exclusive_event_share_one_probability_and_one_winner(past):
    races = [h for h in past if h.family.kind is Kind.EXCLUSIVE]

    assert races
    for race in races:
        assert sum(race.winners) == 1
        assert np.allclose(race.probability.sum(axis=0), 1.0)


def test_an_epoch_is_up_when_its_last_price_is_at_or_above_its_first(past):
    epochs = [h for h in past if h.family.kind is Kind.EPOCH]

    for epoch in epochs[:200]:
        ends = np.array([epoch.starts_at, epoch.ends_at])
        first, last = spot.price(7, epoch.family.asset, ends)
        assert epoch.winners == (last >= first,)
        assert (epoch.reference, epoch.final) == (first, last)


def test_the_spot_path_moves_as_much_as_its_stated_volatility():
    path = np.log(spot.price(7, "btc", NOW + np.arange(0, 60 * 2000, 60)))

    assert np.diff(path).std() == pytest.approx(spot.SIGMA * np.sqrt(60), rel=0.1)


@given(seconds)
@settings(max_examples=8, deadline=None)
def test_books_are_uncrossed_on_the_grid_and_mirror_each_other(second):
    for happening in WORLD.listed(second):
        for child in range(happening.markets):
            book = ladder(happening, child, second)
            other = book.mirrored()
            top = round(1 / book.tick)
            prices = [p for p, _ in (*book.bids, *book.asks)]
            assert all(0 < price < top for price in prices)
            assert all(shares > 0 for _, shares in (*book.bids, *book.asks))
            if book.bids and book.asks:
                assert book.bids[0][0] < book.asks[0][0]
                assert other.asks[0][0] == top - book.bids[0][0]


def test_the_book_and_the_recorded_best_prices_agree():
    happening = WORLD.listed(NOW)[0]
    bids, asks = best_paths(happening)

    book = ladder(happening, 0, NOW)

    assert book.best() == pytest.approx((bids[0, happening.at(NOW)], asks[0, happening.at(NOW)]))


def test_some_books_are_too_thin_to_trade_and_some_are_deep():
    depth = {h.family.name: sum(s for _, s in ladder(h, 0, NOW).bids) for h in WORLD.listed(NOW)}

    assert depth["talk"] < 1000 < depth["match"]


def test_a_launch_that_never_was_is_unknown():
    with pytest.raises(UnknownMarket, match="was ever launched"):
        WORLD.happening(9 * 10_000_000_000 + NOW)


def test_chance_is_uniform_and_normal():
    draws = chance.uniform(1, np.arange(20_000))
    bells = chance.normal(2, np.arange(20_000))

    assert draws.mean() == pytest.approx(0.5, abs=0.01)
    assert bells.std() == pytest.approx(1.0, abs=0.03)


def test_family_codes_are_unique():
    assert len({f.code for f in DEMO}) == len(DEMO)
