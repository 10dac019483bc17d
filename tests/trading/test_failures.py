"""What fails one order after another stops entries; so do orders whose fate nobody knows."""

import pytest

from risk import halts
from risk.models import Halt
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import SilentVenue, a_market_worth_buying, books_are_open, decided
from trading.deciding import decide, signals
from trading.models import Order
from trading.orders import submit
from trading.venue import Rejected, Unsent
from trading.watching import failures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loose_books")]


def an_order(second, **changes):
    return factories.OrderFactory(created_at=ahead(second), **changes)


def open_kinds():
    return set(Halt.objects.filter(released_at__isnull=True).values_list("kind", flat=True))


FAILED = [
    {"status": "REJECTED"},
    {"status": "REJECTED", "venue_order_id": "v"},
    {"status": "CANCELED", "attempts": 1},
    {"status": "UNKNOWN", "attempts": 1},
]


def test_the_fourth_failure_in_a_row_stops_entries_and_the_third_does_not():
    factories.risk_limits(max_unknown_orders=100)
    for number, kind in enumerate(FAILED):
        assert open_kinds() == set()
        an_order(number, **kind)
        failures.look("PAPER", as_of=ahead(number))

    halt = Halt.objects.get()
    assert (halt.kind, halt.scope_key, halt.state) == ("ORDER_FAILURES", "PAPER", "LISTEN_ONLY")
    assert halts.state(as_of=ahead(9), mode="DEMO") == "ACTIVE"


def test_an_order_that_a_venue_took_starts_the_count_anew():
    for number in range(3):
        an_order(number, status="REJECTED")
    an_order(3, status="CANCELED", attempts=1, acknowledged_at=ahead(3))
    for number in range(4, 7):
        an_order(number, status="REJECTED")

    assert failures.consecutive("PAPER") == 3


def test_the_allowed_number_is_a_setting():
    factories.risk_limits(max_consecutive_failures=0)
    an_order(0, status="REJECTED")

    failures.look("PAPER", as_of=NOW)

    assert open_kinds() == {"ORDER_FAILURES"}


def test_what_a_person_has_released_is_not_counted_again():
    for number in range(4):
        an_order(number, status="REJECTED")
    failures.look("PAPER", as_of=ahead(5))
    halts.release(Halt.objects.get(), actor="ann", reason="the venue was down", as_of=ahead(6))

    failures.look("PAPER", as_of=ahead(7))

    assert open_kinds() == set()


def test_a_decision_that_raises_counts_as_a_failure():
    market = a_market_worth_buying()
    books_are_open()
    signals.find(as_of=NOW)
    key = f"decide:{market.prediction_set.get().pk}:PAPER"
    factories.IntentFactory(key=key, status="REJECTED")

    for second in range(4):
        with pytest.raises(Exception, match=r"(?i)unique"):
            decide.run(as_of=ahead(second))
    submit.run(as_of=ahead(5))

    assert open_kinds() == {"ORDER_FAILURES"}


@pytest.mark.parametrize("proof", [Rejected, Unsent])
def test_a_sweep_stops_at_the_failure_that_is_one_too_many(proof):
    factories.risk_limits(max_consecutive_failures=1, cooldown_s=0)
    for number in range(3):
        a_market_worth_buying(category=f"category {number}")
    assert decided() == 3

    submit.run(as_of=NOW, venues={"PAPER": SilentVenue(failure=proof)})

    assert Order.objects.count() == 2
    assert open_kinds() == {"ORDER_FAILURES"}


def test_too_many_orders_of_unknown_fate_stop_entries_until_their_fate_is_known():
    factories.risk_limits(max_unknown_orders=1, max_consecutive_failures=100)
    first, _second = an_order(0, status="UNKNOWN"), an_order(1, status="UNKNOWN")

    failures.look("PAPER", as_of=ahead(2))
    assert open_kinds() == {"UNKNOWN_ORDERS"}

    Order.objects.filter(pk=first.pk).update(status="FILLED")
    failures.look("PAPER", as_of=ahead(3))
    assert open_kinds() == set()
