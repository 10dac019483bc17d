"""History played through the production path: signals → size → gate → fill → payout, in time order.

The decision code is that of paper and live trading (`trading.core.decision`, `risk.core.checks`);
this module only supplies books from recorded prices, fills orders against them and reveals a
market's answer when it was known. State is `replay_books.Books`; nothing reads a clock.
"""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from config.kernel import units
from markets.core import book as order_books
from markets.core.book import Book
from markets.core.series import Floats, Ints, MarketFacts
from mlops.core.replay_books import Books, Lot
from mlops.core.replay_halts import Brakes
from predictions.core.contracts import Forecasts
from risk.core.contracts import LimitsConfig, OrderIntent
from trading.core.contracts import TradingConfig
from trading.core.decision import Candidate, Tops, decide, growth, signals
from trading.core.edge import Signals
from trading.core.fees import category_rates, taker_fee

FEE_EXPONENT = Decimal(1)  # of every schedule on record; earlier formulas are not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What a replay assumes where history is silent; printed on every report.

    `half_spread` in dollars around a mid-like price; `depth_shares` rest at the best price of
    each side wherever no size was recorded, beside recorded quotes too.
    """

    name: str
    half_spread: float
    depth_shares: float
    tick: Decimal
    min_shares: Decimal
    max_quote_age_s: int
    fees: str
    fills: str
    exits: str
    halts: str

    def as_rows(self) -> dict[str, str]:
        """Name → value, for people."""
        return {name: str(value) for name, value in asdict(self).items()}


HISTORY_1 = Assumptions(
    name="history-1",
    half_spread=0.01,
    depth_shares=4000.0,
    tick=Decimal("0.0001"),
    min_shares=Decimal(5),
    max_quote_age_s=2700,
    fees=(
        "Polymarket's taker rate of the market's category on that day, taken as 0 before the"
        " first day known; other venues are charged the same"
    ),
    fills=(
        "takers walk the last recorded price, up to max_quote_age_s old, never more than its depth;"
        " live decisions fetch a fresh book"
    ),
    exits="none before the resolution",
    halts="as in trading; what only a person may release lasts to the end of the replay",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """n decision points in time order, and when each of m markets was answered.

    Attributes
    ----------
    market, as_of
        int64[n] index into the markets; float64[n] epoch seconds, non-decreasing.
    bid, ask, bid_depth, ask_depth
        float64[n] of outcome 0 as recorded, NaN where history is silent; depth in shares.
    quote_age_s
        float64[n], seconds since the price that is decided on was recorded.
    answered_at, payout
        float64[m]; NaN where the answer is unknown.
    asset
        Text of length m, empty for other than up/down markets.
    """

    market: Ints
    as_of: Floats
    bid: Floats
    ask: Floats
    bid_depth: Floats
    ask_depth: Floats
    quote_age_s: Floats
    answered_at: Floats
    payout: Floats
    facts: MarketFacts
    asset: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """The tape's books with the assumptions filled in; float64[n]."""

    bid: Floats
    ask: Floats
    bid_depth: Floats
    ask_depth: Floats
    fee_rate: Floats

    def tops(self) -> Tops:
        """What a taker of either side meets; depth in dollars."""
        return Tops(
            ask_0=self.ask,
            ask_1=1.0 - self.bid,
            depth_0=self.ask * self.ask_depth,
            depth_1=(1.0 - self.bid) * self.bid_depth,
            fee_rate=self.fee_rate,
            fee_exponent=np.full(len(self.ask), float(FEE_EXPONENT)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of it: the books, every row's signal, the gate's answers counted."""

    books: Books
    signals: Signals
    gate: Counter[str]


def quote(tape: Tape, price: Floats, assumed: Assumptions) -> Quoted:
    """Recorded bids and asks where there are both, else the price ± the assumed half-spread."""
    recorded = np.isfinite(tape.bid) & np.isfinite(tape.ask)
    tick = float(assumed.tick)
    low, high = price - assumed.half_spread, price + assumed.half_spread
    categories = np.asarray(tape.facts.category, dtype=np.str_)[tape.market]
    return Quoted(
        bid=np.clip(np.where(recorded, tape.bid, low), tick, 1 - tick).round(4),
        ask=np.clip(np.where(recorded, tape.ask, high), tick, 1 - tick).round(4),
        bid_depth=np.where(np.isfinite(tape.bid_depth), tape.bid_depth, assumed.depth_shares),
        ask_depth=np.where(np.isfinite(tape.ask_depth), tape.ask_depth, assumed.depth_shares),
        fee_rate=category_rates(categories.tolist(), tape.as_of),
    )


def play(
    tape: Tape,
    forecasts: Forecasts,
    *,
    config: TradingConfig,
    limits: LimitsConfig,
    assumed: Assumptions,
) -> Played:
    """Play the tape once, front to back."""
    quoted = quote(tape, forecasts.price, assumed)
    found = signals(forecasts, quoted.tops(), config)
    player = _Player(tape, forecasts, quoted, found, config=config, limits=limits, assumed=assumed)
    player.run()
    return Played(books=player.books, signals=found, gate=player.gate)


class _Player:
    """Walks the instants of the tape; its only state is the books and the last rows seen."""

    def __init__(
        self,
        tape: Tape,
        forecasts: Forecasts,
        quoted: Quoted,
        found: Signals,
        *,
        config: TradingConfig,
        limits: LimitsConfig,
        assumed: Assumptions,
    ) -> None:
        self.tape, self.forecasts, self.quoted, self.found = tape, forecasts, quoted, found
        # A recorded price may serve for longer than a live book, which would be fetched anew.
        self.limits = replace(limits, max_book_age_s=assumed.max_quote_age_s)
        self.config, self.assumed = config, assumed
        self.books = Books.start(config.starting_cash)
        self.brakes = Brakes(limits=limits)
        self.gate: Counter[str] = Counter()
        self.last_row = np.full(tape.facts.markets, -1)
        self.rank = np.nan_to_num(growth(found.probability, found.cost + found.fee), nan=0.0)

    def run(self) -> None:
        """Settle, mark, decide — instant by instant; then settle what is left."""
        instants, first = np.unique(self.tape.as_of, return_index=True)
        bounds = np.append(first, len(self.tape.as_of))
        due = self._answers()
        for i, at in enumerate(instants.tolist()):
            due = self._settle(due, at)
            rows = np.arange(bounds[i], bounds[i + 1])
            self.last_row[self.tape.market[rows]] = rows
            self._mark(at)
            self._decide(rows[self.found.passed[rows]], at)
        if len(instants):
            held = list(self.books.open)
            last = np.nanmax(np.append(self.tape.answered_at[held], instants[-1]))
            self._settle(due, np.inf)
            self._mark(float(last))

    def _answers(self) -> Ints:
        known = np.flatnonzero(np.isfinite(self.tape.answered_at) & np.isfinite(self.tape.payout))
        return known[np.argsort(self.tape.answered_at[known], kind="stable")]

    def _settle(self, due: Ints, at: float) -> Ints:
        """Pay the markets answered by `at`; returns those still open, soonest first."""
        ready = int(np.searchsorted(self.tape.answered_at[due], at, side="right"))
        for market in due[:ready].tolist():
            self.books.settle(market, units.decimal(float(self.tape.payout[market])))
        return due[ready:]

    def _mark(self, at: float) -> None:
        bids, mids = {}, {}
        for market, lot in self.books.open.items():
            row = self.last_row[market]
            bid, ask = float(self.quoted.bid[row]), float(self.quoted.ask[row])
            first = lot.intent.outcome_index == 0
            bids[market] = bid if first else 1.0 - ask
            mids[market] = (bid + ask) / 2 if first else 1.0 - (bid + ask) / 2
        self.books.mark(at, bids, mids)
        self.books.state = self.brakes.state(self.books).value

    def _decide(self, rows: Ints, at: float) -> None:
        for row in rows[np.argsort(-self.rank[rows], kind="stable")].tolist():
            candidate = self._candidate(row, at)
            decision = decide(candidate, self.books.snapshot(at), self.limits, self.config)
            self.gate[decision.reason] += 1
            if decision.intent is not None and decision.shares:
                self._fill(decision.intent, decision.shares, candidate, row)

    def _candidate(self, row: int, at: float) -> Candidate:
        market, facts = int(self.tape.market[row]), self.tape.facts
        side = int(self.found.outcome_index[row])
        price = float(self.forecasts.price[row])
        end, epoch = float(facts.scheduled_end_at[market]), float(facts.epoch_start_at[market])
        book = self._book(row, at)
        return Candidate(
            market=market,
            event=int(facts.event[market]),
            category=facts.category[market],
            outcome_index=side,
            probability=float(self.found.probability[row]),
            sigma=float(self.forecasts.sigma[row]),
            price=price if side == 0 else 1.0 - price,
            book=book if side == 0 else book.mirrored(),
            tick=self.assumed.tick,
            min_shares=self.assumed.min_shares,
            fee_rate=units.decimal(float(self.quoted.fee_rate[row])),
            fee_exponent=FEE_EXPONENT,
            book_age_s=float(self.tape.quote_age_s[row]),
            prediction_age_s=0.0,
            seconds_left=end - at if np.isfinite(end) else None,
            accepting_orders=True,
            strategy="replay",
            asset=self.tape.asset[market],
            epoch=epoch if np.isfinite(epoch) else None,
        )

    def _book(self, row: int, at: float) -> Book:
        return order_books.synthetic(
            datetime.fromtimestamp(at, UTC),
            float(self.quoted.bid[row]),
            float(self.quoted.ask[row]),
            float(self.quoted.bid_depth[row]),
            float(self.quoted.ask_depth[row]),
        )

    def _fill(self, intent: OrderIntent, shares: Decimal, candidate: Candidate, row: int) -> None:
        fill = order_books.walk(candidate.book, buy=True, shares=shares, limit=intent.limit_price)
        if fill.average is None:
            return
        rate = candidate.fee_rate or units.ZERO
        lot = Lot(
            intent=intent,
            at=float(self.tape.as_of[row]),
            shares=fill.shares,
            price=fill.average,
            fee=taker_fee(fill.shares, fill.average, rate=rate, exponent=FEE_EXPONENT),
            net_edge=float(self.found.net_edge[row]),
            exclusive=bool(self.tape.facts.exclusive[intent.market]),
        )
        self.books.buy(lot)
