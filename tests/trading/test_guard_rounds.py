"""The guard's rounds: who leads acts, what stands is told once, what failed is soon tried again."""

import pytest

from config.kernel.models import DomainEvent
from risk.models import Halt
from tests.factories import NOW, ahead
from tests.trading import wallets
from tests.trading.wallets import MODE, WALLET
from tests.trading.world import SilentVenue
from trading.books import portfolio
from trading.guard.admission import Admission
from trading.guard.rounds import Rounds
from trading.models import Order
from trading.venue import Unsent

pytestmark = pytest.mark.django_db


class Venue(SilentVenue):
    """Takes cancels and knows of no order; what else it is asked it does not hear."""

    wallet = WALLET

    def __getattr__(self, _name):
        def nobody(*_args, **_named):
            raise Unsent("nobody answers")

        return nobody


def rounds(venue, *, leads=lambda: True, now=lambda: NOW, **changes):
    admission = Admission(mode=MODE, wallet=WALLET, is_leader=leads, unready=lambda _at: "")
    steps = {"chain": venue, "payouts": lambda _now: None, "look": lambda _now: None} | changes
    return Rounds(mode=MODE, venue=venue, admission=admission, clock=now, **steps)


def test_a_guard_that_leads_no_more_leaves_the_orders_to_its_successor():
    wallets.funded()
    order = wallets.an_order()
    venue = Venue()

    left = rounds(venue, leads=lambda: False).end(wait=lambda: False)

    order.refresh_from_db()
    assert (venue.canceled, venue.asked, order.cancel_asked_at) == ([], 0, None)
    assert (left, order.status) == (1, "OPEN")


def test_a_guard_that_leads_cancels_what_rests_and_stops_following_when_it_leads_no_more():
    wallets.funded()
    order = wallets.an_order()
    venue, leads, looks = Venue(), [True], []

    def wait():
        looks.append(venue.asked)
        leads[0] = len(looks) < 2
        return len(looks) < 9

    rounds(venue, leads=lambda: leads[0]).end(wait=wait)

    assert [ticket.order_id for ticket in venue.canceled] == [order.pk]
    assert len(looks) == 2
    assert Order.objects.get().status == "OPEN"


def test_a_guard_that_loses_the_lead_in_the_middle_of_a_turn_ends_it_there():
    leads, paid = [True], []

    def lost(_now):
        leads[0] = False

    guard = rounds(Venue(), leads=lambda: leads[0], look=lost, payouts=paid.append)
    guard.turn()
    assert paid == []

    leads[0] = True
    guard.turn()
    assert paid == [NOW]


def test_a_step_that_breaks_at_every_turn_is_told_once():
    def broken(_now):
        raise ZeroDivisionError("again")

    seconds = [0]
    guard = rounds(Venue(), payouts=broken, now=lambda: ahead(seconds[0]))
    for seconds[0] in (0, 100, 200):
        guard.turn()

    assert Halt.objects.get().kind == "ORDER_FAILURES"
    assert not DomainEvent.objects.filter(kind="halt.repeated").exists()


def test_a_comparison_that_failed_is_tried_again_as_soon_as_open_questions():
    guard = rounds(Venue())
    guard.turn()

    config = guard._config(NOW)
    assert config.reconcile_in_doubt_s < config.reconcile_all_s
    assert guard.due["books"] == ahead(config.reconcile_in_doubt_s)


def test_the_books_are_those_of_the_wallet_whose_guard_began_last():
    seconds = [0]
    first, second = Venue(), Venue()
    second.wallet = "0x00000000000000000000000000000000000000bb"

    for seconds[0], venue in enumerate((first, second, first)):
        rounds(venue, now=lambda: ahead(seconds[0])).begin()
        assert portfolio.wallet(MODE) == venue.wallet
