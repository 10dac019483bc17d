"""Buy sets as a group: one order a leg, all written down in one transaction, or none.

Legs are FOK: each fills whole or not at all, so what may be left over is whole legs, and their
unwinding is what the leg-risk budget was measured by.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction

from config.kernel import audit, locks
from config.kernel.units import ZERO, floor_to
from markets.core.book import Book
from markets.models import Market, Outcome
from risk import gate, halts
from risk.core.checks import evaluate
from risk.core.contracts import (
    ARBITRAGE_STRATEGY,
    DenialReason,
    Holding,
    LimitsConfig,
    OrderIntent,
    PortfolioSnapshot,
)
from trading import horizons
from trading.books import claims, ledger, portfolio
from trading.core import arbitrage
from trading.core.arbitrage import Bought, Sets, Why
from trading.core.arbitrage_terms import ArbitrageConfig
from trading.core.fees import taker_fee
from trading.core.rules import SIZE_STEP
from trading.deciding import approvals, candidates, wishes
from trading.models import IntentGroup, TimeInForce, TradeIntent
from trading.settings import TradingSettings

log = structlog.get_logger()
ACTOR = "arbitrage"
TRIES = 8
"""Sizes tried until the gate admits one: each is what it admitted, or half of what it refused."""


class Refused(Exception):
    """The group may not be begun; the text is the reason."""


def enter(
    sets: Sets,
    markets: Mapping[int, Market],
    *,
    config: ArbitrageConfig,
    limits: LimitsConfig,
    as_of: datetime,
) -> tuple[IntentGroup | None, str]:
    """Begin a group that buys these sets, or as many as the gate admits; else why not."""
    try:
        return _enter(sets, markets, config=config, limits=limits, as_of=as_of), Why.TRADED
    except Refused as why:
        return None, str(why)
    except claims.AlreadyHeld:
        return None, DenialReason.ALREADY_HELD.value


@transaction.atomic
def _enter(
    sets: Sets,
    markets: Mapping[int, Market],
    *,
    config: ArbitrageConfig,
    limits: LimitsConfig,
    as_of: datetime,
) -> IntentGroup:
    switches = TradingSettings.objects.newest()
    locks.hold(f"portfolio:{switches.mode}")
    ledger.open_books(switches.mode, as_of=as_of)
    books = portfolio.snapshot(switches.mode, as_of=as_of, strategy=ARBITRAGE_STRATEGY)
    states = {
        leg.market: halts.state(
            as_of=as_of, mode=switches.mode, strategy=ARBITRAGE_STRATEGY, market=str(leg.market)
        )
        for leg in sets.bundle.legs
    }
    bench = _Bench(markets, books, states, limits, as_of=as_of)
    fitting = bench.fitting(sets, config)
    return _write_down(fitting, bench, config, mode=switches.mode)


class _Bench:
    """The books as each leg would find them, those before it counted as bought."""

    def __init__(
        self,
        markets: Mapping[int, Market],
        books: PortfolioSnapshot,
        states: Mapping[int, str],
        limits: LimitsConfig,
        *,
        as_of: datetime,
    ) -> None:
        self.as_of, self.limits, self.markets = as_of, limits, markets
        self._books, self._states = books, states

    def asked(self, sets: Sets) -> Iterable[tuple[Bought, OrderIntent, PortfolioSnapshot]]:
        """Each leg as an order, with the books that it meets.

        Legs of one market stand on one claim, so one is no holding in the way of the other.
        """
        books = self._books
        own: list[Holding] = []
        for leg in sets.bought:
            order = buying(leg, sets, self.markets[leg.leg.market], as_of=self.as_of)
            met = tuple(held for held in own if held.market != order.market)
            state = self._states[order.market]
            yield leg, order, replace(books, state=state, holdings=(*books.holdings, *met))
            own.append(_holding(order, self.markets[order.market], as_of=self.as_of))
            books = replace(
                books,
                cash=books.cash - order.cost,
                spent_today=books.spent_today + order.cost,
                orders_last_hour=books.orders_last_hour + 1,
            )

    def fitting(self, sets: Sets, config: ArbitrageConfig) -> Sets:
        """As many of the sets as the gate admits on every leg; raises `Refused`."""
        blamed = DenialReason.ORDER_LIMIT.value
        for _ in range(TRIES):
            verdicts = [evaluate(o, books, self.limits) for _, o, books in self.asked(sets)]
            admitted = min(verdict.approved_shares for verdict in verdicts)
            if admitted >= sets.sets:
                return sets
            denials = [d.reason for verdict in verdicts for d in verdict.denials]
            if any(reason != DenialReason.SLIPPAGE for reason in denials):
                raise Refused(denials[0].value)
            fewer = floor_to(sets.sets / 2 if denials else admitted, SIZE_STEP)
            bound = [reason for verdict in verdicts for reason in verdict.bound_by]
            blamed = (denials or bound)[0].value
            if fewer <= ZERO:
                raise Refused(blamed)
            sets = arbitrage.of(sets.bundle, fewer)
            if arbitrage.is_too_small(sets, config):
                raise Refused(blamed)
        raise Refused(blamed)


def _write_down(sets: Sets, bench: _Bench, config: ArbitrageConfig, *, mode: str) -> IntentGroup:
    """The group, its claims and its legs; raises `Refused` where the gate changed its mind."""
    as_of, wallet = bench.as_of, portfolio.wallet(mode)
    group = IntentGroup.objects.create(
        mode=mode,
        wallet=wallet,
        kind=sets.bundle.kind,
        leg_risk_budget=config.leg_risk_budget_usd,
        created_at=as_of,
    )
    rules = approvals.rules(as_of=as_of)
    together = _most(sets, bench)
    claimed: set[int] = set()
    for leg, order, books in bench.asked(sets):
        decision = gate.review(
            order, books, mode=mode, as_of=as_of, limits=bench.limits, settings=asdict(config)
        )
        if decision.approved_shares < sets.sets:
            raise Refused(decision.denials.partition(" ")[0] or DenialReason.ORDER_LIMIT.value)
        market = bench.markets[order.market]
        wish = wishes.Wish(
            market=market,
            outcome=outcome_of(market, leg.leg.outcome_index),
            key=f"leg:{group.pk}:{market.pk}:{leg.leg.outcome_index}",
            mode=mode,
            wallet=wallet,
            purpose=TradeIntent.Purpose.LEG,
            type=TimeInForce.FOK,
            group=group,
            net_edge=float(sets.net / sets.sets),
            together=together,
        )
        intent = wishes.write_down(order, decision, wish, as_of=as_of, rules=rules)
        if market.pk not in claimed:
            claims.take(intent, as_of=as_of)
            claimed.add(market.pk)
    _tell(group, sets, config, as_of=as_of)
    return group


def _most(sets: Sets, bench: _Bench) -> Decimal:
    """Dollars that all legs can cost: one yes answers for them together."""
    asked = bench.asked(sets)
    costs = (wishes.cost(o.shares, o.limit_price, bench.markets[o.market]) for _, o, _ in asked)
    return sum(costs, ZERO)


def _tell(group: IntentGroup, sets: Sets, config: ArbitrageConfig, *, as_of: datetime) -> None:
    audit.record(
        "group.begun",
        actor=ACTOR,
        subject=f"group:{group.pk}",
        data={
            "mode": group.mode,
            "kind": group.kind,
            "event": sets.bundle.event,
            "sets": sets.sets,
            "cost": sets.cost,
            "payout": sets.payout,
            "net_profit": sets.net,
            "leg_risk": arbitrage.leg_risk(sets, slip=config.unwind_slip),
        },
        as_of=as_of,
    )
    log.info("group.begun", group_id=str(group.pk), kind=group.kind, net=str(sets.net))


def buying(bought: Bought, sets: Sets, market: Market, *, as_of: datetime) -> OrderIntent:
    """One leg as the gate wants to see it: worth to the set what the other legs leave of it."""
    leg = bought.leg
    return wish(
        market,
        leg.outcome_index,
        leg.book,
        is_buy=True,
        shares=bought.shares,
        limit=bought.limit,
        expected=bought.notional / bought.shares,
        fee=taker_fee(bought.shares, bought.limit, rate=leg.rate, exponent=leg.exponent),
        believed=float(arbitrage.worth(sets, bought)),
        as_of=as_of,
    )


def wish(
    market: Market,
    outcome_index: int,
    book: Book,
    *,
    is_buy: bool,
    shares: Decimal,
    limit: Decimal,
    expected: Decimal,
    fee: Decimal,
    believed: float,
    as_of: datetime,
) -> OrderIntent:
    """An order of a group against the book of its own outcome; no forecast decides about it."""
    epoch, levels = market.epoch_start_at, book.asks if is_buy else book.bids
    within = [x for x in levels if (x.price <= limit if is_buy else x.price >= limit)]
    return OrderIntent(
        market=market.pk,
        event=market.event_id,
        category=market.category,
        outcome_index=outcome_index,
        is_buy=is_buy,
        shares=shares,
        limit_price=limit,
        expected_price=expected,
        best_price=levels[0].price,
        fee=fee,
        probability=believed,
        visible_depth=sum((x.shares for x in within), ZERO),
        tick=market.tick_size,
        min_shares=market.min_shares,
        book_age_s=(as_of - book.observed_at).total_seconds(),
        prediction_age_s=0.0,
        seconds_left=horizons.seconds_left(market, as_of=as_of),
        accepting_orders=candidates.takes_orders(market),
        strategy=ARBITRAGE_STRATEGY,
        asset=market.asset,
        epoch=None if epoch is None else epoch.timestamp(),
        window_s=None if market.window_s is None else float(market.window_s),
        label=market.question,
    )


def outcome_of(market: Market, index: int) -> Outcome:
    """The market's outcome of this index, of those read with it."""
    return next(outcome for outcome in market.outcomes.all() if outcome.index == index)


def _holding(order: OrderIntent, market: Market, *, as_of: datetime) -> Holding:
    return Holding(
        market=order.market,
        event=order.event,
        category=order.category,
        outcome_index=order.outcome_index,
        shares=order.shares,
        exposure=order.cost,
        exclusive=bool(market.event.neg_risk),
        asset=order.asset,
        epoch=order.epoch,
        window_s=order.window_s,
        label=order.label,
        strategy=order.strategy,
        horizon=horizons.of(market, as_of=as_of),
    )
