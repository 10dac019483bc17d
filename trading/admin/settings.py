"""What a person tunes about trading: every change a version with author and reason."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config.kernel import revise
from config.kernel.admin import SettingsAdmin
from config.kernel.models import Heartbeat
from config.kernel.modes import Mode
from trading.approving import waiting
from trading.settings import (
    ApprovalSettings,
    ArbitrageSettings,
    ChainSettings,
    ExecutionSettings,
    ExitSettings,
    ReadinessSettings,
    ReconciliationSettings,
    TradingSettings,
)
from trading.settings.strategy import STRATEGY_LABELS

GUARD = "live_guard"
"""The component that signs and sends."""


@admin.register(TradingSettings)
class TradingSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "mode": ("Mode", "PAPER: real prices, simulated orders; DEMO: a simulated world"),
        "placing_orders": ("Place orders", "master switch; off = watch and collect only"),
        "dry_run": ("Dry run", "intents end before an order is made"),
        "starting_cash": ("Starting cash", "dollars; paper and demo: booked once as a deposit"),
        "min_gross_edge": (
            "Smallest gross edge",
            "forecast − price, dollars a share, before spread and fee",
        ),
        "min_net_edge": ("Smallest net edge", "dollars a share, after spread and fee"),
        "min_confidence": (
            "Smallest confidence",
            "chance in [0.5, 1] that the net edge is above zero",
        ),
        "min_depth_usd": ("Smallest depth", "dollars resting on the side we would take"),
        "depth_within": ("Depth counts within", "dollars a share from the mid"),
        "max_spread": ("Widest spread", "best ask − best bid, dollars a share"),
        "medium_above": ("MEDIUM above", "net edge, dollars a share"),
        "strong_above": (
            "STRONG above",
            "net edge, dollars a share; not below the bound of MEDIUM",
        ),
        "prior_sigma": (
            "Spread of the truth",
            "how far from the price it usually lies, in probability; smaller trusts the price more",
        ),
        "min_strength": (
            "Weakest signal traded",
            "empty: every signal that passes the edge bounds",
        ),
        "intent_expiry_s": ("Intents expire after", "seconds"),
        "paper_latency_ms": (
            "Simulated latency",
            "milliseconds; a simulated order meets no earlier book",
        ),
        "cycle_s": ("Cycle", "seconds between decisions"),
        **STRATEGY_LABELS,
    }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.rehearse_view)
        return [path("rehearse/", view, name="trading_rehearse"), *super().get_urls()]

    def rehearse_view(self, request: HttpRequest) -> HttpResponse:
        """What a rehearsal is and how it stands; a reason begins or ends it."""
        if settings.ENV.mode != Mode.DEMO:
            raise Http404("only a demo can rehearse: its exchange is on this machine")
        if not request.user.has_perm("trading.add_tradingsettings"):
            raise PermissionDenied
        now = timezone.now()
        rehearses = TradingSettings.objects.newest().mode == Mode.REHEARSAL
        reason = request.POST.get("reason", "").strip()
        if request.method == "POST" and reason:
            return _switch(request, to=Mode.DEMO if rehearses else Mode.REHEARSAL, reason=reason)
        context = {
            **self.admin_site.each_context(request),
            "title": "Rehearse with approvals",
            "rehearses": rehearses,
            "approval": ApprovalSettings.objects.current(as_of=now),
            "guard": Heartbeat.objects.filter(component=GUARD).first(),
            "waiting": waiting.pending(as_of=now).count(),
            "refused": request.method == "POST",
        }
        return render(request, "admin/trading/rehearse.html", context)


def _switch(request: HttpRequest, *, to: Mode, reason: str) -> HttpResponse:
    """Begin or end the rehearsal by a new version of the trading settings."""
    wish: dict[str, Any] = {"mode": to.value}
    revise.settings(TradingSettings, wish, author=request.user, reason=reason, as_of=timezone.now())
    if to == Mode.REHEARSAL:
        messages.success(request, "The rehearsal has begun: what is to be bought waits here.")
        return HttpResponseRedirect(reverse("admin:trading_approvals"))
    from trading.approving import intents  # noqa: PLC0415 - loads the decision's libraries, rarely needed

    ended = intents.end_rehearsal(
        user=request.user, reason=reason, as_of=timezone.now(), clock=timezone.now
    )
    left = f" {len(ended.rejected)} that still waited were rejected." if ended.rejected else ""
    messages.success(request, f"The rehearsal is over: the demo trades by itself again.{left}")
    return HttpResponseRedirect(reverse("admin:index"))


@admin.register(ApprovalSettings)
class ApprovalSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "approval_expiry_s": (
            "A person has",
            "seconds to say yes before an intent expires; it is never sent after that",
        ),
        "two_person_above_usd": (
            "Two persons above",
            "dollars that an intent can cost at most, fee included",
        ),
        "ask_in_simulated": (
            "Ask in simulated modes",
            "DEMO and PAPER intents wait for a person too, to practise",
        ),
        "ask_for_exits": (
            "Ask before exits",
            "off = sales of what is held go out by rule; entries still wait for a person",
        ),
        "min_success": (
            "Orders per decision to trade",
            "share in [0, 1] that must be placed; below it an alert is raised",
        ),
        "success_over": ("Counted over", "newest decisions to trade"),
    }


@admin.register(ExitSettings)
class ExitSettingsAdmin(SettingsAdmin):
    LABELS = ExitSettings.LABELS


@admin.register(ArbitrageSettings)
class ArbitrageSettingsAdmin(SettingsAdmin):
    LABELS = ArbitrageSettings.LABELS


@admin.register(ExecutionSettings)
class ExecutionSettingsAdmin(SettingsAdmin):
    LABELS = ExecutionSettings.LABELS


@admin.register(ReconciliationSettings)
class ReconciliationSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "settle_s": (
            "Arrives everywhere within",
            "seconds; what happened since may not be known to everybody yet",
        ),
        "confirm_s": (
            "A doubtful difference counts after",
            "seconds, when it is seen again; a certain one counts at once",
        ),
        "overlap_s": ("Trades are read again from", "seconds before the last look"),
        "late_fill_days": (
            "A fill may be told late by",
            "days after its order ended; so long its trades are read",
        ),
        "dust_shares": ("Dust", "shares that rounding at the venue may leave"),
        "price_tolerance": ("Prices may differ by", "share of the price of a trade told twice"),
    }


@admin.register(ReadinessSettings)
class ReadinessSettingsAdmin(SettingsAdmin):
    LABELS = ReadinessSettings.LABELS


@admin.register(ChainSettings)
class ChainSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "confirmations": (
            "Confirmations",
            "blocks, its own included, after which a transaction is final",
        ),
        "stuck_after_s": (
            "Replace after",
            "seconds without a block; both fees rise by a tenth",
        ),
        "max_fee_gwei": ("Highest fee a gas", "gwei; never more"),
        "min_priority_gwei": ("Smallest priority fee", "gwei a gas"),
        "gas_margin_percent": ("Gas margin", "percent on top of what the node estimates"),
        "in_flight": ("Transactions at once", "that may wait for a block"),
        "redeem_retry_s": (
            "Retry a payout after",
            "seconds; doubled each time, an hour at most",
        ),
        "redeem_alert_after": ("Tell people after", "vain attempts at one redemption"),
        "lookup_blocks": ("Blocks a search", "for a payout that the venue made"),
        "lookup_queries": ("Searches a turn", "from the newest block backwards"),
    }
