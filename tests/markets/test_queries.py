from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from config.kernel import vendor
from markets import queries
from markets.core import book
from markets.models import Event, Market, Quote, QuoteKind

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seconds(n: float) -> datetime:
    return NOW + timedelta(seconds=n)


def a_market(key: str = "m", **known: Any) -> int:
    event, _ = Event.objects.get_or_create(
        venue="v", venue_key=known.pop("event", key), defaults={"received_at": NOW}
    )
    columns = {"question": "?", "received_at": NOW} | known
    return Market.objects.create(venue="v", venue_key=key, event=event, **columns).pk


def quote(market: int, at: float, *, lag: float = 0, kind: int = 2, **figures: Any) -> None:
    Quote.objects.create(
        market_id=market,
        observed_at=seconds(at),
        received_at=seconds(at + lag),
        kind=kind,
        **figures,
    )


def prices(series: Any, i: int) -> list[float]:
    return series.price[series.starts[i] : series.starts[i + 1]].tolist()


def test_a_series_holds_each_market_in_the_order_asked_and_its_quotes_by_time() -> None:
    first, second, silent = a_market("a"), a_market("b"), a_market("c")
    for at in (30, 10, 20):
        quote(first, at, price=at / 100)
    quote(second, 5, price=0.9, bid=0.89)

    series = queries.quote_series([second, silent, first], since=NOW, as_of=seconds(60))

    assert series.markets == 3
    assert [prices(series, i) for i in range(3)] == [[0.9], [], [0.1, 0.2, 0.3]]
    assert series.known_at[1] == seconds(10).timestamp()
    assert series.bid[0] == 0.89
    assert np.isnan(series.ask).all()


def test_a_quote_counts_from_the_moment_we_received_it() -> None:
    market = a_market()
    quote(market, 0, price=0.1)
    quote(market, 10, lag=100, price=0.2, bid=0.1, ask=0.3, bid_depth=5, ask_depth=5)

    before = queries.quote_series([market], since=NOW, as_of=seconds(109))
    after = queries.quote_series([market], since=NOW, as_of=seconds(110))

    assert prices(before, 0) == [0.1]
    assert prices(after, 0) == [0.1, 0.2]
    assert queries.latest_quotes([market], as_of=seconds(109))["price"].to_list() == [0.1]
    assert queries.latest_quotes([market], as_of=seconds(110))["price"].to_list() == [0.2]
    assert queries.latest_books([market], as_of=seconds(109))[market].bids == ()
    assert queries.latest_books([market], as_of=seconds(110))[market].best_bid == Decimal("0.1")


def test_since_cuts_off_what_is_older() -> None:
    market = a_market()
    quote(market, -1, price=0.1)
    quote(market, 0, price=0.2)

    assert prices(queries.quote_series([market], since=NOW, as_of=seconds(1)), 0) == [0.2]


def test_a_market_that_was_silent_for_months_still_has_its_latest_quote() -> None:
    talking, silent, never = a_market("a"), a_market("b"), a_market("c")
    quote(talking, -5, price=0.3)
    quote(silent, -200 * 86_400, price=0.1)
    quote(silent, -100 * 86_400, price=0.2)

    found = queries.latest_quotes([silent, never, talking], as_of=NOW)

    assert found.select("market_id", "price").rows() == [(talking, 0.3), (silent, 0.2)]


def test_a_quote_from_the_future_hides_nothing_until_its_time_has_come() -> None:
    market = a_market()
    quote(market, 0, price=0.1)
    quote(market, 86_400, lag=-86_395, price=0.9)

    now, then = seconds(10), seconds(86_400)

    assert queries.latest_quotes([market], as_of=now)["price"].to_list() == [0.1]
    assert prices(queries.quote_series([market], since=NOW, as_of=now), 0) == [0.1]
    assert queries.latest_quotes([market], as_of=then)["price"].to_list() == [0.9]


def test_a_price_that_was_old_when_it_arrived_is_no_news() -> None:
    market = a_market()
    quote(market, -3601, lag=3700, price=0.1)
    quote(market, -3599, lag=3700, price=0.2)

    series = queries.quote_series([market], since=NOW, as_of=seconds(200))

    assert prices(series, 0) == [0.2]


def test_the_latest_book_has_its_recorded_levels_else_its_top() -> None:
    full, top, never = a_market("a"), a_market("b"), a_market("c")
    deep = book.build(
        seconds(5),
        [(Decimal("0.40"), Decimal(10)), (Decimal("0.39"), Decimal(20))],
        [(Decimal("0.42"), Decimal(7))],
    )
    quote(full, 5, kind=QuoteKind.BOOK, levels=book.pack(deep))
    quote(full, 5, kind=QuoteKind.FILL, price=0.41)
    quote(top, 3, bid=0.2, ask=0.25, bid_depth=100.0, ask_depth=None)

    found = queries.latest_books([full, top, never], as_of=seconds(9))

    assert found[full] == deep
    assert found[top].best_bid == Decimal("0.2")
    assert found[top].asks == ()
    assert never not in found


@pytest.mark.parametrize("shares", [1e23, float("inf")])
def test_a_book_that_cannot_be_read_does_not_hide_the_others(shares: float) -> None:
    absurd, torn, fine = a_market("a"), a_market("b"), a_market("c")
    levels = np.array([[[0.4, shares]], [[0.5, 10.0]]]).tobytes()
    quote(absurd, 5, kind=QuoteKind.BOOK, levels=levels)
    quote(torn, 5, kind=QuoteKind.BOOK, levels=levels[:-8])
    quote(fine, 5, bid=0.2, ask=0.25, bid_depth=100.0, ask_depth=5.0)

    found = queries.latest_books([absurd, torn, fine], as_of=seconds(9))

    assert list(found) == [fine]


def test_facts_say_what_was_known_and_nan_where_nothing_was() -> None:
    known = a_market(
        "a",
        event="together",
        category="crypto",
        opens_at=seconds(-60),
        window_s=900,
        epoch_start_at=NOW,
        scheduled_end_at=seconds(900),
        reference_price=100.5,
    )
    other = a_market("b", event="together")
    Event.objects.filter(venue_key="together").update(neg_risk=True)

    facts = queries.facts([other, known], as_of=NOW)

    assert facts.market_id.tolist() == [other, known]
    assert facts.event[0] == facts.event[1]
    assert facts.category == ("", "crypto")
    assert facts.exclusive.tolist() == [True, True]
    assert facts.scheduled_end_at[1] == seconds(900).timestamp()
    assert (facts.window_s[1], facts.reference_price[1]) == (900, 100.5)
    assert np.isnan([facts.opens_at[0], facts.window_s[0], facts.scheduled_end_at[0]]).all()


def test_a_market_we_had_not_heard_of_is_refused() -> None:
    market = a_market(received_at=seconds(10))

    with pytest.raises(LookupError, match="were not known at 2026-03-01 12:00:09"):
        queries.facts([market], as_of=seconds(9))
    assert queries.facts([market], as_of=seconds(10)).markets == 1


def test_the_universe_is_tracked_known_and_not_over() -> None:
    endless = a_market("a", tracked=True)
    running = a_market("b", tracked=True, scheduled_end_at=seconds(10))
    a_market("c", tracked=True, scheduled_end_at=NOW)
    a_market("d", tracked=True, received_at=seconds(1))
    a_market("e")

    assert queries.tracked_ids(as_of=NOW) == [endless, running]


def test_the_number_of_queries_does_not_grow_with_the_markets(
    django_assert_num_queries: Any,
) -> None:
    many = [a_market(f"m{i}") for i in range(30)]
    for market in many:
        quote(market, 1, price=0.5)

    with django_assert_num_queries(4):
        assert queries.facts(many, as_of=NOW).markets == 30
        assert len(queries.latest_quotes(many, as_of=seconds(2))) == 30
        assert len(queries.latest_books(many, as_of=seconds(2))) == 30


def test_asking_about_no_market_is_no_error() -> None:
    assert queries.quote_series([], since=NOW, as_of=NOW).markets == 0
    assert queries.facts([], as_of=NOW).markets == 0
    assert queries.latest_books([], as_of=NOW) == {}


SINCE = NOW - timedelta(days=5)


def naive_series(market: int, as_of: datetime) -> list[Quote]:
    """A plain loop over all rows, as `quote_series` is documented."""

    def stands_at(q: Quote) -> datetime:
        return q.observed_at if q.kind in queries.FETCHED_LATER else q.received_at

    found = [
        q
        for q in Quote.objects.filter(market_id=market).order_by("observed_at", "kind")
        if stands_at(q) >= SINCE and q.received_at <= as_of
        if SINCE - queries.LATE <= q.observed_at <= as_of + queries.STAMPED_AHEAD
    ]
    return sorted(found, key=stands_at)


def naive_latest(market: int, as_of: datetime) -> list[tuple[Any, ...]]:
    """Of all rows received the one observed last, of several kinds the fullest."""
    known = [
        q
        for q in Quote.objects.filter(market_id=market)
        if q.received_at <= as_of and q.observed_at <= as_of + queries.STAMPED_AHEAD
    ]
    known.sort(key=lambda q: (q.observed_at, -q.kind))
    return [tuple(getattr(q, name) for name in queries.LATEST) for q in known[-1:]]


@hypothesis_settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 1), st.integers(-40, 20), st.integers(0, 30), st.sampled_from([1, 2, 4])
        ),
        max_size=15,
        unique_by=lambda row: (row[0], row[1], row[3]),
    ),
    as_of=st.integers(0, 80),
)
def test_answers_are_those_of_a_naive_reading_and_erasing_the_future_changes_none(
    rows: Sequence[tuple[int, int, int, int]], as_of: int
) -> None:
    """Times are in units of four hours: months and days are crossed."""
    markets = [
        Market.objects.filter(venue_key=key).values_list("pk", flat=True).first() or a_market(key)
        for key in ("x", "y")
    ]
    frame = pl.DataFrame(
        {
            "market_id": [markets[m] for m, *_ in rows],
            "observed_at": [seconds(14_400 * at) for _, at, *_ in rows],
            "received_at": [seconds(14_400 * at + lag) for _, at, lag, _ in rows],
            "kind": [row[3] for row in rows],
            "price": [(at + 50 + kind / 10) / 100 for _, at, _, kind in rows],
        },
        schema_overrides={
            "market_id": pl.Int64,
            "observed_at": pl.Datetime("us", "UTC"),
            "received_at": pl.Datetime("us", "UTC"),
            "price": pl.Float64,
        },
    )
    moment = seconds(14_400 * as_of - 14_400 * 40)

    def answers() -> tuple[list[float], list[int], list[Any]]:
        series = queries.quote_series(markets, since=SINCE, as_of=moment)
        latest = queries.latest_quotes(markets, as_of=moment)
        return series.price.tolist(), series.starts.tolist(), latest.rows()

    Quote.objects.all().delete()
    vendor.append(Quote, frame)
    full = answers()
    assert full[0] == [q.price for market in markets for q in naive_series(market, moment)]
    assert full[2] == [row for market in markets for row in naive_latest(market, moment)]
    Quote.objects.filter(received_at__gt=moment).delete()

    assert answers() == full
