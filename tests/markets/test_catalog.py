"""The catalogue is filed once, follows the venue's changes, and never guesses."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.conf import settings

from markets import catalog, epochs
from markets.adapters.gamma import Gamma
from markets.catalog import SyncReport
from markets.models import Event, FeeSchedule, Market, Origin, Outcome, Protocol, RawMessage, Series
from tests.factories import MarketFactory
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AS_OF + timedelta(minutes=5)


def venue(*events: say.Json, url: str = "https://venue.example", **routes: Any) -> Gamma:
    listing = {"/events/keyset": say.paged("events", list(events))}
    return Gamma(url, transport=say.serving(listing | routes))


def sync(*events: say.Json, as_of: datetime = AS_OF, **more: Any) -> SyncReport:
    return catalog.sync(as_of=as_of, venue=venue(*events, **more))


def test_an_event_with_its_market_is_filed_with_rules_outcomes_fees_and_series() -> None:
    report = sync(say.event(1))

    market = Market.objects.select_related("event__series", "fees").get()
    assert report.figures() == {
        "events": 1,
        "markets": 1,
        "added": 1,
        "changed": 0,
        "delisted": 0,
        "refused": 0,
        "complete": True,
    }
    assert (market.venue, market.venue_key, market.origin) == ("polymarket", "1", Origin.VENUE)
    assert (market.protocol, market.category) == (Protocol.V1, "climate")
    assert (market.tick_size, market.min_shares) == (Decimal("0.01"), Decimal(5))
    assert market.volume == 1234.5
    assert market.received_at == AS_OF
    assert market.tracked is False
    assert market.fees is not None
    assert (market.fees.rate, market.fees.valid_from) == (Decimal("0.05"), AS_OF)
    assert market.event.series is not None
    assert market.event.series.slug == "daily-weather"
    assert list(Outcome.objects.order_by("index").values_list("name", "asset_id")) == [
        ("Yes", say.token(1)),
        ("No", say.token(1, 1)),
    ]


def test_a_second_pass_over_the_same_catalogue_changes_nothing() -> None:
    sync(say.event(1), say.event(2))

    report = sync(say.event(1), say.event(2), as_of=LATER)

    assert (report.added, report.changed) == (0, 0)
    assert (Event.objects.count(), Market.objects.count(), Series.objects.count()) == (2, 2, 1)
    assert FeeSchedule.objects.count() == 2


def test_changes_are_followed_and_first_sight_is_kept() -> None:
    sync(say.event(1))

    changed = say.event(1, markets=[say.market(1, volume="2000", orderPriceMinTickSize=0.001)])
    report = sync(changed, as_of=LATER)

    market = Market.objects.get()
    assert report.changed == 1
    assert (market.volume, market.tick_size) == (2000.0, Decimal("0.001"))
    assert market.received_at == AS_OF


def test_what_the_venue_leaves_out_keeps_its_last_value() -> None:
    sync(say.event(1))

    sync(say.event(1, markets=[say.market(1, volume=None, orderMinSize=None)]), as_of=LATER)

    market = Market.objects.get()
    assert (market.volume, market.min_shares) == (1234.5, Decimal(5))


@pytest.mark.parametrize("tick", [0, 1e-9, 1e30, 0.3])
def test_a_grid_or_a_size_that_cannot_be_changes_nothing(tick: float) -> None:
    sync(say.event(1))

    absurd = say.market(1, orderPriceMinTickSize=tick, orderMinSize=-5)
    report = sync(say.event(1, markets=[absurd]), as_of=LATER)

    market = Market.objects.get()
    assert (market.tick_size, market.min_shares) == (Decimal("0.01"), Decimal(5))
    assert report.refused == 0


def test_volume_that_was_never_told_stays_unknown() -> None:
    sync(say.event(1, markets=[say.market(1, volume=None, liquidity=None)]))

    market = Market.objects.get()
    assert market.volume is None
    assert market.liquidity is None


def test_a_new_fee_is_a_new_schedule_from_the_day_it_was_seen() -> None:
    sync(say.event(1))
    dearer = {"exponent": 1, "rate": 0.07, "takerOnly": True, "rebateRate": 0.2}

    sync(say.event(1, markets=[say.market(1, feeSchedule=dearer)]), as_of=LATER)

    dated = FeeSchedule.objects.order_by("valid_from").values_list("rate", "valid_from")
    assert list(dated) == [(Decimal("0.05"), AS_OF), (Decimal("0.07"), LATER)]
    assert Market.objects.get().fees.rate == Decimal("0.07")  # type: ignore[union-attr]


def test_a_market_of_an_unknown_protocol_is_filed_as_such_and_its_message_kept() -> None:
    sync(say.event(1, markets=[say.market(1, version="v9")]))
    sync(say.event(1, markets=[say.market(1, version="v9", volume="99")]), as_of=LATER)

    market, message = Market.objects.get(), RawMessage.objects.get()
    assert market.protocol == Protocol.UNKNOWN
    assert not Outcome.objects.filter(asset_id__isnull=False).exists()
    assert (message.seen, message.last_seen_at) == (2, LATER)
    assert "'v9'" in message.reason


def test_an_unreadable_market_is_kept_raw_and_counted_and_the_others_are_filed() -> None:
    broken = say.market(2, outcomes='["A", "B", "C"]')

    sync(say.event(1, markets=[say.market(1), broken]))
    report = sync(say.event(1, markets=[say.market(1), broken | {"volume": "7"}]), as_of=LATER)

    message = RawMessage.objects.get()
    assert report.refused == 1
    assert Market.objects.count() == 1
    assert (message.source, message.seen) == ("gamma.market", 2)
    assert "outcomes" in message.reason


def test_ids_of_another_market_are_refused() -> None:
    MarketFactory(venue="elsewhere", condition_id=say.condition(1))

    report = sync(say.event(1, markets=[say.market(1), say.market(2)]))

    assert report.refused == 1
    assert Market.objects.filter(venue="polymarket").get().venue_key == "2"
    assert "belongs to market elsewhere:" in RawMessage.objects.get().reason


def test_token_ids_that_arrive_late_are_filled_in() -> None:
    sync(say.event(1, markets=[say.market(1, clobTokenIds=None)]))
    assert not Outcome.objects.filter(asset_id__isnull=False).exists()

    sync(say.event(1), as_of=LATER)

    assert Outcome.objects.filter(asset_id__isnull=False).count() == 2


@pytest.mark.parametrize(
    ("url", "flag"), [("http://127.0.0.1:8900", {}), ("https://venue.example", {"simulated": True})]
)
def test_what_a_stand_in_lists_is_marked_as_simulated(url: str, flag: say.Json) -> None:
    sync(say.event(1, **flag), url=url)

    market = Market.objects.select_related("event").get()
    assert (market.venue, market.origin) == ("sandbox", Origin.SANDBOX)
    assert market.event.origin == Origin.SANDBOX


def test_a_market_that_left_a_complete_listing_is_closed() -> None:
    sync(say.event(1), say.event(2))

    report = sync(say.event(2), as_of=LATER)

    gone = Market.objects.get(venue_key="1")
    assert report.delisted == 1
    assert (gone.accepting_orders, gone.closed_at) == (False, LATER)
    assert Market.objects.get(venue_key="2").closed_at is None


def test_a_market_that_returns_is_open_again() -> None:
    sync(say.event(1), say.event(2))
    sync(say.event(2), as_of=LATER)

    sync(say.event(1), say.event(2), as_of=LATER)

    market = Market.objects.get(venue_key="1")
    assert (market.accepting_orders, market.closed_at) == (True, None)


def test_a_pass_cut_short_closes_nothing() -> None:
    sync(say.event(1), say.event(2))
    pages = say.paged("events", [say.event(2)], [say.event(1)])
    source = Gamma("https://venue.example", transport=say.serving({"/events/keyset": pages}))

    report = catalog.sync(as_of=LATER, limit=1, venue=source)

    assert (report.complete, report.delisted) == (False, 0)
    assert Market.objects.filter(closed_at__isnull=True).count() == 2


START = int(AS_OF.timestamp()) // 300 * 300


def windows(opening: float | None) -> dict[str, Any]:
    row = say.epoch_event(START, opening=opening)
    return {f"/events/slug/btc-updown-5m-{START}": row}


def test_up_or_down_windows_are_looked_up_by_name() -> None:
    sync(**windows(None))

    market = Market.objects.get()
    assert (market.asset, market.window_s, market.category) == ("btc", 300, "crypto")
    assert market.epoch_start_at == datetime.fromtimestamp(START, UTC)
    assert market.scheduled_end_at == datetime.fromtimestamp(START + 300, UTC)
    assert market.reference_price is None


def test_a_window_is_asked_about_until_its_opening_price_is_known() -> None:
    sync(**windows(None))

    epochs.sync(as_of=AS_OF + timedelta(seconds=70), venue=venue(**windows(91_234.5)))
    asked: list[str] = []

    def unexpected(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404)

    again = venue(**{f"/events/slug/btc-updown-5m-{START}": unexpected})
    epochs.sync(as_of=AS_OF + timedelta(seconds=90), venue=again)

    assert Market.objects.get().reference_price == 91_234.5
    assert asked == []


def test_an_unreadable_window_is_kept_raw() -> None:
    sync(**{f"/events/slug/btc-updown-5m-{START}": {"slug": "no id"}})

    assert "id is missing" in RawMessage.objects.get().reason


def test_a_market_closed_without_a_time_closed_when_we_first_saw_it() -> None:
    closed = say.event(1, markets=[say.market(1, closed=True)])

    sync(closed)
    report = sync(closed, as_of=LATER)

    assert report.changed == 0
    assert Market.objects.get().closed_at == AS_OF


@pytest.mark.history
def test_a_recorded_window_becomes_a_market_with_its_opening_price() -> None:
    history = settings.ENV.history_dir
    name = "reference/payloads/live_2026_09_10/gamma_event_btc_15m_resolved.json"
    if history is None or not (history / name).is_file():
        pytest.skip("set HISTORY_DIR to the folder that holds reference/payloads")

    sync(json.loads((history / name).read_bytes())["response"])

    market = Market.objects.select_related("event__series").get()
    assert (market.asset, market.window_s, market.protocol) == ("btc", 900, Protocol.V1)
    assert market.reference_price == 83_884.31639475992
    assert market.epoch_start_at == datetime(2026, 9, 28, 17, 30, tzinfo=UTC)
    assert market.closed_at == datetime(2026, 9, 28, 17, 46, 27, tzinfo=UTC)
    assert market.event.series is not None
    assert market.event.series.recurrence == "15m"
