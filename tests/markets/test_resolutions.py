"""A market's end is recorded once, and only where the venue is unambiguous."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from markets import resolutions
from markets.adapters import http
from markets.adapters.clob_data import ClobData
from markets.adapters.gamma import Gamma
from markets.core.wire_resolution import Result
from markets.models import Market, Outcome, RawMessage, Resolution
from tests.factories import MarketFactory
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
URL = "https://venue.example"


def ended(**values: Any) -> Market:
    """A followed market whose end has just passed."""
    defaults = {
        "venue_key": "1",
        "condition_id": say.condition(1),
        "scheduled_end_at": AS_OF - timedelta(seconds=30),
    }
    market = MarketFactory(**(defaults | values), outcomes=())
    for index, name in enumerate(("Yes", "No")):
        Outcome.objects.create(market=market, index=index, name=name, asset_id=say.token(1, index))
    return market


def check(row: say.Json | None, engine: say.Json | None = None, *, as_of: datetime = AS_OF) -> int:
    catalogue = Gamma(URL, transport=say.serving({"/markets/1": row}))
    second = ClobData(URL, transport=say.serving({f"/markets/{say.condition(1)}": engine}))
    return resolutions.check(as_of=as_of, catalogue=catalogue, engine=second)


def closed(**changes: Any) -> say.Json:
    said = {"closed": True, "outcomePrices": '["1", "0"]', "closedTime": "2026-11-20 11:59:45+00"}
    return say.market(1, **(said | changes))


def test_an_exact_result_is_recorded_and_the_market_closed() -> None:
    market = ended()

    recorded = check(closed())

    market.refresh_from_db()
    resolution = Resolution.objects.get()
    decided_at = datetime(2026, 11, 20, 11, 59, 45, tzinfo=UTC)
    assert recorded == 1
    assert (resolution.payout_0, resolution.payout_1) == (Decimal(1), Decimal(0))
    assert (resolution.source, resolution.resolved_at) == ("gamma", decided_at)
    assert resolution.received_at == AS_OF
    assert (market.tracked, market.filter_reason) == (False, "CLOSED")
    assert (market.closed_at, market.accepting_orders) == (decided_at, False)


def test_a_market_is_resolved_once() -> None:
    market = ended()
    check(closed())

    again = check(closed(outcomePrices='["0", "1"]'), as_of=AS_OF + timedelta(minutes=1))
    result = Result(payout=Decimal(0), source="gamma", resolved_at=None)

    assert again == 0
    assert resolutions.record(market, result, as_of=AS_OF) is False
    assert Resolution.objects.get().payout_0 == 1


def test_an_open_market_is_left_alone() -> None:
    ended()

    assert check(say.market(1)) == 0
    assert not Resolution.objects.exists()
    assert not RawMessage.objects.exists()


def test_where_the_catalogue_is_unclear_the_engine_decides() -> None:
    ended()

    recorded = check(closed(outcomePrices='["0", "0"]'), say.engine_market(1, winner=1))

    assert recorded == 1
    resolution = Resolution.objects.get()
    assert (resolution.payout_0, resolution.source) == (Decimal(0), "clob")
    assert resolution.resolved_at == AS_OF


def test_an_ambiguous_end_is_kept_for_a_person_and_counted() -> None:
    market = ended()
    for minute in range(2):
        recorded = check(
            closed(outcomePrices='["0", "0"]', volume=str(minute)),
            say.engine_market(1, winner=None),
            as_of=AS_OF + timedelta(minutes=minute),
        )
        assert recorded == 0

    message = RawMessage.objects.get()
    assert (message.source, message.seen) == ("resolution", 2)
    assert "the engine names no winner" in message.reason
    assert not Resolution.objects.filter(market=market).exists()


def test_a_disputed_result_is_not_booked_on_the_catalogue_alone() -> None:
    ended(condition_id=None)

    assert check(closed(umaResolutionStatus="disputed")) == 0
    assert "disputed" in RawMessage.objects.get().reason


def test_a_market_the_venue_does_not_know_stays_open() -> None:
    ended()

    assert check(None) == 0


def test_an_unreadable_reply_is_kept_raw() -> None:
    ended()

    assert check({"id": "1"}) == 0
    assert RawMessage.objects.get().source == "gamma.market"


@pytest.mark.parametrize(
    "values",
    [
        {"scheduled_end_at": AS_OF + timedelta(minutes=1)},
        {"scheduled_end_at": None},
        {"origin": "IMPORT"},
    ],
)
def test_only_markets_that_may_have_ended_are_asked_about(values: dict[str, Any]) -> None:
    ended(**values)

    assert check(closed()) == 0


def test_a_market_closed_before_its_announced_end_is_asked_about() -> None:
    ended(scheduled_end_at=AS_OF + timedelta(days=3), closed_at=AS_OF - timedelta(minutes=1))

    assert check(closed()) == 1


def turns(market: Market, waited: timedelta, *, every: int) -> int:
    """How often in a day a market that ended `waited` ago is asked about; `every` in minutes."""
    asked = 0
    for minute in range(0, 1440, every):
        now = AS_OF + timedelta(minutes=minute)
        market.scheduled_end_at = now - waited
        asked += resolutions._is_due(market, as_of=now)
    return asked


@pytest.mark.parametrize("every", [1, 2, 5])
def test_the_longer_a_market_hangs_the_seldomer_it_is_asked_about(every: int) -> None:
    waits = [timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=5), timedelta(days=9)]

    counts = [turns(ended(), waits[0], every=every)]
    counts += [turns(Market.objects.get(), wait, every=every) for wait in waits[1:]]

    assert counts[0] == 1440 // every
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > 0


def test_no_rhythm_of_the_timetable_leaves_a_market_out() -> None:
    markets = [ended()] + [MarketFactory(outcomes=()) for _ in range(40)]

    assert all(turns(market, timedelta(minutes=30), every=2) > 0 for market in markets)


def test_one_market_the_venue_cannot_show_does_not_hide_the_others() -> None:
    ended(venue_key="9", condition_id=None, scheduled_end_at=AS_OF - timedelta(seconds=5))
    ended_too = MarketFactory(
        venue_key="1", outcomes=(), scheduled_end_at=AS_OF - timedelta(seconds=30)
    )

    recorded = check_with_broken("/markets/9", {"/markets/1": closed(clobTokenIds=None)})

    assert recorded == 1
    assert Resolution.objects.get().market_id == ended_too.pk


def test_an_outage_stops_the_round() -> None:
    for number in range(4):
        MarketFactory(venue_key="9", venue=f"v{number}", outcomes=(), scheduled_end_at=AS_OF)

    with pytest.raises(http.VenueUnreachable):
        check_with_broken("/markets/9", {})


def check_with_broken(path: str, routes: dict[str, Any]) -> int:
    def broken(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(500)

    transport = say.serving(routes | {path: broken})
    catalogue = Gamma(URL, transport=transport, attempts=1)
    return resolutions.check(
        as_of=AS_OF, catalogue=catalogue, engine=ClobData(URL, transport=transport)
    )
