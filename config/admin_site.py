"""The admin's front page: the control room."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from config.kernel.modes import Mode
from config.pages import alerts, situation
from config.pages import context as page_context
from risk.models import TradingState
from trading.approving import waiting
from trading.models import TradeIntent


def environment_label(request: HttpRequest) -> list[str]:
    """Text and colour of the label beside the title: mode and state, on every admin page."""
    if not request.user.is_authenticated:
        return ["Oddsmith", "info"]
    banner = page_context.of(request)
    calm = banner.state == TradingState.ACTIVE and banner.mode != Mode.LIVE
    return [f"{banner.mode} · {banner.state.value}", "info" if calm else "danger"]


ORDER = ("risk", "trading", "markets", "predictions", "mlops", "kernel")
"""What a person opens most comes first; accounts and the timetable come last."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: every table the user may see, by app."""
    apps = {app["app_label"]: app for app in admin.site.get_app_list(request)}
    labels = [*(label for label in ORDER if label in apps), *(a for a in apps if a not in ORDER)]
    return [
        {
            "title": apps[label]["name"],
            "items": [
                *(_queue(request) if label == "trading" else ()),
                *(
                    {"title": model["name"], "link": model["admin_url"]}
                    for model in apps[label]["models"]
                    if model["admin_url"]
                ),
            ],
        }
        for label in labels
    ]


def _queue(request: HttpRequest) -> list[dict[str, Any]]:
    """The approval queue with the number that waits, for whoever may look."""
    if not request.user.has_perm("trading.view_tradeintent"):
        return []
    item = {"title": "Approval queue", "link": reverse("admin:trading_approvals")}
    count = waiting.pending(as_of=timezone.now()).count()
    return [item | ({"badge": str(count), "badge_variant": "warning"} if count else {})]


def control_room(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what is going on now, and what the user may do about it."""
    now = timezone.now()
    context["situation"] = situation.read(as_of=now, known=page_context.of(request))
    context["alerts"] = alerts.newest(as_of=now, staff=True)
    context["nobody"] = alerts.nobody_serves()
    context["waiting"] = waiting.pending(as_of=now)
    context["first_gone"] = first_gone(context["waiting"], as_of=now)
    context["may_look"] = request.user.has_perm("trading.view_tradeintent")
    context["may_rehearse"] = settings.ENV.mode == Mode.DEMO and request.user.has_perm(
        "trading.add_tradingsettings"
    )
    context["halt_states"] = [c for c in TradingState.choices if c[0] != TradingState.ACTIVE]
    context["may_halt"] = request.user.has_perm("risk.add_halt")
    context["may_resume"] = request.user.has_perm("risk.change_halt")
    context["may_reset"] = request.user.has_perm("risk.change_equitypoint")
    return context


def first_gone(rows: QuerySet[TradeIntent], *, as_of: datetime) -> float | None:
    """Seconds until the most urgent of them expires."""
    first = rows.first()
    return None if first is None else (first.expires_at - as_of).total_seconds()
