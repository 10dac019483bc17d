"""What a venue, a clock or a neighbour may do to us: nothing is sent twice, late or for others."""

from datetime import timedelta

import pytest

from config.kernel import locks
from markets.models import Outcome
from risk.models import Halt
from tests.factories import NOW, ahead, revise, trading_settings
from tests.trading import wallets
from tests.trading.world import (
    SilentVenue,
    a_market_worth_buying,
    an_intent,
    balance,
    decided,
    only_order,
)
from trading.adapters.clob import Clob
from trading.guard import heart
from trading.guard.admission import Admission
from trading.guard.rounds import Rounds
from trading.models import Account, Discrepancy, Order, TradeIntent, VenueState
from trading.orders import cancel, following, sending, submit, transitions
from trading.reconciling import reconcile
from trading.settings import ExecutionSettings, TradingSettings
from trading.venue import Receipt, Rejected, Restricted, Unsent

pytestmark = pytest.mark.django_db
BYTES = '{"the":"signed order"}'
MODE = wallets.MODE
OLD, NEW = wallets.WALLET, "0x00000000000000000000000000000000000000bb"


class Signing(SilentVenue):
    """A venue that knows whose money it spends."""

    wallet = NEW


def taking(**changes):
    return SilentVenue(payload=BYTES, failure=None, **changes)


def sweep(venue, *seconds):
    for second in seconds:
        submit.run(as_of=ahead(second), venues={"PAPER": venue})


def admission(wallet=NEW):
    return Admission(
        mode=MODE, wallet=wallet, is_leader=lambda: True, unready=lambda _at: "", began=True
    )


def test_the_guard_of_one_wallet_leaves_the_orders_of_another_alone():
    trading_settings(mode=MODE)
    wallets.funded()
    resting = wallets.an_order()
    waiting = wallets.an_order(status="APPROVED", venue_order_id=None)
    TradeIntent.objects.update(expires_at=ahead(10**5))
    venue = Signing(payload=BYTES, failure=None)

    for second in (600, 660, 720):
        submit.run(as_of=ahead(second), venues={MODE: venue}, modes=(MODE,))
    cancel.everything(MODE, venue, reason="the guard is stopping", now=lambda: ahead(900))

    resting.refresh_from_db()
    waiting.refresh_from_db()
    assert (resting.status, waiting.status) == ("OPEN", "APPROVED")
    assert (venue.placed, venue.asked, venue.canceled) == ([], 0, [])


def test_nothing_is_sent_while_another_wallet_has_orders_in_flight():
    trading_settings(mode=MODE)
    wallets.funded()
    order = wallets.an_order()
    VenueState.objects.create(mode=MODE, wallet=NEW, reconciled_at=NOW, changed_at=NOW)

    why = admission()(order.intent, ahead(1))
    assert OLD in why
    assert "1 order" in why
    transitions.end(order, to="CANCELED", reason="done", as_of=NOW)

    assert admission()(order.intent, ahead(1)) == ""


def test_an_order_of_another_wallet_that_never_left_ends_with_its_time():
    order = wallets.an_order(status="APPROVED", venue_order_id=None)
    TradeIntent.objects.update(expires_at=ahead(60))

    submit.run(as_of=ahead(61), venues={MODE: Signing()}, modes=(MODE,))

    order.refresh_from_db()
    assert (order.status, order.reserved) == ("EXPIRED", 0)


def unsigned():
    """The real adapter, as far as it comes without a key."""
    venue = Clob.__new__(Clob)
    venue.wallet, venue.signer = NEW, None
    return venue


@pytest.mark.parametrize("token", [None, "0x12", "9" * 79])
def test_an_order_without_a_token_that_can_be_signed_is_refused_and_the_next_goes(token):
    for probability in (0.7, 0.71):
        a_market_worth_buying(probability=probability)
    decided()
    poisoned = TradeIntent.objects.order_by("created_at").first()
    Outcome.objects.filter(pk=poisoned.outcome_id).update(asset_id=token)

    class Venue(SilentVenue):
        def prepare(self, ticket, *, as_of):
            if ticket.market_id == poisoned.market_id:
                return unsigned().prepare(ticket, as_of=as_of)
            return super().prepare(ticket, as_of=as_of)

    sweep(Venue(payload=BYTES, failure=None), 0)

    fates = {order.intent_id == poisoned.pk: order.status for order in Order.objects.all()}
    assert fates == {True: "REJECTED", False: "OPEN"}


def test_one_order_that_breaks_stops_neither_those_behind_it_nor_what_is_at_the_venue():
    for probability in (0.7, 0.71):
        a_market_worth_buying(probability=probability)
    decided()
    poisoned = TradeIntent.objects.order_by("created_at").first()

    class Venue(SilentVenue):
        def prepare(self, ticket, *, as_of):
            if ticket.market_id == poisoned.market_id:
                raise RuntimeError("no memory")
            return super().prepare(ticket, as_of=as_of)

    venue = Venue(payload=BYTES, failure=None)
    with pytest.raises(RuntimeError, match="no memory"):
        sweep(venue, 0)

    assert len(venue.placed) == 1
    assert venue.asked == 1
    sweep(venue, 61)
    assert {o.status for o in Order.objects.all()} == {"OPEN", "EXPIRED"}


@pytest.mark.parametrize("word", ["no balance \x00", "no balance \ud800"])
def test_a_refusal_in_words_that_no_database_takes_is_a_refusal(word):
    an_intent()

    class Venue(SilentVenue):
        def place(self, ticket, *, as_of):
            self.placed.append(ticket)
            raise Rejected(word)

    venue = Venue(payload=BYTES)
    sweep(venue, 0, 65, 80)

    assert len(venue.placed) == 1
    assert only_order().status == "REJECTED"
    assert only_order().reason.startswith("no balance")


def slow_lock(monkeypatch, clock, seconds):
    """Whoever waits for the ledger's lock waits so long."""
    hold = locks.hold

    def waits(*names):
        clock[0] += seconds
        hold(*names)

    monkeypatch.setattr(locks, "hold", waits)


def test_an_order_whose_time_ran_out_while_it_waited_for_the_lock_is_not_sent(monkeypatch):
    intent = an_intent()
    order = submit.claim(intent.pk, as_of=NOW)
    TradeIntent.objects.update(expires_at=ahead(2))
    order.intent.refresh_from_db()
    venue, clock = taking(), [0]
    slow_lock(monkeypatch, clock, 3)

    sending.send(order, venue, now=lambda: ahead(clock[0]))

    assert venue.placed == []
    assert only_order().status == "EXPIRED"


def test_an_order_in_doubt_whose_time_ran_out_at_the_lock_is_not_sent_again(monkeypatch):
    an_intent()
    sweep(SilentVenue(payload=BYTES), 0)
    order = only_order()
    clock = [0]
    slow_lock(monkeypatch, clock, 1000)

    assert not sending.mark_again(order, as_of=ahead(1), clock=lambda: ahead(clock[0]))


def test_a_dry_run_sends_nothing_that_was_claimed_before_it():
    an_intent()
    venue = SilentVenue(payload=BYTES, failure=Restricted)
    sweep(venue, 0)
    revise(TradingSettings, dry_run=True)
    venue.failure = None

    sweep(venue, 5)

    assert len(venue.placed) == 1
    assert only_order().status == "CANCELED"
    assert balance(Account.RESERVED) == 0


def test_a_dry_run_hands_nothing_in_again():
    an_intent()
    venue = SilentVenue(payload=BYTES)
    sweep(venue, 0)
    revise(TradingSettings, dry_run=True)

    sweep(venue, 5, 10, 15, 20)

    assert len(venue.placed) == 1


def test_an_agreement_and_a_heartbeat_of_the_future_are_none():
    VenueState.objects.create(
        mode=MODE, wallet=NEW, reconciled_at=ahead(3600), heartbeat_at=ahead(3600), changed_at=NOW
    )

    assert not reconcile.is_fresh(MODE, NEW, as_of=NOW, within=timedelta(seconds=90))
    config = ExecutionSettings.objects.current(as_of=NOW).as_config()
    assert not heart.is_healthy(MODE, NEW, config, as_of=NOW)


def rounds(venue, now, **changes):
    return Rounds(
        mode=MODE,
        venue=venue,
        chain=venue,
        payouts=changes.pop("payouts", lambda _now: None),
        look=changes.pop("look", lambda _now: None),
        admission=admission(),
        clock=lambda: ahead(now[0]),
    )


def test_after_the_clock_was_set_back_every_step_and_every_order_has_its_turn():
    wallets.funded()
    order = wallets.an_order(probed_at=ahead(3600))
    TradeIntent.objects.update(expires_at=ahead(10**5))

    class Venue(SilentVenue):
        wallet = OLD

        def __getattr__(self, _name):
            def nobody(*_args, **_named):
                raise Unsent("nobody answers")

            return nobody

    venue, looks, now = Venue(), [], [3600]
    guard = rounds(venue, now, look=looks.append)
    guard.turn()
    now[0] = 10
    guard.turn()

    assert looks == [ahead(3600), ahead(10)]
    assert venue.asked == 1
    order.refresh_from_db()
    assert order.probed_at == ahead(10)


@pytest.mark.parametrize("answer", [Rejected("HTTP 400: bad order id"), ValueError("NaN")])
def test_one_question_that_is_refused_does_not_hide_the_other_orders(answer):
    wallets.funded()
    bad, good = wallets.an_order(), wallets.an_order()

    class Venue(SilentVenue):
        wallet = OLD

        def look_up(self, tickets, *, as_of):
            if any(ticket.order_id == bad.pk for ticket in tickets):
                raise answer
            return {t.order_id: Receipt(venue_order_id=t.venue_order_id, status="CANCELED")
                    for t in tickets}  # fmt: skip

    following.follow(MODE, Venue(), now=lambda: ahead(100))

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, good.status) == ("OPEN", "CANCELED")


def test_a_busy_ledger_stops_the_guard_only_where_it_stays_busy():
    guard = rounds(Signing(), [0])

    def busy(_now):
        raise locks.LockTimeout("portfolio was held elsewhere for over 3000 ms")

    guard._take("orders", busy)
    guard._take("orders", busy)
    guard._take("orders", lambda _now: None)
    guard._take("orders", busy)
    guard._take("orders", busy)
    assert not Halt.objects.exists()
    guard._take("orders", busy)

    assert Halt.objects.get().kind == "ORDER_FAILURES"


def test_an_order_that_ended_here_and_lives_at_the_venue_is_cancelled_by_its_hash():
    wallet = wallets.funded()
    order = wallets.an_order()
    transitions.end(order, to="CANCELED", reason="gone", as_of=NOW)
    wallet.orders = [wallets.listed(order)]
    for second in (600, 700):
        reconcile.everything(MODE, OLD, wallet, chain=wallet, as_of=ahead(second))
    assert Discrepancy.objects.exists()

    class Venue(SilentVenue):
        wallet = OLD

    venue = Venue()
    cancel.run(MODE, venue, now=lambda: ahead(701))
    assert [ticket.venue_order_id for ticket in venue.canceled] == [order.venue_order_id]
    wallet.orders = []
    reconcile.everything(MODE, OLD, wallet, chain=wallet, as_of=ahead(760))
    cancel.run(MODE, venue, now=lambda: ahead(770))

    assert len(venue.canceled) == 1
    order.refresh_from_db()
    assert order.status == "CANCELED"
