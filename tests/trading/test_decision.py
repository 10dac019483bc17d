"""How much of a signal is bought, at what price at most, and when nothing is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.core.contracts import Holding
from tests.trading.candidates import book, candidate, ladder, limits, portfolio, trading_config
from trading.core.decision import decide

WIDE = limits(
    max_order_usd=Decimal(5000),
    max_depth=Decimal(1),
    **dict.fromkeys(
        ("max_market", "max_event", "max_category", "max_total", "max_day"), Decimal(1)
    ),
)


def decided(limits_=None, portfolio_=None, **changes):
    return decide(
        candidate(**changes), portfolio_ or portfolio(), limits_ or limits(), trading_config()
    )


def test_a_good_candidate_is_approved_within_the_caps():
    decision = decided()

    assert decision.reason == "APPROVED"
    assert decision.intent.limit_price == Decimal("0.51")
    assert decision.intent.cost_of(decision.shares) <= Decimal(200)
    assert decision.shares > 300


def test_a_quarter_of_kelly_is_staked_where_no_cap_binds():
    decision = decided(WIDE)

    believed = 0.5 + 0.2 * 0.01 / (0.01 + 0.0004)
    cost = 0.51 + 0.04 * 0.51 * 0.49
    expected = 0.25 * 10_000 * (believed - cost) / (1 - cost) / cost
    assert float(decision.shares) == pytest.approx(expected, rel=1e-3)


def test_a_less_certain_belief_buys_less():
    sure, unsure = decided(WIDE, sigma=0.01), decided(WIDE, sigma=0.1)

    assert unsure.shares < sure.shares


def test_a_belief_without_certainty_has_no_edge():
    assert decided(sigma=10.0).reason == "NO_EDGE_LEFT"


def test_the_order_never_walks_further_than_the_slippage_limits():
    asks = ladder(("0.510", "400"), ("0.512", "400"), ("0.600", "100000"))

    decision = decided(WIDE, book=book(asks), tick=Decimal("0.001"))

    assert decision.intent.limit_price == Decimal("0.512")
    assert decision.shares == 800


def test_a_thin_best_level_leaves_only_what_lies_near():
    asks = ladder(("0.51", "3"), ("0.60", "100000"))

    decision = decided(WIDE, book=book(asks))

    assert decision.reason == "MIN_SIZE"


def test_min_size_round_up_within_limit():
    small = portfolio(equity=Decimal(20))

    decision = decided(WIDE, small, probability=0.60)

    assert decision.shares == 5


def test_min_size_reject_when_over_limit():
    decision = decided(portfolio_=portfolio(equity=Decimal(20)), probability=0.60)

    assert decision.reason == "MIN_SIZE"
    assert decision.shares == 0


@pytest.mark.parametrize(
    "unknown", [{"tick": None}, {"min_shares": None}, {"fee_rate": None}], ids=str
)
def test_a_market_with_unknown_rules_is_not_traded(unknown):
    assert decided(**unknown).reason == "UNKNOWN_RULES"


def test_a_book_without_offers_is_not_bought():
    assert decided(book=book(asks=())).reason == "DEPTH_LIMIT"


def test_an_ask_off_the_grid_is_not_bought():
    assert decided(book=book(ladder(("0.515", "1000")))).reason == "OFF_TICK"


def test_opposite_direction_rejected_with_message():
    held = Holding(
        market=1,
        event=1,
        category="politics",
        outcome_index=1,
        shares=Decimal(10),
        exposure=Decimal(5),
    )

    decision = decided(portfolio_=portfolio(holdings=(held,)))

    assert decision.reason == "ALREADY_HELD"
    assert decision.verdict.denials[0].message.startswith("Already have")


def test_a_halt_denies():
    assert decided(portfolio_=portfolio(state="HALTED")).reason == "HALTED"


@given(
    st.lists(
        st.tuples(st.integers(2, 90), st.integers(1, 5000)),
        min_size=1,
        max_size=6,
        unique_by=lambda level: level[0],
    ),
    st.floats(0.05, 0.99),
    st.floats(0, 0.2),
)
def test_what_is_approved_fits_the_book_the_limits_and_the_belief(levels, probability, sigma):
    asks = ladder(*((str(p / 100), str(n)) for p, n in sorted(levels)))
    bids = ladder(("0.01", "1000"))
    price = max((float(asks[0].price) + 0.01) / 2, 0.01)

    decision = decided(probability=probability, sigma=sigma, price=price, book=book(asks, bids))

    if decision.shares:
        intent = decision.intent
        offered = sum(x.shares for x in asks if x.price <= intent.limit_price)
        assert decision.shares <= offered
        assert intent.cost_of(decision.shares) <= Decimal(200)
        assert float(intent.limit_price) < intent.probability
        assert intent.limit_price <= asks[0].price * Decimal("1.01")
