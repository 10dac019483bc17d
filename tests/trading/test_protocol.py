"""Three kinds of failure, the same bytes or nothing, and everything held until proof."""

from dataclasses import replace
from decimal import Decimal

import pytest

from config.kernel.models import DomainEvent
from risk import halts
from risk.models import Halt
from tests import factories
from tests.factories import NOW, ahead, revise, trading_settings
from tests.trading import wallets
from tests.trading.world import SilentVenue, an_intent, balance, only_order
from trading.books import claims, ledger, portfolio
from trading.deciding import wishes
from trading.models import Account, Claim, ExecutionSettings, Fill, Order, VenueState
from trading.orders import following, restrictions, sending, submit
from trading.venue import (
    Execution,
    OutcomeUnknown,
    Receipt,
    Rejected,
    Restricted,
    Unauthorised,
    Unsent,
)
from trading.watching import failures

pytestmark = pytest.mark.django_db
BYTES = '{"the":"signed order"}'


def sweep(venue, *seconds):
    for second in seconds:
        submit.run(as_of=ahead(second), venues={"PAPER": venue})


def an_unknown_order():
    """An order that was handed in at `NOW` and of which nobody heard again."""
    an_intent()
    venue = SilentVenue(payload=BYTES)
    sweep(venue, 0)
    assert only_order().status == "UNKNOWN"
    return venue


def is_held():
    claimed = Claim.objects.filter(released_at__isnull=True).count() == 1
    return claimed and balance(Account.RESERVED) == only_order().reserved > 0


def test_hash_and_bytes_are_stored_before_anything_is_sent():
    an_intent()
    seen = []

    class Looking(SilentVenue):
        def place(self, ticket, *, as_of):
            row = Order.objects.get()
            seen.append((row.status, row.attempts, row.venue_order_id, row.payload))
            return super().place(ticket, as_of=as_of)

    sweep(Looking(payload=BYTES), 0)

    assert seen == [("SUBMITTING", 1, f"0x{only_order().pk.hex}", BYTES)]


def test_after_two_clean_probes_the_same_bytes_are_handed_in_again_and_no_others():
    venue = an_unknown_order()

    sweep(venue, 4)
    assert len(venue.placed) == 1
    sweep(venue, 5, 10, 15, 20, 25)

    assert len(venue.placed) >= 2
    assert {(t.venue_order_id, t.payload) for t in venue.placed} == {
        (only_order().venue_order_id, BYTES)
    }
    assert is_held()


def test_what_the_second_attempt_is_told_ends_the_doubt_where_it_is_an_acknowledgement():
    venue = an_unknown_order()
    venue.failure = None

    sweep(venue, 5, 10)

    assert only_order().status == "OPEN"
    assert only_order().acknowledged_at is not None
    sweep(venue, 15, 20, 25)
    assert len(venue.placed) == 2


@pytest.mark.parametrize("refusal", [Rejected, Unsent, Restricted, OutcomeUnknown])
def test_a_refusal_of_the_second_attempt_says_nothing_of_the_first(refusal):
    venue = an_unknown_order()
    venue.failure = refusal

    sweep(venue, 5, 10, 15)

    assert only_order().status == "UNKNOWN"
    assert is_held()


def test_a_second_attempt_that_was_killed_says_nothing_of_the_first():
    class Killing(SilentVenue):
        def place(self, ticket, *, as_of):
            super().place(ticket, as_of=as_of)
            return Receipt(venue_order_id=ticket.venue_order_id, status="CANCELED", reason="killed")

    an_unknown_order()
    venue = Killing(payload=BYTES, failure=None)

    sweep(venue, 5, 10)

    assert len(venue.placed) == 1
    assert only_order().status == "UNKNOWN"
    assert "killed" in only_order().reason
    assert is_held()


def test_a_first_attempt_that_was_killed_is_over():
    class Killing(SilentVenue):
        def place(self, ticket, *, as_of):
            return Receipt(venue_order_id=ticket.venue_order_id, status="CANCELED", reason="killed")

    an_intent()
    sweep(Killing(payload=BYTES), 0)

    assert only_order().status == "CANCELED"
    assert balance(Account.CASH) == 10_000


def test_after_its_time_it_is_never_sent_again_but_cancelled_by_its_hash_and_waited_for():
    revise(ExecutionSettings, probe_every_s=20)
    venue = an_unknown_order()
    sweep(venue, *range(20, 61, 20))
    sent = len(venue.placed)

    sweep(venue, *range(80, 161, 20))
    assert len(venue.placed) == sent
    assert {t.venue_order_id for t in venue.canceled} == {only_order().venue_order_id}
    assert only_order().status == "UNKNOWN"
    assert is_held()

    sweep(venue, 180, 200)
    assert only_order().status == "EXPIRED"
    assert balance(Account.CASH) == 10_000
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def test_a_probe_that_was_not_answered_is_no_clean_probe():
    venue = an_unknown_order()

    class Deaf(SilentVenue):
        def look_up(self, tickets, *, as_of):
            raise Unsent("no route")

    before = only_order().clean_probes
    sweep(Deaf(payload=BYTES), 5, 30, 70, 200)

    assert only_order().clean_probes == before
    assert only_order().status == "UNKNOWN"
    assert len(venue.placed) == 1


def test_one_bad_answer_does_not_hide_the_others():
    first = an_intent()
    second = an_intent(category="sports")
    venue = SilentVenue(payload=BYTES)
    sweep(venue, 0)
    poison = Order.objects.get(intent=first)
    venue.answers[Order.objects.get(intent=second).pk] = Receipt(
        venue_order_id="", status="CANCELED"
    )

    class Picky(SilentVenue):
        def look_up(self, tickets, *, as_of):
            if poison.pk in {t.order_id for t in tickets}:
                raise OutcomeUnknown("500")
            return super().look_up(tickets, as_of=as_of)

    sweep(Picky(payload=BYTES, answers=venue.answers), 5)

    assert Order.objects.get(intent=second).status == "CANCELED"
    assert Order.objects.get(intent=first).status == "UNKNOWN"


def test_nothing_is_handed_in_again_while_trading_is_halted():
    venue = an_unknown_order()
    halts.open_halt("MANUAL", reason="a test", actor="ann", as_of=ahead(1))

    sweep(venue, 5, 10, 30, 60)

    assert len(venue.placed) == 1
    assert venue.canceled
    assert is_held()


def test_an_order_that_was_acknowledged_and_vanished_is_never_handed_in_again():
    an_intent()
    venue = SilentVenue(payload=BYTES, failure=None)
    sweep(venue, 0, 5, 10)
    assert only_order().status == "UNKNOWN"

    sweep(venue, 15, 30, 45)

    assert len(venue.placed) == 1
    assert is_held()


def test_timeout_unknown_blocks_market():
    venue = an_unknown_order()

    assert is_held()
    assert Claim.objects.get(released_at__isnull=True).market_id == only_order().market_id
    assert len(venue.placed) == 1


def test_an_answer_about_another_order_is_no_answer():
    an_intent()

    class Confused(SilentVenue):
        def place(self, ticket, *, as_of):
            return Receipt(venue_order_id="0xother", status="OPEN")

    sweep(Confused(payload=BYTES), 0)

    assert only_order().status == "UNKNOWN"
    assert is_held()


def test_two_workers_sign_the_same_order_and_one_of_the_two_is_the_order():
    order = submit.claim(an_intent().pk, as_of=NOW)
    twin = Order.objects.get(pk=order.pk)

    assert sending.sign(order, SilentVenue(payload="first"), as_of=NOW)
    assert not sending.sign(twin, SilentVenue(payload="second"), as_of=NOW)

    assert only_order().payload == "first"
    assert sending.mark(order, as_of=NOW)
    assert not sending.mark(twin, as_of=NOW)


def test_a_late_refusal_does_not_undo_what_was_settled_meanwhile():
    order = submit.claim(an_intent().pk, as_of=NOW)
    venue = SilentVenue(payload=BYTES)
    sending.sign(order, venue, as_of=NOW)
    sending.mark(order, as_of=NOW)
    Order.objects.filter(pk=order.pk).update(status="OPEN")
    venue.failure = Rejected

    sending.hand_in(order, venue, now=lambda: NOW)

    assert only_order().status == "OPEN"


def test_http_425_enters_wait_mode_without_failure_count():
    for number in range(3):
        an_intent(category=f"category {number}")
    factories.risk_limits(max_consecutive_failures=0)
    venue = SilentVenue(payload=BYTES, failure=Restricted)

    sweep(venue, 0, 1)

    assert len(venue.placed) == 1
    assert failures.consecutive("PAPER") == 0
    assert not Halt.objects.exists()
    waiting = Order.objects.get()
    assert (waiting.status, waiting.attempts) == ("SIGNED", 0)
    assert waiting.next_attempt_at == ahead(2)


def test_after_a_restart_takers_wait_two_minutes_and_expire_meanwhile():
    an_intent()
    venue = SilentVenue(payload=BYTES, failure=Restricted)
    sweep(venue, 0)
    venue.failure = None

    sweep(venue, 3, 30, 59)
    assert len(venue.placed) == 1
    sweep(venue, 61)

    assert only_order().status == "EXPIRED"
    assert balance(Account.CASH) == 10_000
    assert failures.consecutive("PAPER") == 0


@pytest.mark.parametrize(
    ("restriction", "post_only", "sent"),
    [("POST_ONLY", True, 1), ("POST_ONLY", False, 0), ("CANCEL_ONLY", True, 0)],
)
def test_a_restricted_venue_is_sent_what_it_takes_and_nothing_else(restriction, post_only, sent):
    intent = an_intent()
    type(intent).objects.filter(pk=intent.pk).update(
        type="GTD" if post_only else "FAK", post_only=post_only
    )
    refusal = Restricted(restriction, retry_after_s=120, message="for a while")
    restrictions.impose("PAPER", "main", refusal, as_of=NOW)
    venue = SilentVenue(payload=BYTES, failure=None)

    sweep(venue, 1)

    assert len(venue.placed) == sent


def test_a_restriction_ends_by_itself():
    refusal = Restricted("RATE_LIMITED", retry_after_s=3, message="slow down")
    restrictions.impose("PAPER", "main", refusal, as_of=NOW)
    an_intent()
    venue = SilentVenue(payload=BYTES, failure=None)

    sweep(venue, 1, 2)
    assert venue.placed == []
    sweep(venue, 3)

    assert len(venue.placed) == 1
    assert VenueState.objects.get().restriction == "RATE_LIMITED"
    assert restrictions.standing("PAPER", "main", as_of=ahead(4)) == ("NONE", None)


def test_a_venue_that_refuses_who_we_are_halts_the_mode():
    an_intent()

    sweep(SilentVenue(payload=BYTES, failure=Unauthorised), 0)

    assert only_order().status == "REJECTED"
    assert halts.state(as_of=ahead(1), mode="PAPER") == "HALTED"


def test_a_venue_that_goes_on_refusing_who_we_are_is_one_line_in_the_trail():
    venue = an_unknown_order()
    order = only_order()
    for second in range(3):
        # As if another worker had gone so far before the stop.
        Order.objects.filter(pk=order.pk).update(status="SUBMITTING")
        venue.failure = Unauthorised
        sending.hand_in(only_order(), venue, now=lambda second=second: ahead(second))

    assert halts.state(as_of=ahead(9), mode="PAPER") == "HALTED"
    assert [halt.kind for halt in Halt.objects.all()] == ["CREDENTIALS"]
    assert not DomainEvent.objects.filter(kind="halt.repeated").exists()


def test_who_is_not_admitted_now_waits_and_is_not_refused():
    intent = an_intent()
    venue = SilentVenue(payload=BYTES, failure=None)

    submit.run(as_of=NOW, venues={"PAPER": venue}, admit=lambda _wish, _at: "no heartbeat")
    intent.refresh_from_db()
    assert (intent.status, venue.placed) == ("APPROVED", [])
    sweep(venue, 1)

    assert len(venue.placed) == 1


def test_what_the_venue_could_never_take_is_refused_before_it_is_an_order():
    intent = an_intent()
    type(intent).objects.filter(pk=intent.pk).update(limit_price="0.515")

    sweep(SilentVenue(), 0)

    intent.refresh_from_db()
    assert intent.status == "REJECTED"
    assert "no multiple of the tick" in intent.reason
    assert balance(Account.CASH) == 10_000


@pytest.mark.parametrize(("shares", "claimed"), [("5", False), ("5.04", True)])
def test_a_purchase_that_its_promise_cuts_below_a_dollar_never_leaves(shares, claimed):
    trading_settings(mode=wallets.MODE)
    wallets.funded()
    VenueState.objects.create(mode=wallets.MODE, wallet=wallets.WALLET, changed_at=NOW)
    intent = factories.IntentFactory(
        mode=wallets.MODE, wallet=wallets.WALLET, status="APPROVED", type="FAK",
        limit_price=Decimal("0.2"), shares=Decimal(shares), approvals_needed=0,
    )  # fmt: skip
    ledger.post(
        portfolio.reserve_key(intent.pk), debit=Account.CASH, credit=Account.RESERVED,
        amount=wishes.cost(intent.shares, intent.limit_price, intent.market), kind="reserve",
        mode=wallets.MODE, wallet=wallets.WALLET, market_id=intent.market_id, as_of=NOW,
    )  # fmt: skip

    claims.take(intent, as_of=NOW)

    order = submit.claim(intent.pk, as_of=ahead(1))

    intent.refresh_from_db()
    assert (order is not None, intent.status) == (
        (True, "EXECUTED") if claimed else (False, "REJECTED")
    )
    assert claimed or "MIN_DOLLARS" in intent.reason


def test_monitoring_only_sends_nothing():
    intent = an_intent()
    trading_settings(placing_orders=False)
    venue = SilentVenue(failure=None)

    sweep(venue, 0)

    intent.refresh_from_db()
    assert (intent.status, venue.placed) == ("REJECTED", [])


def test_the_only_sender_suspects_at_once_what_its_last_life_left():
    order = submit.claim(an_intent().pk, as_of=NOW)
    sending.sign(order, SilentVenue(), as_of=NOW)
    sending.mark(order, as_of=NOW)
    config = ExecutionSettings.objects.newest().as_config()

    assert following.suspect_abandoned("PAPER", config, as_of=ahead(1)) == 0
    assert following.suspect_abandoned("PAPER", config, as_of=ahead(1), at_once=True) == 1
    assert Fill.objects.count() == 0


def partly_filled_and_vanished():
    """An order that rests, was filled in part, and is not found any more, once so far."""
    an_intent()
    venue = SilentVenue(payload=BYTES, failure=None)
    sweep(venue, 0)
    order = only_order()
    part = Execution(
        trade_id="t1", price=order.price, shares=Decimal(4), fee=Decimal(0), observed_at=ahead(1)
    )
    venue.answers[order.pk] = Receipt(
        venue_order_id=order.venue_order_id, status="UNKNOWN", executions=(part,)
    )
    sweep(venue, 5)
    return venue


def test_a_partly_filled_order_that_is_not_found_once_is_booked_and_stays_held():
    partly_filled_and_vanished()

    order = only_order()
    assert (order.status, order.filled_shares, order.clean_probes) == ("OPEN", 4, 0)
    assert is_held()


def test_a_partly_filled_order_that_vanished_is_cancelled_and_held_like_any_in_doubt():
    revise(ExecutionSettings, probe_every_s=20)
    venue = partly_filled_and_vanished()

    sweep(venue, 25, 45, 65)
    assert only_order().status == "UNKNOWN"
    assert [ticket.venue_order_id for ticket in venue.canceled] == [only_order().venue_order_id]
    sweep(venue, *range(85, 180, 20))
    assert only_order().status == "UNKNOWN"
    assert is_held()
    sweep(venue, 185, 205)

    assert (only_order().status, only_order().filled_shares) == ("CANCELED", 4)
    assert balance(Account.RESERVED) == 0
    assert len(venue.placed) == 1


def test_a_trade_that_shows_up_while_an_order_is_not_found_is_a_trace_of_it():
    venue = partly_filled_and_vanished()
    sweep(venue, 10)
    assert only_order().clean_probes == 1
    told = venue.answers[only_order().pk]
    (part,) = told.executions
    more = replace(part, trade_id="t2", shares=Decimal(3))
    venue.answers[only_order().pk] = replace(told, executions=(part, more))

    sweep(venue, 15)

    assert (only_order().filled_shares, only_order().clean_probes) == (7, 0)


@pytest.mark.parametrize(
    "failure", [OutcomeUnknown("no answer"), Unsent("no route"), Rejected("?")]
)
def test_an_order_whose_cancel_was_never_heard_is_held_for_as_long_as_it_takes(failure):
    revise(ExecutionSettings, probe_every_s=20)
    venue = an_unknown_order()
    venue.cancel_failure = failure

    sweep(venue, *range(20, 1001, 20))
    assert only_order().status == "UNKNOWN"
    assert is_held()
    assert len(venue.canceled) > 10
    venue.cancel_failure = None
    sweep(venue, *range(1020, 1140, 20))
    assert only_order().status == "UNKNOWN"
    sweep(venue, 1140, 1160)

    assert only_order().status == "EXPIRED"
    assert balance(Account.CASH) == 10_000


def test_an_order_that_may_not_be_cancelled_for_now_is_not_given_up_meanwhile():
    revise(ExecutionSettings, probe_every_s=20, cancel_wait_s=3600, longest_wait_s=3600)
    venue = an_unknown_order()
    refusal = Restricted("DISABLED", retry_after_s=1000, message="disabled")
    restrictions.impose("PAPER", "main", refusal, as_of=ahead(1))

    sweep(venue, *range(20, 1001, 20))

    assert venue.canceled == []
    assert only_order().status == "UNKNOWN"
    assert is_held()
