"""What happens at the exchange by itself: settlement, expiry, resolution, the world's trades."""

import heapq
from typing import TYPE_CHECKING, Final

from sandbox.core.placed import (
    MICRO,
    PIPS,
    TERMINAL,
    WORLD,
    WORLD_KEY,
    MakerFill,
    Placed,
    Trade,
    trade_id,
    world_order,
)
from sandbox.core.tape import Trade as Print

if TYPE_CHECKING:
    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.listed import Listed

HEARTBEAT_S: Final = 10.0


class Timers:
    """Brings the exchange to the present; called with the exchange's lock held."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._due: list[tuple[float, int, str, str]] = []
        self._count = 0
        self._seen: dict[int, int] = {}
        self._restart: tuple[float, float] = (0.0, 0.0)
        self.heartbeats: dict[str, tuple[str, float]] = {}

    # ---- the engine's moods --------------------------------------------------------------

    def restart(self, now: float) -> None:
        """The conduct changed: its windows begin."""
        conduct = self._exchange.conduct
        until = now + conduct.restart_s if conduct.restart_s else 0.0
        self._restart = until, until + conduct.post_only_s if until else 0.0

    def restarting_for(self, now: float) -> float:
        """Seconds for which every order call is answered 425; 0 or less where none is."""
        return self._restart[0] - now

    def is_post_only(self, now: float) -> bool:
        """Whether only post-only orders are taken."""
        return self._exchange.conduct.mode == "post_only" or now < self._restart[1]

    # ---- what is due ---------------------------------------------------------------------

    def remember(self) -> None:
        """Set the clocks of everything that the journal knew."""
        state = self._exchange.state
        for trade in state.trades.values():
            if trade.status not in TERMINAL:
                self.watch_trade(trade)
        for order in state.orders.values():
            if order.is_alive:
                self.watch_order(order)
                self._seen.setdefault(order.market, int(order.at))

    def watch_trade(self, trade: Trade) -> None:
        """Let a trade come to its next status when it is time."""
        conduct = self._exchange.conduct
        wait = conduct.mined_s if trade.status == "MATCHED" else conduct.confirmed_s
        self._push(trade.at + wait, "trade", trade.id)

    def watch_order(self, order: Placed) -> None:
        """Let an order expire, or meet the book at last, when it is time."""
        self._seen.setdefault(order.market, int(order.at))
        if order.status == "DELAYED":
            self._push(order.due, "delayed", order.id)
        if order.expires_at:
            self._push(order.expires_at, "expiry", order.id)

    def beat(self, key: str, heartbeat_id: str, now: float) -> None:
        """The owner of a key is alive."""
        self.heartbeats[key] = heartbeat_id, now
        self._push(now + HEARTBEAT_S, "silence", key)

    def advance(self, now: float) -> None:
        """Bring every market and all that is due to the present."""
        for market in [m for m, found in self._exchange.state.resting.items() if len(found)]:
            self.pass_market(market, now, due=False)
        self.settle(now)

    def settle(self, now: float) -> None:
        """Whatever is due by now, in the order of its time."""
        while self._due and self._due[0][0] <= now:
            at, _, kind, name = heapq.heappop(self._due)
            getattr(self, f"_{kind}")(name, at)

    def _push(self, at: float, kind: str, name: str) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, kind, name))

    def _trade(self, trade_id: str, at: float) -> None:
        trade = self._exchange.state.trades[trade_id]
        if trade.status == "MATCHED":
            self._exchange.move_trade(trade, "RETRYING" if trade.is_ghost else "MINED", at)
            self.watch_trade(trade)
        elif trade.status not in TERMINAL:
            self._exchange.move_trade(trade, "FAILED" if trade.is_ghost else "CONFIRMED", at)

    def _expiry(self, order_id: str, at: float) -> None:
        order = self._exchange.state.orders[order_id]
        if order.is_alive:
            self._exchange.end(order, "CANCELED_EXPIRED_ORDER", at)

    def _delayed(self, order_id: str, at: float) -> None:
        order = self._exchange.state.orders[order_id]
        if order.status != "DELAYED":
            return
        market = self._exchange.listing.by_number(order.market)
        if not market.takes_orders(at):
            self._exchange.end(order, "CANCELED_MARKET_RESOLVED", at)
            return
        self._exchange.record(fact="order_moved", id=order.id, status="LIVE", at=at)
        self._exchange.execute(order, market, at)

    def _silence(self, key: str, at: float) -> None:
        beaten = self.heartbeats.get(key)
        if beaten is None or at - beaten[1] < HEARTBEAT_S - 1e-6:
            return
        del self.heartbeats[key]
        self._exchange.cancel_where(key, lambda _order: True, now=at)

    # ---- the world's own trading ---------------------------------------------------------

    def pass_market(self, number: int, now: float, *, due: bool = True) -> None:
        """Let the world trade with the resting orders of one market up to now."""
        second = int(now)
        seen = self._seen.get(number, second)
        found = self._exchange.state.resting.get(number)
        self._seen[number] = second
        if found is not None and len(found) and second > seen:
            market = self._exchange.listing.by_number(number)
            for printed in market.prints(seen, min(second, market.happening.ends_at)):
                self._printed(market, printed)
            if second >= market.happening.closed_at:
                self._resolved(market)
            elif second < market.happening.ends_at:
                self._moved(market, now)
        if due:
            self.settle(now)

    def _resolved(self, market: "Listed") -> None:
        at = float(market.happening.closed_at)
        for bids in (True, False):
            for order in list(self._exchange.resting(market.number, bids=bids)):
                self._exchange.end(order, "CANCELED_MARKET_RESOLVED", at)

    def _printed(self, market: "Listed", printed: Print) -> None:
        """The world's taker meets users whose price is better, then those whose turn it is."""
        at = float(printed.second)
        price = round(printed.price * PIPS)
        first = price if printed.outcome == 0 else PIPS - price
        bids = printed.buys != (printed.outcome == 0)
        left, passed = round(printed.shares * MICRO), 0
        for order in list(self._exchange.resting(market.number, bids=bids)):
            beyond = order.first_price - first if bids else first - order.first_price
            if left <= 0 or beyond < 0:
                break
            if order.at > at or (order.expires_at and order.expires_at <= at):
                continue
            if beyond == 0:
                waits = max(order.ahead - passed, 0)
                eaten = min(waits, left)
                order.ahead = max(waits - eaten, 0)
                left, passed = left - eaten, passed + eaten
            shares = min(order.left, left)
            if shares > 0:
                self.fill(market, order, shares, at)
                left -= shares

    def _moved(self, market: "Listed", now: float) -> None:
        """The world's ladder moved: who stands across it is met, who waits may come forward."""
        shown = {bids: self._exchange.world_side(market, now, bids=bids) for bids in (True, False)}
        for bids, offers in ((True, shown[False]), (False, shown[True])):
            for order in list(self._exchange.resting(market.number, bids=bids)):
                order.ahead = min(order.ahead, shown[bids].get(order.first_price, 0))
                if order.expires_at and order.expires_at <= now:
                    continue
                for price, shares in offers.items():
                    crosses = order.first_price >= price if bids else order.first_price <= price
                    met = min(shares, order.left) if crosses and order.is_alive else 0
                    if met > 0:
                        offers[price] -= met
                        self.fill(market, order, met, now, taken=(not bids, price))

    def fill(
        self, market: "Listed", order: Placed, shares: int, at: float,
        *, taken: tuple[bool, int] | None = None,
    ) -> None:  # fmt: skip
        """A trader of the world takes from a user's resting order, at the order's price."""
        exchange = self._exchange
        number = exchange.next_number()
        trade = Trade(
            id=trade_id(exchange.world.seed, number), number=number, market=market.number,
            condition=market.condition, taker_order=world_order(number),
            taker_key=WORLD_KEY, taker_wallet=WORLD, token=order.token,
            outcome_name=order.outcome_name, is_buy=not order.is_buy, price=order.price,
            shares=shares, fee=0, at=at,
            makers=[
                MakerFill(
                    order_id=order.id, key=order.key, wallet=order.wallet, token=order.token,
                    outcome_name=order.outcome_name, is_buy=order.is_buy, price=order.price,
                    shares=shares,
                )
            ],
            is_ghost=exchange.conduct.is_ghost(exchange.world.seed, number),
        )  # fmt: skip
        extra = {"taken": [*taken, shares]} if taken else {}
        exchange.settle_later(trade, extra)
