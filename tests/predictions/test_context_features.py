from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.core.series import BookSeries, Context, NewsSeries, Snapshots, SpotPaths, TradeSeries
from tests.predictions import surroundings as world
from tests.predictions.surroundings import OURS, START

HOUR = 3600.0
LEVELS = 5


def one(context, *, at=START, price=None, **told):
    """The features of one market at one moment, by name."""
    rng = np.random.default_rng(0)
    series = world.quotes(rng, 0)
    starts = np.array([0, 0])
    if price is not None:
        starts, known = np.array([0, 1]), np.array([at - 1])
        series = replace(series, known_at=known, price=np.array([price]))
    facts = world.facts(rng, 1)
    facts = replace(facts, **{name: np.array([value]) for name, value in told.items()})
    asked = Snapshots(market=np.array([0]), as_of=np.array([at]))
    row = world.fill(context, replace(series, starts=starts), facts, asked)[0]
    return dict(zip(OURS, row.tolist(), strict=True))


def with_book(bids, asks, *, age=10.0):
    sides = []
    for levels in (bids, asks):
        side = np.full((1, LEVELS, 2), np.nan)
        side[0, : len(levels)] = np.array(levels).reshape(-1, 2)
        sides.append(side)
    books = BookSeries(
        starts=np.array([0, 1]), known_at=np.array([START - age]), bids=sides[0], asks=sides[1]
    )
    return replace(Context.nothing(1), books=books)


def with_trades(*trades):
    """Trades as (seconds ago, price, shares, taker), oldest first."""
    age, price, shares, taker = (
        np.array(column, dtype=float) for column in zip(*trades, strict=True)
    )
    series = TradeSeries(
        starts=np.array([0, len(trades)]),
        known_at=START - age,
        price=price,
        shares=shares,
        taker=taker,
    )
    return replace(Context.nothing(1), trades=series)


def with_spot(known_at, price):
    paths = SpotPaths(
        assets=("btc",),
        starts=np.array([0, len(price)]),
        known_at=np.asarray(known_at, dtype=float),
        price=np.asarray(price, dtype=float),
    )
    return replace(Context.nothing(1), spot=paths, asset=np.array([0]))


def test_without_a_context_every_feature_of_it_is_missing() -> None:
    found = one(Context.nothing(1), price=0.5)

    assert all(np.isnan(value) for value in found.values())


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_a_row_may_look_back_on_gives_the_same_as_all_of_history(seed: int) -> None:
    rng = np.random.default_rng(seed)
    context, series, facts = world.context(rng, 4), world.quotes(rng, 4), world.facts(rng, 4)
    asked = world.asked(rng, context, 4, 12)

    whole = world.fill(context, series, facts, asked)

    for row in range(asked.rows):
        when = asked.as_of[row]
        alone = Snapshots(market=asked.market[row : row + 1], as_of=asked.as_of[row : row + 1])
        seen = world.looked_back(context, when), world.quotes_by(series, when)
        np.testing.assert_allclose(
            world.fill(*seen, facts, alone)[0], whole[row], rtol=1e-9, atol=1e-9
        )


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(world.PARTS)))
def test_what_becomes_known_later_changes_nothing(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    context, series, facts = world.context(rng, 4), world.quotes(rng, 4), world.facts(rng, 4)
    asked = world.asked(rng, context, 4, 12)
    asked = replace(asked, as_of=np.full(asked.rows, np.median(asked.as_of)))
    part = getattr(context, name)
    later = part.known_at > asked.as_of[0]
    others = {
        column: np.where(
            later.reshape(-1, *[1] * (getattr(part, column).ndim - 1)), 0.7, getattr(part, column)
        )
        for column in ("price", "shares", "taker", "bids", "asks", "sentiment", "skilled", "whales")
        if hasattr(part, column)
    }
    changed = replace(context, **{name: replace(part, **others)})
    dropped = replace(context, **{name: world.cut(part, ~later)})

    before = world.fill(context, series, facts, asked)

    assert np.array_equal(before, world.fill(changed, series, facts, asked), equal_nan=True)
    assert np.array_equal(before, world.fill(dropped, series, facts, asked), equal_nan=True)


def test_a_book_tells_its_depth_by_level_and_what_a_taker_would_pay() -> None:
    found = one(with_book([(0.48, 100), (0.47, 50)], [(0.52, 10), (0.55, 1000)]))

    assert found["bid_depth_1"] == pytest.approx(np.log1p(100))
    assert found["bid_depth_2"] == found["bid_depth_5"] == pytest.approx(np.log1p(150))
    assert found["depth_imbalance_5"] == pytest.approx((150 - 1010) / 1160)
    shares = 10 + (10 - 5.2) / 0.55  # $5.20 at the best price, the rest one level on
    assert found["impact_buy_10"] == pytest.approx(10 / shares - 0.5)
    assert found["impact_sell_50"] == pytest.approx(0.5 - 50 / (100 + 2 / 0.47))
    assert np.isnan(found["impact_sell_100"])  # the bids are worth $71.50
    assert np.isnan(found["book_toxicity"])
    assert found["book_age_log"] == pytest.approx(np.log1p(10))


@pytest.mark.parametrize(
    ("bids", "asks"), [([], [(0.5, 10)]), ([(0.6, 10)], [(0.5, 10)]), ([(0.5, 10)], [(0.5, 10)])]
)
def test_a_book_without_a_mid_has_no_price_of_trading(bids, asks) -> None:
    found = one(with_book(bids, asks))

    assert np.isnan(found["impact_buy_10"])
    assert np.isnan(found["depth_slope"])
    assert np.isfinite(found["ask_depth_1"])


def test_trades_are_counted_by_window_and_their_takers_by_side() -> None:
    nan = float("nan")
    found = one(
        with_trades(
            (20 * HOUR, 0.40, 100, -1),
            (1800, 0.50, 200, nan),
            (600, 0.60, 100, 1),
            (60, 0.55, 10, -1),
        ),
        price=0.5,
    )

    assert found["trades_15m"] == pytest.approx(np.log1p(2))
    assert found["trade_volume_1h"] == pytest.approx(np.log1p(100 + 60 + 5.5))
    assert found["buy_ratio_15m"] == 0.5
    assert found["flow_imbalance_1h"] == pytest.approx((60 - 5.5) / 65.5)
    assert found["aggressive_share"] == 1.0  # both went their takers' way
    assert found["last_trade_gap"] == pytest.approx(0.05)
    assert found["flow_toxicity"] == pytest.approx((40 + 54.5) / 105.5)
    assert found["trade_age_log"] == pytest.approx(np.log1p(60))


def test_trades_of_unknown_takers_have_a_volume_and_no_direction() -> None:
    found = one(with_trades((60, 0.5, 10, float("nan"))))

    assert found["trade_volume_15m"] == pytest.approx(np.log1p(5))
    for name in ("buy_ratio_15m", "flow_imbalance_24h", "aggressive_share", "flow_toxicity"):
        assert np.isnan(found[name])


def test_a_quiet_hour_after_a_trade_is_a_count_of_zero_and_silence_is_missing() -> None:
    assert one(with_trades((7200, 0.5, 10, 1)))["trades_1h"] == 0
    assert np.isnan(one(with_trades((49 * HOUR, 0.5, 10, 1)))["trades_1h"])


def test_news_counts_from_its_publication_but_only_once_it_is_known() -> None:
    nan = float("nan")
    news = NewsSeries(
        starts=np.array([0, 3]),
        known_at=START - np.array([3 * 86400, 3600, -1.0]),
        published_at=START - np.array([3 * 86400, 7200, 60.0]),
        sentiment=np.array([0.8, nan, -1.0]),
    )
    found = one(replace(Context.nothing(1), news=news))

    assert found["news_age_log"] == pytest.approx(np.log1p(7200))
    assert found["news_count_24h"] == 1
    assert np.isnan(found["sentiment_24h"])
    assert found["sentiment_7d"] == pytest.approx(0.8)


def minutes(n, *, until=START):
    return until - 60.0 * np.arange(n)[::-1]


def test_the_gap_sets_the_odds_of_the_spot_price_against_those_of_the_market() -> None:
    known = minutes(61)
    path = 100 * np.exp(0.001 * (np.arange(61) % 2))  # up and down by 0.1 % each minute
    found = one(
        with_spot(known, path),
        price=0.5,
        epoch_start_at=START - 300,
        window_s=900.0,
        reference_price=99.9,
    )

    volatility = 0.001 * np.sqrt(60)
    distance = np.log(100 / 99.9)
    z = distance / (volatility * np.sqrt(600 / 3600))
    above = NormalDist().cdf(z)
    assert found["spot_volatility"] == pytest.approx(volatility)
    assert found["spot_distance"] == pytest.approx(distance)
    assert found["spot_z"] == pytest.approx(z)
    assert found["spot_gap"] == pytest.approx(np.log(above / (1 - above)))


def test_the_price_to_beat_counts_only_once_it_could_be_told() -> None:
    known, path = minutes(61, until=START + 600), 100.0 + np.arange(61)
    epoch = {"epoch_start_at": START, "window_s": 900.0, "reference_price": 200.0}
    context = with_spot(known, path)

    before = one(context, at=START - 1, **epoch)
    early = one(context, at=START + 59, **epoch)
    later = one(context, at=START + 60, **epoch)

    assert np.isnan(before["spot_distance"])
    assert early["spot_distance"] == 0.0  # against the spot price at the start
    assert later["spot_distance"] == pytest.approx(np.log(151 / 200))


def test_an_old_spot_price_says_nothing() -> None:
    found = one(with_spot(minutes(61, until=START - 91), np.full(61, 100.0)))

    assert all(np.isnan(found[name]) for name in OURS if name.startswith("spot_"))


def test_certain_odds_stay_finite() -> None:
    known = minutes(61)
    path = 100 + 1e-6 * (np.arange(61) % 2)
    found = one(
        with_spot(known, path),
        price=1.0,
        epoch_start_at=START - 300,
        window_s=900.0,
        reference_price=1.0,
    )

    assert np.isfinite(found["spot_gap"])
