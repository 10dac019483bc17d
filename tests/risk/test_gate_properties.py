"""What holds for every order the gate sees, whatever the limits and the books."""

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from risk.core.caps import CAPS
from risk.core.checks import CHECKS, evaluate
from risk.core.contracts import Holding, LimitsConfig, OrderIntent, PortfolioSnapshot
from risk.core.exposure import worst_loss
from tests.risk import strategies
from tests.risk.books import INTENT, LIMITS, PORTFOLIO

RUNS = settings(max_examples=150, deadline=None)

caps = st.fixed_dictionaries(
    {
        name: strategies.money("0.005", 1, places=4)
        for name in ("max_market", "max_event", "max_category", "max_total", "max_day", "max_depth")
    }
).map(lambda values: replace(LIMITS, **values))
elsewhere = strategies.holdings().map(lambda h: replace(h, market=h.market + 3, asset=""))
calm_books = st.builds(
    lambda cash, spent, held: replace(
        PORTFOLIO, cash=cash, spent_today=spent, holdings=tuple(held)
    ),
    strategies.money(5, 500),
    strategies.money(0, 20),
    st.lists(elsewhere, max_size=2),
)
calm_orders = st.builds(
    lambda shares, depth, fee, event: replace(
        INTENT, shares=shares, visible_depth=depth, fee=fee * shares, event=event
    ),
    strategies.money("0.01", 2000),
    strategies.money(100, 50_000),
    strategies.money(0, "0.01", places=4),
    st.integers(1, 4),
)
orders = st.one_of(strategies.intents(), calm_orders)
books = st.one_of(strategies.portfolios(), calm_books)
rules = st.one_of(strategies.limits(), caps)


def after(order: OrderIntent, portfolio: PortfolioSnapshot, shares: Decimal) -> tuple[Holding, ...]:
    """The holdings once the order was approved: an unfilled order hedges nothing."""
    new = Holding(
        market=order.market,
        event=order.event,
        category=order.category,
        outcome_index=order.outcome_index,
        shares=shares,
        exposure=order.cost_of(shares),
        exclusive=True,
    )
    return (*portfolio.holdings, new)


@RUNS
@given(calm_orders, calm_books, caps)
def test_no_accepted_entry_violates_any_limit(
    order: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> None:
    verdict = evaluate(order, portfolio, limits)
    assume(verdict.approved)

    shares, equity = verdict.approved_shares, portfolio.risk_equity
    cost, holdings = order.cost_of(shares), after(order, portfolio, shares)
    of = {
        "market": [h for h in holdings if h.market == order.market],
        "event": [h for h in holdings if h.event == order.event],
        "category": [h for h in holdings if h.category == order.category],
    }
    assert sum(h.exposure for h in of["market"]) <= limits.max_market * equity
    assert worst_loss(of["event"]) <= limits.max_event * equity
    assert sum(h.exposure for h in of["category"]) <= limits.max_category * equity
    assert sum(h.exposure for h in holdings) <= limits.max_total * equity
    assert portfolio.spent_today + cost <= limits.max_day * equity
    assert cost <= portfolio.cash
    assert cost <= limits.max_order_usd
    assert shares <= limits.max_depth * order.visible_depth
    assert len({h.market for h in holdings}) <= limits.max_positions
    assert portfolio.orders_last_hour < limits.max_orders_per_hour
    assert order.min_shares is not None
    assert order.min_shares <= shares <= order.wanted
    assert not {h.market for h in portfolio.holdings} & {order.market}
    assert portfolio.state == "ACTIVE"
    assert Decimal(order.probability) > order.limit_price


@RUNS
@given(orders, books, rules)
def test_only_a_sound_order_in_an_active_state_is_accepted(
    order: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> None:
    verdict = evaluate(order, portfolio, limits)
    if not verdict.approved:
        return

    assert portfolio.placing_orders
    assert order.accepting_orders
    assert order.fee is not None
    assert 0 <= order.book_age_s <= limits.max_book_age_s
    if order.is_buy:
        assert portfolio.state == "ACTIVE"
        assert portfolio.risk_equity > portfolio.peak * (1 - limits.drawdown_listen)


@RUNS
@given(orders, books, rules)
def test_no_accepted_sale_exceeds_what_is_held(
    order: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> None:
    sale = replace(order, is_buy=False)

    verdict = evaluate(sale, portfolio, limits)

    ours = sum(
        h.sellable
        for h in portfolio.holdings
        if (h.market, h.outcome_index) == (sale.market, sale.outcome_index)
    )
    assert verdict.approved_shares <= ours


@RUNS
@given(orders, books, rules)
def test_a_verdict_is_approved_or_explained_and_names_every_broken_check(
    order: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> None:
    verdict = evaluate(order, portfolio, limits)

    assert verdict.approved == (not verdict.denials)
    if order.fee is None or order.min_shares is None:
        return
    said = {d.reason for d in verdict.denials}
    for check in CHECKS:
        if order.is_buy or not check.entries:
            assert check.run(order, portfolio, limits) is None or check.reason in said


TIGHTER_BELOW = (
    "max_market",
    "max_event",
    "max_category",
    "max_total",
    "max_day",
    "max_depth",
    "max_positions",
    "max_order_usd",
    "max_orders_per_hour",
    "max_slippage_bps",
    "max_edge_eaten",
    "max_book_age_s",
    "max_prediction_age_s",
    "max_equity_age_s",
    "drawdown_listen",
    "drawdown_halt",
    "daily_loss",
)
TIGHTER_ABOVE = ("min_seconds_left", "cooldown_s", "reentry_s")


@RUNS
@given(
    calm_orders,
    calm_books,
    rules,
    st.sampled_from(TIGHTER_BELOW + TIGHTER_ABOVE),
    strategies.fractions,
)
def test_a_tighter_limit_never_admits_more(
    order: OrderIntent,
    portfolio: PortfolioSnapshot,
    limits: LimitsConfig,
    name: str,
    factor: Decimal,
) -> None:
    value = Decimal(getattr(limits, name))
    moved = value * factor if name in TIGHTER_BELOW else value * (1 + factor)
    kind = type(getattr(limits, name))
    tighter = replace(limits, **{name: kind(moved)})

    loose, tight = evaluate(order, portfolio, limits), evaluate(order, portfolio, tighter)

    assert tight.approved_shares <= loose.approved_shares


@RUNS
@given(orders, books, rules)
def test_asking_twice_gives_the_same_answer_and_changes_nothing(
    order: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> None:
    before = deepcopy((order, portfolio, limits))

    first = evaluate(order, portfolio, limits)

    assert evaluate(order, portfolio, limits) == first
    assert (order, portfolio, limits) == before


@RUNS
@given(calm_orders, calm_books)
def test_an_approved_order_could_not_have_been_a_hundredth_larger(
    order: OrderIntent, portfolio: PortfolioSnapshot
) -> None:
    verdict = evaluate(order, portfolio, LIMITS)
    assume(verdict.approved and verdict.bound_by)

    more = verdict.approved_shares + Decimal("0.01")

    assert any(cap.room(order, portfolio, LIMITS) < more for cap in CAPS)
