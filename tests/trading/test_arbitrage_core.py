"""Arithmetic of sets: the payout is certain, the depth is there, the fees are exact."""

from decimal import Decimal
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.core.book import build
from tests.factories import NOW
from trading.core import arbitrage
from trading.core.arbitrage import Leg, every_no, every_yes, implied, most, pair
from trading.core.arbitrage_terms import ArbitrageConfig
from trading.core.fees import taker_fee
from trading.core.nested import Implied, Question, implications

ONE, STEP = Decimal(1), Decimal("0.01")
MANY = Decimal(10_000)
CONFIG = ArbitrageConfig(
    version=1,
    detecting=True,
    trading=True,
    min_profit_usd=ONE,
    min_profit_share=Decimal("0.01"),
    max_sets=Decimal(500),
    max_legs=8,
    leg_risk_budget_usd=Decimal(5),
    unwind_slip=STEP,
    retry_after_s=60,
    log_again_s=60,
)


def d(text):
    return Decimal(str(text))


def leg(asks, *, bids=((0.01, 1),), market=1, side=0, rate="0.04"):
    both = [[(d(p), d(n)) for p, n in levels] for levels in (bids, asks)]
    return Leg(
        market=market,
        outcome_index=side,
        book=build(NOW, *both),
        rate=d(rate),
        exponent=ONE,
        tick=STEP,
        min_shares=Decimal(5),
    )


cents = st.integers(2, 98).map(lambda c: Decimal(c) / 100)
sizes = st.integers(1, 4000).map(lambda n: Decimal(n) / 100)
levels = st.lists(st.tuples(cents, sizes), min_size=1, max_size=4, unique_by=lambda x: x[0])
rates = st.sampled_from([Decimal(0), d("0.04"), d("0.072")])


@st.composite
def bundles(draw):
    """A pair, a set of exclusive outcomes, their Nos, or two nested ones."""
    kind = draw(st.sampled_from(["pair", "yes", "no", "nested"]))
    rate = draw(rates)
    count = draw(st.integers(2, 4)) if kind in {"yes", "no"} else 2

    def one(market, side):
        return leg(draw(levels), bids=draw(levels), market=market, side=side, rate=rate)

    if kind == "pair":
        return pair(1, one(1, 0), one(1, 1)), [{1: ONE}, {1: ONE * 0}, {1: d("0.5")}]
    if kind == "nested":
        worlds = [{1: d(a), 2: d(b)} for a, b in ((0, 0), (0, 1), (1, 1), ("0.5", 1), (0, "0.5"))]
        return implied(1, narrow_no=one(1, 1), wide_yes=one(2, 0)), worlds
    markets = range(1, count + 1)
    worlds = [{m: ONE if m == winner else ONE * 0 for m in markets} for winner in markets]
    if kind == "yes":
        return every_yes(1, [one(m, 0) for m in markets]), worlds
    nobody = dict.fromkeys(markets, ONE * 0)
    return every_no(1, [one(m, 1) for m in markets]), [*worlds, nobody]


def walked(leg, shares):
    """Dollars for so many shares, level by level, by another road: cumulated depths."""
    edges = [Decimal(0)]
    for level in leg.book.asks:
        edges.append(edges[-1] + level.shares)
    total = Decimal(0)
    for level, (low, high) in zip(leg.book.asks, pairwise(edges), strict=True):
        taken = min(max(shares - low, Decimal(0)), high - low)
        if taken:
            fee = taker_fee(taken, level.price, rate=leg.rate, exponent=leg.exponent)
            total += taken * level.price + fee
    return total


@given(bundles())
@settings(max_examples=150, deadline=None)
def test_the_floor_is_paid_under_every_resolution(case):
    bundle, worlds = case
    places = [(each.market, each.outcome_index) for each in bundle.legs]

    assert min(arbitrage.payout(places, world) for world in worlds) >= bundle.floor


@given(bundles())
@settings(max_examples=150, deadline=None)
def test_no_more_sets_than_there_is_depth_and_never_one_that_costs_more_than_it_pays(case):
    bundle, _ = case
    found = most(bundle, at_most=MANY)
    if found is None:
        return

    assert found.sets <= min(sum(x.shares for x in each.book.asks) for each in bundle.legs)
    at_limits = sum(arbitrage.unit_cost(each.leg, each.limit) for each in found.bought)
    assert at_limits < bundle.floor
    assert found.sets % STEP == 0


@given(bundles())
@settings(max_examples=150, deadline=None)
def test_profit_is_that_of_brute_force_over_every_depth(case):
    bundle, _ = case
    edges = {Decimal(0)}
    for each in bundle.legs:
        total = Decimal(0)
        for level in each.book.asks:
            total += level.shares
            edges.add(total)
    deep = min(sum(x.shares for x in each.book.asks) for each in bundle.legs)
    best = max(
        n * bundle.floor - sum(walked(each, n) for each in bundle.legs) for n in edges if n <= deep
    )
    found = most(bundle, at_most=MANY)

    if found is None:
        assert best <= 0
    else:
        # The venue rounds each fee to 0.00001, which may favour a depth beside the best one.
        own = found.payout - sum(walked(each, found.sets) for each in bundle.legs)
        assert abs(found.net - own) <= d("0.000001")
        assert abs(found.net - best) <= d("0.00001") * 2 * len(bundle.legs)


def test_a_pair_is_counted_by_hand():
    yes = leg([(0.40, 100), (0.45, 50), (0.50, 100)], rate="0")
    no = leg([(0.50, 120), (0.52, 100)], side=1, rate="0")

    found = most(pair(1, yes, no), at_most=MANY)

    # 100 at 0.90, 20 at 0.95, 30 at 0.97; the next would cost 1.02.
    assert (found.sets, found.cost, found.net) == (150, d("138.1"), d("11.9"))
    assert [each.limit for each in found.bought] == [d("0.45"), d("0.52")]


def test_fees_that_eat_the_gap_leave_nothing():
    yes, no = leg([(0.49, 100)], rate="0.07"), leg([(0.50, 100)], side=1, rate="0.07")

    assert most(pair(1, yes, no), at_most=MANY) is None


@given(bundles(), st.integers(1, 20))
@settings(max_examples=80, deadline=None)
def test_no_way_to_break_costs_more_than_the_budget(case, dollars):
    bundle, _ = case
    found = most(bundle, at_most=MANY)
    fitting = found and arbitrage.within_risk(found, budget=Decimal(dollars), slip=STEP)
    if not fitting:
        return

    losses = [arbitrage.unwinding(each, slip=STEP) for each in fitting.bought]
    worst = max(
        sum(loss for loss, filled in zip(losses, some, strict=True) if filled)
        for some in product([True, False], repeat=len(losses))
        if not all(some)
    )
    assert worst <= dollars
    assert fitting.sets <= found.sets


def test_the_leg_risk_budget_bounds_the_size():
    # Bought at 0.40 and sold at 0.29 after the slip: 0.11 a share, and 0.21 for the other leg.
    yes = leg([(0.40, 400)], bids=[(0.30, 400)], rate="0")
    no = leg([(0.50, 400)], bids=[(0.30, 400)], side=1, rate="0")
    found = most(pair(1, yes, no), at_most=MANY)

    fitting = arbitrage.within_risk(found, budget=Decimal(5), slip=STEP)

    assert arbitrage.leg_risk(found, slip=STEP) == 84
    assert fitting.sets == d("23.80")


def test_legs_that_nobody_bids_for_are_lost_whole():
    bare = leg([(0.40, 100)], bids=[], rate="0")
    found = most(pair(1, bare, leg([(0.5, 100)], side=1, rate="0")), at_most=MANY)

    assert arbitrage.unwinding(found.bought[0], slip=STEP) == 40


@pytest.mark.parametrize(
    ("changes", "small"),
    [
        ({}, False),
        ({"min_profit_usd": Decimal(20)}, True),
        ({"min_profit_share": d("0.2")}, True),
    ],
)
def test_what_is_too_small_is_said_by_dollars_and_by_share(changes, small):
    from dataclasses import replace

    yes, no = leg([(0.40, 100)], rate="0"), leg([(0.5, 100)], side=1, rate="0")
    found = most(pair(1, yes, no), at_most=MANY)

    assert arbitrage.is_too_small(found, replace(CONFIG, **changes)) is small


def test_the_venue_wants_a_dollar_on_every_leg():
    cheap, dear = leg([(0.02, 45)], rate="0"), leg([(0.90, 45)], side=1, rate="0")
    found = most(pair(1, cheap, dear), at_most=MANY)

    assert arbitrage.smallest(found) == 50
    assert arbitrage.is_too_small(found, CONFIG)


def nested(*texts, ends=None):
    ends = ends or [1.0] * len(texts)
    rows = (
        Question(market=n, event=7, text=text, end=end)
        for n, (text, end) in enumerate(zip(texts, ends, strict=True))
    )
    return list(implications(rows))


def test_an_earlier_deadline_implies_a_later_one():
    texts = ["Ceasefire in Gaza by June 30?", "Ceasefire in Gaza by December 31, 2026?"]

    assert nested(*texts, ends=[1.0, 2.0]) == [Implied(event=7, narrow=0, wide=1)]


@pytest.mark.parametrize(
    ("texts", "narrow"),
    [
        (("Bitcoin above $110k on Friday?", "Bitcoin above $100,000 on Friday?"), 0),
        (("Will it dip to $80k in May?", "Will it dip to $90k in May?"), 0),
        (("Fed cuts more than 3 times?", "Fed cuts more than 5 times?"), 1),
    ],
)
def test_the_harder_rung_implies_the_easier_one(texts, narrow):
    assert nested(*texts) == [Implied(event=7, narrow=narrow, wide=1 - narrow)]


@pytest.mark.parametrize(
    "texts",
    [
        ("Bitcoin between 100k and 110k?", "Bitcoin between 110k and 120k?"),
        ("Bitcoin above $110k on Friday?", "Ether above $3k on Friday?"),
        ("Bitcoin hits 80k?", "Bitcoin hits 120k?"),
        ("Bitcoin reach $110k in June?", "Bitcoin above $100k in June?"),
        ("Will he remain CEO by June 30?", "Will he remain CEO by May 31?"),
        ("Will it not happen by June 30?", "Will it not happen by May 31?"),
        ("Will Ann win?", "Will Bob win?"),
    ],
)
def test_what_is_not_certain_is_not_nested(texts):
    assert nested(*texts, ends=[1.0, 2.0]) == []


def test_strikes_of_different_days_imply_nothing():
    texts = ["Bitcoin above $110k?", "Bitcoin above $100k?"]

    assert nested(*texts, ends=[1.0, 2.0]) == []
