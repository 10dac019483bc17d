"""The first page: state, money, what was traded and why not."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from config.pages import alerts, charts, context, experts, situation
from config.pages.markets import why
from config.pages.words import Phrase, phrase
from markets import passes
from predictions.models import Algorithm, Expert, ExpertState
from trading.models import Fill, Position, Redemption, Signal, TradeIntent

ROWS = 10


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Everything on one screen."""
    now = timezone.now()
    known = context.of(request)
    staff = bool(getattr(request.user, "is_staff", False))
    mode, span = known.mode, request.GET.get("span", "7d")
    curves = charts.equity(mode, since=now - charts.lookback(span), as_of=now)
    return render(
        request,
        "pages/overview.html",
        {
            "nav": "overview",
            "span": span,
            "spans": ("1h", "6h", "1d", "7d"),
            "now": situation.read(as_of=now, known=known),
            "trouble": passes.trouble(as_of=now),
            "alerts": alerts.newest(as_of=now, staff=staff),
            "nobody": alerts.nobody_serves(),
            "experts": _experts(as_of=now),
            "equity_chart": curves[0] if curves else None,
            "drawdown_chart": curves[1] if curves else None,
            **_latest(mode),
        },
    )


def _latest(mode: str) -> dict[str, Any]:
    of_mode = {"mode": mode}
    return {
        "signals": _signals(),
        "trades": Fill.objects.filter(**of_mode)
        .select_related("order__market", "order__outcome")
        .order_by("-id")[:ROWS],
        "positions": Position.objects.filter(**of_mode, shares__gt=0)
        .select_related("market", "outcome")
        .order_by("-cost")[:ROWS],
        "settlements": Redemption.objects.filter(**of_mode)
        .select_related("market")
        .order_by("-id")[:ROWS],
    }


def _experts(*, as_of: datetime) -> dict[str, Any]:
    """Who is in service, with the weight each had in the newest cycle; how many are not."""
    weight = experts.newest_cycle(as_of=as_of).weight
    rows = list(Expert.objects.exclude(algorithm__in=[Algorithm.GATE, Algorithm.PRICE]))
    active = [row for row in rows if row.state == ExpertState.ACTIVE]
    heard = sorted((row for row in active if weight.get(row.slug)), key=lambda r: -weight[r.slug])
    counts = Counter(row.state for row in rows if row.state != ExpertState.ACTIVE)
    silent = len(active) - len(heard)
    others = [f"{silent} active without weight"] if silent else []
    return {
        "active": [{"row": row, "weight": weight[row.slug]} for row in heard],
        "others": others + [f"{count} {state.lower()}" for state, count in sorted(counts.items())],
    }


def _signals() -> Sequence[dict[str, Any]]:
    newest = Signal.objects.select_related("market", "decision").order_by("-as_of", "-net_edge")
    waits = TradeIntent.objects.filter(status=TradeIntent.Status.PENDING)
    asked = Prefetch("tradeintent_set", queryset=waits, to_attr="waiting")
    return [{"row": row, "why": _fate(row)} for row in newest.prefetch_related(asked)[:ROWS]]


def _fate(row: Any) -> Phrase:
    """What became of a signal; the gate's yes is not the last word where a person is asked."""
    return phrase("WAITS_FOR_A_YES") if row.waiting else why(row.market, None, row)
