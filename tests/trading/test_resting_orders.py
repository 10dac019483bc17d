"""Orders that rest: when they are cancelled, by whom, and that the venue says how they ended."""

import pytest

from risk import halts
from tests.factories import NOW, ahead, revise
from tests.trading.world import SilentVenue, an_intent, balance, only_order
from trading.models import Account, Claim, ExecutionSettings
from trading.orders import cancel, sending, submit
from trading.venue import Receipt

pytestmark = pytest.mark.django_db
BYTES = '{"the":"signed order"}'


def sweep(venue, *seconds):
    for second in seconds:
        submit.run(as_of=ahead(second), venues={"PAPER": venue})


def is_held():
    claimed = Claim.objects.filter(released_at__isnull=True).count() == 1
    return claimed and balance(Account.RESERVED) == only_order().reserved > 0


def a_resting_order(**settings):
    revise(ExecutionSettings, **settings)
    intent = an_intent()
    type(intent).objects.filter(pk=intent.pk).update(type="GTC")
    venue = SilentVenue(payload=BYTES, failure=None)
    sweep(venue, 0)
    order = only_order()
    venue.answers[order.pk] = Receipt(venue_order_id="", status="OPEN")
    return venue


def test_an_order_that_rests_for_too_long_is_cancelled_and_ends_when_the_venue_says_so():
    venue = a_resting_order(stale_order_s=300)
    sweep(venue, 150, 299)
    assert venue.canceled == []

    sweep(venue, 300, 301)
    assert [t.venue_order_id for t in venue.canceled] == [only_order().venue_order_id]
    assert only_order().status == "OPEN"
    assert is_held()

    venue.answers[only_order().pk] = Receipt(venue_order_id="", status="CANCELED")
    sweep(venue, 302)
    assert only_order().status == "CANCELED"
    assert balance(Account.CASH) == 10_000


def test_a_cancel_that_was_not_heard_is_asked_for_again():
    venue = a_resting_order(stale_order_s=10)

    sweep(venue, 10, 12, 16)

    assert len(venue.canceled) == 2


@pytest.mark.parametrize(("state", "cancels"), [("LISTEN_ONLY", 0), ("REDUCING", 1), ("HALTED", 1)])
def test_what_a_halt_does_to_a_resting_entry(state, cancels):
    venue = a_resting_order()
    halts.open_halt("MANUAL", reason="a test", actor="ann", as_of=ahead(1), state=state)

    sweep(venue, 2)

    assert len(venue.canceled) == cancels


def test_a_market_that_ends_soon_is_left():
    venue = a_resting_order(cancel_before_end_s=60)
    market = only_order().market
    type(market).objects.filter(pk=market.pk).update(scheduled_end_at=ahead(70))

    sweep(venue, 9)
    assert venue.canceled == []
    sweep(venue, 10)

    assert len(venue.canceled) == 1


def test_a_wish_to_cancel_reaches_the_venue_with_the_next_sweep():
    venue = a_resting_order()

    assert cancel.wish(only_order(), as_of=ahead(1))
    sweep(venue, 2)

    assert len(venue.canceled) == 1
    assert not cancel.wish(only_order(), as_of=ahead(3))


def test_an_order_that_never_left_is_cancelled_at_once():
    order = submit.claim(an_intent().pk, as_of=NOW)
    venue = SilentVenue(payload=BYTES)
    sending.sign(order, venue, as_of=NOW)

    cancel.everything("PAPER", venue, reason="shutdown", now=lambda: ahead(1))

    assert (only_order().status, venue.canceled, venue.placed) == ("CANCELED", [], [])
    assert balance(Account.CASH) == 10_000
