"""What every new forecast is worth against the book of now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import structlog
from numpy.typing import NDArray

from markets import queries as market_queries
from markets.core.book import Book
from markets.models import Market
from predictions.core.contracts import Forecasts
from predictions.models import Horizon, Prediction
from risk.models import RiskLimits
from trading.core.edge import PRICE_SOURCE, Signals, Tops, asks_and_depths, signals
from trading.models import Signal
from trading.settings import TradingSettings

log = structlog.get_logger()
NAN = float("nan")
CHUNK = 1000


def find(*, as_of: datetime) -> int:
    """Value every fresh forecast that has no signal yet; returns how many were valued."""
    fresh = _unvalued(as_of=as_of)
    if not fresh:
        return 0
    config = TradingSettings.objects.current(as_of=as_of).as_config()
    # Two forecasts of one market meet the same book.
    market_ids = list(dict.fromkeys(p.market_id for p in fresh))
    tops = _tops(market_ids, within=config.depth_within, as_of=as_of)
    rows_of = np.searchsorted(np.sort(market_ids), [p.market_id for p in fresh])
    found = signals(_forecasts(fresh), tops.take(np.argsort(market_ids)[rows_of]), config)
    rows = [
        Signal(
            prediction=prediction,
            market_id=prediction.market_id,
            as_of=as_of,
            settings_version=config.version,
            **_columns(found, i),
        )
        for i, prediction in enumerate(fresh)
    ]
    Signal.objects.bulk_create(rows, batch_size=CHUNK, ignore_conflicts=True)
    log.info("signals.found", valued=len(rows), passed=int(found.passed.sum()))
    return len(rows)


def _unvalued(*, as_of: datetime) -> list[Prediction]:
    """Forecasts of outcomes, young enough to act on, that nobody has valued."""
    oldest = RiskLimits.objects.current(as_of=as_of).max_prediction_age_s
    return list(
        Prediction.objects.filter(
            horizon=Horizon.OUTCOME,
            as_of__gt=as_of - timedelta(seconds=oldest),
            as_of__lte=as_of,
            signal__isnull=True,
        )
        .only("market_id", "as_of", "price", "probability", "sigma", "source")
        .order_by("id")
    )


def _forecasts(rows: Sequence[Prediction]) -> Forecasts:
    # One whose inputs were not kept hardly differs from the price: where the book has moved since,
    # it is late, not right. No trade without what its forecast was made from.
    bare = Prediction.objects.filter(pk__in=[p.pk for p in rows], vector=b"")
    without = set(bare.values_list("pk", flat=True))
    source = [PRICE_SOURCE if p.pk in without else p.source for p in rows]
    return Forecasts(
        # Without a price there is nothing to compare with: NaN stops at the first gate.
        price=np.array([NAN if p.price is None else p.price for p in rows]),
        probability=np.array([p.probability for p in rows]),
        sigma=np.array([p.sigma for p in rows]),
        source=np.array(source, dtype=np.str_),
        weights={},
    )


def _tops(market_ids: Sequence[int], *, within: float, as_of: datetime) -> Tops:
    """Best asks, depths and fees of both sides; NaN where a book or a schedule is missing."""
    place = {market_id: i for i, market_id in enumerate(market_ids)}
    tops = np.full((6, len(market_ids)), NAN)
    books = market_queries.latest_books(market_ids, as_of=as_of)
    if books:
        levels = _levels(list(books.values()))
        tops[:4, [place[key] for key in books]] = asks_and_depths(levels, within=within)
    schedules = Market.objects.filter(pk__in=place, fees__isnull=False)
    for market_id, *fee in schedules.values_list("pk", "fees__rate", "fees__exponent"):
        tops[4:, place[market_id]] = [float(value) for value in fee]
    return Tops(
        ask_0=tops[0],
        ask_1=tops[1],
        depth_0=tops[2],
        depth_1=tops[3],
        fee_rate=tops[4],
        fee_exponent=tops[5],
    )


def _levels(books: Sequence[Book]) -> NDArray[np.float64]:
    """float64[n, 2, k, 2] of n books, NaN padded to the deepest; k is at least 1."""
    deepest = max(1, *(len(side) for book in books for side in (book.bids, book.asks)))
    levels = np.full((len(books), 2, deepest, 2), NAN)
    for row, book in enumerate(books):
        for side, resting in enumerate((book.bids, book.asks)):
            for k, level in enumerate(resting):
                levels[row, side, k] = level.price, level.shares
    return levels


def _columns(found: Signals, i: int) -> dict[str, object]:
    """One row of the arrays; NaN becomes null, never a number."""
    numbers = {
        name: _known(getattr(found, name)[i])
        for name in ("cost", "fee", "gross_edge", "net_edge", "confidence")
    }
    return numbers | {
        "outcome_index": int(found.outcome_index[i]),
        "probability": float(found.probability[i]),
        "strength": str(found.strength[i]),
        "reason": str(found.reason[i]),
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
