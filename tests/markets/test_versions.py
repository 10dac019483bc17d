"""The past is judged by what a market's listing said then."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from markets import catalog, queries, quotes, versions
from markets.adapters.clob_data import ClobData
from markets.adapters.gamma import Gamma
from markets.core.wire_resolution import Result
from markets.models import Market, MarketVersion, Notice
from markets.resolutions import record
from tests.factories import MarketFactory
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AS_OF + timedelta(minutes=5)


def sync(*markets: say.Json, as_of: datetime = AS_OF) -> catalog.SyncReport:
    routes = {"/events/keyset": say.paged("events", [say.event(1, markets=list(markets))])}
    source = Gamma("https://venue.example", transport=say.serving(routes))
    return catalog.sync(as_of=as_of, venue=source)


def told() -> list[Any]:
    rows = MarketVersion.objects.order_by("received_at")
    return list(rows.values_list("received_at", "scheduled_end_at__day"))


def test_a_moved_end_is_a_new_version_and_the_old_one_answers_for_its_time() -> None:
    sync(say.market(1))
    sync(say.market(1, endDate="2026-12-09T00:00:00Z"), as_of=LATER)
    market = Market.objects.get().pk

    before = queries.facts([market], as_of=LATER - timedelta(seconds=1))
    after = queries.facts([market], as_of=LATER)

    assert told() == [(AS_OF, 1), (LATER, 9)]
    assert before.scheduled_end_at[0] == datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    assert after.scheduled_end_at[0] == datetime(2026, 12, 9, tzinfo=UTC).timestamp()


def test_what_no_version_keeps_makes_none() -> None:
    sync(say.market(1))

    report = sync(say.market(1, volume="99999"), as_of=LATER)

    assert report.changed == 1
    assert told() == [(AS_OF, 1)]


def test_a_market_without_versions_answers_with_its_row() -> None:
    market = MarketFactory(scheduled_end_at=LATER, received_at=AS_OF)

    facts = queries.facts([market.pk], as_of=AS_OF)

    assert facts.scheduled_end_at[0] == LATER.timestamp()


def test_an_opening_price_is_not_known_before_it_was_told() -> None:
    start = int(AS_OF.timestamp()) // 300 * 300
    for opening, at in ((None, AS_OF), (91_234.5, LATER)):
        events = [say.epoch_event(start, opening=opening)]
        routes = {"/events/keyset": say.listing("events", events)}
        source = Gamma("https://venue.example", transport=say.serving(routes))
        catalog.sync(as_of=at, venue=source)
    market = Market.objects.get().pk

    assert np.isnan(queries.facts([market], as_of=AS_OF).reference_price[0])
    assert queries.facts([market], as_of=LATER).reference_price[0] == 91_234.5


def test_of_two_changes_at_one_instant_the_later_one_is_kept() -> None:
    market = MarketFactory()
    assert versions.keep([market.pk], as_of=AS_OF) == 1

    Market.objects.filter(pk=market.pk).update(tick_size=Decimal("0.001"))
    versions.keep([market.pk], as_of=AS_OF)

    assert MarketVersion.objects.get().tick_size == Decimal("0.001")


def test_nothing_changed_is_nothing_kept() -> None:
    market = MarketFactory()
    versions.keep([market.pk], as_of=AS_OF)

    assert versions.keep([market.pk], as_of=LATER) == 0
    assert versions.keep([], as_of=LATER) == 0


def test_a_tick_that_a_book_corrects_is_a_version() -> None:
    market = MarketFactory(outcomes=())
    market.outcomes.create(index=0, name="Yes", asset_id=say.token(1))
    versions.keep([market.pk], as_of=AS_OF)
    routes = {"/books": say.books_for([say.book(1, tick_size="0.001")])}
    source = ClobData("https://venue.example", transport=say.serving(routes))

    quotes.refresh([market.pk], as_of=LATER, venue=source)

    ticks = MarketVersion.objects.order_by("received_at").values_list("tick_size", flat=True)
    assert list(ticks) == [Decimal("0.01"), Decimal("0.001")]


def test_a_result_closes_the_market_in_a_version() -> None:
    market = MarketFactory()
    versions.keep([market.pk], as_of=AS_OF)

    record(market, Result(payout=Decimal(1), source="test", resolved_at=LATER), as_of=LATER)

    last = MarketVersion.objects.order_by("received_at").last()
    assert last is not None
    assert (last.received_at, last.closed_at, last.accepting_orders) == (LATER, LATER, False)


@pytest.mark.parametrize(("tracked", "notices"), [(True, 1), (False, 0)])
def test_changed_rules_of_a_followed_market_are_noticed(tracked: bool, notices: int) -> None:
    sync(say.market(1, description="Rain at noon."))
    Market.objects.update(tracked=tracked)

    sync(say.market(1, description="Rain at noon or at one."), as_of=LATER)

    assert Notice.objects.filter(kind=Notice.Kind.RULES_CHANGED).count() == notices
    assert MarketVersion.objects.count() == 2
    assert Market.objects.get().description == "Rain at noon or at one."


def test_rules_told_for_the_first_time_are_no_change() -> None:
    sync(say.market(1))
    Market.objects.update(tracked=True)

    sync(say.market(1, description="Rain at noon."), as_of=LATER)

    assert not Notice.objects.exists()
    assert MarketVersion.objects.count() == 2
