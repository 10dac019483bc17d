"""Series for the charts: plain lists that the page's script draws."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from markets.models import Quote
from predictions.models import Horizon, Prediction, Source
from risk.models import EquityPoint

POINTS = 600
Spec = dict[str, Any]


def thin(rows: Sequence[Any], *, points: int = POINTS) -> list[Any]:
    """At most `points` rows, evenly spaced, the last one always among them.

    >>> thin([1, 2, 3, 4, 5], points=3)
    [1, 3, 5]
    """
    step = -(-len(rows) // points) if rows else 1
    return list(rows[::-1][::step][::-1])


def equity(mode: str, *, since: datetime, as_of: datetime) -> tuple[Spec, Spec] | None:
    """Equity and drawdown of a mode; None before the first two snapshots."""
    found = EquityPoint.objects.filter(mode=mode, observed_at__gt=since, observed_at__lte=as_of)
    columns = ("observed_at", "risk_equity", "cash", "open_mark", "redeemable", "drawdown")
    rows = thin(_since_money(list(found.order_by("observed_at").values_list(*columns))))
    if len(rows) < 2:
        return None
    times = [row[0].timestamp() for row in rows]
    money = {
        "x": times,
        "format": "usd",
        "lines": [
            _line("risk equity", [float(row[1]) for row in rows], "--accent", fill=True),
            _line("cash + marks", [float(row[2] + row[3] + row[4]) for row in rows], "--muted"),
        ],
    }
    fall = {
        "x": times,
        "format": "percent",
        "lines": [_line("drawdown", [-row[5] for row in rows], "--bad", fill=True)],
    }
    return money, fall


def _since_money(rows: list[Any]) -> list[Any]:
    """Without what was noted before anything was paid in: nobody fell from there or rose to it."""
    first = next((i for i, row in enumerate(rows) if any(row[1:5])), len(rows))
    return rows[first:]


def market(market_id: int, *, since: datetime, as_of: datetime) -> Spec | None:
    """Price of outcome 0, the forecast, and its band of one σ; None without two prices.

    A forecast that is the price itself has no band: its σ says nothing about an edge.
    """
    quotes = Quote.objects.filter(
        market_id=market_id, observed_at__gt=since, received_at__lte=as_of
    )
    prices = thin(
        list(
            quotes.filter(price__isnull=False)
            .order_by("observed_at")
            .values_list("observed_at", "price")
        )
    )
    if len(prices) < 2:
        return None
    made = Prediction.objects.filter(
        market_id=market_id,
        horizon=Horizon.OUTCOME,
        price__isnull=False,
        as_of__gt=since,
        as_of__lte=as_of,
    )
    columns = ("as_of", "probability", "sigma", "source")
    forecasts = thin(list(made.order_by("as_of").values_list(*columns)), points=POINTS // 2)
    at: dict[float, dict[str, float]] = {}
    for seen, price in prices:
        at.setdefault(seen.timestamp(), {})["price"] = price
    for made_at, p, sigma, source in forecasts:
        width = 0.0 if source == Source.PRICE else sigma
        point = at.setdefault(made_at.timestamp(), {})
        point.update(p=p, low=max(p - width, 0.0), high=min(p + width, 1.0))
    times = sorted(at)
    spec: Spec = {"x": times, "format": "price"}
    spec["lines"] = [
        _line("price", [at[t].get("price") for t in times], "--muted"),
        _line("forecast", [at[t].get("p") for t in times], "--accent"),
    ]
    if all(row[3] == Source.PRICE for row in forecasts):
        return spec
    spec["lines"] += [
        _line("+σ", [at[t].get("high") for t in times], "--band", quiet=True),
        _line("−σ", [at[t].get("low") for t in times], "--band", quiet=True),
    ]
    return {**spec, "band": [3, 4]}


def lookback(name: str) -> timedelta:
    """How far a chart reaches, by the name in the address; a week where the name is unknown."""
    return {"1h": timedelta(hours=1), "6h": timedelta(hours=6), "1d": timedelta(days=1)}.get(
        name, timedelta(days=7)
    )


def _line(
    label: str, values: list[float | None] | list[float], colour: str, **style: bool
) -> dict[str, Any]:
    return {"label": label, "values": values, "colour": colour, **style}
