"""A market's end is recorded once, and only where the sources are unambiguous."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import cycle
from markets import resolution_sources, resolutions
from markets.adapters import http
from markets.core.wire_resolution import Result
from markets.models import Market, Notice, RawMessage, Resolution, ResolutionCase
from tests.factories import MarketFactory, PositionFactory
from tests.markets import wire_payloads as say
from tests.markets.result_sources import Venue, closed, ended, oracle
from tests.moments import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def venue() -> Venue:
    return Venue()


def check(venue: Venue, *, as_of: datetime = NOW, held: set[int] = frozenset()) -> int:  # type: ignore[assignment]
    return resolutions.check(as_of=as_of, held=held, sources=venue.sources())


def test_an_exact_result_is_recorded_and_the_market_closed(venue: Venue) -> None:
    market = ended()
    venue.gamma[1] = closed()

    recorded = check(venue)

    market.refresh_from_db()
    resolution = Resolution.objects.get()
    decided_at = datetime(2026, 11, 20, 11, 59, 45, tzinfo=UTC)
    assert recorded == 1
    assert (resolution.payout_0, resolution.payout_1) == (Decimal(1), Decimal(0))
    assert (resolution.source, resolution.resolved_at) == ("gamma", decided_at)
    assert resolution.received_at == NOW
    assert (market.tracked, market.filter_reason) == (False, "CLOSED")
    assert (market.closed_at, market.accepting_orders) == (decided_at, False)
    assert venue.asked == {"gamma": 1}


def test_a_market_is_resolved_once(venue: Venue) -> None:
    market = ended()
    venue.gamma[1] = closed()
    check(venue)
    again = Result(payout=Decimal(0), source="gamma", resolved_at=None)

    assert resolutions.record(market, again, as_of=NOW) is False
    assert Resolution.objects.get().payout_0 == 1


def test_an_open_market_is_asked_about_again_later(venue: Venue) -> None:
    market = ended()
    venue.gamma[1] = say.market(1)

    assert check(venue) == 0

    market.refresh_from_db()
    assert market.result_asked_at == NOW
    assert market.result_due_at == NOW + resolutions.SHORTEST
    assert not Resolution.objects.exists()
    assert not ResolutionCase.objects.exists()
    assert check(venue) == 0
    assert venue.asked["gamma"] == 1
    assert check(venue, as_of=NOW + timedelta(minutes=1)) == 0
    assert venue.asked["gamma"] == 2


def test_where_the_catalogue_is_unclear_the_others_decide(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed(outcomePrices='["0", "0"]')
    venue.clob[1] = say.engine_market(1, winner=1)
    venue.chain[1] = (1, 0, 1)

    assert check(venue) == 1

    resolution = Resolution.objects.get()
    assert (resolution.payout_0, resolution.source) == (Decimal(0), "clob+chain")
    assert resolution.resolved_at == NOW


def test_the_ledger_settles_a_legacy_shape_that_the_venue_forgot(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed(outcomePrices='["0", "0"]')
    venue.chain[1] = (10, 5, 5)

    assert check(venue) == 1
    assert Resolution.objects.get().payout_0 == Decimal("0.5")


def test_a_scalar_is_no_result_of_a_binary_market(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed(outcomePrices='["0.3", "0.7"]')
    venue.chain[1] = (10, 3, 7)

    assert check(venue) == 0
    assert "pays [3, 7] of 10" in ResolutionCase.objects.get().reason


def test_a_disputed_result_is_never_booked_and_no_case_either(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed(umaResolutionStatus="disputed")
    venue.clob[1] = say.engine_market(1, winner=0)

    assert check(venue) == 0
    assert not ResolutionCase.objects.exists()

    venue.gamma[1] = closed(umaResolutionStatus="resolved")
    assert check(venue, as_of=NOW + timedelta(minutes=1)) == 1


def test_money_asks_for_a_second_source(venue: Venue) -> None:
    market = ended()
    venue.gamma[1] = closed()
    venue.chain[1] = (0, 0, 0)

    assert check(venue, held={market.pk}) == 0

    venue.chain[1] = (1, 1, 0)
    assert check(venue, as_of=NOW + timedelta(minutes=1), held={market.pk}) == 1
    assert Resolution.objects.get().source == "gamma+chain"


def test_sources_that_contradict_each_other_make_a_case(venue: Venue) -> None:
    market = ended()
    venue.gamma[1] = closed()
    venue.clob[1] = say.engine_market(1, winner=1)
    venue.data[1] = oracle()
    venue.chain[1] = (1, 1, 0)

    assert check(venue, held={market.pk}) == 0

    case = ResolutionCase.objects.get()
    assert "contradict" in case.reason
    assert [word in case.evidence for word in ("gamma", "clob", "data", "chain")] == [True] * 4
    assert Notice.objects.get().kind == Notice.Kind.RESOLUTION_UNCLEAR


def test_what_does_not_answer_is_waited_for_and_then_put_before_a_person(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed(outcomePrices='["0", "0"]')
    venue.down = {"data", "chain"}

    assert check(venue) == 0
    assert not ResolutionCase.objects.exists()
    assert check(venue, as_of=NOW + timedelta(hours=80)) == 0
    assert "0, 0" in ResolutionCase.objects.get().reason


def test_a_market_that_the_catalogue_never_closes_is_settled_by_the_others(venue: Venue) -> None:
    ended(scheduled_end_at=NOW - timedelta(days=9))
    venue.gamma[1] = say.market(1)
    venue.clob[1] = say.engine_market(1, winner=0)
    venue.chain[1] = (1, 1, 0)

    assert check(venue) == 1
    assert Resolution.objects.get().source == "clob+chain"


def test_a_market_that_nobody_knows_any_more_is_for_a_person(venue: Venue) -> None:
    ended(scheduled_end_at=NOW - timedelta(days=9), protocol="v2")

    assert check(venue) == 0
    assert "no source knows it" in ResolutionCase.objects.get().reason


def test_an_unreadable_row_is_kept_raw_and_hides_no_other(venue: Venue) -> None:
    ended(1)
    ended(2)
    venue.gamma = {1: closed(1, outcomes="[]"), 2: closed(2)}

    assert check(venue) == 1
    assert RawMessage.objects.get().source == "gamma.market"


@pytest.mark.parametrize(
    "values",
    [
        {"scheduled_end_at": NOW + timedelta(minutes=1)},
        {"scheduled_end_at": None},
        {"origin": "IMPORT"},
        {"origin": "SANDBOX"},
    ],
)
def test_only_markets_that_may_have_ended_here_are_asked_about(
    venue: Venue, values: dict[str, Any]
) -> None:
    ended(**values)
    venue.gamma[1] = closed()

    assert check(venue) == 0
    assert not venue.asked


def test_a_market_closed_before_its_announced_end_is_asked_about(venue: Venue) -> None:
    ended(scheduled_end_at=NOW + timedelta(days=3), closed_at=NOW - timedelta(minutes=1))
    venue.gamma[1] = closed()

    assert check(venue) == 1


def test_thousands_of_ends_take_few_requests_and_few_queries(venue: Venue) -> None:
    for number in range(1, 121):
        ended(number)
        venue.gamma[number] = closed(number)
    few = queries(lambda: check(venue, as_of=NOW))

    for number in range(121, 361):
        ended(number)
        venue.gamma[number] = closed(number)
    venue.asked.clear()
    many = queries(lambda: check(venue, as_of=NOW))

    assert Resolution.objects.count() == 360
    assert venue.asked == {"gamma": 5}
    assert many <= few + 4, (few, many)


def queries(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def test_everybody_gets_a_turn_the_longest_waiting_first(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolutions, "AT_MOST", 10)
    for number in range(1, 41):
        ended(number, scheduled_end_at=NOW - timedelta(minutes=30, seconds=number))
        venue.gamma[number] = say.market(number)
    rich = Market.objects.get(venue_key="1")

    check(venue, held={rich.pk})
    first = set(Market.objects.exclude(result_asked_at=None).values_list("venue_key", flat=True))
    for _ in range(4):
        check(venue)

    assert first == {"1", *map(str, range(32, 41))}
    assert not Market.objects.filter(result_asked_at=None).exists()


def test_the_longer_a_market_hangs_the_longer_it_rests() -> None:
    waits = [0, 300, 1800, 18_000, 200_000, 10**6, 10**7]

    pauses = [resolutions.pause_after(timedelta(seconds=s)) for s in waits]

    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] == timedelta(days=1)


def test_one_market_the_venue_cannot_show_does_not_hide_the_others(venue: Venue) -> None:
    for number in range(1, 61):
        ended(number)
        venue.gamma[number] = closed(number)
    venue.poison = {7}

    assert check(venue) == 59
    assert not Resolution.objects.filter(market__venue_key="7").exists()


def test_an_outage_stops_the_round(venue: Venue) -> None:
    for number in range(1, 5):
        ended(number)
    venue.down = {"gamma"}

    with pytest.raises(http.VenueUnreachable):
        check(venue)


def test_a_market_without_a_condition_is_looked_up_by_its_key(venue: Venue) -> None:
    MarketFactory(
        venue_key="1", condition_id=None, scheduled_end_at=NOW - timedelta(seconds=9), outcomes=()
    )
    venue.gamma[1] = closed(conditionId=None)

    assert check(venue) == 1


def test_a_woken_market_is_asked_about_next_even_long_before_its_end(venue: Venue) -> None:
    market = ended(scheduled_end_at=NOW + timedelta(days=30))
    venue.gamma[1] = closed()
    asleep = check(venue)

    woken = resolutions.wake([say.condition(1), say.condition(9)], as_of=NOW)
    again = resolutions.wake([say.condition(1)], as_of=NOW)

    assert (asleep, woken, again) == (0, 1, 0)
    assert check(venue) == 1
    assert Resolution.objects.get().market_id == market.pk
    assert resolutions.wake([say.condition(1)], as_of=NOW) == 0


def test_a_woken_market_that_holds_money_still_needs_two_sources(venue: Venue) -> None:
    market = ended()
    venue.gamma[1] = closed()

    resolutions.wake([say.condition(1)], as_of=NOW)

    assert check(venue, held=frozenset({market.pk})) == 0
    assert not Resolution.objects.exists()


def test_a_source_that_changes_its_mind_is_shown_and_changes_nothing(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed()
    check(venue)
    venue.gamma[1] = closed(outcomePrices='["0", "1"]')

    for hours in (1, 2, 25):
        check(venue, as_of=NOW + timedelta(hours=hours, seconds=1))

    case = ResolutionCase.objects.get()
    assert Resolution.objects.get().payout_0 == 1
    assert case.settled_at is None
    assert "booked 1 by gamma, but catalogue: closed with the prices 0, 1" in case.reason
    assert Notice.objects.count() == 1


def test_booked_results_are_left_in_peace_after_the_last_look(venue: Venue) -> None:
    market = ended()
    venue.gamma[1] = closed()
    for days in (0, 1, 2, 9, 40):
        check(venue, as_of=NOW + timedelta(days=days))

    market.refresh_from_db()
    assert venue.asked["gamma"] == 3
    assert market.result_due_at is None
    assert not ResolutionCase.objects.exists()


def test_a_market_before_a_person_is_not_settled_by_one_source_that_another_denies(
    venue: Venue,
) -> None:
    market = ended()
    venue.gamma[1] = closed()
    venue.clob[1] = say.engine_market(1, winner=1)
    check(venue, held={market.pk})

    assert check(venue, as_of=NOW + timedelta(hours=1)) == 0

    venue.clob[1] = say.engine_market(1, winner=0)
    venue.chain[1] = (1, 1, 0)
    assert check(venue, as_of=NOW + timedelta(hours=2)) == 1
    case = ResolutionCase.objects.get()
    assert case.settled_by == "gamma+clob+chain"
    assert "names Yes" in case.evidence


def test_the_timetable_knows_which_markets_hold_money(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = ended()
    PositionFactory(market=market)
    venue.gamma[1] = closed()
    venue.clob[1] = say.engine_market(1, winner=1)
    monkeypatch.setattr(resolution_sources, "connect", lambda: venue.sources("gamma", "clob"))

    assert cycle.results(as_of=NOW) == 0
    assert "contradict" in ResolutionCase.objects.get().reason
