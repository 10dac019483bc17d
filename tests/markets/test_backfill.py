"""The past of markets is fetched window by window, once, and filed where it belongs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import stamina

from config.kernel import jobs
from config.kernel.models import Job
from markets import archive, backfill, queries
from markets.adapters import http
from markets.backfill import Report, Request
from markets.models import (
    Backfill,
    HistorySettings,
    Market,
    PublicTrade,
    Quote,
    QuoteKind,
    Resolution,
)
from tests import factories as make
from tests.markets import wire_payloads as say
from tests.markets.history_venue import Past
from tests.moments import NOW, ago, ahead
from tests.revised import revise

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def no_backoff() -> Iterator[None]:
    with stamina.set_testing(True, attempts=1):
        yield


@pytest.fixture(autouse=True)
def archive_dir(tmp_path: Path, settings: Any) -> Path:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path / "archive")
    return tmp_path / "archive"


def run(past: Past, at: datetime = NOW, **request: Any) -> Report:
    return backfill.run(
        Request(**request),
        clock=lambda: at,
        progress=lambda _step, _done, _total: None,
        venue=past.venue(),
    )


def open_market(**changes: Any) -> Market:
    return make.MarketFactory(opens_at=ago(40 * 86400), **changes)


def ended_market(*, days_ago: int = 10, **changes: Any) -> Market:
    values = {
        "closed_at": NOW - days_ago * DAY,
        "scheduled_end_at": NOW - days_ago * DAY,
        "opens_at": NOW - (days_ago + 40) * DAY,
        "tracked": False,
    }
    market = make.MarketFactory(**values | changes)
    make.ResolutionFactory(market=market, resolved_at=market.closed_at, received_at=NOW)
    return Market.objects.get(pk=market.pk)


def test_tracked_markets_get_their_last_thirty_days_newest_first() -> None:
    market, past = open_market(), Past()
    open_market(tracked=False)

    report = run(past, trades=False)

    end = NOW - backfill.LIVE_EDGE
    edges = [(since, until) for _, since, until, _ in past.asked]
    cuts = [int((end - days * DAY).timestamp()) for days in (30, 15, 0)]
    assert edges == [(cuts[1], cuts[2]), (cuts[0], cuts[1])]
    quotes = Quote.objects.filter(market=market)
    assert report.added == quotes.count() == 30 * 144
    assert set(quotes.values_list("kind", "received_at")) == {(QuoteKind.HISTORY_10M, NOW)}
    held = Backfill.objects.get()
    assert (held.covered_from, held.covered_until, held.rows) == (end - 30 * DAY, end, 4320)


def test_what_is_held_is_not_asked_for_again() -> None:
    open_market()
    run(Past(), trades=False)
    again = Past()

    report = run(again, at=ahead(3600), trades=False)

    assert again.asked == []
    assert (report.added, report.windows, report.markets) == (0, 0, 1)


def test_a_longer_silence_is_filled_and_more_days_reach_farther_back() -> None:
    open_market()
    run(Past(), trades=False, days=2)
    later = Past()

    run(later, at=NOW + DAY, trades=False, days=4)

    end = NOW - backfill.LIVE_EDGE
    assert [(since, until) for _, since, until, _ in later.asked] == [
        (int(end.timestamp()), int((end + DAY).timestamp())),
        (int((end - 3 * DAY).timestamp()), int((end - 2 * DAY).timestamp())),
    ]
    held = Backfill.objects.get()
    assert (held.covered_from, held.covered_until) == (end - 3 * DAY, end + DAY)


def test_history_older_than_the_hot_window_goes_to_the_archive() -> None:
    revise(HistorySettings, quotes_days=10, backfill_days=30)
    market = open_market()

    report = run(Past(), trades=False)

    oldest = Quote.objects.order_by("observed_at").first()
    assert oldest.observed_at >= NOW - 10 * DAY
    stored = archive.read("quotes", ["venue"])
    assert (report.added + report.archived, len(stored)) == (4320, report.archived)
    assert stored["market_key"].unique().to_list() == [f"polymarket:{market.venue_key}"]
    assert stored["observed_at"].max() < oldest.observed_at
    # Public when it was stamped: training may learn from it.
    assert stored["received_at"].equals(stored["observed_at"])


def test_history_is_known_from_when_it_was_fetched_and_stands_at_its_own_time() -> None:
    market = open_market()
    make.QuoteFactory(market=market, at=NOW)
    run(Past(), trades=False, days=1)

    before = queries.quote_series([market.pk], since=NOW - 2 * DAY, as_of=ago(1))
    after = queries.quote_series([market.pk], since=NOW - 2 * DAY, as_of=NOW)

    assert before.known_at.size == 0
    assert after.known_at.size == 145
    assert (after.known_at[1:] > after.known_at[:-1]).all()
    assert after.known_at[-1] == NOW.timestamp()
    recent = queries.quote_series([market.pk], since=ago(3600), as_of=NOW)
    assert recent.known_at.min() >= ago(3600).timestamp()
    newest = queries.latest_quotes([market.pk], as_of=NOW)
    assert newest["kind"].to_list() == [QuoteKind.BOOK]


def test_history_does_not_stand_beside_books_of_our_own() -> None:
    market = open_market()
    for hours in (5, 6):
        make.QuoteFactory(market=market, at=ago(hours * 3600))

    report = run(Past(), trades=False, days=1)

    # Each book speaks for an hour: at its instant and the six ten-minute stamps after it.
    assert report.left_out == {"beside_a_book": 13}
    assert Quote.objects.filter(kind=QuoteKind.HISTORY_10M).count() == 144 - 13


def test_rows_that_cannot_be_used_are_counted_by_their_reason() -> None:
    open_market()
    inside = int(ago(7200).timestamp()) - 1
    past = Past(
        extra=[
            {"t": inside, "p": 1.5},
            {"t": inside, "p": "NaN"},
            {"t": inside, "p": None},
            {"t": int(ahead(600).timestamp()), "p": 0.5},
            {"t": inside, "p": 0.5},
            {"t": inside, "p": 0.6},
        ]
    )

    report = run(past, trades=False, days=1)

    assert report.left_out == {
        "out_of_range": 1,
        "unreadable": 2,
        # The extra one, and the point of the exclusive end if it lies on the grid.
        "outside_window": 1,
        "repeated_stamp": 1,
        "reordered": 1,
    }
    assert Quote.objects.get(observed_at=ago(7201)).price == 0.5


def test_an_empty_fine_history_of_an_ended_market_is_asked_again_coarsely() -> None:
    market = ended_market()
    past = Past(coarse={f"{market.pk}0"})

    report = run(past, markets=(market.slug,), days=14)

    assert [fidelity for *_, fidelity in past.asked] == [10, 720]
    assert (report.asked_coarsely, report.empty_windows, report.archived) == (1, 0, 28)
    kinds = archive.read("quotes", ["venue"])["kind"].unique().to_list()
    assert kinds == [QuoteKind.HISTORY_POINT]


def test_a_market_that_fails_is_passed_over_and_asked_again_after_a_pause() -> None:
    bad, good = open_market(), open_market()
    past = Past(broken={f"{bad.pk}0"})

    first = run(past, trades=False, days=1)
    second = run(past, at=ahead(60), trades=False, days=1)
    past.broken.clear()
    third = run(past, at=ahead(121), trades=False, days=1)

    assert (first.failed, first.added) == (1, 144)
    assert (second.failed, second.postponed) == (0, 1)
    assert (third.failed, third.added) == (0, 144)
    assert Quote.objects.filter(market=good).count() == 144


def test_a_silent_venue_stops_the_run_and_what_came_before_is_kept() -> None:
    markets = [open_market() for _ in range(5)]
    past = Past(silent={f"{m.pk}0" for m in markets[1:]})

    with pytest.raises(http.VenueUnreachable):
        run(past, trades=False, days=1)

    assert Quote.objects.count() == 144
    assert len(past.asked) == 1 + backfill.GIVE_UP_AFTER
    job = Job.objects.get()
    assert job.status == Job.Status.FAILED
    past.silent.clear()
    assert run(past, at=ahead(600), trades=False, days=1).added == 4 * 144


def test_only_one_backfill_runs_at_a_time() -> None:
    jobs.start(backfill.KIND, backfill.KEY, as_of=NOW)

    with pytest.raises(jobs.AlreadyRunning):
        run(Past(), at=ahead(1))


def test_the_settings_may_forbid_the_regular_backfill() -> None:
    open_market()
    revise(HistorySettings, backfill=False)

    assert backfill.when_due(as_of=NOW, clock=lambda: NOW, venue=Past().venue()) is None

    revise(HistorySettings, backfill=True)
    report = backfill.when_due(as_of=NOW, clock=lambda: NOW, venue=Past().venue())
    assert report is not None
    assert report.added == 30 * 144


def test_trades_are_fetched_with_the_prices_of_open_markets() -> None:
    market = open_market()
    row = {
        "proxy_wallet": "0xw",
        "side": "SELL",
        "token_id": f"{market.pk}1",
        "condition_id": market.condition_id,
        "size": 3,
        "price": 0.4,
        "timestamp": int(ago(86400).timestamp()),
        "transaction_hash": "0xaa",
    }

    report = run(Past(trades=[row, row]), days=2)

    assert report.trades == 2
    assert set(PublicTrade.objects.values_list("outcome_index", "side")) == {(1, "SELL")}
    assert Backfill.objects.filter(kind=Backfill.Kind.TRADES).count() == 1


def test_an_unknown_market_is_named() -> None:
    with pytest.raises(LookupError, match="no market atlantis is known"):
        run(Past(), markets=("atlantis",))


def ended_event(number: int, *, days_ago: int, **changes: Any) -> say.Json:
    end = NOW - days_ago * DAY
    child = say.market(
        number,
        closed=True,
        outcomePrices='["1", "0"]',
        startDate=f"{end - 20 * DAY:%Y-%m-%dT%H:%M:%SZ}",
        endDate=f"{end:%Y-%m-%dT%H:%M:%SZ}",
        closedTime=f"{end:%Y-%m-%d %H:%M:%S}+00",
        umaResolutionStatus="resolved",
        **changes,
    )
    return say.event(number, markets=[child], closed=True)


def test_ended_markets_are_found_filed_and_made_ready_for_training() -> None:
    past = Past(events=[ended_event(n, days_ago=n + 1) for n in range(1, 4)])
    past.events.append(ended_event(9, days_ago=90))

    report = run(past, resolved_since=NOW - 30 * DAY)

    assert (report.found, report.markets) == (3, 3)
    assert Resolution.objects.count() == 3
    assert not Quote.objects.exists()
    known = archive.load(until=NOW)
    assert known.markets["payout"].to_list() == [1.0, 1.0, 1.0]
    assert known.markets["label_strength"].unique().to_list() == ["official"]
    ended = [(NOW - (n + 1) * DAY).timestamp() for n in range(1, 4)]
    assert sorted(known.markets["label_known_at"]) == sorted(ended)
    assert (known.series.known_at < max(ended)).all()
    assert report.archived == len(known.series.known_at) == 3 * 20 * 144


def test_a_market_that_was_followed_is_archived_whole_once_it_ended() -> None:
    market = open_market()
    run(Past(), trades=False, days=5)
    end = NOW + 2 * DAY
    Market.objects.filter(pk=market.pk).update(closed_at=end, tracked=False)
    make.ResolutionFactory(market=market, resolved_at=end)

    report = run(Past(), at=end + DAY, markets=(market.slug,), days=5)

    assert report.archived == 5 * 144
    rows = archive.read("quotes", ["venue"])
    assert rows.filter(pl.col("observed_at") >= end).is_empty()
    assert run(Past(), at=end + DAY, markets=(market.slug,), days=5).windows == 0
