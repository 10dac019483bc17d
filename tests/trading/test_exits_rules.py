"""When a position is given up, and how it would be sold: values and properties."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.candidates import AT, book, ladder
from trading.core.exits import Held, Kept, MarketRules, Rule, Sale, is_dust, reasons, sale
from trading.models import ExitSettings

RULES = MarketRules(
    tick=Decimal("0.01"),
    min_shares=Decimal(5),
    fee_rate=Decimal("0.04"),
    fee_exponent=Decimal(1),
)
BOUND = Decimal(50)


def config(**changes):
    return ExitSettings(version=0, created_at=AT, reason="", **changes).as_config()


def held(**changes):
    """Bought at 0.40, sold now for 0.48 after the fee, worth 0.60."""
    values = {"entry": "0.40", "net": "0.48", "spread": "0.02", "believed": "0.60"} | changes
    prices = {name: None if v is None else Decimal(str(v)) for name, v in values.items()}
    times = {name: prices.pop(name, None) for name in ("held_s", "seconds_left")}
    left = times["seconds_left"]
    return Held(
        **prices,
        held_s=float(times["held_s"] or 0),
        seconds_left=None if left is None else float(left),
    )


def fired(position, **changes):
    return list(reasons(position, config(**changes)))


def test_a_good_position_is_kept():
    assert fired(held(), stop=True, time=True, max_held_h=1, before_end_min=10) == []


def test_the_edge_is_gone_where_bids_pay_more_than_the_forecast_by_the_margin():
    assert fired(held(believed="0.46")) == [Rule.EDGE_GONE]
    assert fired(held(believed="0.47")) == []
    assert fired(held(believed=None)) == []
    assert fired(held(believed="0.10"), edge_gone=False) == []


def test_profit_is_taken_at_a_share_of_the_most_that_could_be_won():
    assert fired(held(net="0.94", believed="0.99")) == [Rule.TAKE_PROFIT]
    assert fired(held(net="0.93", believed="0.99")) == []
    assert fired(held(net="0.94", believed="0.99"), take_profit=False) == []


def test_a_stop_is_off_unless_chosen_and_never_hears_a_wide_or_one_sided_book():
    lost = held(net="0.20", believed="0.60")

    assert fired(lost) == []
    assert fired(lost, stop=True) == [Rule.STOP]
    assert fired(held(net="0.21"), stop=True) == []
    assert fired(held(net="0.20", spread="0.06"), stop=True) == []
    assert fired(held(net="0.20", spread=None), stop=True) == []


def test_time_speaks_for_those_who_asked():
    old, late = held(held_s=3600 * 5), held(seconds_left=60 * 9)

    assert fired(old) == fired(late) == []
    assert fired(old, time=True, max_held_h=5) == [Rule.TIME]
    assert fired(old, time=True, max_held_h=6) == []
    assert fired(late, time=True, before_end_min=10) == [Rule.TIME]
    assert fired(held(), time=True, before_end_min=10) == []


def test_nobody_bids_and_nothing_but_time_speaks():
    empty = held(net=None, held_s=10**7)

    assert fired(empty, stop=True, time=True, max_held_h=1) == [Rule.TIME]


def test_a_fresh_purchase_is_not_sold_by_what_made_it_worth_buying():
    """Bought at the ask with an edge, sold at the bid: the defaults do not churn."""
    bought = held(entry="0.52", net="0.48", believed="0.55")

    assert fired(bought) == []


def test_a_sale_walks_the_bids_down_to_the_bound_and_pays_the_fee():
    deep = book(bids=ladder(("0.50", "60"), ("0.49", "1000")), asks=ladder(("0.51", "10")))
    wide = sale(Decimal("100.009"), deep, RULES, max_slippage_bps=Decimal(200))
    near = sale(Decimal(100), deep, RULES, max_slippage_bps=Decimal(100))

    assert (wide.limit, wide.shares, wide.depth) == (Decimal("0.49"), Decimal("100.00"), 1060)
    assert wide.expected == Decimal("0.496")
    assert wide.net < wide.expected
    # 0.495 is worse than the bound of 1 %: rounded up to the grid, never down.
    assert (near.limit, near.expected) == (Decimal("0.50"), Decimal("0.50"))


@pytest.mark.parametrize(
    ("bids", "rules", "kept"),
    [
        ((), RULES, Kept.NO_BIDS),
        (ladder(("0.505", "60")), RULES, Kept.OFF_TICK),
        (
            ladder(("0.50", "60")),
            MarketRules(tick=None, min_shares=None, fee_rate=None, fee_exponent=Decimal(1)),
            Kept.UNKNOWN_RULES,
        ),
    ],
)
def test_what_cannot_be_sold_says_why(bids, rules, kept):
    assert sale(Decimal(100), book(bids=bids), rules, max_slippage_bps=BOUND) == kept


@pytest.mark.parametrize(
    ("bid", "sold"),
    [("97", "95"), ("95", "100"), ("94", "100"), ("100", "100"), ("500", "100")],
)
def test_no_sale_leaves_a_rest_too_small_to_sell(bid, sold):
    found = sale(Decimal(100), book(bids=ladder(("0.50", bid))), RULES, max_slippage_bps=BOUND)

    assert found.shares == Decimal(sold)


def test_fewer_shares_than_the_venue_takes_are_dust():
    assert is_dust(Decimal("4.999"), RULES)
    assert not is_dust(Decimal(5), RULES)
    unknown = MarketRules(
        tick=RULES.tick, min_shares=None, fee_rate=RULES.fee_rate, fee_exponent=Decimal(1)
    )
    assert is_dust(Decimal("0.009"), unknown)


prices = st.integers(1, 99).map(lambda cents: Decimal(cents) / 100)
bids = st.lists(
    st.tuples(prices, st.integers(1, 500).map(Decimal)), max_size=6, unique_by=lambda x: x[0]
)


@settings(max_examples=80)
@given(bids, st.integers(1, 90_000), st.integers(0, 5000))
def test_a_sale_never_gives_more_than_is_held_nor_takes_less_than_the_bound(levels, cents, bps):
    shares = Decimal(cents) / 100
    ladder_of = ladder(*((str(p), str(n)) for p, n in sorted(levels, reverse=True)))
    found = sale(shares, book(bids=ladder_of), RULES, max_slippage_bps=Decimal(bps))

    if isinstance(found, Sale):
        assert found.shares <= shares
        assert found.best >= found.expected >= found.limit
        assert found.limit >= found.best * (1 - Decimal(bps) / 10_000)
        assert found.limit % RULES.tick == 0
        assert found.net <= found.expected
