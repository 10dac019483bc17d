"""The exchange: takes orders, matches, cancels, settles. One lock; every change is a fact."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.core import exchange_rows as rows
from sandbox.core import order_checks as checks
from sandbox.core.conduct import Conduct
from sandbox.core.keys import ApiKey
from sandbox.core.matching import Offer, Take, Wish, plan
from sandbox.core.order_checks import Refusal
from sandbox.core.placed import (
    PIPS,
    WORLD,
    WORLD_KEY,
    MakerFill,
    Placed,
    Trade,
    fee,
    trade_id,
    transaction_of,
    world_order,
)
from sandbox.core.signed_orders import SignedOrder
from sandbox.core.world import World
from sandbox.exchange import intake
from sandbox.exchange.books import Books, Leg
from sandbox.exchange.events import Events
from sandbox.exchange.listed import Listed
from sandbox.exchange.state import Fact, order_fact, trade_fact
from sandbox.exchange.timers import Timers


class Exchange(Books):
    """Orders and money of users over one world; all methods may be called from any thread."""

    def __init__(
        self, world: World, *, journal: Path | None = None, conduct: Conduct | None = None
    ) -> None:
        super().__init__(world, journal=journal)
        self.conduct = conduct or Conduct()
        self.events = Events()
        self.timers = Timers(self)
        self.timers.remember()
        self._attempts: Counter[str] = Counter()
        self._beats = 0

    def behave(self, conduct: Conduct | None = None, *, now: float = 0.0) -> None:
        """Behave like this from now on; without arguments at its best."""
        with self.lock:
            self.conduct = conduct or Conduct()
            self.timers.restart(now)

    def advance(self, now: float) -> None:
        """Bring all markets, and everything that is due, to the present."""
        with self.lock:
            self.timers.advance(now)

    def attempts(self, call: str, body: bytes) -> tuple[str, int]:
        """A digest of a call and how often this very call has come: what its luck hangs on."""
        digest = hashlib.sha256(call.encode() + body).hexdigest()
        with self.lock:
            self._attempts[digest] += 1
            return digest, self._attempts[digest]

    def new_heartbeat(self) -> str:
        """An id that the next heartbeat has to name."""
        self._beats += 1
        text = f"{self.world.seed}:beat:{self._beats}"
        return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))

    def next_number(self) -> int:
        """The number of the next order or trade."""
        self.state.numbers += 1
        return self.state.numbers

    # ---- taking orders -------------------------------------------------------------------

    def place(self, order: SignedOrder, key: ApiKey, *, now: float) -> dict[str, Any]:
        """Take an order and reply, or raise `Refusal` with the venue's words."""
        found = intake.asked(self, order, key, now)
        if found.order_id in self.state.orders:
            raise _twice(found.order_id)
        # The curve takes milliseconds: nobody waits for it.
        intake.check_caller(self, found)
        with self.lock:
            if found.order_id in self.state.orders:
                raise _twice(found.order_id)
            self.timers.pass_market(found.market.number, now)
            return self._taken(intake.kept(self, found), found.market, now)

    def _taken(self, placed: Placed, market: Listed, now: float) -> dict[str, Any]:
        placed = replace(placed, number=self.next_number())
        if self.conduct.delay_s and self.would_take(placed, market, now):
            placed = replace(placed, status="DELAYED", due=now + self.conduct.delay_s)
            self.record(**order_fact(placed))
            self.timers.watch_order(self.state.orders[placed.id])
            order = self.state.orders[placed.id]
            self.events.order(order, "PLACEMENT", at=now)
            return rows.accepted(order, [], status="delayed")
        ahead = self._ahead(placed, market, now)
        self.record(**order_fact(replace(placed, ahead=ahead)))
        order = self.state.orders[placed.id]
        trades, killed = self.execute(order, market, now)
        if killed:
            raise Refusal(killed, soft=True)
        status = "matched" if trades else "live"
        return rows.accepted(order, trades, status=status)

    def execute(self, order: Placed, market: Listed, now: float) -> tuple[list[Trade], str]:
        """Let an order meet what there is; its trades, and why it was killed if it was."""
        instant = order.order_type in ("FOK", "FAK")
        takes, whole = self._plan(order, market, now)
        killed = ""
        if order.order_type == "FOK" and not whole:
            takes, killed = [], checks.FOK_KILLED
        elif order.order_type == "FAK" and not takes:
            killed = checks.FAK_KILLED
        trades = [self._match(order, market, group, now) for group in _by_price(takes)]
        if killed or (instant and order.is_alive):
            is_whole = bool(trades) and whole
            self.end(order, "MATCHED" if is_whole else "CANCELED", now)
        elif order.status == "LIVE":
            self.timers.watch_order(order)
            self.events.order(order, "PLACEMENT", at=now)
        return trades, killed

    def would_take(self, order: Placed, market: Listed, now: float) -> list[Take]:
        """What an order would meet at once."""
        return self._plan(order, market, now)[0]

    def _plan(self, order: Placed, market: Listed, now: float) -> tuple[list[Take], bool]:
        wish = Wish(is_buy=order.is_buy, limit=order.price, shares=order.left, budget=order.budget)
        return plan(wish, self._offers(order, market, now))

    def _offers(self, order: Placed, market: Listed, now: float) -> Iterator[Offer]:
        """What stands against an order, best first; at one price the world came first."""
        bids = not order.is_bid
        world = [
            (price, shares, -1, None)
            for price, shares in self.world_side(market, now, bids=bids).items()
        ]
        own = [
            (other.first_price, other.left, other.number, other)
            for other in self.resting(market.number, bids=bids)
            if other.wallet != order.wallet
        ]
        sign = -1 if bids else 1
        for price, shares, _, other in sorted(
            [*world, *own], key=lambda found: (sign * found[0], found[2])
        ):
            if shares > 0:
                own_price = price if order.outcome == 0 else PIPS - price
                yield Offer(price=own_price, shares=shares, order=other)

    def resting(self, market: int, *, bids: bool) -> Iterator[Placed]:
        """Users' resting orders of one side in terms of outcome 0, best first."""
        found = self.state.resting.get(market)
        for _, _, order_id in (found.bids if bids else found.asks) if found else ():
            yield self.state.orders[order_id]

    def _gone(self, market: int, price: int, now: float, *, bids: bool) -> int:
        """What users took from the world at this price and did not heal yet."""
        since = now - self.conduct.heals_s
        taken = self.state.taken.get((market, bids, price), ())
        return sum(shares for at, shares in taken if at > since)

    def is_touched(self, market: int) -> bool:
        """Whether users have anything to do with what its book shows."""
        return bool(self.state.resting.get(market)) or market in self.state.touched

    def trades_after(self, number: int) -> list[Trade]:
        """Trades that users took, after the one of this number, oldest first."""
        with self.lock:
            found = []
            for trade in reversed(self.state.trades.values()):
                if trade.number <= number:
                    break
                if trade.taker_wallet != WORLD:
                    found.append(trade)
            return found[::-1]

    def world_side(self, market: Listed, now: float, *, bids: bool) -> dict[int, int]:
        """What the world still shows on one side: price of outcome 0 → shares."""
        return {
            price: max(shares - self._gone(market.number, price, now, bids=bids), 0)
            for price, shares in market.side(int(now), bids=bids)
        }

    def _ahead(self, order: Placed, market: Listed, now: float) -> int:
        return self.world_side(market, now, bids=order.is_bid).get(order.first_price, 0)

    # ---- trades --------------------------------------------------------------------------

    def _match(self, order: Placed, market: Listed, takes: list[Take], now: float) -> Trade:
        price = takes[0].offer.price
        from_world = sum(take.shares for take in takes if take.offer.order is None)
        number = self.next_number()
        trade = Trade(
            id=trade_id(self.world.seed, number), number=number, market=market.number,
            condition=market.condition, taker_order=order.id, taker_key=order.key,
            taker_wallet=order.wallet, token=order.token, outcome_name=order.outcome_name,
            is_buy=order.is_buy, price=price, shares=sum(take.shares for take in takes),
            fee=fee(sum(take.shares for take in takes), price, market.fee_rate), at=now,
            makers=[self._maker(order, take, number) for take in takes],
            is_ghost=self.conduct.is_ghost(self.world.seed, number),
        )  # fmt: skip
        first = price if order.outcome == 0 else PIPS - price
        taken = {"taken": [not order.is_bid, first, from_world]} if from_world else {}
        self.settle_later(trade, taken)
        return self.state.trades[trade.id]

    def settle_later(self, trade: Trade, extra: Fact) -> None:
        """Record a match, tell its users, and let the ledger hear of it later."""
        self.record(**trade_fact(trade), **extra)
        kept = self.state.trades[trade.id]
        self.timers.watch_trade(kept)
        for order_id in (trade.taker_order, *(maker.order_id for maker in trade.makers)):
            order = self.state.orders.get(order_id)
            if order is not None:
                self.events.order(order, "UPDATE", at=trade.at)
        self.events.trade(kept, at=trade.at)

    def _maker(self, taker: Placed, take: Take, number: int) -> MakerFill:
        other = take.offer.order
        if other is None:
            return MakerFill(
                order_id=world_order(number),
                key=WORLD_KEY, wallet=WORLD, token=taker.token,
                outcome_name=taker.outcome_name, is_buy=not taker.is_buy,
                price=take.offer.price, shares=take.shares,
            )  # fmt: skip
        return MakerFill(
            order_id=other.id, key=other.key, wallet=other.wallet, token=other.token,
            outcome_name=other.outcome_name, is_buy=other.is_buy, price=other.price,
            shares=take.shares,
        )  # fmt: skip

    def move_trade(self, trade: Trade, status: str, at: float) -> None:
        """The ledger's next word on a trade."""
        mined = status in ("MINED", "CONFIRMED")
        found = transaction_of(trade.id) if mined else ""
        self.record(fact="trade_moved", id=trade.id, status=status, at=at, hash=found)
        self.events.trade(trade, at=at)

    # ---- ends of orders ------------------------------------------------------------------

    def end(self, order: Placed, status: str, at: float) -> None:
        """Take an order off."""
        self.record(fact="order_moved", id=order.id, status=status, at=at)
        self.events.order(order, "CANCELLATION", at=at)

    def move(self, legs: list[Leg], entries: list[tuple[str, dict[str, Any]]], now: float) -> None:
        """Book a move on the chain; orders that it leaves without cover are taken off."""
        with self.lock:
            super().move(legs, entries, now)
            for wallet, asset in {(who.lower(), what) for who, what, change in legs if change < 0}:
                self._uncover(wallet, asset, now)

    def _uncover(self, wallet: str, asset: str, now: float) -> None:
        mine = [
            order
            for live in self.state.live.values()
            for order in live.values()
            if (order.wallet, order.asset) == (wallet, asset)
        ]
        for order in sorted(mine, key=lambda order: -order.number):
            if self.state.free(wallet, asset) >= 0:
                return
            self.end(order, "CANCELED_NOT_ENOUGH_BALANCE", now)

    def cancel(self, key: str, order_ids: Iterable[str], *, now: float) -> dict[str, Any]:
        """Cancel those of the key's orders that still rest."""
        canceled, kept = [], {}
        with self.lock:
            for order_id in order_ids:
                why = self._cancel(key, order_id.lower(), now)
                if why:
                    kept[order_id] = why
                else:
                    canceled.append(order_id)
        return {"canceled": canceled, "not_canceled": kept}

    def _cancel(self, key: str, order_id: str, now: float) -> str:
        """Why an order was not cancelled; empty where it was."""
        order = self.state.orders.get(order_id)
        if order is None or order.key != key:
            return "order not found"
        self.timers.pass_market(order.market, now)
        if order.status == "DELAYED":
            return "order is delayed and cannot be canceled"
        if not order.is_alive:
            return "already canceled or matched"
        self.end(order, "CANCELED", now)
        return ""

    def cancel_where(
        self, key: str, wanted: Callable[[Placed], bool], *, now: float
    ) -> dict[str, Any]:
        """Cancel all resting orders of the key that are wanted."""
        with self.lock:
            found = [order.id for order in self.state.live[key].values() if wanted(order)]
            return self.cancel(key, found, now=now)

    # ---- what the tests of others ask ----------------------------------------------------

    def accepted_orders(self) -> list[dict[str, Any]]:
        """Every order that was ever taken, oldest first, killed ones included."""
        with self.lock:
            return [rows.open_order(order) for order in self.state.orders.values()]

    def trades(self) -> list[dict[str, Any]]:
        """Every trade so far, oldest first, as its taker reads it; with the fee in 1e-6."""
        with self.lock:
            found = self.state.trades.values()
            return [{**rows.trade(t, key=t.taker_key), "fee": t.fee} for t in found]


def _twice(order_id: str) -> Refusal:
    return Refusal(f"order {order_id} is invalid. Duplicated.")


def _by_price(takes: list[Take]) -> Iterator[list[Take]]:
    """Runs of equal price: each is one trade."""
    run: list[Take] = []
    for take in takes:
        if run and run[0].offer.price != take.offer.price:
            yield run
            run = []
        run.append(take)
    if run:
        yield run
