"""A passed signal with its market as it is now: what sizing and the gate need."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from markets import queries as market_queries
from markets.core.book import Book
from markets.models import Market, Quote
from predictions.models import Source
from risk.core.contracts import BASELINE_STRATEGY, DEFAULT_STRATEGY
from trading import fee_terms, horizons
from trading.core.decision import Candidate
from trading.models import Signal

DAY = timedelta(days=1)


def gather(rows: Sequence[Signal], *, as_of: datetime) -> dict[int, Candidate]:
    """Signal key → candidate, for those whose market has a book; one read for all of them."""
    books = market_queries.latest_books([s.market_id for s in rows], as_of=as_of)
    known = _with_volume([s.market for s in rows], as_of=as_of)
    return {
        signal.pk: of(signal, books[signal.market_id], as_of=as_of, known=signal.market_id in known)
        for signal in rows
        if signal.market_id in books
    }


def of(signal: Signal, book: Book, *, as_of: datetime, known: bool = True) -> Candidate:
    """The candidate of one signal against the book of its market's outcome 0.

    `known` says whether the market's volume is.
    """
    market, forecast, second = signal.market, signal.prediction, signal.outcome_index == 1
    if forecast.price is None:
        raise ValueError(f"{signal} stands on a forecast without a price; none may trade")
    fees = fee_terms.of(market)
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
        fee_rate=fees.rate,
        fee_exponent=fees.exponent,
        book_age_s=(as_of - book.observed_at).total_seconds(),
        prediction_age_s=(as_of - forecast.as_of).total_seconds(),
        seconds_left=horizons.seconds_left(market, as_of=as_of),
        accepting_orders=takes_orders(market),
        strategy=strategy_of(signal),
        asset=market.asset,
        epoch=None if market.epoch_start_at is None else market.epoch_start_at.timestamp(),
        window_s=None if market.window_s is None else float(market.window_s),
        label=market.question,
        horizon=horizons.of(market, as_of=as_of),
        liquidity_known=known,
    )


def strategy_of(signal: Signal) -> str:
    """Who stands behind a signal that passed: a forecast of the price itself is the baseline's."""
    by_price = signal.prediction.source == Source.PRICE
    return BASELINE_STRATEGY if by_price else DEFAULT_STRATEGY


def _with_volume(markets: Collection[Market], *, as_of: datetime) -> set[int]:
    """Keys of the markets whose volume is known: to the catalogue, or from a quote of the day."""
    known = {market.pk for market in markets if market.volume is not None}
    silent = [market.pk for market in markets if market.pk not in known]
    if not silent:
        return known
    said = Quote.objects.filter(
        market__in=silent,
        observed_at__gt=as_of - DAY,
        observed_at__lte=as_of,
        volume_24h__isnull=False,
    )
    return known | set(said.values_list("market_id", flat=True).distinct())


def takes_orders(market: Market) -> bool:
    """Whether the venue said that it takes orders, under a protocol that we know; unknown is no."""
    known = market.protocol in {"v1", "v2"}
    return bool(market.accepting_orders) and known and market.closed_at is None


def stale(candidates: Iterable[Candidate], *, older_than_s: float) -> list[int]:
    """Markets whose book is too old to decide on."""
    return [c.market for c in candidates if c.book_age_s > older_than_s]
