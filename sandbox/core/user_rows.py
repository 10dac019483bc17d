"""A user's positions and activity as the data service writes them, out of what settled."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.core import data_rows, names, shapes
from sandbox.core.placed import MICRO, PIPS
from sandbox.core.world import Happening

Row = dict[str, Any]
UNKNOWN_OUTCOME = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that changed a wallet on the chain; amounts in 1e-6, `cash` without its sign."""

    at: float
    kind: str
    token: str = ""
    condition: str = ""
    shares: int = 0
    cash: int = 0
    price: int = 0
    fee: int = 0
    is_buy: bool = False
    transaction_hash: str = ""


@dataclass(slots=True)
class Held:
    """One wallet's dealings in one token so far; 1e-6."""

    bought: int = 0
    cost: int = 0
    sold: int = 0
    proceeds: int = 0
    fees: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    @property
    def left(self) -> int:
        """Shares that are still there."""
        return self.bought - self.sold

    @property
    def average(self) -> float:
        """Mean price paid, dollars."""
        return self.cost / self.bought if self.bought else 0.0

    def add(self, shares: int, cash: int, at: float) -> None:
        """Shares came (or went, where negative) for cash."""
        self.first_at = self.first_at or at
        self.last_at = at
        if shares >= 0:
            self.bought, self.cost = self.bought + shares, self.cost + cash
        else:
            self.sold, self.proceeds = self.sold - shares, self.proceeds + cash


def held(entries: Iterable[Entry], pairs: dict[str, tuple[str, str]]) -> dict[str, Held]:
    """What the entries add up to, by token; `pairs` are both tokens of each condition."""
    found: dict[str, Held] = {}

    def of(token: str) -> Held:
        return found.setdefault(token, Held())

    for entry in entries:
        if entry.kind == "TRADE":
            sign = 1 if entry.is_buy else -1
            of(entry.token).add(sign * entry.shares, entry.cash, entry.at)
            of(entry.token).fees += entry.fee
        elif entry.kind == "REDEEM":
            of(entry.token).add(-entry.shares, entry.cash, entry.at)
        elif entry.kind in ("SPLIT", "MERGE"):
            sign = 1 if entry.kind == "SPLIT" else -1
            for token in pairs[entry.condition]:
                of(token).add(sign * entry.shares, entry.shares // 2, entry.at)
        elif entry.token:
            of(entry.token).add(entry.shares, 0, entry.at)
    return found


def position(
    wallet: str, happening: Happening, child: int, outcome: int, mine: Held,
    *, other_left: int, second: int,
) -> Row:  # fmt: skip
    """One position; a lost one says REDEEMABLE as the service does."""
    settled = second >= happening.settled_at
    size, price = mine.left / MICRO, shapes.price_now(happening, child, outcome, second)
    cost = size * mine.average
    realized = mine.proceeds / MICRO - mine.sold / MICRO * mine.average
    unrealized = size * price - cost
    spent = mine.cost / MICRO
    return {
        "proxy_wallet": wallet,
        **data_rows.market_row(happening, child, outcome),
        "current_size": size,
        "avg_price": round(mine.average, 10),
        "entry_cost_usdc": round(cost, 6),
        "entry_fees_usdc": mine.fees / MICRO,
        "total_cost_usdc": round((mine.cost + mine.fees) / MICRO, 6),
        "current_price": price,
        "current_value": round(size * price, 6),
        "total_size": mine.bought / MICRO,
        "realized_pnl": round(realized, 6),
        "unrealized_pnl": round(unrealized, 6),
        "total_pnl": round(realized + unrealized, 6),
        "percent_pnl": _percent(unrealized, cost),
        "percent_realized_pnl": _percent(realized, spent),
        "status": "CLOSED" if not mine.left else "REDEEMABLE" if settled else "OPEN",
        "redeemable": bool(mine.left and settled),
        "mergeable": bool(mine.left and other_left and not settled),
        "archived": False,
        "verified": False,
        "event_id": str(happening.number),
        "opposite_outcome": names.outcomes(happening)[1 - outcome],
        "opposite_token_id": names.token_id(happening, child, 1 - outcome),
        "end_date": shapes.iso(happening.ends_at)[:10],
        "first_entry_at": int(mine.first_at),
        "last_event_at": int(mine.last_at),
    }


def activity(
    wallet: str, entry: Entry, market: tuple[Happening, int] | None, outcome: int | None
) -> Row:
    """One thing that the wallet did; a taker's purchase includes its fee, a sale is without it."""
    side = ("BUY" if entry.is_buy else "SELL") if entry.kind == "TRADE" else ""
    fee = entry.fee if entry.is_buy else -entry.fee
    size = entry.shares if market else entry.cash
    if entry.kind == "REDEEM" and not entry.cash:
        size = 0
    about: Row = {"condition_id": "", "title": "", "slug": "", "event_slug": "", "outcome": ""}
    if market is not None:
        about = data_rows.market_row(*market, outcome or 0)
    if outcome is None:
        about |= {"token_id": "", "outcome": "", "outcome_index": UNKNOWN_OUTCOME}
    return {
        "proxy_wallet": wallet,
        "type": entry.kind,
        "side": side,
        **about,
        "size": size / MICRO,
        "usdc_size": (entry.cash + fee) / MICRO,
        "price": entry.price / PIPS,
        "timestamp": int(entry.at),
        "transaction_hash": entry.transaction_hash,
        "name": "",
        "pseudonym": "Simulated-User",
    }


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 4) if whole else 0.0
