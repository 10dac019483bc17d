"""Types of orders at the simulated venue: at once, all or nothing, resting, and how they end."""

from dataclasses import replace
from decimal import Decimal

import pytest

from markets.models import PublicTrade
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import LATER, an_intent, nobody_answers, only_order, paper, traded
from trading.adapters.paper import Paper
from trading.books import ledger
from trading.models import Account, Fill, Order, Position, TradeIntent
from trading.orders import cancel, submit, transitions
from trading.venue import Rejected

pytestmark = pytest.mark.django_db
VENUE = Paper(latency=LATER - NOW, refresh=nobody_answers)
WIDE = ([(0.45, 100), (0.40, 1000)], [(0.51, 60), (0.52, 5000)])


def a_ticket(price="0.45", shares="50", *, book=WIDE, **changes):
    """An order that was handed in at NOW and met `book` after the latency."""
    an_intent()
    submit.run(as_of=NOW, venues=paper())
    order = only_order()
    Order.objects.filter(pk=order.pk).update(price=Decimal(price), shares=Decimal(shares))
    factories.QuoteFactory(market=order.market, at=LATER, book=book)
    told = submit.ticket(Order.objects.select_related("market__fees", "outcome", "intent").get())
    return replace(told, **{"type": "GTC"} | changes)


def a_print(ticket, at, shares, *, price=0.45, side="SELL", index=0, learned=None):
    return PublicTrade.objects.create(
        trade_key=f"{at}-{price}-{index}-{side}",
        market_id=ticket.market_id,
        outcome_index=index,
        observed_at=ahead(at),
        received_at=ahead(learned or at),
        side=side,
        price=price,
        shares=shares,
    )


def looked_up(ticket, at=100):
    return VENUE.look_up([ticket], as_of=ahead(at))[ticket.order_id]


def filled(receipt):
    return [(float(t.price), float(t.shares), t.is_maker) for t in receipt.executions]


def test_all_or_nothing_takes_nothing_where_a_share_is_missing():
    missing = looked_up(a_ticket("0.51", "61", type="FOK"))

    assert (missing.status, missing.executions) == ("CANCELED", ())
    assert "all or nothing" in missing.reason


def test_all_or_nothing_takes_all_where_the_levels_suffice():
    whole = looked_up(a_ticket("0.52", "61", type="FOK"))

    assert whole.status == "FILLED"
    assert filled(whole) == [(0.51, 60, False), (0.52, 1, False)]
    assert all(trade.fee > 0 for trade in whole.executions)


def test_a_post_only_order_that_would_cross_does_nothing():
    receipt = looked_up(a_ticket("0.51", post_only=True))

    assert (receipt.status, receipt.executions) == ("CANCELED", ())
    assert "post-only" in receipt.reason


def test_a_post_only_order_below_the_offers_rests():
    assert looked_up(a_ticket("0.50", post_only=True)).status == "OPEN"


def test_post_only_belongs_to_orders_that_rest():
    ticket = a_ticket(type="FAK", post_only=True)

    with pytest.raises(Rejected, match="GTC and GTD"):
        VENUE.prepare(ticket, as_of=NOW)
    with pytest.raises(Rejected, match="rest_until"):
        VENUE.prepare(replace(ticket, type="GTD", post_only=False), as_of=NOW)


def test_what_rests_waits_behind_the_shares_that_stood_there_and_pays_no_fee():
    ticket = a_ticket()
    a_print(ticket, 5, 90)
    a_print(ticket, 6, 30)
    receipt = looked_up(ticket)

    assert receipt.status == "OPEN"
    assert filled(receipt) == [(0.45, 20, True)]
    assert receipt.executions[0].fee == 0


def test_a_taker_who_buys_the_other_outcome_hits_our_bid_too():
    ticket = a_ticket("0.46")
    a_print(ticket, 5, 10, price=0.54, side="BUY", index=1)
    a_print(ticket, 6, 10, price=0.54, side="SELL", index=1)
    a_print(ticket, 7, 10, price=0.46, side="BUY")

    assert filled(looked_up(ticket)) == [(0.46, 10, True)]


def test_the_rest_of_an_order_that_took_waits_in_front():
    ticket = a_ticket("0.51", "100")
    a_print(ticket, 5, 15, price=0.51)

    assert filled(looked_up(ticket)) == [(0.51, 60, False), (0.51, 15, True)]


def test_a_book_that_crosses_fills_at_our_price_and_the_same_offers_once():
    ticket = a_ticket("0.45", "50")
    for at in (10, 11):
        factories.QuoteFactory(
            market_id=ticket.market_id, market=None, at=ahead(at), book=([(0.4, 9)], [(0.44, 30)])
        )

    assert filled(looked_up(ticket)) == [(0.45, 30, True)]


def test_rows_of_after_the_end_fill_nothing():
    ticket = a_ticket("0.46", type="GTD", rest_until=ahead(20))
    a_print(ticket, 10, 5, price=0.46)
    a_print(ticket, 30, 45, price=0.46)
    receipt = looked_up(ticket)

    assert receipt.status == "EXPIRED"
    assert filled(receipt) == [(0.46, 5, True)]


def test_a_cancel_takes_the_latency_and_what_came_before_it_stays_filled():
    ticket = a_ticket("0.46")
    assert VENUE.cancel([ticket], as_of=ahead(20)) == {ticket.order_id}
    Order.objects.update(cancel_asked_at=ahead(20))
    a_print(ticket, 21, 5, price=0.46)
    a_print(ticket, 30, 45, price=0.46)

    assert looked_up(ticket, 21).status == "OPEN"
    receipt = looked_up(ticket, 32)
    assert receipt.status == "CANCELED"
    assert filled(receipt) == [(0.46, 5, True)]


def test_a_trade_of_before_the_end_counts_though_it_is_told_a_little_later():
    ticket = a_ticket("0.46", type="GTD", rest_until=ahead(20))
    a_print(ticket, 19, 5, price=0.46, learned=25)

    assert looked_up(ticket, 21).status == "OPEN"
    receipt = looked_up(ticket, 30)
    assert receipt.status == "EXPIRED"
    assert filled(receipt) == [(0.46, 5, True)]


def test_a_market_that_resolves_cancels_what_rests():
    ticket = a_ticket("0.46")
    factories.ResolutionFactory(market_id=ticket.market_id, market=None, resolved_at=ahead(20))
    a_print(ticket, 30, 45, price=0.46)
    receipt = looked_up(ticket)

    assert (receipt.status, receipt.executions) == ("CANCELED", ())
    assert "market closed" in receipt.reason


def test_an_order_that_was_cancelled_before_it_met_a_book_is_gone():
    ticket = a_ticket()
    Order.objects.update(cancel_asked_at=NOW)

    assert looked_up(ticket).status == "CANCELED"


def test_a_resting_order_asks_for_books_that_nobody_brings():
    ticket, asked = a_ticket(), []
    venue = replace(VENUE, refresh=lambda ids, _at: asked.append(set(ids)) or 0)

    venue.look_up([ticket], as_of=ahead(10))
    venue.look_up([ticket], as_of=ahead(100))

    assert asked == [{ticket.market_id}]


def test_partial_fills_are_booked_once_however_often_they_are_told():
    ticket = a_ticket("0.46")
    order = only_order()
    Order.objects.update(type="GTC")
    for at, shares, left in ((10, 5, 45), (20, 10, 35), (30, 99, 0)):
        a_print(ticket, at, shares, price=0.46)
        for again in (0, 1):
            transitions.apply(order, looked_up(ticket, at + again), as_of=ahead(at + again))
        assert only_order().shares - only_order().filled_shares == left

    assert only_order().status == "FILLED"
    assert Fill.objects.count() == 3
    assert Position.objects.get().shares == 50


def test_a_trade_learned_late_never_fills_an_order_beyond_its_size():
    ticket = a_ticket("0.46")
    order = only_order()
    a_print(ticket, 20, 30, price=0.46)
    transitions.apply(order, looked_up(ticket, 25), as_of=ahead(25))
    # Learned before, as its stamp says, but stored after the answer was given.
    a_print(ticket, 10, 40, price=0.46)
    transitions.apply(order, looked_up(ticket, 30), as_of=ahead(30))

    assert only_order().filled_shares == 50
    assert only_order().status == "FILLED"


def test_the_answer_follows_from_rows_alone():
    ticket = a_ticket("0.46", "200")
    for at in range(5, 15):
        a_print(ticket, at, 7, price=0.46)

    fresh = Paper(latency=LATER - NOW, refresh=nobody_answers)

    assert fresh.look_up([ticket], as_of=ahead(50))[ticket.order_id] == looked_up(ticket, 50)


def test_a_sale_takes_bids_and_pays_the_fee_of_a_taker():
    traded()
    held = Position.objects.get()
    order = an_exit_order(held, shares="30")
    factories.QuoteFactory(market=held.market, at=ahead(20), bid=0.60, ask=0.62)

    submit.run(as_of=ahead(20), venues=paper())

    order.refresh_from_db()
    fill = order.fills.get()
    assert (order.status, fill.price, fill.shares) == ("FILLED", Decimal("0.60"), 30)
    assert fill.fee > 0
    assert Position.objects.get().shares == held.shares - 30


def an_exit_order(held, *, shares):
    """An order to sell that was just handed in, its intent executed."""
    intent = factories.IntentFactory(
        market=held.market,
        side="SELL",
        purpose="EXIT",
        shares=Decimal(shares),
        limit_price=Decimal("0.50"),
        status="EXECUTED",
        created_at=ahead(10),
        expires_at=ahead(60),
    )
    return Order.objects.create(
        intent=intent,
        mode="PAPER",
        market=held.market,
        outcome=held.outcome,
        side="SELL",
        price=intent.limit_price,
        shares=intent.shares,
        status="OPEN",
        created_at=ahead(10),
        submitted_at=ahead(10),
    )


def test_a_sale_of_more_than_is_held_is_rejected():
    traded()
    held = Position.objects.get()
    an_exit_order(held, shares=held.shares - 10)
    second = submit.ticket(an_exit_order(held, shares="11"))

    with pytest.raises(Rejected, match="11 shares to sell"):
        VENUE.place(replace(second, shares=Decimal(11)), as_of=ahead(10))


def test_an_order_for_outcome_1_meets_the_mirrored_book():
    ticket = replace(a_ticket("0.49", "20"), outcome_index=1)
    a_print(ticket, 5, 4000, price=0.51, side="BUY")
    a_print(ticket, 6, 70, price=0.51, side="BUY")

    # 60 shares offered at 0.51 of outcome 0 are bids at 0.49 of outcome 1: the queue.
    assert filled(looked_up(ticket)) == [(0.49, 20, True)]


@pytest.mark.usefixtures("loose_books")
def test_what_one_order_took_is_not_there_for_the_next():
    ticket = a_ticket("0.51", "60", type="FAK")
    transitions.apply(only_order(), looked_up(ticket, 3), as_of=ahead(3))
    assert only_order().status == "FILLED"
    again = replace(ticket, order_id=factories.OrderFactory(status="OPEN").pk)

    same_book = VENUE.look_up([again], as_of=ahead(3))[again.order_id]
    short = replace(VENUE, memory=LATER - LATER)

    assert (same_book.status, same_book.executions) == ("CANCELED", ())
    assert short.look_up([again], as_of=ahead(3))[again.order_id].status == "FILLED"


def swept(at):
    return submit.run(as_of=ahead(at), venues=paper())


def a_resting_entry():
    """A purchase that decide made, told to rest at 0.50 for 150 seconds, and its ticket."""
    intent = an_intent()
    TradeIntent.objects.filter(pk=intent.pk).update(
        type="GTD", post_only=True, rest_until=ahead(150), limit_price=Decimal("0.50")
    )
    swept(0)
    order = only_order()
    factories.QuoteFactory(market=order.market, at=LATER, book=WIDE)
    swept(3)
    return submit.ticket(Order.objects.select_related("market__fees", "outcome", "intent").get())


def test_an_entry_that_rests_is_filled_bit_by_bit_and_what_is_left_comes_back():
    ticket = a_resting_entry()
    assert (ticket.type, ticket.post_only, only_order().status) == ("GTD", True, "OPEN")
    a_print(ticket, 10, 30, price=0.50)
    swept(11)
    swept(12)
    a_print(ticket, 20, 25, price=0.50)
    swept(21)

    assert (only_order().status, only_order().filled_shares) == ("OPEN", 55)
    held = Position.objects.get()
    assert (held.shares, held.cost) == (55, Decimal("27.5"))

    swept(161)
    assert only_order().status == "EXPIRED"
    assert ledger.standing(mode="PAPER")[Account.RESERVED] == 0


def test_a_cancel_that_a_person_wants_ends_a_resting_entry():
    ticket = a_resting_entry()
    a_print(ticket, 10, 30, price=0.50)
    swept(11)
    cancel.wish(only_order(), as_of=ahead(12))

    swept(13)
    assert only_order().status == "OPEN"
    a_print(ticket, 30, 500, price=0.50)
    swept(31)

    assert (only_order().status, only_order().filled_shares) == ("CANCELED", 30)
    assert ledger.standing(mode="PAPER")[Account.RESERVED] == 0
