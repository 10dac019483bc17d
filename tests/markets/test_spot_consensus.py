"""The consensus of spot sources: between the fresh ones, unmoved by one liar, known in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.core import spot
from markets.core.contracts import SpotConfig
from markets.core.spot import Reading, Ticks

PRICES = st.floats(1e-6, 1e9)
AGES = st.floats(0, 120)
READINGS = st.lists(st.tuples(PRICES, AGES), max_size=6)


def config(**changes: object) -> SpotConfig:
    values: dict[str, object] = {
        "version": 1,
        "sources": ("binance", "coinbase", "kraken"),
        "assets": ("btc",),
        "stale_after_s": 30,
        "min_sources": 2,
        "max_deviation_bps": 50,
        "funding": True,
    }
    return SpotConfig(**{**values, **changes})  # type: ignore[arg-type]


def readings(*pairs: tuple[float, float]) -> list[Reading]:
    return [Reading(source=f"s{i}", price=p, age_s=a) for i, (p, a) in enumerate(pairs)]


def test_the_consensus_is_the_median_and_says_who_was_counted() -> None:
    found = spot.consensus(
        "btc", readings((100.0, 1), (100.2, 2), (90.0, 3), (50.0, 31)), config=config()
    )

    assert found.price == 100.0
    assert found.used == ("s0", "s1", "s2")
    assert [(r.source, r.age_s) for r in found.stale] == [("s3", 31)]
    assert [(r.source, round(r.deviation_bps)) for r in found.outliers] == [("s2", -1000)]


def test_too_few_fresh_sources_give_none_and_say_which_are_too_old() -> None:
    found = spot.consensus("btc", readings((100.0, 1), (100.0, 45)), config=config())

    assert found.price is None
    assert found.reason == "1 fresh sources of 2 needed; too old: s1 45 s"


def test_two_that_contradict_each_other_leave_nobody_to_tell_who_is_right() -> None:
    found = spot.consensus("btc", readings((100.0, 1), (110.0, 1)), config=config())

    assert found.price is None
    assert "s0 and s1 are 952 bps apart" in found.reason


def test_without_any_source_there_is_no_price() -> None:
    found = spot.consensus("btc", [], config=config(min_sources=1))

    assert (found.price, found.used) == (None, ())
    assert found.reason == "0 fresh sources of 1 needed"


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_price_is_not_counted(price: float) -> None:
    found = spot.consensus("btc", readings((100.0, 1), (100.0, 1), (price, 1)), config=config())

    assert (found.price, found.used) == (100.0, ("s0", "s1"))


@given(READINGS, st.integers(0, 3), st.integers(0, 500))
def test_the_consensus_lies_between_the_fresh_sources(
    pairs: list[tuple[float, float]], least: int, allowed: int
) -> None:
    found = spot.consensus(
        "btc", readings(*pairs), config=config(min_sources=least, max_deviation_bps=allowed)
    )
    fresh = [price for price, age in pairs if age <= 30]

    assert len(found.used) == len(fresh)
    assert found.price is None or min(fresh) <= found.price <= max(fresh)
    assert (found.price is None) == bool(found.reason)


@given(PRICES, PRICES, st.floats(allow_nan=True, allow_infinity=True), st.permutations([0, 1, 2]))
def test_one_liar_among_three_cannot_leave_the_honest_range(
    one: float, other: float, lie: float, order: list[int]
) -> None:
    said = [(one, 0.0), (other, 0.0), (lie, 0.0)]
    allowed = config(max_deviation_bps=10**12)

    found = spot.consensus("btc", readings(*(said[i] for i in order)), config=allowed)

    assert found.price is None or min(one, other) <= found.price <= max(one, other)


@given(READINGS, st.floats(0, 60))
def test_waiting_makes_no_source_fresh(pairs: list[tuple[float, float]], wait: float) -> None:
    def used(extra: float) -> set[str]:
        older = [(price, age + extra) for price, age in pairs]
        return set(spot.consensus("btc", readings(*older), config=config()).used)

    assert used(wait) <= used(0)


TICKS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(-20, 40), st.floats(1, 1e5)), max_size=25
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


def ticks(rows: list[tuple[int, int, float]]) -> Ticks:
    known = np.array([float(at) for at, _, _ in rows])
    return Ticks(
        known_at=known,
        held_at=known - np.array([float(late) for _, late, _ in rows]),
        price=np.array([price for _, _, price in rows]),
    )


@given(st.lists(TICKS, min_size=1, max_size=3), st.integers(0, 300))
def test_erasing_the_future_changes_no_consensus(
    sources: list[list[tuple[int, int, float]]], as_of: int
) -> None:
    moments = np.arange(0.0, as_of + 1.0, 7.0)
    past = [[row for row in rows if row[0] <= as_of] for rows in sources]

    full = spot.consensus_over_time([ticks(r) for r in sources], moments, config=config())
    erased = spot.consensus_over_time([ticks(r) for r in past], moments, config=config())

    assert np.array_equal(full, erased, equal_nan=True)


@given(TICKS, st.integers(0, 300))
def test_the_newest_known_price_counts_as_a_loop_would_find_it(
    rows: list[tuple[int, int, float]], moment: int
) -> None:
    price, age = spot.as_known(ticks(rows), np.array([float(moment)]))
    known = [(min(at - late, at), i, p) for i, (at, late, p) in enumerate(rows) if at <= moment]

    expected = max(known) if known else (np.nan, 0, np.nan)
    assert np.array_equal([price[0]], [expected[2]], equal_nan=True)
    assert np.array_equal([age[0]], [moment - expected[0]], equal_nan=True)


def test_a_late_message_about_an_older_price_changes_nothing() -> None:
    late = Ticks(
        known_at=np.array([10.0, 12.0]), held_at=np.array([9.0, 5.0]), price=np.array([2.0, 1.0])
    )

    price, age = spot.as_known(late, np.array([12.0]))

    assert (price[0], age[0]) == (2.0, 3.0)
