"""Ask the gate about an intent again: the same order, the forecast and the book of now."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from config.kernel.units import ZERO
from markets import queries as market_queries
from markets.core import book as books
from markets.core.book import Book
from predictions.models import Prediction
from risk import gate
from risk.core import checks
from risk.core.contracts import DenialReason, OrderIntent, PortfolioSnapshot
from risk.models import RiskDecision, RiskLimits
from trading.approving import waiting
from trading.approving.waiting import Waiting
from trading.books import portfolio
from trading.core.decision import Candidate, order_at
from trading.core.resting import as_resting
from trading.deciding import candidates
from trading.market_data import Refresh
from trading.models import IntentGroup, Side, TradeIntent
from trading.settings import TradingSettings

NO_BOOK = "STALE_BOOK: the market has no book"
STOPS = frozenset({DenialReason.HALTED, DenialReason.LISTEN_ONLY, DenialReason.REDUCING})
"""Reasons that pass when a halt is released, and say nothing against the wish."""
SURE = 1.0
"""What a leg is worth lies in its group, and was computed there: by itself it is not judged."""


def again(intent: TradeIntent, *, as_of: datetime) -> RiskDecision | None:
    """The gate's answer to the same order against the market of now; None without a book."""
    book = market_queries.latest_books([intent.market_id], as_of=as_of).get(intent.market_id)
    if book is None:
        return None
    asked = _question(intent, book, as_of=as_of)
    return gate.review(*asked, mode=intent.mode, as_of=as_of)


def stopped_by(decision: RiskDecision | None) -> str:
    """What halts it, as the gate said; "" where no halt was among its reasons."""
    if decision is None:
        return ""
    told = json.loads(decision.detail)["denials"]
    return "; ".join(f"{d['reason']}: {d['message']}" for d in told if d["reason"] in STOPS)


def would_refuse(found: Waiting, *, as_of: datetime) -> str:
    """Why the gate would say no now, in a sentence; "" where it would agree. Records nothing.

    It judges the book of the figures in `found`, so that both tell of one instant; its age is left
    out: a yes fetches it anew.
    """
    intent = found.intent
    if found.book is None:
        return NO_BOOK
    asked = _question(intent, found.book, as_of=as_of)
    verdict = checks.evaluate(*asked, RiskLimits.objects.current(as_of=as_of).as_config())
    denials = [d for d in verdict.denials if d.reason != DenialReason.STALE_BOOK]
    if denials:
        return "; ".join(f"{denial.reason.value}: {denial.message}" for denial in denials)
    if not verdict.denials and verdict.approved_shares < intent.shares:
        return _too_few(verdict.approved_shares, intent)
    return ""


def _question(
    intent: TradeIntent, book: Book, *, as_of: datetime
) -> tuple[OrderIntent, PortfolioSnapshot]:
    """The order and the books as the gate is to see them."""
    snapshot = portfolio.snapshot(
        intent.mode,
        as_of=as_of,
        strategy=intent.strategy,
        market_id=intent.market_id,
        without=intent.pk,
    )
    if intent.group is not None and intent.side == Side.BUY:
        snapshot = _without(intent.group, snapshot)
    order = _order(intent, book, as_of=as_of)
    if intent.post_only:
        order = as_resting(order, waiting.side_of(book, intent))
    return order, snapshot


def refusal(decision: RiskDecision | None, intent: TradeIntent) -> str:
    """Why the gate no longer agrees to the whole order, in a sentence; "" where it does."""
    if decision is None:
        return NO_BOOK
    if decision.denials:
        told = json.loads(decision.detail)["denials"]
        return "; ".join(f"{denial['reason']}: {denial['message']}" for denial in told)
    if decision.approved_shares < intent.shares:
        return _too_few(decision.approved_shares, intent)
    return ""


def _too_few(admitted: Decimal, intent: TradeIntent) -> str:
    return f"the gate admits {admitted:.2f} of {intent.shares:.2f} shares by now"


def freshen(legs: Sequence[TradeIntent], refresh: Refresh, *, as_of: datetime) -> int:
    """Fetch the books of these markets that are too old for the gate, at once; quotes added."""
    limit = RiskLimits.objects.current(as_of=as_of).max_book_age_s
    markets = sorted({leg.market_id for leg in legs})
    newest = market_queries.latest_books(markets, as_of=as_of)
    ages = {pk: (as_of - book.observed_at).total_seconds() for pk, book in newest.items()}
    old = [pk for pk in markets if pk not in ages or ages[pk] > limit]
    return refresh(old, as_of) if old else 0


def _order(intent: TradeIntent, book: Book, *, as_of: datetime) -> OrderIntent:
    if intent.signal is None or intent.side == Side.SELL:
        return _plain(intent, book, as_of=as_of)
    config = TradingSettings.objects.current(as_of=as_of).as_config()
    found = candidates.of(intent.signal, book, as_of=as_of)
    newest = waiting.newest_forecasts([intent], as_of=as_of)[intent.market_id]
    return order_at(
        _believing(found, newest, as_of=as_of),
        shares=intent.shares,
        limit=intent.limit_price,
        config=config,
    )


def _believing(found: Candidate, forecast: Prediction, *, as_of: datetime) -> Candidate:
    """The candidate with what this forecast says of its side."""
    second = found.outcome_index == 1
    price = found.price if forecast.price is None else forecast.price
    return replace(
        found,
        probability=1 - forecast.probability if second else forecast.probability,
        price=1 - price if second else price,
        sigma=forecast.sigma,
        prediction_age_s=(as_of - forecast.as_of).total_seconds(),
    )


def _plain(intent: TradeIntent, book: Book, *, as_of: datetime) -> OrderIntent:
    """A sale, or one leg of a group: no forecast decides about it."""
    market, side = intent.market, waiting.side_of(book, intent)
    buys, limit = intent.side == Side.BUY, intent.limit_price
    fill = books.walk(side, buy=buys, shares=intent.shares, limit=limit)
    resting = side.asks if buys else side.bids
    left, epoch = market.scheduled_end_at, market.epoch_start_at
    return OrderIntent(
        market=market.pk,
        event=market.event_id,
        category=market.category,
        outcome_index=intent.outcome.index,
        is_buy=buys,
        shares=intent.shares,
        limit_price=limit,
        expected_price=fill.average or limit,
        best_price=resting[0].price if resting else limit,
        fee=waiting.fee_of(intent, intent.shares, limit),
        probability=SURE,
        visible_depth=sum((x.shares for x in waiting.within(side, intent)), ZERO),
        tick=market.tick_size,
        min_shares=market.min_shares,
        book_age_s=(as_of - book.observed_at).total_seconds(),
        prediction_age_s=0.0,
        seconds_left=None if left is None else (left - as_of).total_seconds(),
        accepting_orders=candidates.takes_orders(market),
        strategy=intent.strategy,
        asset=market.asset,
        epoch=None if epoch is None else epoch.timestamp(),
        window_s=None if market.window_s is None else float(market.window_s),
        label=market.question,
    )


def _without(group: IntentGroup, snapshot: PortfolioSnapshot) -> PortfolioSnapshot:
    """The books without what the group itself holds: its legs stand on one claim, at one time."""
    own = set(group.intents.values_list("market_id", flat=True))
    ages = {k: age for k, age in snapshot.seconds_since_intent.items() if k not in own}
    others = tuple(held for held in snapshot.holdings if held.market not in own)
    return replace(snapshot, holdings=others, seconds_since_intent=ages)
