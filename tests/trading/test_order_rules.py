"""What may be sent, what is done with doubt: rules as tables, and one property."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.kernel import units
from tests.moments import NOW, ago, ahead
from trading.core.amounts import AMOUNT_PLACES, wire_amounts
from trading.core.decision import cost_bound
from trading.core.fees import taker_fee
from trading.core.order_protocol import Doubt, ExecutionConfig, Step, in_force, next_step
from trading.core.order_rules import (
    BreaksRule,
    check_dollars,
    sendable,
    smallest_purchase,
    within_promise,
)

CONFIG = ExecutionConfig(
    version=0,
    entry_style="TAKER",
    rest_s=180,
    stale_order_s=300,
    cancel_before_end_s=60,
    probe_every_s=5,
    probes_before_resend=2,
    unknown_hold_s=120,
    abandoned_after_s=60,
    restart_post_only_s=120,
    heartbeat=True,
    heartbeat_every_s=5,
    heartbeat_unhealthy_s=10,
    reconcile_in_doubt_s=15,
    reconcile_all_s=60,
    reconciled_within_s=180,
    redeem_every_s=5,
    longest_wait_s=900,
    cancel_wait_s=10,
)
DOUBT = Doubt(
    acknowledged=False,
    has_bytes=True,
    clean_probes=2,
    expires_at=ahead(60),
    cancel_asked_at=None,
    cancel_heard_at=None,
)
HEARD = replace(DOUBT, cancel_asked_at=NOW, cancel_heard_at=ahead(5))


@pytest.mark.parametrize(
    ("doubt", "at", "step"),
    [
        (replace(DOUBT, clean_probes=1), NOW, Step.WAIT),
        (DOUBT, NOW, Step.RESEND),
        (DOUBT, ahead(60), Step.CANCEL),
        (replace(DOUBT, acknowledged=True), NOW, Step.CANCEL),
        (replace(DOUBT, has_bytes=False), NOW, Step.CANCEL),
        (replace(HEARD, clean_probes=24), ahead(124), Step.WAIT),
        (replace(HEARD, clean_probes=23), ahead(999), Step.WAIT),
        (replace(HEARD, clean_probes=24), ahead(125), Step.GIVE_UP),
        (replace(HEARD, clean_probes=999, cancel_heard_at=None), ahead(9999), Step.WAIT),
    ],
)
def test_what_is_done_next_with_an_order_in_doubt(doubt, at, step):
    assert next_step(doubt, CONFIG, as_of=at) == step


@given(
    st.builds(
        Doubt,
        acknowledged=st.booleans(),
        has_bytes=st.booleans(),
        clean_probes=st.integers(0, 99),
        expires_at=st.integers(-300, 300).map(ahead),
        cancel_asked_at=st.none() | st.integers(0, 300).map(ago),
        cancel_heard_at=st.none() | st.integers(0, 300).map(ago),
    )
)
@settings(max_examples=200)
def test_nothing_is_handed_in_again_late_cancelled_or_acknowledged(doubt):
    step = next_step(doubt, CONFIG, as_of=NOW)
    if step == Step.RESEND:
        assert not doubt.acknowledged
        assert doubt.has_bytes
        assert doubt.expires_at > NOW
        assert doubt.cancel_asked_at is None
    if step == Step.GIVE_UP:
        assert doubt.cancel_heard_at <= NOW - timedelta(seconds=CONFIG.unknown_hold_s)


@pytest.mark.parametrize(
    ("restriction", "until", "then"),
    [
        ("NONE", None, "NONE"),
        ("RESTARTING", ahead(1), "RESTARTING"),
        ("RESTARTING", ago(1), "POST_ONLY"),
        ("RESTARTING", ago(120), "NONE"),
        ("CANCEL_ONLY", ago(1), "NONE"),
        ("DISABLED", None, "DISABLED"),
    ],
)
def test_a_restriction_ends_by_the_clock_and_a_restart_leaves_two_minutes_of_post_only(
    restriction, until, then
):
    assert in_force(restriction, until, as_of=NOW, post_only_s=120)[0] == then


def size(**changes):
    order = {
        "side": "BUY",
        "order_type": "FAK",
        "post_only": False,
        "price": Decimal("0.52"),
        "shares": Decimal("10.019"),
        "tick": Decimal("0.01"),
        "min_shares": Decimal(5),
        "held": Decimal("7.659999"),
    }
    return sendable(**{**order, **changes})


def test_sizes_are_floored_and_a_sale_to_what_is_held():
    assert size() == Decimal("10.01")
    assert size(side="SELL") == Decimal("7.65")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"tick": None}, "TICK"),
        ({"tick": Decimal("0.03")}, "TICK"),
        ({"price": Decimal("0.525")}, "TICK"),
        ({"price": Decimal("1.00")}, "PRICE"),
        ({"price": Decimal("0.001"), "tick": Decimal("0.01")}, "PRICE"),
        ({"shares": Decimal("0.009")}, "EMPTY"),
        ({"shares": Decimal("1.9")}, "MIN_DOLLARS"),
        ({"shares": Decimal("4.99"), "order_type": "GTC"}, "MIN_SIZE"),
        ({"side": "SELL", "held": Decimal(0)}, "INVENTORY"),
        ({"post_only": True}, "TYPE"),
    ],
)
def test_what_the_venue_could_never_take_is_named(changes, rule):
    with pytest.raises(BreaksRule, match=f"^{rule}:"):
        size(**changes)


@given(data=st.data())
@settings(max_examples=200)
def test_what_is_sendable_can_be_written_and_never_exceeds_the_wish(data):
    tick = data.draw(st.sampled_from(sorted(AMOUNT_PLACES)))
    price = data.draw(st.integers(1, int(1 / tick) - 1)) * tick
    wish = data.draw(st.decimals("0.01", 100_000, places=6))
    held = data.draw(st.decimals(0, 100_000, places=6))
    side = data.draw(st.sampled_from(["BUY", "SELL"]))
    order_type = data.draw(st.sampled_from(["GTC", "FAK"]))
    try:
        shares = size(
            side=side, order_type=order_type, price=price, shares=wish, tick=tick, held=held
        )
    except BreaksRule:
        return
    assert shares <= (min(wish, held) if side == "SELL" else wish)

    buying = side == "BUY"
    try:
        given_, asked = wire_amounts(
            order_type=order_type, is_buy=buying, price=price, shares=shares, tick=tick
        )
    except ValueError:
        return
    dollars, number = (given_, asked) if buying else (asked, given_)
    assert units.from_micro(number) <= shares
    if buying:
        assert units.from_micro(dollars) <= price * shares


@given(
    limit=st.integers(1, 99),
    better=st.integers(0, 98),
    shares=st.integers(5, 10_000),
    rate=st.sampled_from(["0", "0.04", "0.07"]),
)
def test_dollars_that_meet_a_better_price_cost_no_more_than_was_promised(
    limit, better, shares, rate
):
    price, tick, terms = Decimal(limit) / 100, Decimal("0.01"), {"rate": Decimal(rate)}
    filled_at = max(tick, price - Decimal(better) / 100)
    promised = cost_bound(Decimal(shares), price, exponent=Decimal(1), **terms)

    asked = within_promise(price=price, promised=promised, exponent=Decimal(1), tick=tick, **terms)

    dollars = asked * price
    fee = taker_fee(dollars / filled_at, filled_at, exponent=Decimal(1), **terms)
    assert dollars + fee <= promised
    assert asked <= shares


@given(
    price=st.integers(1, 999),
    rate=st.sampled_from(["0", "0.02", "0.04", "0.07", "0.25"]),
    exponent=st.sampled_from(["1", "2", "0.5"]),
)
@example(price=1, rate="0.04", exponent="0.5")
@example(price=604, rate="0.02", exponent="2")
def test_the_smallest_purchase_keeps_its_dollar_when_it_is_cut_to_its_promise(
    price, rate, exponent
):
    limit, tick = Decimal(price) / 1000, Decimal("0.001")
    terms = {"rate": Decimal(rate), "exponent": Decimal(exponent)}
    least = smallest_purchase(price=limit, tick=tick, **terms)

    promised = cost_bound(least, limit, **terms)
    asked = within_promise(price=limit, promised=promised, tick=tick, **terms)

    check_dollars(price=limit, shares=asked)
    assert asked * limit < Decimal("1.03")


def test_a_purchase_of_less_than_a_dollar_is_refused_by_name():
    with pytest.raises(BreaksRule, match=r"^MIN_DOLLARS:"):
        check_dollars(price=Decimal("0.2"), shares=Decimal("4.93"))
