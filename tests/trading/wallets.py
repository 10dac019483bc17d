"""A wallet as the venue and the chain tell it, for tests that reconcile."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests import factories
from tests.factories import NOW
from trading.books import claims, ledger
from trading.models import Account, Order
from trading.venue import Execution, VenueOrder, VenueTrade

MODE, WALLET = "REHEARSAL", "0x00000000000000000000000000000000000000aa"


@dataclass
class Wallet:
    """What an honest venue would answer; tests bend it."""

    dollars: Decimal = Decimal(1000)
    tokens: dict[str, Decimal] = field(default_factory=dict)
    orders: list[VenueOrder] = field(default_factory=list)
    told: list[VenueTrade] = field(default_factory=list)
    asked_since: list[datetime] = field(default_factory=list)

    def open_orders(self) -> Sequence[VenueOrder]:
        return self.orders

    def trades(self, *, since: datetime) -> Sequence[VenueTrade]:
        self.asked_since.append(since)
        """By the time of the match, as the venue reads it: what it tells late is told as old."""
        return [trade for trade in self.told if trade.execution.observed_at >= since]

    def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
        return {token: self.tokens.get(token, Decimal(0)) for token in token_ids}

    def cash(self) -> Decimal:
        return self.dollars

    def trade(self, order: Order, shares: Any, **changes: Any) -> Execution:
        """A trade of an order: told, and carried out on the chain unless it is only MATCHED."""
        execution = Execution(
            trade_id=changes.pop("trade_id", f"t{len(self.told)}"),
            price=changes.pop("price", order.price),
            shares=Decimal(shares),
            fee=changes.pop("fee", Decimal(0)),
            observed_at=changes.pop("at", NOW),
            **{"status": "CONFIRMED", **changes},
        )
        told = VenueTrade(
            venue_order_id=order.venue_order_id or "",
            token_id=order.outcome.asset_id or "",
            is_buy=order.side == "BUY",
            execution=execution,
        )
        self.told.append(told)
        if execution.status in {"MINED", "CONFIRMED"}:
            self.carry_out(told)
        return execution

    def carry_out(self, told: VenueTrade) -> None:
        sign = 1 if told.is_buy else -1
        execution = told.execution
        self.tokens[told.token_id] = (
            self.tokens.get(told.token_id, Decimal(0)) + sign * execution.shares
        )
        self.dollars -= sign * execution.price * execution.shares


def funded(dollars: int = 1000) -> Wallet:
    """A wallet whose dollars the books know."""
    ledger.post(
        f"deposit:{WALLET}",
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=Decimal(dollars),
        kind="deposit",
        mode=MODE,
        wallet=WALLET,
        as_of=NOW,
    )
    return Wallet(dollars=Decimal(dollars))


def an_order(**changes: Any) -> Order:
    """An open order for 100 shares at 0.50: claimed, reserved, alive at the venue."""
    market = changes.pop("market", None) or factories.MarketFactory()
    index = changes.pop("index", 0)
    side = changes.pop("side", "BUY")
    intent = factories.IntentFactory(
        market=market,
        index=index,
        side=side,
        mode=MODE,
        wallet=WALLET,
        status="EXECUTED",
        type="GTC",
        limit_price=Decimal("0.5"),
        shares=changes.pop("shares", Decimal(100)),
    )
    buys = side == "BUY"
    if buys:
        claims.take(intent, as_of=NOW)
    reserved = Decimal("0.5") * intent.shares if buys else Decimal(0)
    ledger.post_if_any(
        f"reserve:{intent.pk}",
        debit=Account.CASH,
        credit=Account.RESERVED,
        amount=reserved,
        kind="reserve",
        mode=MODE,
        wallet=WALLET,
        market_id=market.pk,
        as_of=NOW,
    )
    order: Order = factories.OrderFactory(
        intent=intent,
        wallet=WALLET,
        type="GTC",
        reserved=reserved,
        status=changes.pop("status", "OPEN"),
        venue_order_id=changes.pop("venue_order_id", f"0x{intent.pk.hex}"),
        **changes,
    )
    return order


def listed(order: Order, matched: int = 0) -> VenueOrder:
    """An order of ours as the venue lists it."""
    return VenueOrder(
        venue_order_id=order.venue_order_id or "",
        token_id=order.outcome.asset_id or "",
        is_buy=order.side == "BUY",
        price=order.price,
        shares=order.shares,
        matched=Decimal(matched),
    )
