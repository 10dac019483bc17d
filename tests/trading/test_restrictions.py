"""How long a venue may keep us waiting, and what goes on meanwhile."""

import pytest

from config.kernel import audit
from tests.factories import NOW, ahead, revise
from tests.trading.world import (
    SilentVenue,
    an_intent,
    only_order,
)
from trading.orders import cancel, restrictions, submit
from trading.settings import ExecutionSettings
from trading.venue import Restricted

pytestmark = pytest.mark.django_db
BYTES = '{"the":"signed order"}'


def taking(**changes):
    return SilentVenue(payload=BYTES, failure=None, **changes)


def sweep(venue, *seconds):
    for second in seconds:
        submit.run(as_of=ahead(second), venues={"PAPER": venue})


@pytest.mark.parametrize("asked", [31e6, 1e12, float("inf"), float("nan")])
def test_a_venue_that_asks_for_a_year_gets_a_quarter_of_an_hour_and_people_are_told(asked):
    refusal = Restricted("RATE_LIMITED", retry_after_s=asked, message="HTTP 429")

    for second in (0, 1):
        ends = restrictions.impose("PAPER", "main", refusal, as_of=ahead(second))

    assert ends == ahead(901)
    assert audit.alerts().count() == 1


def test_a_person_says_how_long_we_wait_for_a_venue_at_most():
    revise(ExecutionSettings, longest_wait_s=30, cancel_wait_s=4)
    refusal = Restricted("RATE_LIMITED", retry_after_s=60, message="HTTP 429")

    assert restrictions.impose("PAPER", "main", refusal, as_of=NOW) == ahead(30)
    assert "for 30 s, then try again" in audit.alerts().get().data
    assert restrictions.cancels_until("PAPER", "main", as_of=ahead(25)) is None
    assert restrictions.cancels_until("PAPER", "main", as_of=ahead(27)) == ahead(30)


def test_an_order_told_to_come_again_in_a_million_years_waits_signed():
    an_intent()

    class Venue(SilentVenue):
        def place(self, ticket, *, as_of):
            raise Restricted("RATE_LIMITED", retry_after_s=1e12, message="HTTP 429")

    sweep(Venue(payload=BYTES), 0)

    assert only_order().status == "SIGNED"


def test_a_long_wait_holds_orders_back_and_no_cancel():
    an_intent()
    venue = taking()
    sweep(venue, 0)
    refusal = Restricted("RATE_LIMITED", retry_after_s=31e6, message="HTTP 429")
    restrictions.impose("PAPER", "main", refusal, as_of=ahead(1))

    cancel.everything("PAPER", venue, reason="stop", now=lambda: ahead(2))

    assert len(venue.canceled) == 1
    assert restrictions.until(only_order(), as_of=ahead(2)) is not None


def test_a_wait_of_seconds_holds_for_cancels_too():
    refusal = Restricted("RATE_LIMITED", retry_after_s=3, message="HTTP 429")
    restrictions.impose("PAPER", "main", refusal, as_of=NOW)

    assert restrictions.cancels_until("PAPER", "main", as_of=ahead(1)) == ahead(3)


def test_a_short_wait_does_not_make_a_long_one_forgotten():
    long = Restricted("DISABLED", retry_after_s=600, message="trading is disabled")
    short = Restricted("RATE_LIMITED", retry_after_s=1, message="HTTP 429")
    restrictions.impose("PAPER", "main", long, as_of=NOW)

    restrictions.impose("PAPER", "main", short, as_of=ahead(1))

    assert restrictions.standing("PAPER", "main", as_of=ahead(3)) == ("DISABLED", ahead(600))
