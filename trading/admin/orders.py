"""Orders: every one of them, and those whose fate is open, which a person may ask to end."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config.kernel.admin import FactAdmin, FactInline
from trading.admin.ids import uuid_of
from trading.models import Fill, Order, VenueState

MAY_LOOK = "trading.view_order"
MAY_CANCEL = "trading.change_order"


class FillInline(FactInline):
    """What was executed."""

    model = Fill
    fields = ("observed_at", "price", "shares", "fee", "is_maker")
    readonly_fields = fields


@admin.register(Order)
class OrderAdmin(FactAdmin):
    list_display = (
        "created_at",
        "market",
        "outcome",
        "side",
        "shares",
        "filled_shares",
        "price",
        "ledger",
        "status",
        "reason",
    )
    list_filter = ("status", "mode", "type", "side")
    search_fields = ("market__question", "venue_order_id")
    list_select_related = ("market", "outcome")
    ordering = ("-created_at",)
    inlines = (FillInline,)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.standing_view)
        return [path("standing/", view, name="trading_orders_standing"), *super().get_urls()]

    def standing_view(self, request: HttpRequest) -> HttpResponse:
        """Orders whose fate is open; whoever may asks that ticked ones end, with a reason."""
        from trading.orders import take_back  # noqa: PLC0415 - loads the venues' libraries, rarely needed

        if not request.user.has_perm(MAY_LOOK):
            raise PermissionDenied
        now = timezone.now()
        if request.method == "POST":
            if not request.user.has_perm(MAY_CANCEL):
                raise PermissionDenied
            ids = [pk for text in request.POST.getlist("order") if (pk := uuid_of(text))]
            reason = request.POST.get("reason", "").strip()
            if ids and reason:
                chosen = Order.objects.filter(pk__in=ids)
                asked = take_back.ask(chosen, user=request.user, reason=reason, as_of=now)
                messages.success(request, f"{len(asked)} asked to end: {reason}")
            else:
                messages.error(request, "Tick at least one order and say why in one sentence.")
            return HttpResponseRedirect(reverse("admin:trading_orders_standing"))
        rows = take_back.standing()
        context = {
            **self.admin_site.each_context(request),
            "title": "Orders under way",
            "rows": [{"row": row, "age_s": (now - row.created_at).total_seconds()} for row in rows],
            "venues": VenueState.objects.order_by("mode", "wallet"),
            "may_cancel": request.user.has_perm(MAY_CANCEL),
        }
        return render(request, "admin/trading/orders.html", context)
