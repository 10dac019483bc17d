"""An asset id stays with its side for ever: positions, prices and results mean an index."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from markets import catalog
from markets.adapters.gamma import Gamma
from markets.models import Market, Notice, Outcome, RawMessage
from tests.markets import wire_payloads as say

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AS_OF + timedelta(minutes=5)
OURS = [("Yes", say.token(1)), ("No", say.token(1, 1))]
REVERSED_NAMES = json.dumps(["No", "Yes"])
REVERSED_IDS = json.dumps([say.token(1, 1), say.token(1)])


def sync(as_of: datetime = AS_OF, **changes: object) -> catalog.SyncReport:
    routes = {
        "/events/keyset": say.paged("events", [say.event(1, markets=[say.market(1, **changes)])])
    }
    source = Gamma("https://venue.example", transport=say.serving(routes), attempts=1)
    return catalog.sync(as_of=as_of, venue=source)


def sides() -> list[tuple[str, str | None]]:
    return list(Outcome.objects.order_by("index").values_list("name", "asset_id"))


def test_a_market_told_the_other_way_round_keeps_our_order() -> None:
    sync()

    report = sync(
        LATER,
        outcomes=REVERSED_NAMES,
        clobTokenIds=REVERSED_IDS,
        outcomePrices=json.dumps(["0.58", "0.42"]),
        volume="2000",
    )

    assert sides() == OURS
    assert (report.refused, Market.objects.get().volume) == (0, 2000.0)
    assert not Notice.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"clobTokenIds": REVERSED_IDS},
        {"outcomes": REVERSED_NAMES},
        {"outcomes": REVERSED_NAMES, "clobTokenIds": None},
        {"clobTokenIds": json.dumps([say.token(1), say.token(8)])},
        {"clobTokenIds": json.dumps([say.token(8), say.token(1)])},
        {"clobTokenIds": json.dumps([say.token(8), say.token(9)])},
    ],
)
def test_sides_that_are_not_provably_ours_stay_and_somebody_is_told(changes: say.Json) -> None:
    sync()

    report = sync(LATER, **changes, volume="2000", orderPriceMinTickSize=0.001)
    sync(LATER + timedelta(minutes=5), **changes)

    market, notice = Market.objects.get(), Notice.objects.get()
    assert sides() == OURS
    assert report.refused == 1
    assert "outcomes" in RawMessage.objects.get().reason
    assert (notice.kind, notice.severity) == (
        Notice.Kind.CONTRACT_DRIFT,
        Notice.Severity.WARNING,
    )
    assert notice.market_id == market.pk
    assert (str(market.tick_size.normalize()), market.closed_at) == ("0.01", None)


def test_the_rest_of_a_refused_listing_is_filed() -> None:
    sync()

    sync(LATER, clobTokenIds=REVERSED_IDS, volume="2000")

    assert Market.objects.get().volume == 2000.0


def test_ids_that_arrive_late_go_to_the_sides_of_their_names() -> None:
    sync(clobTokenIds=None)

    report = sync(LATER, outcomes=REVERSED_NAMES, clobTokenIds=REVERSED_IDS)

    assert sides() == OURS
    assert report.refused == 0


def test_a_side_that_gets_its_name_later_is_renamed() -> None:
    sync()

    report = sync(LATER, outcomes=json.dumps(["Ann", "Bea"]))

    assert [name for name, _ in sides()] == ["Ann", "Bea"]
    assert report.refused == 0
