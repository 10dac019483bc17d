"""Everything that the exchange knows, as the sum of its facts; only facts change it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sandbox.core import keys
from sandbox.core.keys import ApiKey
from sandbox.core.matching import Resting
from sandbox.core.placed import (
    ALIVE,
    PIPS,
    TERMINAL,
    WORLD,
    Placed,
    Trade,
    trade_from,
)
from sandbox.core.user_rows import Entry

ENOUGH: Final = 2**255
"""An approval without limit."""
Fact = dict[str, Any]


@dataclass(slots=True)
class Wallet:
    """What one wallet has on the chain, and who may speak for it."""

    assets: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    allowances: dict[str, int] = field(default_factory=dict)
    signers: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class State:
    """The sum of all facts so far."""

    seed: int
    keys: dict[str, ApiKey] = field(default_factory=dict)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    orders: dict[str, Placed] = field(default_factory=dict)
    live: dict[str, dict[str, Placed]] = field(default_factory=lambda: defaultdict(dict))
    resting: dict[int, Resting] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    trades_of: dict[str, list[Trade]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """Of wallet and asset: what resting orders and unsettled trades will take away."""
    taken: dict[tuple[int, bool, int], list[tuple[float, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Of market, side (bids) and price: what users took from the world's ladder, and when."""
    touched: set[int] = field(default_factory=set)
    """Markets from whose world users ever took."""
    numbers: int = 0
    world: str = ""
    """Which world all this happened in; empty before the first fact."""

    def apply(self, fact: Fact) -> None:
        """Let one fact be so."""
        APPLY[fact["fact"]](self, fact)

    def wallet(self, address: str) -> Wallet:
        """The wallet of this address, empty where it was never heard of."""
        return self.wallets.setdefault(address.lower(), Wallet())

    def free(self, address: str, asset: str) -> int:
        """What a new order of the wallet may spend."""
        held = self.wallet(address).assets.get(asset, 0)
        return held - self.kept.get((address, asset), 0)

    def hold(self, order: Placed) -> None:
        """Bring what an order keeps back in line with what is left of it."""
        wanted = order.to_hold()
        self.kept[order.wallet, order.asset] += wanted - order.held
        order.held = wanted


def _world(state: State, fact: Fact) -> None:
    state.world = fact["world"]


def _key(state: State, fact: Fact) -> None:
    made = keys.made(state.seed, fact["address"], fact["nonce"])
    state.keys[made.key] = made


def _unkey(state: State, fact: Fact) -> None:
    state.keys.pop(fact["key"], None)


def _moved(state: State, fact: Fact) -> None:
    """Assets came, went or changed on the chain, outside of trades."""
    for address, asset, change in fact["legs"]:
        state.wallet(address).assets[asset] += change
    for address, entry in fact["entries"]:
        state.wallet(address).entries.append(Entry(at=fact["at"], **entry))


def _approved(state: State, fact: Fact) -> None:
    wallet = state.wallet(fact["wallet"])
    wallet.allowances.update({s.lower(): int(a) for s, a in fact["allowances"].items()})


def _signer(state: State, fact: Fact) -> None:
    state.wallet(fact["wallet"]).signers.add(fact["signer"])


def _order(state: State, fact: Fact) -> None:
    order = Placed(**fact["order"])
    state.numbers = max(state.numbers, order.number)
    state.orders[order.id] = order
    if order.is_alive:
        state.live[order.key][order.id] = order
        state.resting.setdefault(order.market, Resting())
        if order.status == "LIVE":
            state.resting[order.market].add(order)
    state.hold(order)


def _order_moved(state: State, fact: Fact) -> None:
    order = state.orders[fact["id"]]
    order.status = fact["status"]
    if order.status == "LIVE":
        state.resting[order.market].add(order)
    if not order.is_alive:
        _end(state, order, fact["at"])
    state.hold(order)


def _end(state: State, order: Placed, at: float) -> None:
    order.ended_at = at
    state.live[order.key].pop(order.id, None)
    if order.market in state.resting:
        state.resting[order.market].remove(order)


def _trade(state: State, fact: Fact) -> None:
    trade = trade_from(fact["trade"])
    state.numbers = max(state.numbers, trade.number)
    state.trades[trade.id] = trade
    for key in {trade.taker_key, *(maker.key for maker in trade.makers)} - {""}:
        state.trades_of[key].append(trade)
    _fill(state, trade.taker_order, trade.shares, trade)
    for maker in trade.makers:
        _fill(state, maker.order_id, maker.shares, trade)
    for address, asset, change in trade.legs():
        if change < 0:
            state.kept[address, asset] -= change
    if "taken" in fact:
        bids, price, shares = fact["taken"]
        state.taken[trade.market, bids, price].append((trade.at, shares))
        state.touched.add(trade.market)


def _fill(state: State, order_id: str, shares: int, trade: Trade) -> None:
    order = state.orders.get(order_id)
    if order is None:
        return
    order.matched += shares
    order.trades.append(trade.id)
    if order.left == 0 and order.status in ALIVE:
        order.status = "MATCHED"
        _end(state, order, trade.at)
    state.hold(order)


def _trade_moved(state: State, fact: Fact) -> None:
    trade = state.trades[fact["id"]]
    trade.status, trade.moved_at = fact["status"], fact["at"]
    trade.transaction_hash = fact["hash"]
    if trade.status not in TERMINAL:
        return
    for address, asset, change in trade.legs():
        if change < 0:
            state.kept[address, asset] += change
        if trade.status == "CONFIRMED":
            state.wallet(address).assets[asset] += change
    if trade.status == "CONFIRMED":
        _book(state, trade)


def _book(state: State, trade: Trade) -> None:
    """What the wallets of a settled trade will read of it."""

    def entry(token: str, shares: int, cash: int, price: int, fee: int, *, is_buy: bool) -> Entry:
        return Entry(
            at=trade.moved_at,
            kind="TRADE",
            token=token,
            condition=trade.condition,
            shares=shares,
            cash=cash,
            price=price,
            fee=fee,
            is_buy=is_buy,
            transaction_hash=trade.transaction_hash,
        )

    if trade.taker_wallet != WORLD:
        taken = entry(
            trade.token, trade.shares, trade.cash(), trade.price, trade.fee, is_buy=trade.is_buy
        )
        state.wallet(trade.taker_wallet).entries.append(taken)
    for maker in trade.makers:
        if maker.wallet != WORLD:
            cash = maker.shares * maker.price // PIPS
            made = entry(maker.token, maker.shares, cash, maker.price, 0, is_buy=maker.is_buy)
            state.wallet(maker.wallet).entries.append(made)


APPLY: dict[str, Callable[[State, Fact], None]] = {
    "world": _world,
    "key": _key,
    "unkey": _unkey,
    "moved": _moved,
    "approved": _approved,
    "signer": _signer,
    "order": _order,
    "order_moved": _order_moved,
    "trade": _trade,
    "trade_moved": _trade_moved,
}


def order_fact(order: Placed) -> Fact:
    """An accepted order as a fact."""
    return {"fact": "order", "order": asdict(order)}


def trade_fact(trade: Trade) -> Fact:
    """A match as a fact."""
    return {"fact": "trade", "trade": asdict(trade)}
