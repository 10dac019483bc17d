"""Which forecasts are worth a trade, and what stops the others."""

import dataclasses
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from markets.core import book as books
from predictions.core.contracts import Forecasts
from tests.trading.candidates import AT, trading_config
from trading.core.edge import Reason, Tops, asks_and_depths, growth, signals

CONFIG = trading_config()


def forecasts(probability=0.7, *, price=0.5, sigma=0.02, source="EXPERTS"):
    return Forecasts(
        price=np.array([price]),
        probability=np.array([probability]),
        sigma=np.array([sigma]),
        source=np.array([source]),
        weights={},
    )


def tops(**changes):
    values = {
        "ask_0": 0.51,
        "ask_1": 0.51,
        "depth_0": 5000.0,
        "depth_1": 5000.0,
        "fee_rate": 0.04,
        "fee_exponent": 1.0,
    } | changes
    return Tops(**{name: np.array([value]) for name, value in values.items()})


def reason_of(forecast, top, config=CONFIG):
    return str(signals(forecast, top, config).reason[0])


def test_a_forecast_far_above_the_price_passes():
    found = signals(forecasts(0.7), tops(), CONFIG)

    assert found.passed[0]
    assert found.outcome_index[0] == 0
    assert found.gross_edge[0] == pytest.approx(0.19)
    assert found.net_edge[0] == pytest.approx(0.19 - 0.04 * 0.51 * 0.49)
    assert found.confidence[0] > 0.99


def test_negative_edge_creates_no_side_candidate():
    found = signals(forecasts(0.3), tops(), CONFIG)

    assert found.passed[0]
    assert found.outcome_index[0] == 1
    assert found.probability[0] == pytest.approx(0.7)
    assert found.cost[0] == pytest.approx(0.51)


@pytest.mark.parametrize(
    ("forecast", "top", "reason"),
    [
        (forecasts(price=np.nan), tops(), Reason.NO_PRICE),
        (forecasts(np.nan), tops(), Reason.NO_PRICE),
        (forecasts(0.5, source="PRICE"), tops(), Reason.PRICE_ONLY),
        (forecasts(), tops(ask_0=np.nan), Reason.NO_BOOK),
        (forecasts(), tops(ask_1=np.nan), Reason.NO_BOOK),
        (forecasts(), tops(ask_0=0.48, ask_1=0.50), Reason.NO_BOOK),
        (forecasts(), tops(fee_rate=np.nan), Reason.UNKNOWN_FEES),
        (forecasts(0.9), tops(ask_0=0.56, ask_1=0.56), Reason.WIDE_SPREAD),
        (forecasts(), tops(depth_0=np.nan), Reason.UNKNOWN_DEPTH),
        (forecasts(), tops(depth_0=499.0), Reason.THIN_BOOK),
        (forecasts(0.55), tops(), Reason.NO_GROSS_EDGE),
        (forecasts(0.565), tops(fee_rate=0.2), Reason.NO_NET_EDGE),
        (forecasts(0.57, sigma=5.0), tops(), Reason.LOW_CONFIDENCE),
    ],
)
def test_the_first_gate_that_stops_a_signal_is_named(forecast, top, reason):
    assert reason_of(forecast, top) == reason


def test_thinness_of_the_other_side_stops_nobody():
    assert reason_of(forecasts(0.7), tops(depth_1=0.0)) == Reason.PASSED
    assert reason_of(forecasts(0.3), tops(depth_1=0.0)) == Reason.THIN_BOOK


@pytest.mark.parametrize(
    ("net", "strength"),
    [(0.09, "WEAK"), (0.0999, "WEAK"), (0.1001, "MEDIUM"), (0.1499, "MEDIUM"), (0.1501, "STRONG")],
)
def test_strength_is_read_off_the_net_edge(net, strength):
    found = signals(forecasts(0.51 + net), tops(fee_rate=0.0), CONFIG)

    assert found.strength[0] == strength


@pytest.mark.parametrize(
    ("net", "strength"),
    [(0.10, "WEAK"), (0.1001, "MEDIUM"), (0.15, "MEDIUM"), (0.1501, "STRONG")],
)
def test_strength_boundaries_0_10_and_0_15_are_of_the_net_edge_and_belong_below(net, strength):
    # Cost and fee leave exactly this: a gross edge of the same size would be a class higher.
    top = tops(ask_0=0.5, ask_1=0.51, fee_rate=0.2)

    found = signals(forecasts(0.5 + 0.05 + net), top, CONFIG)

    assert found.net_edge[0] == pytest.approx(net)
    assert found.strength[0] == strength


@pytest.mark.parametrize(
    ("demanded", "probability", "reason"),
    [
        ("", 0.6, Reason.PASSED),
        ("MEDIUM", 0.6, Reason.WEAK),
        ("MEDIUM", 0.63, Reason.PASSED),
        ("STRONG", 0.63, Reason.WEAK),
        ("STRONG", 0.7, Reason.PASSED),
    ],
)
def test_a_demanded_strength_stops_the_weaker(demanded, probability, reason):
    config = dataclasses.replace(CONFIG, min_strength=demanded)

    assert reason_of(forecasts(probability), tops(fee_rate=0.0), config) == reason


@given(st.floats(0.02, 0.98))
def test_a_forecast_equal_to_the_mid_never_passes(mid):
    found = signals(forecasts(mid, price=mid), tops(ask_0=mid + 0.01, ask_1=1 - mid + 0.01), CONFIG)

    assert not found.passed[0]


@given(st.floats(0.01, 0.99), st.floats(0.02, 0.98), st.floats(0.001, 0.01))
def test_mirrored_questions_get_mirrored_answers(probability, mid, half):
    assume(abs(probability - mid) > half)
    one = signals(forecasts(probability), tops(ask_0=mid + half, ask_1=1 - mid + half), CONFIG)
    other = signals(
        forecasts(1 - probability), tops(ask_0=1 - mid + half, ask_1=mid + half), CONFIG
    )

    assert one.net_edge[0] == pytest.approx(other.net_edge[0])
    assert one.outcome_index[0] != other.outcome_index[0]


def test_growth_ranks_by_how_wrong_the_price_is():
    value = growth(np.array([0.5, 0.6, 0.9, 0.4]), np.array([0.5, 0.5, 0.5, 0.5]))

    assert value[0] == 0
    assert 0 < value[1] < value[2]
    assert value[3] == 0


SIDE = st.lists(
    st.tuples(st.integers(1, 99), st.integers(1, 10**6)), max_size=6, unique_by=lambda x: x[0]
)


@given(SIDE, SIDE, st.sampled_from([0.0, 0.01, 0.02, 0.05]))
def test_arrays_of_books_say_what_the_books_say(bids, asks, within):
    book = books.build(
        AT,
        [(Decimal(p) / 100, Decimal(n)) for p, n in bids],
        [(Decimal(p) / 100, Decimal(n)) for p, n in asks],
    )
    packed = np.frombuffer(books.pack(book), "<f8").reshape(1, 2, -1, 2)
    if not packed.size:
        return

    ask_0, ask_1, depth_0, depth_1 = asks_and_depths(packed, within=within)[:, 0]

    other, near = book.mirrored(), Decimal(str(within))
    for ask, mine, theirs in ((ask_0, book, depth_0), (ask_1, other, depth_1)):
        assert np.isnan(ask) == (mine.best_ask is None)
        if mine.best_ask is not None:
            assert ask == pytest.approx(float(mine.best_ask))
        assert theirs == pytest.approx(float(mine.depth_usd("ask", within=near)))
