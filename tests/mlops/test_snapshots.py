"""Decision points: on the clock, before the close, from a fresh price."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from markets.core.series import QuoteSeries, Snapshots
from mlops.core.snapshots import HORIZONS, Clock, Decisions, decisions, horizon_of, latest
from predictions.core.features import price_at

HOUR = 3600.0


def series(*markets: list[tuple[float, float]]) -> QuoteSeries:
    flat = [quote for market in markets for quote in market]
    times = np.array([t for t, _ in flat], dtype=float)
    price = np.array([p for _, p in flat], dtype=float)
    blank = np.full(len(flat), np.nan)
    starts = np.concatenate([[0], np.cumsum([len(m) for m in markets])]).astype(np.int64)
    return QuoteSeries(
        starts=starts,
        known_at=times,
        price=price,
        bid=blank,
        ask=blank,
        bid_depth=blank,
        ask_depth=blank,
        volume_24h=blank,
    )


def asked(
    quotes: QuoteSeries, *, close: list[float], window: float = np.nan, single: bool = False
) -> Decisions:
    n = quotes.markets
    clock = Clock(
        close_at=np.array(close, dtype=float),
        window_s=np.full(n, window),
        max_age_s=np.full(n, 2700.0 if np.isnan(window) else 90.0),
        single_stamp=np.full(n, single),
    )
    return decisions(quotes, clock, every_s=HOUR)


def test_markets_are_asked_at_full_hours_strictly_before_the_close() -> None:
    quotes = series([(k * 600.0, 0.4) for k in range(1, 40)])

    found = asked(quotes, close=[4 * HOUR])

    assert found.as_of.tolist() == [HOUR, 2 * HOUR, 3 * HOUR]
    assert [HORIZONS[h] for h in found.horizon] == ["1-6h", "1-6h", "1-6h"]


def test_a_stale_or_missing_price_is_no_decision() -> None:
    quotes = series([(10.0, 0.4), (HOUR + 1, np.nan), (2 * HOUR - 5, 0.6)])

    found = asked(quotes, close=[9 * HOUR])

    assert found.as_of.tolist() == [2 * HOUR]
    assert found.price.tolist() == [0.6]


def test_epochs_are_asked_at_the_marks_that_fit_their_window() -> None:
    quotes = series([(float(t), 0.5) for t in range(0, 300, 10)])

    found = asked(quotes, close=[300.0], window=300.0)

    assert [HORIZONS[h] for h in found.horizon] == ["2m", "1m", "30s"]
    assert found.as_of.tolist() == [180.0, 240.0, 270.0]


def test_a_single_logged_price_is_its_own_decision_and_says_so() -> None:
    quotes = series([(HOUR, 0.3)], [(2 * HOUR, 0.7)])

    found = asked(quotes, close=[HOUR, HOUR], single=True)

    assert found.market.tolist() == [0]
    assert found.as_of.tolist() == [HOUR]
    assert found.own_stamp.all()


def test_markets_without_quotes_or_close_are_left_out() -> None:
    quotes = series([], [(10.0, 0.5)], [(HOUR, 0.5)])

    found = asked(quotes, close=[9 * HOUR, np.nan, HOUR + 1])

    assert found.market.tolist() == [2]
    assert asked(series(), close=[]).rows == 0


def test_horizons_include_their_lower_edge() -> None:
    left = np.array([1.0, HOUR, 6 * HOUR, 24 * HOUR, 168 * HOUR, 169 * HOUR])

    found = horizon_of(left, epoch=np.zeros(6, dtype=bool))

    assert [HORIZONS[h] for h in found] == ["<1h", "1-6h", "6-24h", "1-7d", "1-7d", ">7d"]


@given(
    st.lists(
        st.lists(st.integers(0, 10**8), max_size=12),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 10**8),
)
def test_the_latest_quote_equals_a_search_by_hand(times: list[list[int]], at: int) -> None:
    known = [sorted(t / 1000 for t in market) for market in times]
    quotes = series(*[[(t, 0.5) for t in market] for market in known])
    market = np.arange(len(times))

    found = latest(quotes, market, np.full(len(times), at / 1000))

    for i, mine in enumerate(known):
        past = [k for k, t in enumerate(mine) if t <= at / 1000]
        assert found[i] == (quotes.starts[i] + past[-1] if past else -1)


@given(st.lists(st.integers(1, 10 * 3600), min_size=1, max_size=40), st.integers(2, 9))
def test_erasing_the_future_changes_no_decision_before_it(times: list[int], hour: int) -> None:
    rows = [(float(t), 0.5 + (t % 7) / 20) for t in sorted(times)]
    now = hour * HOUR
    full = asked(series(rows), close=[12 * HOUR])
    erased = asked(series([r for r in rows if r[0] <= now]), close=[12 * HOUR])

    for mine in ("as_of", "price"):
        before = full.as_of <= now
        after = erased.as_of <= now
        assert np.array_equal(getattr(full, mine)[before], getattr(erased, mine)[after])


@given(
    st.lists(
        st.tuples(st.integers(1, 5 * 3600), st.one_of(st.just(np.nan), st.floats(0.01, 0.99))),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([600.0, 2700.0, 7200.0]),
)
def test_the_price_of_a_decision_is_the_one_a_live_forecast_would_use(
    rows: list[tuple[int, float]], max_age_s: float
) -> None:
    quotes = series([(float(t), p) for t, p in sorted(rows, key=lambda row: row[0])])
    clock = Clock(
        close_at=np.array([6 * HOUR]),
        window_s=np.array([np.nan]),
        max_age_s=np.array([max_age_s]),
        single_stamp=np.array([False]),
    )

    found = decisions(quotes, clock, every_s=HOUR)

    hours = np.arange(1, 6) * HOUR
    hours = hours[hours >= quotes.known_at[0]]
    live = price_at(quotes, Snapshots(market=np.zeros(len(hours), int), as_of=hours), max_age_s)
    priced = np.isfinite(live)
    assert found.as_of.tolist() == hours[priced].tolist()
    assert found.price.tolist() == live[priced].tolist()


def test_a_quote_is_stale_when_its_own_source_would_have_spoken_again() -> None:
    quotes = series([(HOUR - 100.0, 0.4), (2 * HOUR - 100.0, 0.5)])
    clock = Clock(
        close_at=np.array([9 * HOUR]),
        window_s=np.array([np.nan]),
        max_age_s=np.array([2700.0]),
        single_stamp=np.array([False]),
        quote_max_age_s=np.array([60, 900], dtype=np.float32),
    )

    assert decisions(quotes, clock, every_s=HOUR).as_of.tolist() == [2 * HOUR]
