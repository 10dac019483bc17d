"""The simulated venue gives nothing that the real one would not have given."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import LATER, an_intent, nobody_answers, only_order, paper, traded
from trading.adapters.paper import Paper
from trading.books import ledger
from trading.models import Account, Fill, Order, Position
from trading.orders import submit, transitions

pytestmark = pytest.mark.django_db


def an_open_order() -> Order:
    an_intent()
    submit.run(as_of=NOW, venues=paper())
    return only_order()


def test_two_workers_who_saw_different_books_fill_an_order_once():
    order = an_open_order()
    ticket = submit.ticket(order)
    venue = Paper(latency=LATER - NOW, refresh=nobody_answers)
    mine, theirs = Order.objects.get(), Order.objects.get()
    factories.QuoteFactory(market=order.market, at=ahead(4))
    late = venue.look_up([ticket], as_of=ahead(4))[order.pk]
    three_levels = ([(0.45, 1000)], [(0.47, 30), (0.48, 30), (0.49, 5000)])
    factories.QuoteFactory(market=order.market, at=ahead(3), book=three_levels)
    early = venue.look_up([ticket], as_of=ahead(3))[order.pk]

    booked = transitions.apply(mine, late, as_of=ahead(4))
    again = transitions.apply(theirs, early, as_of=ahead(5))

    assert (booked, again) == (1, 0)
    assert only_order().filled_shares == order.shares
    assert Position.objects.get().shares == order.shares


def test_a_book_of_after_the_expiry_fills_nothing():
    order = an_open_order()
    factories.QuoteFactory(market=order.market, at=ahead(3600), bid=0.09, ask=0.10)

    submit.run(as_of=ahead(3600), venues=paper())

    assert only_order().status == "EXPIRED"
    assert not Fill.objects.exists()
    assert ledger.standing(mode="PAPER")[Account.RESERVED] == 0


def test_no_book_is_fetched_for_an_order_whose_time_is_over():
    order = an_open_order()
    asked = []
    venue = Paper(
        latency=LATER - NOW, refresh=lambda markets, as_of: asked.append((markets, as_of)) or 0
    )

    receipts = venue.look_up([submit.ticket(order)], as_of=order.intent.expires_at)

    assert asked == []
    assert receipts[order.pk].status == "EXPIRED"


@pytest.mark.parametrize(
    "book",
    [
        ([(0.6, 1000)], [(0.0, 5000)]),
        ([], [(0.0, 5000)]),
        ([(1.0, 10)], []),
        ([(0.6, 1000)], [(0.3, 5000)]),
        ([(0.5, 1000)], [(0.5, 5000)]),
        ([(0.4, 1e23)], [(0.5, 5000)]),
        ([(0.4, float("inf"))], [(0.5, 5000)]),
    ],
    ids=["free", "free and one-sided", "certain", "crossed", "locked", "absurd", "endless"],
)
def test_a_book_that_cannot_be_is_passed_over_for_the_next_one(book):
    order = an_open_order()
    factories.QuoteFactory(market=order.market, at=LATER, book=book)
    submit.run(as_of=LATER, venues=paper())
    assert only_order().status == "OPEN"

    factories.QuoteFactory(market=order.market, at=ahead(10))
    submit.run(as_of=ahead(10), venues=paper())

    assert only_order().status == "FILLED"
    assert Fill.objects.get().price == Decimal("0.51")


@pytest.mark.usefixtures("loose_books")
@pytest.mark.parametrize("price", [0, 1])
def test_the_database_refuses_a_fill_for_nothing(price):
    traded()
    order = only_order()

    with pytest.raises(IntegrityError), transaction.atomic():
        Fill.objects.create(
            key="free",
            mode="PAPER",
            order=order,
            price=Decimal(price),
            shares=1,
            fee=0,
            observed_at=NOW,
            received_at=NOW,
        )
