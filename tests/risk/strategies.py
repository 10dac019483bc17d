"""Random intents, portfolios and limits for the properties of the gate."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from risk.core.contracts import Holding, LimitsConfig, OrderIntent, PortfolioSnapshot, State
from tests.risk.books import INTENT, LIMITS, PORTFOLIO


def money(low: int | str, high: int | str, *, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=places, allow_nan=False, allow_infinity=False)


fractions = money(0, 1, places=4)
ticks = st.sampled_from([Decimal("0.1"), Decimal("0.01"), Decimal("0.001")])


@st.composite
def intents(draw: st.DrawFn) -> OrderIntent:
    tick = draw(ticks)
    price = tick * draw(st.integers(1, int(1 / tick) - 1))
    best = draw(st.sampled_from([price, max(price - tick, tick)]))
    return replace(
        INTENT,
        market=draw(st.integers(1, 3)),
        event=draw(st.integers(1, 2)),
        category=draw(st.sampled_from(["politics", "crypto"])),
        outcome_index=draw(st.integers(0, 1)),
        is_buy=draw(st.sampled_from([True, True, False])),
        shares=draw(money("0.01", 2000)),
        limit_price=price,
        best_price=best,
        expected_price=draw(st.sampled_from([best, price])),
        fee=draw(st.none() | money(0, 5, places=5)),
        probability=draw(st.floats(0, 1)),
        visible_depth=draw(money(0, 50_000)),
        tick=tick,
        min_shares=draw(st.none() | st.sampled_from([Decimal(0), Decimal(5), Decimal(15)])),
        book_age_s=draw(st.floats(0, 240)),
        prediction_age_s=draw(st.floats(0, 1200)),
        seconds_left=draw(st.none() | st.floats(-10, 10_000)),
        accepting_orders=draw(st.sampled_from([True, True, True, False])),
        asset=draw(st.sampled_from(["", "BTC"])),
        epoch=draw(st.none() | st.sampled_from([0.0, 900.0])),
    )


@st.composite
def holdings(draw: st.DrawFn) -> Holding:
    shares = draw(money(0, 200))
    market = draw(st.integers(1, 8))
    return Holding(
        market=market,
        event=draw(st.integers(1, 4)),
        category=draw(st.sampled_from(["politics", "crypto", "sports"])),
        outcome_index=draw(st.integers(0, 1)),
        shares=shares,
        exposure=draw(money(0, 100)),
        sellable=draw(st.sampled_from([Decimal(0), shares])),
        exclusive=draw(st.booleans()),
        asset=draw(st.sampled_from(["", "BTC"])),
        epoch=draw(st.none() | st.sampled_from([0.0, 900.0])),
    )


@st.composite
def portfolios(draw: st.DrawFn) -> PortfolioSnapshot:
    equity = draw(money(0, 10_000))
    near = money("0.95", "1.4")
    return replace(
        PORTFOLIO,
        state=draw(st.sampled_from(["ACTIVE"] * 6 + list(State))),
        placing_orders=draw(st.sampled_from([True, True, True, False])),
        cash=draw(money(0, 10_000)),
        risk_equity=equity,
        peak=equity * draw(near),
        day_start_equity=equity * draw(near),
        spent_today=draw(money(0, 1000)),
        orders_last_hour=draw(st.integers(0, 25)),
        equity_age_s=draw(st.floats(0, 2400)),
        holdings=tuple(draw(st.lists(holdings(), max_size=5))),
        seconds_since_intent=draw(
            st.dictionaries(st.integers(1, 3), st.floats(0, 400), max_size=2)
        ),
        seconds_since_exit=draw(st.dictionaries(st.integers(1, 3), st.floats(0, 9000), max_size=1)),
    )


@st.composite
def limits(draw: st.DrawFn) -> LimitsConfig:
    listen, reduce, halt = sorted(draw(st.lists(fractions, min_size=3, max_size=3)))
    return replace(
        LIMITS,
        max_market=draw(fractions),
        max_event=draw(fractions),
        max_category=draw(fractions),
        max_total=draw(fractions),
        max_day=draw(fractions),
        max_depth=draw(fractions),
        max_positions=draw(st.integers(0, 40)),
        max_order_usd=draw(money(0, 1000)),
        max_orders_per_hour=draw(st.integers(0, 40)),
        max_slippage_bps=draw(money(0, 2000)),
        max_edge_eaten=draw(fractions),
        max_book_age_s=draw(st.integers(0, 300)),
        max_prediction_age_s=draw(st.integers(0, 1200)),
        min_seconds_left=draw(st.integers(0, 600)),
        cooldown_s=draw(st.integers(0, 300)),
        reentry_s=draw(st.integers(0, 7200)),
        drawdown_listen=listen,
        drawdown_reduce=reduce,
        drawdown_halt=halt,
        daily_loss=draw(fractions),
        max_per_asset=draw(st.integers(0, 3)),
        max_equity_age_s=draw(st.integers(0, 2400)),
        max_consecutive_failures=3,
        max_unknown_orders=2,
    )
