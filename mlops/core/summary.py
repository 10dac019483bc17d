"""The figures of a replay: money, scores against the market, where decisions stopped."""

from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np

from config.kernel.units import ZERO
from markets.core.series import Floats, Ints
from mlops.core import metrics
from mlops.core.replay import Played, Tape
from mlops.core.replay_books import EquityMark, Lot
from predictions.core.contracts import Forecasts

ENOUGH_EVENTS = 30
CENT = Decimal("0.01")
CURVE_POINTS = 1500


def money(played: Played, *, rng: np.random.Generator, resamples: int) -> dict[str, Any]:
    """P&L after fees with a 95 % interval that resamples events, drawdown, fees, turnover."""
    lots = sorted([*played.books.closed, *played.books.open.values()], key=lambda lot: lot.at)
    pnl = sum((lot.pnl or ZERO for lot in lots), ZERO)
    low, high = _interval(played.books.closed, rng=rng, resamples=resamples)
    events = {lot.intent.event for lot in lots}
    marks = played.books.marks
    cash = marks[0].cash if marks else played.books.cash
    closed = played.books.closed
    return {
        "quote_age_s": _ages(lots),
        "trades": len(lots),
        "traded_events": len(events),
        "insufficient": len(events) < ENOUGH_EVENTS,
        "open_trades": len(played.books.open),
        "turnover": str(sum((lot.cost for lot in lots), ZERO).quantize(CENT)),
        "fees": str(sum((lot.fee for lot in lots), ZERO).quantize(CENT)),
        "pnl": str(pnl.quantize(CENT)),
        "pnl_low": f"{low:.2f}",
        "pnl_high": f"{high:.2f}",
        "win_rate": sum(1 for lot in closed if lot.pnl and lot.pnl > 0) / len(closed)
        if closed
        else None,
        "starting_cash": str(cash.quantize(CENT)),
        "final_equity": str((marks[-1].equity if marks else cash).quantize(CENT)),
        "max_drawdown": max((m.drawdown for m in marks), default=0.0),
        "max_drawdown_pct": f"{100 * max((m.drawdown for m in marks), default=0.0):.2f}",
    }


def _ages(lots: list[Lot]) -> dict[str, float] | None:
    """How old the recorded price was that trades were made on: median and 95th percentile."""
    if not lots:
        return None
    median, late = np.quantile([lot.intent.book_age_s for lot in lots], [0.5, 0.95])
    return {"median": float(median), "p95": float(late)}


def _interval(lots: list[Lot], *, rng: np.random.Generator, resamples: int) -> tuple[float, float]:
    """Cluster bootstrap of total P&L: events are drawn, because their trades hang together."""
    per_event: dict[int, float] = {}
    for lot in lots:
        per_event[lot.intent.event] = per_event.get(lot.intent.event, 0.0) + float(lot.pnl or 0)
    values = np.array(list(per_event.values()))
    if not len(values):
        return 0.0, 0.0
    draws = rng.integers(0, len(values), size=(resamples, len(values)))
    low, high = np.quantile(values[draws].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def scores(
    tape: Tape, forecasts: Forecasts, *, rng: np.random.Generator, resamples: int
) -> dict[str, Any]:
    """Brier and log loss of forecast and market on the same answered rows."""
    y: Floats = tape.payout[tape.market]
    rows = np.isfinite(y) & np.isfinite(forecasts.price)
    event: Ints = tape.facts.event[tape.market]
    scored = metrics.score(
        y[rows],
        market=forecasts.price[rows],
        model=forecasts.probability[rows],
        event=event[rows],
        rng=rng,
        resamples=resamples,
    )
    return scored.as_json()


def calibration(tape: Tape, forecasts: Forecasts, *, bins: int = 10) -> list[dict[str, float]]:
    """Per tenth of the forecast: mean price, mean forecast, share that happened, rows."""
    y: Floats = tape.payout[tape.market]
    rows = np.isfinite(y) & np.isfinite(forecasts.price)
    found = metrics.calibration(
        forecasts.probability[rows], y[rows], market=forecasts.price[rows], bins=bins
    )
    columns = (found.market, found.forecast, found.frequency, found.rows)
    return [
        {"price": price, "forecast": said, "outcome": happened, "rows": count}
        for price, said, happened, count in zip(*(each.tolist() for each in columns), strict=True)
    ]


def funnel(tape: Tape, played: Played) -> list[dict[str, Any]]:
    """Stage, reason, count: from the markets of the history to the trades."""
    stopped = Counter(played.signals.reason.tolist())
    rows = [
        ("universe", "markets in the history", tape.facts.markets),
        ("forecast", "decision points", len(tape.as_of)),
        *(("signal", reason, count) for reason, count in sorted(stopped.items())),
        *(("gate", reason, count) for reason, count in sorted(played.gate.items())),
        ("filled", "trades", len(played.books.closed) + len(played.books.open)),
    ]
    return [{"stage": stage, "reason": reason, "count": count} for stage, reason, count in rows]


def curve(marks: list[EquityMark]) -> list[dict[str, float]]:
    """The equity curve, thinned for reading; first, last and the deepest point always stay."""
    if not marks:
        return []
    deepest = max(range(len(marks)), key=lambda i: marks[i].drawdown)
    kept = set(
        np.linspace(0, len(marks) - 1, num=min(len(marks), CURVE_POINTS)).astype(int).tolist()
    )
    return [
        {
            "at": marks[i].at,
            "equity": float(marks[i].equity),
            "risk_equity": float(marks[i].risk_equity),
            "drawdown": marks[i].drawdown,
        }
        for i in sorted(kept | {deepest})
    ]
