"""The approval queue: what waits for a person, what it is worth by now, a yes or a no."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config.kernel.admin import FactAdmin, FactInline
from config.kernel.modes import Mode
from trading import market_data
from trading.admin.ids import uuid_of
from trading.approving import waiting
from trading.approving.waiting import Waiting
from trading.core.approval import MAY_DECIDE
from trading.core.order_states import TERMINAL
from trading.models import Approval, TradeIntent

MAY_LOOK = "trading.view_tradeintent"
RECENT = 8


class ApprovalInline(FactInline):
    """Who said what."""

    model = Approval
    fields = ("decided_at", "approved", "actor", "reason")
    readonly_fields = fields


@admin.register(TradeIntent)
class TradeIntentAdmin(FactAdmin):
    list_display = (
        "created_at",
        "market",
        "outcome",
        "side",
        "shares",
        "limit_price",
        "ledger",
        "purpose",
        "status",
        "reason",
    )
    list_filter = ("status", "mode", "purpose", "strategy", "side")
    search_fields = ("market__question", "key")
    list_select_related = ("market", "outcome")
    ordering = ("-created_at",)
    inlines = (ApprovalInline,)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("approvals/", view(self.queue_view), name="trading_approvals"),
            path("approvals/reject/", view(self.reject_view), name="trading_approvals_reject"),
            path("approvals/<uuid:pk>/", view(self.decide_view), name="trading_approval"),
            *super().get_urls(),
        ]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """Everything that waits, what could be approved now first; the page refreshes itself."""
        if not request.user.has_perm(MAY_LOOK):
            raise PermissionDenied
        now = timezone.now()
        rows = waiting.queue(as_of=now)
        context = {
            **self.admin_site.each_context(request),
            "title": "Approval queue",
            "rows": [{"it": row, "mine": row.said_yes(request.user.pk)} for row in rows],
            "stops": dict.fromkeys(row.stopped for row in rows if row.stopped),
            "decided": waiting.decided(limit=RECENT),
            "ended": TERMINAL,
            "may_decide": request.user.has_perm(MAY_DECIDE),
            "offers_rehearsal": settings.ENV.mode == Mode.DEMO,
        }
        return render(request, "admin/trading/approvals.html", context)

    def decide_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """One intent with its figures then and now; the second click is the answer."""
        if not request.user.has_perm(MAY_DECIDE):
            raise PermissionDenied
        intent = get_object_or_404(TradeIntent.objects.select_related("market"), pk=pk)
        reason = request.POST.get("reason", "").strip()
        if request.method == "POST" and reason:
            _answer(request, intent, yes="approve" in request.POST, reason=reason)
            return HttpResponseRedirect(reverse("admin:trading_approvals"))
        now = timezone.now()
        found = waiting.looked_at(TradeIntent.objects.filter(pk=pk), as_of=now)[0]
        open_now = intent.status == TradeIntent.Status.PENDING and found.seconds_left > 0
        context = {
            **self.admin_site.each_context(request),
            "title": "Approve or reject",
            "it": found,
            "mine": found.said_yes(request.user.pk),
            "open": open_now,
            "refusal": _refusal(found, as_of=now) if open_now else "",
            "refused": request.method == "POST",
        }
        return render(request, "admin/trading/decide.html", context)

    def reject_view(self, request: HttpRequest) -> HttpResponse:
        """Reject all that are ticked, with one reason."""
        if not request.user.has_perm(MAY_DECIDE):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:trading_approvals"))
        reason = request.POST.get("reason", "").strip()
        ids = [pk for text in request.POST.getlist("intent") if (pk := uuid_of(text))]
        if request.method != "POST":
            return back
        if not ids or not reason:
            messages.error(request, "Tick at least one intent and say why in one sentence.")
            return back
        from trading.approving import intents  # noqa: PLC0415 - loads the decision's libraries, rarely needed

        done = intents.reject_many(
            TradeIntent.objects.filter(pk__in=ids),
            user=request.user,
            reason=reason,
            as_of=timezone.now(),
            clock=timezone.now,
        )
        messages.success(request, f"{len(done.rejected)} rejected: {reason}")
        if done.late:
            messages.warning(request, f"{len(done.late)} had been decided or had expired before.")
        return back


def _refusal(found: Waiting, *, as_of: datetime) -> str:
    """Why the gate would say no by the book of the figures; "" where it would agree."""
    from trading.approving import review  # noqa: PLC0415 - loads the decision's libraries, rarely needed

    return review.would_refuse(found, as_of=as_of)


def _answer(request: HttpRequest, intent: TradeIntent, *, yes: bool, reason: str) -> None:
    """Say yes or no, and tell the person in a sentence what came of it."""
    from trading.approving import intents  # noqa: PLC0415 - loads the decision's libraries, rarely needed

    said: dict[str, Any] = {
        "user": request.user,
        "reason": reason,
        "as_of": timezone.now(),
        "clock": timezone.now,
    }
    try:
        if yes:
            result = intents.approve(intent, refresh=market_data.from_venue, **said)
        else:
            result = intents.reject(intent, **said)
    except (intents.NotPending, intents.SaidYesBefore, intents.Stopped) as late:
        messages.error(request, f"Nothing changed: {late}.")
        return
    level, text = _told(result, yes=yes)
    messages.add_message(request, level, f"{text} {intent.market}")


def _told(result: TradeIntent, *, yes: bool) -> tuple[int, str]:
    status = TradeIntent.Status
    if result.status == status.APPROVED:
        return messages.SUCCESS, "Approved; the order goes out with the next sweep:"
    if result.status == status.PENDING:
        return messages.INFO, "Your yes is noted; another person must say yes too:"
    if yes:
        return messages.ERROR, f"Not approved, the risk gate no longer agrees ({result.reason}):"
    return messages.SUCCESS, "Rejected:"
