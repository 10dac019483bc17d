"""From a candidate to a sized order and the gate's verdict: one path for every mode."""

from dataclasses import dataclass, replace
from decimal import Decimal

from config.kernel.units import ONE, ZERO, bid_price, decimal, floor_to
from markets.core import book as books
from markets.core.book import Book, Level
from risk.core import checks
from risk.core.contracts import (
    DenialReason,
    LimitsConfig,
    OrderIntent,
    PortfolioSnapshot,
    Verdict,
)
from risk.core.kelly import shrink, size_shares
from trading.core.contracts import TradingConfig
from trading.core.edge import Signals, Tops, growth, signals
from trading.core.fees import taker_fee
from trading.core.order_rules import smallest_purchase
from trading.core.reasons import Reason
from trading.core.resting import as_resting, both_sides, prices_beside
from trading.core.rules import BASIS_POINT, SIZE_STEP

__all__ = [
    "Candidate", "Decision", "Reason", "Refusal", "Signals", "Tops", "believe", "decide",
    "growth", "order_at", "propose", "signals",
]  # fmt: skip

APPROVED = "APPROVED"
VOLUME_GATE = "volume"
"""The gate that cannot judge a market whose volume nobody knows; its book's depth is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A signal that passed, with all that is needed to size it.

    Attributes
    ----------
    probability, sigma, price
        Belief in the side that would be bought, its standard error, and the market's mid for it.
    book
        Of that side (`Book.mirrored()` for outcome 1); its asks are what a buy takes.
    tick, min_shares, fee_rate
        The market's own rules; None where unknown, which is never tradable.
    liquidity_known
        Whether the venue says what the market's volume is; where not, the order is kept small.
    budget
        Dollars that strategy and horizon may have at risk in all; None for no bound.
    seconds_left
        To the scheduled end; None where no end was announced.
    """

    market: int
    event: int
    category: str
    outcome_index: int
    probability: float
    sigma: float
    price: float
    book: Book
    tick: Decimal | None
    min_shares: Decimal | None
    fee_rate: Decimal | None
    fee_exponent: Decimal
    book_age_s: float
    prediction_age_s: float
    seconds_left: float | None
    accepting_orders: bool
    strategy: str = "default"
    asset: str = ""
    epoch: float | None = None
    window_s: float | None = None
    label: str = ""
    horizon: str = ""
    liquidity_known: bool = True
    budget: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No order could be written down that makes sense; why, with the numbers."""

    reason: DenialReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of a candidate: APPROVED, or the first reason against it."""

    intent: OrderIntent | None
    verdict: Verdict | None
    reason: str

    @property
    def shares(self) -> Decimal:
        """Approved shares; zero where denied."""
        return ZERO if self.verdict is None else self.verdict.approved_shares


def decide(
    candidate: Candidate,
    portfolio: PortfolioSnapshot,
    limits: LimitsConfig,
    config: TradingConfig,
) -> Decision:
    """Size the candidate and ask the gate."""
    proposal = propose(candidate, portfolio, limits, config)
    if isinstance(proposal, Refusal):
        return Decision(intent=None, verdict=None, reason=proposal.reason.value)
    verdict = checks.evaluate(proposal, portfolio, limits)
    reason = APPROVED if verdict.approved else verdict.denials[0].reason.value
    return Decision(intent=proposal, verdict=verdict, reason=reason)


def propose(
    candidate: Candidate,
    portfolio: PortfolioSnapshot,
    limits: LimitsConfig,
    config: TradingConfig,
    *,
    rests: bool = False,
) -> OrderIntent | Refusal:
    """Write down the order we would like: a fraction of Kelly that the near book can fill.

    The limit price is the worst one needed, and never so far from the best that the fill would eat
    more of the edge, or more basis points, than the limits allow. One that `rests` crosses nothing:
    its limit is the price at which it waits.
    """
    best = candidate.book.best_ask
    if candidate.tick is None or candidate.min_shares is None or candidate.fee_rate is None:
        return _refuse(DenialReason.UNKNOWN_RULES, "tick, minimum size or fee is unknown")
    if best is None:
        return _refuse(DenialReason.DEPTH_LIMIT, "nobody offers this side")
    believed = believe(candidate, config)
    if rests:
        return _propose_resting(
            candidate,
            prices_beside(candidate.book, tick=candidate.tick),
            believed,
            portfolio.risk_equity,
            limits=limits,
            config=config,
        )
    edge = believed - _all_in(candidate, best)
    if edge <= ZERO:
        return _refuse(
            DenialReason.NO_EDGE_LEFT, f"{believed} believed, {best} asked, {edge} left after fees"
        )
    limit = bid_price(_acceptable(best, edge, limits), tick=candidate.tick)
    if limit < best:
        return _refuse(DenialReason.OFF_TICK, f"{best} is off the grid of {candidate.tick}")
    near = tuple(level for level in candidate.book.asks if level.price <= limit)
    shares = _shares(candidate, near, believed, portfolio.risk_equity, limits=limits)
    if shares == ZERO or shares < candidate.min_shares:
        return _refuse(
            DenialReason.MIN_SIZE,
            f"{shares} shares up to {limit} are worth it, the venue takes {candidate.min_shares}",
        )
    fill = books.walk(candidate.book, buy=True, shares=shares, limit=limit)
    order = order_at(candidate, shares=shares, limit=fill.worst or best, config=config)
    return replace(order, visible_depth=sum((level.shares for level in near), ZERO))


def _propose_resting(
    candidate: Candidate,
    prices: tuple[Decimal, ...],
    believed: Decimal,
    equity: Decimal,
    *,
    limits: LimitsConfig,
    config: TradingConfig,
) -> OrderIntent | Refusal:
    """A purchase that waits at the first of these prices which is worth it, a taker's fee paid."""
    limit = next((price for price in prices if believed > _all_in(candidate, price)), None)
    if limit is None:
        return _refuse(
            DenialReason.NO_EDGE_LEFT,
            f"{believed} believed, no price to wait at leaves anything of it after fees: "
            + (", ".join(map(str, prices)) or "nobody bids"),
        )
    here = Level(price=limit, shares=both_sides(candidate.book))
    shares = _shares(candidate, (here,), believed, equity, limits=limits)
    if shares == ZERO:
        return _refuse(
            DenialReason.MIN_SIZE,
            f"too few shares are worth waiting for at {limit}, "
            f"the venue takes {candidate.min_shares}",
        )
    order = order_at(candidate, shares=shares, limit=limit, config=config)
    return as_resting(order, candidate.book)


def believe(candidate: Candidate, config: TradingConfig) -> Decimal:
    """The forecast drawn towards the price as far as its own error demands."""
    return decimal(
        shrink(
            candidate.probability,
            candidate.price,
            sigma=candidate.sigma,
            prior_sigma=config.prior_sigma,
        )
    )


def order_at(
    candidate: Candidate, *, shares: Decimal, limit: Decimal, config: TradingConfig
) -> OrderIntent:
    """A buy of `shares` up to `limit`, as the gate wants to see it against the candidate's book."""
    best = candidate.book.best_ask or limit
    fill = books.walk(candidate.book, buy=True, shares=shares, limit=limit)
    rate, exponent = candidate.fee_rate, candidate.fee_exponent
    fee = None if rate is None else taker_fee(shares, limit, rate=rate, exponent=exponent)
    depth = sum((x.shares for x in candidate.book.asks if x.price <= limit), ZERO)
    return OrderIntent(
        market=candidate.market,
        event=candidate.event,
        category=candidate.category,
        outcome_index=candidate.outcome_index,
        is_buy=True,
        shares=shares,
        limit_price=limit,
        expected_price=limit if fill.average is None else fill.average,
        best_price=best,
        fee=fee,
        probability=float(believe(candidate, config)),
        visible_depth=depth,
        tick=candidate.tick,
        min_shares=candidate.min_shares,
        book_age_s=candidate.book_age_s,
        prediction_age_s=candidate.prediction_age_s,
        seconds_left=candidate.seconds_left,
        accepting_orders=candidate.accepting_orders,
        strategy=candidate.strategy,
        asset=candidate.asset,
        epoch=candidate.epoch,
        window_s=candidate.window_s,
        label=candidate.label,
        horizon=candidate.horizon,
        budget=candidate.budget,
        max_cost=None if candidate.liquidity_known else config.unknown_liquidity_usd,
        skipped=() if candidate.liquidity_known else (VOLUME_GATE,),
    )


def cost_bound(shares: Decimal, limit: Decimal, *, rate: Decimal, exponent: Decimal) -> Decimal:
    """The most that a buy of `shares` up to `limit` takes from cash, fee included.

    A better price may carry a higher fee, never a higher sum: price + fee rises with the price.
    """
    return shares * limit + taker_fee(shares, limit, rate=rate, exponent=exponent)


def _refuse(reason: DenialReason, message: str) -> Refusal:
    return Refusal(reason=reason, message=message)


def _all_in(candidate: Candidate, price: Decimal) -> Decimal:
    """Dollars for one share at `price`, fee included."""
    rate = ZERO if candidate.fee_rate is None else candidate.fee_rate
    return price + rate * (price * (ONE - price)) ** candidate.fee_exponent


def _acceptable(best: Decimal, edge: Decimal, limits: LimitsConfig) -> Decimal:
    """The worst price at which neither slippage limit is broken."""
    return best + min(best * limits.max_slippage_bps * BASIS_POINT, edge * limits.max_edge_eaten)


def _shares(
    candidate: Candidate,
    near: tuple[Level, ...],
    believed: Decimal,
    equity: Decimal,
    *,
    limits: LimitsConfig,
) -> Decimal:
    """Shares that fractional Kelly buys from the near levels, on the size grid.

    Fewer than the venue's minimum are rounded up to it where full Kelly still covers that.
    """
    best, depth = near[0].price, sum((level.shares for level in near), ZERO)
    wanted = floor_to(
        min(
            _kelly(candidate, near, believed, equity * limits.kelly_multiplier),
            depth * limits.max_depth,
            limits.max_order_usd / _all_in(candidate, best),
        ),
        SIZE_STEP,
    )
    marketable = smallest_purchase(
        price=best,
        rate=candidate.fee_rate or ZERO,
        exponent=candidate.fee_exponent,
        tick=candidate.tick or best,
    )
    minimum = max(candidate.min_shares or ZERO, marketable)
    if wanted >= minimum:
        return wanted
    return minimum if minimum <= min(_kelly(candidate, near, believed, equity), depth) else ZERO


def _kelly(
    candidate: Candidate, near: tuple[Level, ...], believed: Decimal, bankroll: Decimal
) -> Decimal:
    """Shares that a Kelly bettor with this bankroll buys from the near levels, fees included."""
    offers = [(float(_all_in(candidate, x.price)), float(x.shares)) for x in near]
    return decimal(size_shares(float(believed), offers, bankroll=float(bankroll), multiplier=1.0))
