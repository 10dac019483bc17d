"""One reply, row or order that makes no sense stops nothing else."""

from datetime import datetime
from decimal import Decimal

import httpx
import pytest

from markets.adapters.clob_data import ClobData
from markets.models import RawMessage
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import LATER, SilentVenue, a_market_worth_buying, decided, paper
from trading import market_data
from trading.models import Order
from trading.orders import submit
from trading.venue import Execution, Receipt

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("body", [b"", b"null", b"[" * 100_000], ids=["empty", "null", "deep"])
def test_a_reply_that_is_not_understood_is_kept_and_counts_as_none(body: bytes) -> None:
    market = factories.MarketFactory()
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=body))
    venue = ClobData("https://venue.example", transport=transport)

    assert market_data.from_venue([market.pk], NOW, venue=venue) == 0
    assert RawMessage.objects.get().source.startswith("clob")


def test_an_order_that_cannot_be_booked_does_not_hold_up_the_others() -> None:
    for _ in range(2):
        a_market_worth_buying()
    decided()
    silent = SilentVenue()
    submit.run(as_of=NOW, venues={"PAPER": silent})
    bad, good = Order.objects.order_by("created_at", "pk")
    silent.answers[bad.pk] = receipt(bad, price="0", at=ahead(5))
    silent.answers[good.pk] = receipt(good, price="0.5", at=ahead(5))

    report = submit.run(as_of=ahead(5), venues={"PAPER": silent})

    assert (report.fills, report.failed) == (1, 1)
    assert set(Order.objects.values_list("pk", "status")) == {
        (bad.pk, "UNKNOWN"),
        (good.pk, "FILLED"),
    }


def receipt(order: Order, *, price: str, at: datetime) -> Receipt:
    trade = Execution(
        trade_id=f"t{order.pk}",
        price=Decimal(price),
        shares=order.shares,
        fee=Decimal(0),
        observed_at=at,
    )
    return Receipt(venue_order_id=f"v{order.pk}", status="FILLED", executions=(trade,))


def test_an_absurd_book_of_one_market_leaves_the_others_trading() -> None:
    first, second = a_market_worth_buying(), a_market_worth_buying()
    decided()
    submit.run(as_of=NOW, venues=paper())
    factories.QuoteFactory(market=first, at=LATER, book=([(0.4, 1e23)], [(0.5, 10)]))
    factories.QuoteFactory(market=second, at=LATER)

    submit.run(as_of=LATER, venues=paper())

    assert Order.objects.get(market=first).status == "OPEN"
    assert Order.objects.get(market=second).status == "FILLED"
