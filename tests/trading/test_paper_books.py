"""What a resting order reads off a recorded book is what the whole book says."""

from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.core import book as books
from tests.trading.candidates import AT, book, ladder
from trading.core.paper import Spot, crossing, look, standing, usable, within, without
from trading.venue import Execution, Ticket

cents = st.integers(1, 99)
sizes = st.integers(1, 500).map(Decimal)
hidden_shares = st.sampled_from([None, 0, 100])
sides = st.dictionaries(cents, sizes, max_size=5)


def ticket(price="0.50", *, is_buy=True, outcome_index=0):
    return Ticket(
        order_id=UUID(int=1),
        market_id=1,
        outcome_index=outcome_index,
        is_buy=is_buy,
        price=Decimal(price),
        shares=Decimal(100),
        fee_rate=Decimal("0.04"),
        fee_exponent=Decimal(1),
        submitted_at=AT,
        expires_at=AT,
        type="GTC",
    )


def levels_of(side):
    return [(Decimal(price) / 100, shares) for price, shares in side.items()]


@settings(max_examples=150)
@given(sides, sides, cents, st.tuples(st.booleans(), st.integers(0, 1)), hidden_shares)
def test_arrays_and_books_say_the_same(bids, asks, price, what, more):
    is_buy, index = what
    whole = books.build(AT, levels_of(bids), levels_of(asks))
    order = ticket(str(Decimal(price) / 100), is_buy=is_buy, outcome_index=index)
    spot = Spot.of(order)
    depth = whole.depth_shares("bid" if spot.is_bid else "ask")
    n = max(len(whole.bids), len(whole.asks), 1)
    array = np.frombuffer(books.pack(whole)).reshape(2, -1, 2) if bids or asks else None
    array = np.full((2, n, 2), np.nan) if array is None else array

    found = look(spot, array, None if more is None else float(depth + more))

    if not usable(whole):
        assert found is None
        return
    side = whole.mirrored() if index else whole
    hidden = None if more is None else Decimal(more)
    assert found == (standing(order, side, hidden=hidden), crossing(order, side))


def test_a_price_that_is_none_makes_no_book():
    certain = np.array([[[1.0, 5.0]], [[np.nan, np.nan]]])

    assert look(Spot.of(ticket()), certain, None) is None
    with pytest.raises(ArithmeticError):
        look(Spot.of(ticket()), np.array([[[0.4, 1e25]], [[0.45, 1e25]]]), None)


def test_our_own_takings_leave_the_other_side_alone():
    shown = book(asks=ladder(("0.51", "10"), ("0.52", "20")))

    left = without(ticket(), shown, [(Decimal("0.51"), Decimal(4)), (Decimal("0.52"), Decimal(90))])

    assert left.asks == ladder(("0.51", "6"), ("0.52", "0"))
    assert left.bids == shown.bids


def test_what_is_told_never_exceeds_the_order_beside_what_is_booked():
    def made(name, shares):
        return Execution(
            trade_id=name, price=Decimal("0.5"), shares=Decimal(shares), fee=Decimal(0),
            observed_at=AT,
        )  # fmt: skip

    told, filled = within(
        [made("a", 30), made("b", 50), made("c", 50)], {"a": Decimal(30)}, Decimal(100)
    )

    assert [(t.trade_id, t.shares) for t in told] == [("a", 30), ("b", 50), ("c", 20)]
    assert filled == 100
