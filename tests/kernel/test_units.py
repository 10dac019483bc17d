"""Money moves between three representations and never gains a fraction."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.kernel import units

micros = st.integers(-(10**14), 10**14)
amounts = st.decimals(-(10**8), 10**8, places=9, allow_nan=False, allow_infinity=False)
ticks = st.sampled_from([Decimal(t) for t in ("0.1", "0.01", "0.005", "0.001", "0.0001")])
prices = st.floats(-0.5, 1.5)


@given(micros)
def test_wire_integers_survive_the_round_trip(micro: int) -> None:
    assert units.to_micro(units.from_micro(micro)) == micro


@given(amounts)
def test_an_amount_off_the_grid_is_refused_never_rounded(amount: Decimal) -> None:
    if amount % units.MICRO == 0:
        assert units.from_micro(units.to_micro(amount)) == amount
    else:
        with pytest.raises(units.InexactAmount, match="floor or ceil"):
            units.to_micro(amount)


@given(amounts, ticks)
def test_floor_and_ceil_embrace_the_amount_within_one_step(amount: Decimal, step: Decimal) -> None:
    low, high = units.floor_to(amount, step), units.ceil_to(amount, step)

    assert low <= amount <= high
    assert high - low in (0, step)
    assert low % step == high % step == 0


@given(prices, ticks)
def test_a_price_on_the_grid_never_pays_more_or_takes_less(price: float, tick: Decimal) -> None:
    bid, ask = units.bid_price(price, tick=tick), units.ask_price(price, tick=tick)

    assert tick <= bid <= ask <= 1 - tick
    assert bid % tick == ask % tick == 0
    if tick <= units.decimal(price) <= 1 - tick:
        assert bid <= units.decimal(price) <= ask


@given(amounts)
def test_we_owe_up_and_are_owed_down(amount: Decimal) -> None:
    assert units.receive(amount) <= amount <= units.pay(amount)
    assert units.pay(amount) - units.receive(amount) in (0, units.MICRO)


@given(st.floats(-1e8, 1e8))
def test_a_float_becomes_the_nearest_millionth(value: float) -> None:
    assert abs(units.decimal(value) - Decimal(value)) <= units.MICRO / 2 + Decimal("1e-8")


def test_a_decimal_is_rounded_half_to_even() -> None:
    assert units.decimal(Decimal("0.0000005")) == 0
    assert units.decimal(Decimal("0.0000015")) == Decimal("0.000002")
