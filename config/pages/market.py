"""One market: price against forecast, the book, what we thought and did, how it ended."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from config.pages import charts, market_context
from config.pages.markets import why
from config.pages.words import phrase
from markets import queries
from markets.core.book import Book
from markets.models import Market
from predictions import queries as forecasts
from risk.models import RiskDecision
from trading.models import Fill, Position, Signal

LEVELS = 8
ROWS = 12


@login_required
def page(request: HttpRequest, market_id: int) -> HttpResponse:
    """Everything known about one market."""
    now = timezone.now()
    market = get_object_or_404(
        Market.objects.select_related("event", "fees", "resolution"), pk=market_id
    )
    span = request.GET.get("span", "7d")
    forecast = forecasts.latest([market.pk], as_of=now).get(market.pk)
    signals = list(
        Signal.objects.filter(market=market).select_related("decision").order_by("-as_of")[:ROWS]
    )
    book = queries.latest_books([market.pk], as_of=now).get(market.pk)
    return render(
        request,
        "pages/market.html",
        {
            "nav": "markets",
            "market": market,
            "outcomes": list(market.outcomes.order_by("index")),
            "resolution": getattr(market, "resolution", None),
            "span": span,
            "spans": ("1h", "6h", "1d", "7d"),
            "chart": charts.market(market.pk, since=now - charts.lookback(span), as_of=now),
            "forecast": forecast,
            "why": why(market, forecast, signals[0] if signals else None),
            "signals": [{"row": row, "why": why(market, forecast, row)} for row in signals],
            "book": ladder(book) if book else None,
            "book_age_s": (now - book.observed_at).total_seconds() if book else None,
            **_ours(market),
            **market_context.read(market, as_of=now),
        },
    )


def _ours(market: Market) -> dict[str, Any]:
    decisions = RiskDecision.objects.filter(market=market).order_by("-id")[:ROWS]
    return {
        "positions": Position.objects.filter(market=market).select_related("outcome"),
        "trades": Fill.objects.filter(order__market=market)
        .select_related("order__outcome")
        .order_by("-id")[:ROWS],
        "decisions": [{"row": row, "why": phrase(row.denials or "APPROVED")} for row in decisions],
    }


def ladder(book: Book) -> dict[str, Any]:
    """The best levels of both sides with the share of the deepest shown, for bars."""
    asks, bids = book.asks[:LEVELS], book.bids[:LEVELS]
    deepest = max((level.shares for level in (*asks, *bids)), default=1) or 1
    return {
        "asks": [(lv, int(100 * lv.shares / deepest)) for lv in reversed(asks)],
        "bids": [(lv, int(100 * lv.shares / deepest)) for lv in bids],
        "mid": book.mid,
        "spread": book.spread,
    }
