"""The list of markets: price, forecast, edge, and why each is not traded."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from config.pages.words import Phrase, phrase
from markets.models import Market, Quote
from predictions.models import Horizon, Prediction
from trading.models import Position, Signal

PAGE = 50
SCOPES = (
    ("tracked", "in the universe"),
    ("traded", "held"),
    ("left_out", "left out"),
    ("all", "all"),
)


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """One page of markets, filtered by words, category and standing."""
    scope = request.GET.get("scope", "tracked")
    wanted, category, reason = (_words(request, name) for name in ("q", "category", "reason"))
    found = _ordered(_filtered(scope, wanted, category), scope)
    if reason:
        found = found.filter(filter_reason=reason)
    shown = Paginator(found, PAGE).get_page(request.GET.get("page"))
    categories = Market.objects.exclude(category="").values_list("category", flat=True)
    return render(
        request,
        "pages/markets.html",
        {
            "nav": "markets",
            "shown": shown,
            "lines": lines([market.pk for market in shown], list(shown)),
            "scope": scope,
            "scopes": SCOPES,
            "wanted": wanted,
            "category": category,
            "reason": reason,
            "reason_words": phrase(reason) if reason else None,
            "categories": categories.distinct().order_by("category"),
        },
    )


def _words(request: HttpRequest, name: str) -> str:
    # PostgreSQL takes no NUL in a text.
    return request.GET.get(name, "").replace("\0", "").strip()


def _filtered(scope: str, wanted: str, category: str) -> QuerySet[Market]:
    found = Market.objects.all()
    if scope == "tracked":
        found = found.filter(tracked=True)
    elif scope == "left_out":
        found = found.filter(tracked=False).exclude(filter_reason="")
    elif scope == "traded":
        found = found.filter(pk__in=Position.objects.filter(shares__gt=0).values("market"))
    if wanted:
        found = found.filter(question__icontains=wanted)
    return found.filter(category=category) if category else found


def _ordered(found: QuerySet[Market], scope: str) -> QuerySet[Market]:
    if scope in ("all", "left_out"):
        return found.order_by("-pk")
    newest = Signal.objects.filter(market=OuterRef("pk")).order_by("-as_of")
    return found.annotate(edge=Subquery(newest.values("net_edge")[:1])).order_by(
        F("edge").desc(nulls_last=True), "-pk"
    )


def lines(ids: Sequence[int], rows: Sequence[Market]) -> list[dict[str, Any]]:
    """What the list shows of each market, in four queries however many there are."""
    chosen = Market.objects.filter(pk__in=ids)
    newest_quote = Quote.objects.filter(market=OuterRef("pk")).order_by("-observed_at")
    newest_signal = Signal.objects.filter(market=OuterRef("pk")).order_by("-as_of")
    outcomes = Prediction.objects.filter(horizon=Horizon.OUTCOME)
    newest_forecast = outcomes.filter(market=OuterRef("pk")).order_by("-as_of")
    quotes = {
        row["pk"]: row
        for row in chosen.values("pk").annotate(
            mid=Subquery(newest_quote.values("price")[:1]),
            bid=Subquery(newest_quote.values("bid")[:1]),
            ask=Subquery(newest_quote.values("ask")[:1]),
            seen_at=Subquery(newest_quote.values("observed_at")[:1]),
        )
    }
    forecast_ids = chosen.annotate(n=Subquery(newest_forecast.values("pk")[:1])).values("n")
    forecasts = {p.market_id: p for p in Prediction.objects.filter(pk__in=forecast_ids)}
    signal_ids = chosen.annotate(n=Subquery(newest_signal.values("pk")[:1])).values("n")
    signals = {
        s.market_id: s for s in Signal.objects.filter(pk__in=signal_ids).select_related("decision")
    }
    return [
        {
            "market": market,
            "quote": quotes[market.pk],
            "forecast": forecasts.get(market.pk),
            "signal": signals.get(market.pk),
            "why": why(market, forecasts.get(market.pk), signals.get(market.pk)),
        }
        for market in rows
    ]


def why(market: Market, forecast: Prediction | None, signal: Signal | None) -> Phrase:
    """Why a market is or is not traded, in words."""
    if not market.tracked and signal is None:
        return phrase(market.filter_reason or "NOT_IN_THE_UNIVERSE")
    if signal is not None:
        decision = signal.decision
        if decision is None:
            return phrase(signal.reason)
        return phrase("APPROVED" if decision.approved_shares else decision.denials)
    return phrase("NO_FORECAST" if forecast is None else "NOT_YET_COMPARED")
