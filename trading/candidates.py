"""A passed signal with its market as it is now: what sizing and the gate need."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from markets import queries as market_queries
from markets.core.book import Book
from markets.models import Market
from risk.core.contracts import DEFAULT_STRATEGY
from trading.core.decision import Candidate
from trading.models import Signal


def gather(rows: Sequence[Signal], *, as_of: datetime) -> dict[int, Candidate]:
    """Signal key → candidate, for those whose market has a book; one read for all of them."""
    books = market_queries.latest_books([s.market_id for s in rows], as_of=as_of)
    return {
        signal.pk: of(signal, books[signal.market_id], as_of=as_of)
        for signal in rows
        if signal.market_id in books
    }


def of(signal: Signal, book: Book, *, as_of: datetime) -> Candidate:
    """The candidate of one signal against the book of its market's outcome 0."""
    market, forecast, second = signal.market, signal.prediction, signal.outcome_index == 1
    if forecast.price is None:
        raise ValueError(f"{signal} stands on a forecast without a price; none may trade")
    return Candidate(
        market=market.pk,
        event=market.event_id,
        category=market.category,
        outcome_index=signal.outcome_index,
        probability=signal.probability,
        sigma=forecast.sigma,
        price=1 - forecast.price if second else forecast.price,
        book=book.mirrored() if second else book,
        tick=market.tick_size,
        min_shares=market.min_shares,
        fee_rate=None if market.fees is None else market.fees.rate,
        fee_exponent=Decimal(1) if market.fees is None else market.fees.exponent,
        book_age_s=(as_of - book.observed_at).total_seconds(),
        prediction_age_s=(as_of - forecast.as_of).total_seconds(),
        seconds_left=_seconds_left(market, as_of=as_of),
        accepting_orders=takes_orders(market),
        strategy=DEFAULT_STRATEGY,
        asset=market.asset,
        epoch=None if market.epoch_start_at is None else market.epoch_start_at.timestamp(),
        window_s=None if market.window_s is None else float(market.window_s),
        label=market.question,
    )


def takes_orders(market: Market) -> bool:
    """Whether the venue said that it takes orders, under a protocol that we know; unknown is no."""
    known = market.protocol in {"v1", "v2"}
    return bool(market.accepting_orders) and known and market.closed_at is None


def stale(candidates: Iterable[Candidate], *, older_than_s: float) -> list[int]:
    """Markets whose book is too old to decide on."""
    return [c.market for c in candidates if c.book_age_s > older_than_s]


def _seconds_left(market: Market, *, as_of: datetime) -> float | None:
    end = market.scheduled_end_at
    return None if end is None else (end - as_of).total_seconds()
