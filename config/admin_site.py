"""The admin's front page: the control room."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from config.kernel.modes import Mode
from config.pages import alerts, situation
from config.pages import context as page_context
from risk.models import TradingState


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
                {"title": model["name"], "link": model["admin_url"]}
                for model in apps[label]["models"]
                if model["admin_url"]
            ],
        }
        for label in labels
    ]


def control_room(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what is going on now, and what the user may do about it."""
    now = timezone.now()
    context["situation"] = situation.read(as_of=now, known=page_context.of(request))
    context["alerts"] = alerts.newest(as_of=now, staff=True)
    context["nobody"] = alerts.nobody_serves()
    context["halt_states"] = [c for c in TradingState.choices if c[0] != TradingState.ACTIVE]
    context["may_halt"] = request.user.has_perm("risk.add_halt")
    context["may_resume"] = request.user.has_perm("risk.change_halt")
    context["may_reset"] = request.user.has_perm("risk.change_equitypoint")
    return context
