"""What every new forecast is worth against the book of now."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import structlog

from markets import queries as market_queries
from markets.core.book import Book
from markets.models import Market
from predictions.core.contracts import Forecasts
from predictions.models import Horizon, Prediction
from risk.models import RiskLimits
from trading.core.decision import Signals, Tops, signals
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
    market_ids = [p.market_id for p in fresh]
    books = market_queries.latest_books(market_ids, as_of=as_of)
    found = signals(
        _forecasts(fresh), _tops(market_ids, books, Decimal(repr(config.depth_within))), config
    )
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
    return Forecasts(
        price=np.array([p.price for p in rows]),
        probability=np.array([p.probability for p in rows]),
        sigma=np.array([p.sigma for p in rows]),
        source=np.array([p.source for p in rows], dtype=np.str_),
        weights={},
    )


def _tops(market_ids: Sequence[int], books: Mapping[int, Book], within: Decimal) -> Tops:
    """Best asks, depths and fees of both sides; NaN where a book or a schedule is missing."""
    fees = {
        row[0]: row[1:]
        for row in Market.objects.filter(pk__in=market_ids, fees__isnull=False).values_list(
            "pk", "fees__rate", "fees__exponent"
        )
    }
    tops = np.full((6, len(market_ids)), NAN)
    for column, market_id in enumerate(market_ids):
        if (book := books.get(market_id)) is not None:
            tops[:4, column] = _top(book, within)
        if (schedule := fees.get(market_id)) is not None:
            tops[4:, column] = [float(value) for value in schedule]
    return Tops(
        ask_0=tops[0],
        ask_1=tops[1],
        depth_0=tops[2],
        depth_1=tops[3],
        fee_rate=tops[4],
        fee_exponent=tops[5],
    )


def _top(book: Book, within: Decimal) -> list[float]:
    ask, bid = book.best_ask, book.best_bid
    if ask is None or bid is None:
        return [
            NAN if ask is None else float(ask),
            NAN if bid is None else 1 - float(bid),
            0.0,
            0.0,
        ]
    return [
        float(ask),
        float(1 - bid),
        float(book.depth_usd("ask", within=within)),
        # A bid for outcome 0 at p is an ask for outcome 1 at 1 − p.
        float(sum((1 - x.price) * x.shares for x in book.bids if bid - x.price <= within)),
    ]


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
