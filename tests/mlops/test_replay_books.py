"""The books of a replay never create or lose a cent."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.core.replay_books import AlreadyHeld, Books, Lot
from mlops.core.replay_halts import Brakes
from tests.risk.books import INTENT
from tests.trading.candidates import limits

CASH = Decimal(1000)


def lot(market: int, *, shares: str = "10", price: str = "0.4", side: int = 0) -> Lot:
    intent = replace(INTENT, market=market, event=market, outcome_index=side)
    return Lot(
        intent=intent, at=0.0, shares=Decimal(shares), price=Decimal(price), fee=Decimal("0.1"),
        net_edge=0.1, exclusive=False,
    )  # fmt: skip


trades = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from(["0.05", "0.5", "0.93"]), st.integers(0, 1)),
    unique_by=lambda t: t[0],
    max_size=9,
)


@given(
    trades,
    st.lists(st.sampled_from([Decimal(0), Decimal(1), Decimal("0.5")]), min_size=9, max_size=9),
)
def test_cash_is_what_was_there_plus_what_every_lot_made(
    bought: list[tuple[int, str, int]], payouts: list[Decimal]
) -> None:
    books = Books.start(CASH)
    for market, price, side in bought:
        books.buy(lot(market, price=price, side=side))

    for market, payout in enumerate(payouts):
        books.settle(market, payout)

    assert books.open == {}
    assert books.cash == CASH + sum(
        (closed.pnl or Decimal(0) for closed in books.closed), Decimal(0)
    )


def test_the_other_side_is_paid_what_the_first_is_not() -> None:
    books = Books.start(CASH)
    books.buy(lot(1, side=1))

    settled = books.settle(1, Decimal(0))

    assert settled is not None
    assert settled.paid == Decimal(10)


def test_a_market_is_never_held_twice() -> None:
    books = Books.start(CASH)
    books.buy(lot(1))

    with pytest.raises(AlreadyHeld):
        books.buy(lot(1, side=1))


def test_an_unrealised_gain_does_not_raise_the_peak() -> None:
    books = Books.start(CASH)
    books.buy(lot(1))

    point = books.mark(10.0, {1: 0.95}, {1: 0.96})

    assert books.peak == CASH
    assert point.equity > CASH >= point.risk_equity


def test_what_nobody_bids_for_is_worth_nothing() -> None:
    books = Books.start(CASH)
    held = lot(1)
    books.buy(held)

    assert books.mark(10.0, {}, {}).risk_equity == CASH - held.cost


def test_what_was_spent_is_forgotten_at_midnight() -> None:
    books = Books.start(CASH)
    books.mark(100.0, {}, {})
    books.buy(lot(1))

    books.mark(86_399.0, {1: 0.4}, {1: 0.4})
    before = books.snapshot(86_399.0).spent_today
    books.mark(86_400.0, {1: 0.4}, {1: 0.4})

    assert before > 0
    assert books.snapshot(86_400.0).spent_today == 0


def braked(*equities: str, apart_s: float = 3600.0) -> list[str]:
    """States after marks of these risk equities, the first being the peak."""
    books = Books.start(Decimal(equities[0]))
    brakes = Brakes(limits=limits(sudden_drop=Decimal("0.5")))
    states = []
    for number, equity in enumerate(equities):
        books.cash = Decimal(equity)
        books.mark(number * apart_s, {}, {})
        states.append(brakes.state(books).value)
    return states


def test_a_drawdown_stops_entries_and_lets_go_when_it_is_made_good() -> None:
    assert braked("1000", "880", "960", apart_s=86_400.0) == ["ACTIVE", "LISTEN_ONLY", "ACTIVE"]


def test_a_hard_halt_lasts_to_the_end_because_nobody_can_release_it() -> None:
    assert braked("1000", "690", "1000", apart_s=86_400.0)[1:] == ["HALTED", "HALTED"]


def test_a_daily_loss_lasts_to_midnight() -> None:
    assert braked("1000", "899", "1000") == ["ACTIVE", "LISTEN_ONLY", "LISTEN_ONLY"]
    assert braked("1000", "899", "1000", apart_s=86_400.0)[2] == "ACTIVE"


def test_a_sudden_drop_halts() -> None:
    assert braked("1000", "450", "1000", apart_s=60.0)[1:] == ["HALTED", "HALTED"]
