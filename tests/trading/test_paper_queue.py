"""A resting order is filled by what came after the queue was gone, and by nothing else."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.candidates import AT
from trading.core.queue import Printed, Seen, Waiting, replay

LAG = timedelta(seconds=10)
BUDGET = settings(max_examples=80)


def second(n):
    return AT + timedelta(seconds=n)


def waiting(ahead="100", left="50", *, is_buy=True, met="0"):
    before = None if ahead is None else Decimal(ahead)
    return Waiting(
        is_buy=is_buy, price=Decimal("0.50"), left=Decimal(left), ahead=before, met=Decimal(met)
    )


def trade(at, shares, price="0.50"):
    return Printed(at=second(at), key=f"print-{at}", price=Decimal(price), shares=Decimal(shares))


def book(at, standing=None, crossing="0"):
    there = None if standing is None else Decimal(standing)
    return Seen(at=second(at), key=f"book-{at}", standing=there, crossing=Decimal(crossing))


def fills(order, *events):
    return [(match.key, match.shares) for match in replay(order, events, lag=LAG)]


def test_trades_eat_the_queue_first_and_then_fill_the_order():
    assert fills(waiting(), trade(1, 60), trade(2, 60), trade(3, 60)) == [
        ("print-2", Decimal(20)),
        ("print-3", Decimal(30)),
    ]


def test_trades_at_better_prices_are_not_ours():
    assert fills(waiting("0"), trade(1, 500, "0.51")) == []
    assert fills(waiting("0", is_buy=False), trade(1, 500, "0.49")) == []


def test_a_trade_at_a_worse_price_went_through_the_whole_queue_and_the_order():
    assert fills(waiting(), trade(1, 130, "0.49")) == [("print-1", Decimal(30))]
    assert fills(waiting(is_buy=False), trade(1, 130, "0.51")) == [("print-1", Decimal(30))]
    # Whoever was ahead is gone, traded or cancelled.
    assert fills(waiting(), trade(1, 40, "0.49"), trade(2, 10)) == [("print-2", Decimal(10))]


def test_what_leaves_the_queue_without_a_trade_moves_the_order_up():
    assert fills(waiting(), book(1, "30"), trade(60, 40)) == [("print-60", Decimal(10))]


def test_who_comes_later_stands_behind():
    assert fills(waiting(), book(1, "900"), trade(2, 110)) == [("print-2", Decimal(10))]


def test_a_trade_told_after_the_book_it_made_shortens_the_queue_once():
    assert fills(waiting(), book(1, "40"), trade(5, 60)) == []
    assert fills(waiting(), book(1, "40"), trade(5, 60), trade(6, 50)) == [("print-6", Decimal(10))]


def test_a_trade_of_before_a_book_counts_once_however_late_it_is_told():
    assert fills(waiting(), book(100, "40"), trade(5, 60)) == []


def test_an_unknown_queue_is_not_an_empty_one():
    assert fills(waiting(None), trade(1, 1000)) == []
    assert fills(waiting(None), book(1, "10"), trade(60, 15)) == [("print-60", Decimal(5))]
    assert fills(waiting(None), trade(1, 1000, "0.49"), trade(60, 15)) == [
        ("print-60", Decimal(15))
    ]


def test_offers_that_cross_meet_the_order_once_for_as_long_as_they_stand():
    assert fills(waiting(), book(1, "0", "20"), book(2, "0", "20"), book(3, "0", "25")) == [
        ("book-1", Decimal(20)),
        ("book-3", Decimal(5)),
    ]


def test_offers_that_came_back_meet_it_again():
    assert fills(waiting(), book(1, "0", "20"), book(2, "0"), book(3, "0", "20")) == [
        ("book-1", Decimal(20)),
        ("book-3", Decimal(20)),
    ]


def test_what_was_taken_on_arrival_is_still_shown_and_taken_no_second_time():
    assert fills(waiting("0", met="20"), book(1, "0", "20")) == []


amounts = st.integers(1, 200).map(Decimal)
prints = st.builds(
    trade,
    st.integers(0, 100),
    amounts,
    st.sampled_from(["0.49", "0.50", "0.51"]),
)
seen = st.builds(
    book,
    st.integers(0, 100),
    st.one_of(st.none(), st.integers(0, 300)),
    st.sampled_from([0, 0, 0, 5, 50]),
)
queues = st.integers(0, 300)


@BUDGET
@given(st.lists(prints, max_size=12), queues, amounts)
def test_trades_alone_fill_exactly_what_was_printed_beyond_the_queue(events, ahead, left):
    eligible = [e for e in events if e.price == Decimal("0.50")]
    beyond = max(sum((e.shares for e in eligible), Decimal(0)) - ahead, Decimal(0))

    filled = sum((m.shares for m in replay(waiting(ahead, left), eligible, lag=LAG)), Decimal(0))

    assert filled == min(left, beyond)


@BUDGET
@given(st.lists(st.one_of(prints, seen), max_size=20), queues, amounts)
def test_never_more_than_the_order_and_never_more_than_the_rows_hold(events, ahead, left):
    matches = replay(waiting(ahead, left), events, lag=LAG)

    assert sum((m.shares for m in matches), Decimal(0)) <= left
    assert all(m.shares > 0 for m in matches)
    room = {}
    for event in events:
        size = event.shares if isinstance(event, Printed) else event.crossing
        room[event.key] = room.get(event.key, Decimal(0)) + size
    told = {}
    for match in matches:
        told[match.key] = told.get(match.key, Decimal(0)) + match.shares
    assert all(shares <= room[key] for key, shares in told.items())


@BUDGET
@given(st.lists(st.one_of(prints, seen), max_size=20), queues, queues, amounts)
def test_who_stands_further_back_is_never_filled_earlier(events, one, other, left):
    near, far = sorted((one, other))

    def filled_by(ahead, count):
        told = replay(waiting(ahead, left), events[:count], lag=LAG)
        return sum((m.shares for m in told), Decimal(0))

    assert all(filled_by(far, n) <= filled_by(near, n) for n in range(len(events) + 1))


@BUDGET
@given(st.lists(st.one_of(prints, seen), max_size=20), queues, amounts, st.integers(0, 20))
def test_more_rows_change_nothing_that_was_told_of_the_first(events, ahead, left, count):
    early = replay(waiting(ahead, left), events[:count], lag=LAG)

    assert replay(waiting(ahead, left), events, lag=LAG)[: len(early)] == early
