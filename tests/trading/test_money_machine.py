"""Whatever trades do, books, shares and cash are those of the exchange, after every step.

The exchange is the model of `model_exchange`. The suite lives through 20 on SQLite and 10 on
PostgreSQL, of 50 steps each; `MONEY_LIVES=200` asks for more.
"""

import os
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from config.kernel import units
from risk.models import Halt
from tests import factories
from tests.factories import NOW
from tests.support import invariants
from tests.trading.model_exchange import MARKETS, START, Exchange, Trade, Wish, dollars
from trading.books import claims, conversions, fills, ledger
from trading.models import (
    MAIN_WALLET,
    Account,
    Conversion,
    IntentGroup,
    Order,
    TradeIntent,
)
from trading.orders import transitions
from trading.redeeming import redeem
from trading.venue import Execution, Receipt

pytestmark = pytest.mark.django_db
MODE = "PAPER"
LIVES = {"sqlite": 20, "postgresql": 10}


SHARES = st.integers(5_000_000, 200_000_000)
CENTS = st.integers(2, 98)
PICK = st.integers(0, 10**6)
SIDES = st.integers(0, 1)


BALANCES = "SELECT cash + reserved, fees, positions FROM trading_ledgerbalance WHERE mode = %s"
POSITIONS = (
    "SELECT outcome_id, shares, booked, cost FROM trading_position WHERE mode = %s AND shares > 0"
)
FULL_CHECK_EVERY = 5


class Life(RuleBasedStateMachine):
    """One life of a ledger."""

    markets: ClassVar[list[Any]]
    decision: ClassVar[Any]
    group: ClassVar[IntentGroup]
    lives: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.exchange = Exchange()
        self.now = NOW
        ledger.post(
            "deposit:machine",
            debit=Account.EXTERNAL,
            credit=Account.CASH,
            amount=units.from_micro(START),
            kind="deposit",
            mode=MODE,
            as_of=NOW,
        )

    def teardown(self) -> None:
        Life.lives += 1
        try:
            if Life.lives % FULL_CHECK_EVERY == 0:
                invariants.check_everything()
            assert not Halt.objects.exists()
        finally:
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def later(self) -> Any:
        self.now += timedelta(seconds=1)
        return self.now

    # --- orders ---

    @precondition(lambda self: self.exchange.open_markets())
    @rule(pick=PICK, index=SIDES, shares=SHARES, cents=CENTS, at_once=st.integers(0, 4))
    def buy(self, pick: int, index: int, shares: int, cents: int, at_once: int) -> None:
        markets = self.exchange.open_markets()
        market = markets[pick % len(markets)]
        wanted = not self.exchange.busy(market)
        intent = self._intent(market, index, "BUY", shares, cents)
        if wanted:
            claims.take(intent, as_of=self.later())
        intent.save(force_insert=True)
        reserved = units.pay(intent.shares * intent.limit_price) + Decimal("0.5")
        ledger.post(
            f"reserve:{intent.pk}",
            debit=Account.CASH,
            credit=Account.RESERVED,
            amount=reserved,
            kind="reserve",
            mode=MODE,
            market_id=intent.market_id,
            as_of=self.now,
        )
        self._wish(intent, market, index, reserved)
        if at_once:
            self._match(self.exchange.wishes[-1], at_once, 0, maker=False, settled=False)

    @precondition(lambda self: self.exchange.to_sell())
    @rule(pick=PICK, part=st.integers(1, 4), cents=CENTS, at_once=st.booleans())
    def sell(self, pick: int, part: int, cents: int, at_once: bool) -> None:
        """From what is on the chain and promised to nobody."""
        held = self.exchange.to_sell()
        market, index = held[pick % len(held)]
        shares = max(self.exchange.free((market, index)) * part // 4, 1)
        intent = self._intent(market, index, "SELL", shares, cents)
        intent.save(force_insert=True)
        self._wish(intent, market, index, Decimal(0))
        if at_once:
            self._match(self.exchange.wishes[-1], part, 0, maker=False, settled=True)

    def _intent(self, market: int, index: int, side: str, shares: int, cents: int) -> TradeIntent:
        row = self.markets[market]
        return TradeIntent(
            mode=MODE,
            market=row,
            outcome=row.sides[index],
            side=side,
            shares=units.from_micro(shares),
            limit_price=Decimal(cents) / 100,
            type="GTC",
            purpose="LEG",
            group=self.group,
            strategy="default",
            status="EXECUTED",
            fingerprint="",
            key=uuid4().hex,
            decision=self.decision,
            created_at=self.now,
            expires_at=self.now,
        )

    def _wish(self, intent: TradeIntent, market: int, index: int, reserved: Decimal) -> None:
        order = Order.objects.create(
            intent=intent,
            mode=MODE,
            market=intent.market,
            outcome=intent.outcome,
            side=intent.side,
            type="GTC",
            price=intent.limit_price,
            shares=intent.shares,
            reserved=reserved,
            status="OPEN",
            venue_order_id=intent.key,
            created_at=self.now,
        )
        self.exchange.wishes.append(
            Wish(
                row=order,
                market=market,
                index=index,
                buy=intent.side == "BUY",
                shares=units.to_micro(intent.shares),
            )
        )

    # --- trades ---

    @precondition(lambda self: self.exchange.late())
    @rule(
        pick=PICK,
        part=st.integers(1, 4),
        better=st.integers(0, 20),
        maker=st.booleans(),
        settled=st.booleans(),
    )
    def fill(self, pick: int, part: int, better: int, maker: bool, settled: bool) -> None:
        late = self.exchange.late()
        self._match(late[pick % len(late)], part, better, maker=maker, settled=settled)

    def _match(self, wish: Wish, part: int, better: int, *, maker: bool, settled: bool) -> None:
        shares = max((wish.shares - wish.filled) * part // 4, 1)
        limit = int(wish.row.price * 100)
        cents = max(limit - better, 1) if wish.buy else min(limit + better, 99)
        price = Decimal(cents) / 100
        fee = int(shares * Decimal("0.04") * price * (1 - price)) // 10 * 10
        execution = Execution(
            trade_id=f"t{len(self.exchange.trades)}",
            price=price,
            shares=units.from_micro(shares),
            fee=units.from_micro(fee),
            observed_at=self.later(),
            is_maker=maker,
            status="CONFIRMED" if settled else "MATCHED",
        )
        trade = Trade(
            key=execution.trade_id,
            order=wish,
            shares=shares,
            dollars=dollars(shares, price, up=wish.buy),
            fee=0 if maker else fee,
            execution=execution,
            status=execution.status,
        )
        self.exchange.match(trade)
        self.exchange.trades.append(trade)
        self._tell(wish, execution)

    def _tell(self, wish: Wish, execution: Execution) -> None:
        if not wish.alive:
            fills.record(wish.row, execution, as_of=self.now)
            return
        full = wish.filled == wish.shares
        receipt = Receipt(
            venue_order_id=wish.row.venue_order_id or "",
            status="FILLED" if full else "OPEN",
            executions=(execution,),
        )
        transitions.apply(wish.row, receipt, as_of=self.now)
        wish.alive = not full

    @precondition(lambda self: self.exchange.trades)
    @rule(pick=PICK)
    def tell_again(self, pick: int) -> None:
        trade = self.exchange.trades[pick % len(self.exchange.trades)]
        fills.record(trade.order.row, trade.execution, as_of=self.later())

    @precondition(lambda self: any(t.status == "MATCHED" for t in self.exchange.trades))
    @rule(pick=PICK, ghost=st.booleans())
    def settle(self, pick: int, ghost: bool) -> None:
        """The chain takes a trade, or it never happened."""
        open_ = [t for t in self.exchange.trades if t.status == "MATCHED"]
        trade = open_[pick % len(open_)]
        wish = trade.order
        trade.status = "FAILED" if ghost else "CONFIRMED"
        changes = {"status": trade.status, "trade_id": trade.key}
        trade.execution = Execution(
            **{
                name: getattr(trade.execution, name)
                for name in ("price", "shares", "fee", "observed_at", "is_maker")
            },
            **changes,
        )
        if ghost:
            self.exchange.match(trade, sign=-1)
        fills.record(wish.row, trade.execution, as_of=self.later())

    @precondition(lambda self: any(w.alive for w in self.exchange.wishes))
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        alive = [w for w in self.exchange.wishes if w.alive]
        wish = alive[pick % len(alive)]
        wish.alive = False
        transitions.end(wish.row, to="CANCELED", reason="asked", as_of=self.later())

    # --- sets ---

    @precondition(lambda self: self.exchange.open_markets())
    @rule(pick=PICK, shares=SHARES)
    def split(self, pick: int, shares: int) -> None:
        markets = self.exchange.open_markets()
        market = markets[pick % len(markets)]
        if not self.exchange.busy(market):
            with pytest.raises(conversions.Unclaimed):
                self._convert(Conversion.Kind.SPLIT, market, shares)
            return
        self._convert(Conversion.Kind.SPLIT, market, shares)
        self.exchange.cash -= shares
        for key in ((market, 0), (market, 1)):
            self.exchange.held[key] = self.exchange.held.get(key, 0) + shares

    @precondition(lambda self: self.exchange.sets())
    @rule(pick=PICK, part=st.integers(1, 2))
    def merge(self, pick: int, part: int) -> None:
        markets = self.exchange.sets()
        market = markets[pick % len(markets)]
        keys = ((market, 0), (market, 1))
        shares = max(min(map(self.exchange.free, keys)) * part // 2, 1)
        self._convert(Conversion.Kind.MERGE, market, shares)
        self.exchange.cash += shares
        for key in keys:
            self.exchange.held[key] -= shares

    def _convert(self, kind: str, market: int, shares: int) -> None:
        conversions.record(
            kind,
            self.markets[market],
            units.from_micro(shares),
            mode=MODE,
            wallet=MAIN_WALLET,
            key=uuid4().hex,
            as_of=self.later(),
        )

    # --- the end of a market ---

    @precondition(lambda self: self.exchange.ripe())
    @rule(pick=PICK, halves=st.integers(0, 2))
    def resolve(self, pick: int, halves: int) -> None:
        """The exchange ends its orders there."""
        markets = self.exchange.ripe()
        market = markets[pick % len(markets)]
        for wish in self.exchange.wishes:
            if wish.market == market:
                if wish.alive:
                    transitions.end(wish.row, to="CANCELED", reason="resolved", as_of=self.later())
                wish.alive, wish.shares = False, wish.filled
        factories.ResolutionFactory(
            market=self.markets[market], payout_0=Decimal(halves) / 2, resolved_at=self.later()
        )
        self.exchange.resolved[market] = (halves, 2 - halves)

    @precondition(
        lambda self: any(
            self.exchange.held.get((m, i)) for m in self.exchange.resolved for i in (0, 1)
        )
    )
    @rule()
    def pay(self) -> None:
        redeem.run(as_of=self.later())
        for (market, index), shares in self.exchange.held.items():
            if market in self.exchange.resolved:
                self.exchange.cash += shares * self.exchange.resolved[market][index] // 2
                self.exchange.held[market, index] = 0

    # --- what must hold ---

    @invariant()
    def books_are_those_of_the_exchange(self) -> None:
        """Read as plain rows: this runs ten thousand times."""
        with connection.cursor() as cursor:
            cursor.execute(BALANCES, [MODE])
            cash, fees, positions = cursor.fetchone()
            cursor.execute(POSITIONS, [MODE])
            rows = {outcome: tuple(map(micro, amounts)) for outcome, *amounts in cursor.fetchall()}
        assert (cash, fees) == (self.exchange.cash, self.exchange.fees)
        theirs = {
            self.markets[market].sides[index].pk: shares
            for (market, index), shares in self.exchange.held.items()
            if shares
        }
        assert {outcome: row[0] for outcome, row in rows.items()} == theirs
        assert sum(booked for _shares, booked, _cost in rows.values()) == positions
        assert all(cost >= 0 for _shares, _booked, cost in rows.values())


def micro(amount: Any) -> int:
    """An amount as either database returns it, in millionths."""
    return units.to_micro(units.decimal(amount))


@pytest.mark.timeout(120)
def test_books_equal_the_exchange_after_every_step_of_any_life():
    Life.markets = [factories.MarketFactory(fees=None) for _ in range(MARKETS)]
    for market in Life.markets:
        market.sides = list(market.outcomes.order_by("index"))
    Life.decision = factories.RiskDecisionFactory(market=Life.markets[0])
    Life.group = IntentGroup.objects.create(
        mode=MODE, kind="PAIR", leg_risk_budget=Decimal(1), created_at=NOW
    )
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=int(os.environ.get("MONEY_LIVES", LIVES[connection.vendor])),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
