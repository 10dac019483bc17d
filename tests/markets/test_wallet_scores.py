"""Skill is judged by events, shrunk, with an interval, and over all wallets at once."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.core import wallets
from markets.core.wallets import LargeTrade

RNG_SEED = 11


def results(*rows: tuple[str, str, str, float, float]) -> pl.DataFrame:
    names = ["wallet_id", "category", "event_key", "cost", "pnl"]
    return pl.DataFrame(list(rows), schema=names, orient="row")


def crowd(*, wallets_count: int, events: int, edge: float) -> pl.DataFrame:
    """Wallets that pay 50 cents for a dollar with probability (1 + edge) / 2."""
    rng = np.random.default_rng(RNG_SEED)
    won = rng.random((wallets_count, events)) < (1 + edge) / 2
    return results(
        *(
            (f"0x{edge}-{w}", "sports", f"event-{e}", 100.0, 100.0 if won[w, e] else -100.0)
            for w in range(wallets_count)
            for e in range(events)
        )
    )


def test_many_positions_of_one_event_are_one_observation() -> None:
    once = results(*((("0xa", "sports", f"e{n}", 10.0, 5.0)) for n in range(3)))
    sliced = results(*(("0xa", "sports", f"e{n % 3}", 1.0, 0.5) for n in range(30)))

    few, many = (wallets.scores(f, min_events=20) for f in (once, sliced))

    assert few["events"].to_list() == many["events"].to_list() == [3, 3]
    assert few["skill"].to_list() == pytest.approx(many["skill"].to_list())
    assert few["enough"].to_list() == [False, False]


def test_luck_alone_makes_almost_nobody_skilled() -> None:
    found = wallets.scores(crowd(wallets_count=300, events=40, edge=0.0), min_events=20)

    overall = found.filter(pl.col("category") == "")
    brilliant = (overall["skill_low"] > 0).sum()
    assert brilliant >= 5, "one by one, luck makes some look brilliant"
    assert overall["skilled"].sum() <= 1


def test_a_real_edge_is_found_among_the_lucky() -> None:
    many = crowd(wallets_count=200, events=60, edge=0.0)
    good = crowd(wallets_count=3, events=60, edge=0.8)

    found = wallets.scores(pl.concat([many, good]), min_events=20)

    skilled = found.filter(pl.col("skilled") & (pl.col("category") == ""))["wallet_id"].to_list()
    assert [w for w in skilled if w.startswith("0x0.8")] == ["0x0.8-0", "0x0.8-1", "0x0.8-2"]


def test_the_lost_positions_count() -> None:
    won = results(*(("0xa", "", f"e{n}", 10.0, 5.0) for n in range(30)))
    lost = results(*(("0xa", "", f"l{n}", 10.0, -10.0) for n in range(30)))

    flattering = wallets.scores(won, min_events=20)["skill"][0]
    honest = wallets.scores(pl.concat([won, lost]), min_events=20)["skill"][0]

    assert flattering > 0 > honest


@given(st.lists(st.tuples(st.floats(0.5, 1e5), st.floats(-1, 3)), min_size=1, max_size=40))
def test_skill_lies_in_its_interval_and_nearer_to_zero_than_the_plain_return(
    bets: list[tuple[float, float]],
) -> None:
    rows = results(*(("0xa", "", f"e{n}", c, c * r) for n, (c, r) in enumerate(bets)))
    plain = sum(c * r for c, r in bets) / sum(c for c, _ in bets)

    score = wallets.scores(rows, min_events=20).row(0, named=True)

    assert score["skill_low"] <= score["skill"] <= score["skill_high"]
    assert abs(score["skill"]) <= abs(plain) + 1e-9
    assert score["skill"] * plain >= 0


def test_nothing_known_is_no_score() -> None:
    assert wallets.scores(results(), min_events=20).is_empty()


def late(price: float, won: bool, seconds_left: float | None = 60.0) -> LargeTrade:
    return LargeTrade(price=price, won=float(won), seconds_left=seconds_left)


def test_timing_is_judged_against_the_prices_paid() -> None:
    sure = wallets.informed([late(0.97, won=True)] * 10, within_s=3600)
    knowing = wallets.informed([late(0.5, won=True)] * 10, within_s=3600)
    unlucky = wallets.informed([late(0.5, won=False)] * 10, within_s=3600)

    assert sure is not None
    assert knowing is not None
    assert unlucky is not None
    assert unlucky < 0.01
    assert 0.5 < sure < 0.8, "paying 97 cents for a dollar needs no knowledge"
    assert knowing > 0.99


@pytest.mark.parametrize(
    "trades",
    [
        [late(0.5, won=True)] * 2,
        [late(0.6, won=True, seconds_left=1e6)] * 9,
        [late(0.6, won=True, seconds_left=None)] * 9,
    ],
)
def test_too_few_telling_trades_are_no_reputation(trades: list[LargeTrade]) -> None:
    assert wallets.informed(trades, within_s=3600) is None


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_a_mood_is_bounded_odd_and_silent_about_few(dollars: list[float]) -> None:
    felt = wallets.mood(dollars)
    mirrored = wallets.mood([-d for d in dollars])

    if sum(d != 0 for d in dollars) < wallets.MIN_MOOD_WALLETS:
        assert felt is None
        return
    assert felt is not None
    assert mirrored is not None
    assert -1 <= felt <= 1
    assert felt == pytest.approx(-mirrored)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_no_discovery_is_worse_than_its_bound_and_smaller_p_values_come_first(
    p_values: list[float], rate: float
) -> None:
    p = np.array(p_values)

    found = wallets.discoveries(p, rate=rate)

    if found.any():
        worst = p[found].max()
        assert worst <= rate * found.sum() / len(p) + 1e-12
        assert found[p < worst].all()
