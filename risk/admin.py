"""Risk in the admin: one click halts, two resume; decisions and equity to look at; limits."""

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from config.kernel.admin import FactAdmin, SettingsAdmin, pretty_json
from config.kernel.modes import Mode
from risk import equity, halts
from risk.core.presets import PRESETS
from risk.models import EquityPoint, Halt, RiskDecision, RiskLimits, TradingState


@admin.register(Halt)
class HaltAdmin(FactAdmin):
    list_display = (
        "state",
        "kind",
        "scope",
        "scope_key",
        "reason",
        "opened_by",
        "opened_at",
        "standing",
    )
    list_filter = ("state", "kind", ("released_at", admin.EmptyFieldListFilter))
    search_fields = ("reason", "opened_by", "released_by")
    change_list_template = "admin/risk/halt/change_list.html"
    STATES: ClassVar = [c for c in TradingState.choices if c[0] != TradingState.ACTIVE]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("open/", view(self.open_view), name="risk_halt_open"),
            path("<int:halt_id>/release/", view(self.release_view), name="risk_halt_release"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        extra = {"halt_states": self.STATES, "may_halt": request.user.has_perm("risk.add_halt")}
        return super().changelist_view(request, {**(extra_context or {}), **extra})  # type: ignore[no-any-return]

    @admin.display(description="Now")
    def standing(self, obj: Halt) -> str:
        if obj.released_at is not None:
            return f"released by {obj.released_by}, {obj.released_at:%Y-%m-%d %H:%M} UTC"
        return format_html(
            '<a href="{}">Resume…</a>', reverse("admin:risk_halt_release", args=[obj.pk])
        )

    def open_view(self, request: HttpRequest) -> HttpResponse:
        """Halt everything, at once."""
        if not request.user.has_perm("risk.add_halt"):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:index"))
        if request.method != "POST":
            return back
        state = request.POST.get("state", TradingState.HALTED)
        if state not in dict(self.STATES):
            messages.error(request, f"{state} is not a state that stops anything.")
            return back
        now = timezone.now()
        reason = request.POST.get("reason", "").strip() or "stopped from the control room"
        halt = halts.open_halt(
            "MANUAL",
            state=TradingState(state),
            reason=reason,
            resume_rule=Halt.Resume.MANUAL,
            actor=request.user.get_username(),
            as_of=now,
        )
        said = f"{halt.get_state_display()}. Reason: {halt.reason}"
        if halt.opened_at != now:
            since = f"{halt.opened_at:%Y-%m-%d %H:%M:%S} UTC"
            said = (
                f"Already {halt.state} since {since}: {halt.reason}. "
                f"Your reason is noted in the audit trail: {reason}"
            )
        messages.warning(request, said)
        return back

    def release_view(self, request: HttpRequest, halt_id: int) -> HttpResponse:
        """First a page that says what will happen, then the release, with a reason."""
        if not request.user.has_perm("risk.change_halt"):
            raise PermissionDenied
        halt = get_object_or_404(Halt, pk=halt_id)
        reason = request.POST.get("reason", "").strip()
        if request.method == "POST" and reason and halt.released_at is None:
            halts.release(
                halt, actor=request.user.get_username(), reason=reason, as_of=timezone.now()
            )
            messages.success(request, f"Released: {halt.reason}")
            return HttpResponseRedirect(reverse("admin:index"))
        others = (
            Halt.objects.filter(released_at__isnull=True).exclude(pk=halt.pk).order_by("-opened_at")
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "Resume trading",
            "reopens": halt.kind.startswith("DRAWDOWN") and halt.scope == Halt.Scope.MODE,
            "halt": halt,
            "others": others,
            "refused": request.method == "POST" and not reason,
        }
        return render(request, "admin/risk/halt/release.html", context)


@admin.register(RiskDecision)
class RiskDecisionAdmin(FactAdmin):
    list_display = (
        "decided_at",
        "market",
        "ledger",
        "requested_shares",
        "approved_shares",
        "denials",
    )
    list_filter = ("mode",)
    search_fields = ("market__question", "denials")
    list_select_related = ("market",)
    fields = (*list_display, "limits_version", "content")
    readonly_fields = fields

    @admin.display(description="Inputs and limits as they were")
    def content(self, obj: RiskDecision) -> str:
        return pretty_json(obj.detail)


@admin.register(EquityPoint)
class EquityPointAdmin(FactAdmin):
    list_display = (
        "observed_at",
        "ledger",
        "risk_equity",
        "cash",
        "open_cost",
        "redeemable",
        "fallen",
        "realised",
        "fees",
    )
    list_filter = ("mode",)
    change_list_template = "admin/risk/equitypoint/change_list.html"

    @admin.display(description="Drawdown", ordering="drawdown")
    def fallen(self, obj: EquityPoint) -> str:
        return f"{obj.drawdown:.1%}"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reset_view)
        return [path("reset/<str:mode>/", view, name="risk_peak_reset"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        extra = {"books": _books() if _may_reset(request) else []}
        return super().changelist_view(request, {**(extra_context or {}), **extra})  # type: ignore[no-any-return]

    def reset_view(self, request: HttpRequest, mode: str) -> HttpResponse:
        """First a page that says what will happen, then the reset, with a reason."""
        if not _may_reset(request):
            raise PermissionDenied
        now = timezone.now()
        point = equity.latest(mode, as_of=now)
        if point is None:
            raise Http404(f"{mode} has no equity point; mark the books first")
        reason = request.POST.get("reason", "").strip()
        if request.method == "POST" and reason:
            equity.reset_peak(mode, actor=request.user.get_username(), reason=reason, as_of=now)
            messages.success(
                request, f"{mode}: drawdown is measured from ${point.risk_equity:,.2f}."
            )
            return HttpResponseRedirect(reverse("admin:index"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Reset the peak",
            "point": point,
            "peak": equity.peak(mode, as_of=now),
            "since_start": equity.drawdown_since_start(mode, as_of=now),
            "halts": Halt.objects.filter(released_at__isnull=True, kind__startswith="DRAWDOWN"),
            "refused": request.method == "POST",
        }
        return render(request, "admin/risk/equitypoint/reset.html", context)


def _may_reset(request: HttpRequest) -> bool:
    return request.user.has_perm("risk.change_equitypoint")


def _books() -> list[dict[str, Any]]:
    """Every mode that has books, with its two drawdowns."""
    now = timezone.now()
    points = [equity.latest(mode.value, as_of=now) for mode in Mode]
    return [
        {"point": point, "since_start": equity.drawdown_since_start(point.mode, as_of=now)}
        for point in points
        if point is not None
    ]


def _short(value: Any) -> str:
    """A number without the noughts at its end."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


@admin.register(RiskLimits)
class RiskLimitsAdmin(SettingsAdmin):
    change_form_template = "admin/risk/risklimits/change_form.html"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The values in force, or an older version's, with those of the preset that was chosen."""
        given = super().get_changeform_initial_data(request)
        chosen = request.GET.get("preset", "")
        if chosen not in PRESETS:
            return given
        return given | dict(PRESETS[chosen]) | {"reason": f"preset: {chosen}"}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        chosen = request.GET.get("preset", "")
        extra = {
            "presets": list(PRESETS),
            "preset": chosen if chosen in PRESETS else "",
            "preset_changes": self._would_change(chosen) if chosen in PRESETS else [],
        }
        return super().add_view(request, form_url, {**(extra_context or {}), **extra})

    def _would_change(self, preset: str) -> list[tuple[str, str, str]]:
        """What people call it, its value in force, and the preset's; only where they differ."""
        current = RiskLimits.objects.newest().values()
        return [
            (self.LABELS[name][0], _short(current[name]), _short(value))
            for name, value in PRESETS[preset].items()
            if current[name] != value
        ]

    LABELS: ClassVar = {
        "kelly_multiplier": (
            "Share of Kelly",
            "fraction of the full Kelly stake, e.g. 0.25 = a quarter",
        ),
        "max_market": ("Largest stake in a market", "fraction of risk equity, e.g. 0.02 = 2 %"),
        "max_event": ("Largest stake in an event", "fraction of risk equity, e.g. 0.02 = 2 %"),
        "max_category": ("Largest stake in a category", "fraction of risk equity, e.g. 0.02 = 2 %"),
        "max_total": ("Largest stake in all", "fraction of risk equity, e.g. 0.02 = 2 %"),
        "max_day": ("Most bought in a day", "fraction of risk equity, e.g. 0.02 = 2 %; UTC day"),
        "max_depth": ("Share of the book taken", "fraction of the visible depth"),
        "max_positions": ("Open positions", "count, at once"),
        "max_order_usd": ("Largest order", "dollars"),
        "max_orders_per_hour": ("Orders an hour", "count"),
        "max_slippage_bps": ("Largest slippage", "basis points (1/100 %) of the best price"),
        "max_edge_eaten": (
            "Edge eaten by the book",
            "fraction of the edge that walking the book may cost",
        ),
        "max_book_age_s": ("Oldest book", "seconds"),
        "max_prediction_age_s": ("Oldest forecast", "seconds"),
        "min_seconds_left": ("Time left", "seconds to the scheduled end, where one is known"),
        "cooldown_s": ("Pause between intents", "seconds, on one market"),
        "reentry_s": ("Pause after an exit", "seconds, on one market"),
        "drawdown_listen": ("Drawdown: no new entries", "fraction below the peak of risk equity"),
        "drawdown_reduce": ("Drawdown: only reduce", "fraction below the peak of risk equity"),
        "drawdown_halt": ("Drawdown: halt", "fraction below the peak of risk equity"),
        "daily_loss": ("Daily loss", "fraction of the equity at the start of the UTC day"),
        "max_per_asset": ("Markets on one asset", "count, at once; 0 for no limit"),
        "sudden_drop": (
            "Sudden drop that halts",
            "fall of risk equity within the window below, as a fraction",
        ),
        "sudden_drop_s": ("Window of the sudden drop", "seconds"),
        "max_equity_age_s": (
            "Oldest snapshot of the books",
            "seconds; entries wait for a newer one",
        ),
        "max_consecutive_failures": (
            "Failures in a row",
            "orders or decisions; one more stops entries",
        ),
        "max_unknown_orders": ("Orders of unknown fate", "count; one more stops entries"),
    }
