"""An order whose fate is not known is neither lost nor doubled."""

from decimal import Decimal

import pytest

from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import (
    LATER,
    SilentVenue,
    an_intent,
    balance,
    only_order,
    paper,
)
from trading.books import portfolio
from trading.models import Account, Claim, Fill, Position
from trading.orders import sending, submit
from trading.venue import Execution, Receipt, Rejected, Unsent

pytestmark = pytest.mark.django_db


def test_a_silent_venue_leaves_the_order_unknown_and_unrepeatable():
    an_intent()
    silent = {"PAPER": SilentVenue()}

    for step in range(5):
        submit.run(as_of=ahead(30 * step), venues=silent)

    assert only_order().status == "UNKNOWN"
    assert len(silent["PAPER"].placed) == 1
    assert balance(Account.RESERVED) == only_order().reserved > 0
    assert Claim.objects.filter(released_at__isnull=True).count() == 1


def test_timeout_then_lookup_finds_fill():
    an_intent()
    silent = SilentVenue()
    submit.run(as_of=NOW, venues={"PAPER": silent})
    order = only_order()
    trade = Execution(
        trade_id="t1",
        price=Decimal("0.51"),
        shares=order.shares,
        fee=Decimal("0.01"),
        observed_at=ahead(5),
    )
    silent.answers[order.pk] = Receipt(
        venue_order_id="v1", status="FILLED", executions=(trade, trade)
    )

    submit.run(as_of=ahead(10), venues={"PAPER": silent})
    submit.run(as_of=ahead(20), venues={"PAPER": silent})

    assert only_order().status == "FILLED"
    assert Fill.objects.count() == 1
    assert Position.objects.get().shares == order.shares


@pytest.mark.parametrize(("failure", "status"), [(Rejected, "REJECTED"), (Unsent, "CANCELED")])
def test_proof_of_refusal_gives_the_money_back(failure, status):
    an_intent()

    submit.run(as_of=NOW, venues={"PAPER": SilentVenue(failure=failure)})

    assert only_order().status == status
    assert balance(Account.CASH) == 10_000
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def marked(intent):
    """An order whose worker died after it had committed to sending."""
    order = submit.claim(intent.pk, as_of=NOW)
    sending.sign(order, SilentVenue(), as_of=NOW)
    assert sending.mark(order, as_of=NOW)
    return order


def test_an_order_whose_worker_died_before_the_reply_is_looked_up_not_resent():
    marked(an_intent())
    silent = SilentVenue()

    submit.run(as_of=ahead(30), venues={"PAPER": silent})
    assert only_order().status == "SUBMITTING"
    submit.run(as_of=ahead(61), venues={"PAPER": silent})

    assert only_order().status == "UNKNOWN"
    assert silent.placed == []


@pytest.mark.parametrize("signed", [False, True])
def test_an_order_whose_worker_died_before_it_committed_to_sending_is_sent_once(signed):
    order = submit.claim(an_intent().pk, as_of=NOW)
    silent = SilentVenue()
    if signed:
        sending.sign(order, silent, as_of=NOW)

    for step in range(1, 4):
        submit.run(as_of=ahead(step), venues={"PAPER": silent})

    assert len(silent.placed) == 1
    assert only_order().attempts == 1


def test_an_order_found_signed_after_its_time_never_left_and_gives_everything_back():
    order = submit.claim(an_intent().pk, as_of=NOW)
    silent = SilentVenue()
    sending.sign(order, silent, as_of=NOW)

    submit.run(as_of=ahead(61), venues={"PAPER": silent})

    assert (only_order().status, only_order().attempts, silent.placed) == ("EXPIRED", 0, [])
    assert balance(Account.CASH) == 10_000
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def test_a_sweep_finishes_what_a_dead_worker_began():
    intent = an_intent()
    order = submit.claim(intent.pk, as_of=NOW)
    venue = paper()["PAPER"]
    sending.sign(order, venue, as_of=NOW)
    sending.mark(order, as_of=NOW)
    factories.QuoteFactory(market=intent.market, at=LATER)

    submit.run(as_of=ahead(61), venues=paper())

    assert only_order().status == "FILLED"


def test_an_overfill_is_recorded_and_halts():
    an_intent()
    silent = SilentVenue()
    submit.run(as_of=NOW, venues={"PAPER": silent})
    order = only_order()
    twice = Execution(
        trade_id="t1",
        price=Decimal("0.51"),
        shares=order.shares * 2,
        fee=Decimal(0),
        observed_at=NOW,
    )
    silent.answers[order.pk] = Receipt(venue_order_id="v", status="FILLED", executions=(twice,))

    submit.run(as_of=ahead(5), venues={"PAPER": silent})

    assert Position.objects.get().shares == order.shares * 2
    assert portfolio.snapshot("PAPER", as_of=ahead(6)).state == "HALTED"
