"""Nothing is created while the venue does not hear us: its dead-man switch may strike."""

import pytest

from tests import factories
from tests.factories import NOW, ahead, trading_settings
from tests.trading.world import SilentVenue
from trading.books import claims, ledger, portfolio
from trading.guard.admission import Admission
from trading.guard.heart import Heart
from trading.models import ExecutionSettings, Order, VenueState
from trading.orders import submit
from trading.venue import Receipt, Unsent, WrongHeartbeat

pytestmark = pytest.mark.django_db

MODE = "REHEARSAL"


class Listening(SilentVenue):
    """Takes orders; hears heartbeats while `hears`; expects the id it gave out last."""

    wallet = "main"
    hears = True
    expected = ""

    def beat(self, heartbeat_id):
        if not self.hears:
            raise Unsent("401 Unauthorized")
        if heartbeat_id != self.expected:
            raise WrongHeartbeat(self.expected)
        self.expected = f"{len(self.expected) + 1}"
        return self.expected


@pytest.fixture
def venue():
    trading_settings(mode=MODE)
    ledger.post(
        "deposit:test", debit="EXTERNAL", credit="CASH", amount=1000, kind="deposit", mode=MODE,
        as_of=NOW,
    )  # fmt: skip
    VenueState.objects.create(mode=MODE, wallet="main", reconciled_at=NOW, changed_at=NOW)
    return Listening(payload="bytes", failure=None)


def an_approved_intent(order_type="GTC"):
    intent = factories.IntentFactory(
        mode=MODE, status="APPROVED", type=order_type, approvals_needed=0, expires_at=ahead(600)
    )
    claims.take(intent, as_of=NOW)
    ledger.post(
        portfolio.reserve_key(intent.pk), debit="CASH", credit="RESERVED", amount=60,
        kind="reserve", mode=MODE, market_id=intent.market_id, as_of=NOW,
    )  # fmt: skip
    return intent


def guard(venue, **changes):
    admission = Admission(
        mode=MODE, wallet="main", is_leader=lambda: True, unready=lambda _at: "", began=True
    )
    for name, value in changes.items():
        setattr(admission, name, value)
    return admission, Heart(mode=MODE, venue=venue)


def turn(venue, admission, heart, second):
    config = ExecutionSettings.objects.newest().as_config()
    heart.keep(config, as_of=ahead(second))
    for order in Order.objects.filter(status="OPEN"):
        venue.answers[order.pk] = Receipt(venue_order_id="", status="OPEN")
    submit.run(as_of=ahead(second), venues={MODE: venue}, modes=(MODE,), admit=admission)


def test_after_the_heartbeat_failed_no_order_is_created_until_it_is_heard_again(venue):
    admission, heart = guard(venue)
    an_approved_intent()
    turn(venue, admission, heart, 0)
    assert len(venue.placed) == 1

    venue.hears = False
    an_approved_intent("FAK")
    an_approved_intent("GTC")
    for second in (11, 30, 59):
        turn(venue, admission, heart, second)
    assert len(venue.placed) == 1

    venue.hears = True
    turn(venue, admission, heart, 66)
    assert len(venue.placed) == 3


def test_a_signed_order_waits_for_the_heart_too(venue):
    admission, heart = guard(venue)
    venue.hears = False
    order = submit.claim(an_approved_intent().pk, as_of=NOW)

    turn(venue, admission, heart, 1)

    order.refresh_from_db()
    assert (order.status, order.attempts, venue.placed) == ("SIGNED", 0, [])


def test_where_nothing_rests_no_heartbeat_is_sent_and_none_is_missed(venue):
    admission, heart = guard(venue)
    an_approved_intent("FAK")

    turn(venue, admission, heart, 0)

    assert len(venue.placed) == 1
    assert venue.expected == ""


def test_a_beat_whose_reply_was_lost_goes_on_with_the_id_that_the_venue_names(venue):
    admission, heart = guard(venue)
    venue.expected = "another"
    an_approved_intent()

    turn(venue, admission, heart, 0)

    assert VenueState.objects.get().heartbeat_id == venue.expected != ""
    assert len(venue.placed) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"began": False},
        {"stopping": True},
        {"is_leader": lambda: False},
        {"unready": lambda _at: "no key"},
    ],
    ids=["not reconciled", "stopping", "another leads", "not ready"],
)
def test_nothing_is_sent_while_something_is_missing(venue, changes):
    admission, heart = guard(venue, **changes)
    intent = an_approved_intent("FAK")

    turn(venue, admission, heart, 0)

    intent.refresh_from_db()
    assert (intent.status, venue.placed) == ("APPROVED", [])


def test_an_agreement_that_is_too_old_is_none(venue):
    VenueState.objects.update(reconciled_at=NOW)
    admission, heart = guard(venue)
    an_approved_intent("FAK")

    turn(venue, admission, heart, 400)

    assert venue.placed == []
