"""What every new forecast is worth against the book of now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import structlog
from django.db.models import Count
from numpy.typing import NDArray

from markets import queries as market_queries
from markets import wallets
from markets.core.book import Book
from markets.models import Market
from predictions.core.contracts import Forecasts
from predictions.models import Horizon, Prediction, PredictionSettings
from risk.models import RiskLimits
from trading import horizons
from trading.core import baseline
from trading.core.consensus import Views
from trading.core.contracts import TradingConfig
from trading.core.edge import PRICE_SOURCE, Signals, Tops, asks_and_depths, signals
from trading.core.reasons import Reason
from trading.models import Signal
from trading.settings import TradingSettings

log = structlog.get_logger()
NAN = float("nan")
BASELINE_SOURCE = "BASELINE"
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
    met = tops.take(np.argsort(market_ids)[rows_of])
    moods = _moods(fresh, config, as_of=as_of)
    forecasts = _forecasts(fresh)
    if config.baseline and not PredictionSettings.objects.newest().enable_ml:
        forecasts = _explained(forecasts, fresh, met, moods, config)
    views = Views(mood=moods, asked=_asked(fresh, config, as_of=as_of))
    found = signals(forecasts, met, config, views)
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


def stopped_by(*, since: datetime, as_of: datetime) -> list[tuple[str, int]]:
    """What stopped the signals of (since, as_of] before the gate, the most frequent reason first.

    The first entry names why nothing trades where every signal died.
    """
    rows = Signal.objects.filter(as_of__gt=since, as_of__lte=as_of)
    dead = rows.exclude(reason=Reason.PASSED.value).order_by().values_list("reason")
    counts = dead.annotate(count=Count("pk"))
    return sorted(counts, key=lambda row: (-row[1], row[0]))


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


def _moods(
    rows: Sequence[Prediction], config: TradingConfig, *, as_of: datetime
) -> NDArray[np.float64]:
    """The cohort's mood about each row's market; NaN where nobody knows, or nobody asks."""
    if not (config.require_consensus or config.baseline):
        return np.full(len(rows), NAN)
    asked = [p.market_id for p in rows]
    return wallets.moods(asked, cohort=config.mood_cohort, as_of=as_of)


def _asked(
    rows: Sequence[Prediction], config: TradingConfig, *, as_of: datetime
) -> NDArray[np.bool_]:
    """Rows whose horizon requires the consent of a cohort."""
    if not config.require_consensus:
        return np.zeros(len(rows), dtype=bool)
    markets = Market.objects.in_bulk({p.market_id for p in rows})
    return np.array(
        [config.asks_consent(horizons.of(markets[p.market_id], as_of=as_of)) for p in rows]
    )


def _explained(
    forecasts: Forecasts,
    rows: Sequence[Prediction],
    tops: Tops,
    moods: NDArray[np.float64],
    config: TradingConfig,
) -> Forecasts:
    """Forecasts that are the price, moved by what the explainable strategy sees."""
    bids, asks = tops.depth_1, tops.depth_0
    with np.errstate(divide="ignore", invalid="ignore"):
        weight_of_bids = (bids - asks) / (bids + asks)
    valued = baseline.value(
        forecasts.price, mood=moods, weight_of_bids=weight_of_bids, config=config
    )
    own = np.array([p.source == PRICE_SOURCE for p in rows]) & (valued != forecasts.price)
    return replace(
        forecasts,
        probability=np.where(own, valued, forecasts.probability),
        sigma=np.where(own, config.baseline_sigma, forecasts.sigma),
        source=np.where(own, BASELINE_SOURCE, forecasts.source),
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
