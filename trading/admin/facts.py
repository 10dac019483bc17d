"""Every wish, order, execution, holding and dollar, to look at."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.kernel.admin import FactAdmin, FactInline, four
from trading.models import (
    Approval,
    Claim,
    Fill,
    IntentGroup,
    Opportunity,
    Settlement,
    Signal,
    TradeIntent,
    VenueState,
    WalletCheck,
)


@admin.register(Signal)
class SignalAdmin(FactAdmin):
    list_display = (
        "as_of",
        "market",
        "side",
        "chance",
        "cost_4",
        "net",
        "sure",
        "strength",
        "reason",
    )
    list_filter = ("reason", "strength")
    search_fields = ("market__question",)
    raw_id_fields = ("prediction",)
    chance = four("probability", "Probability")
    cost_4 = four("cost", "Cost")
    net = four("net_edge", "Net edge")
    sure = four("confidence", "Confidence")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Signal]:
        found: QuerySet[Signal] = super().get_queryset(request)
        return found.select_related("market").prefetch_related("market__outcomes")

    @admin.display(description="Buys", ordering="outcome_index")
    def side(self, obj: Signal) -> str:
        """The name of the better side."""
        names = {o.index: o.name for o in obj.market.outcomes.all()}
        return names.get(obj.outcome_index, f"outcome {obj.outcome_index}")


@admin.register(Approval)
class ApprovalAdmin(FactAdmin):
    list_display = ("decided_at", "intent", "approved", "actor", "reason")
    list_filter = ("approved",)
    search_fields = ("actor", "reason")
    list_select_related = ("intent", "user")


@admin.register(Claim)
class ClaimAdmin(FactAdmin):
    list_display = ("market", "ledger", "wallet", "outcome_index", "taken_at", "released_at")
    list_filter = ("mode", ("released_at", admin.EmptyFieldListFilter))
    search_fields = ("market__question",)
    list_select_related = ("market",)


@admin.register(Fill)
class FillAdmin(FactAdmin):
    list_display = ("observed_at", "order", "ledger", "shares", "price", "fee")
    list_filter = ("mode",)
    search_fields = ("key", "order__market__question")
    list_select_related = ("order",)


@admin.register(Settlement)
class SettlementAdmin(FactAdmin):
    list_display = ("received_at", "fill", "status", "transaction_hash")
    list_filter = ("status",)
    search_fields = ("transaction_hash", "fill__key")
    list_select_related = ("fill",)


class LegInline(FactInline):
    """The intents of a group."""

    model = TradeIntent
    fields = ("market", "outcome", "side", "shares", "limit_price", "purpose", "status", "reason")
    readonly_fields = fields


@admin.register(IntentGroup)
class IntentGroupAdmin(FactAdmin):
    list_display = ("created_at", "kind", "ledger", "status", "leg_risk_budget", "reason")
    list_filter = ("status", "kind", "mode")
    ordering = ("-created_at",)
    inlines = (LegInline,)


@admin.register(Opportunity)
class OpportunityAdmin(FactAdmin):
    list_display = ("seen_at", "kind", "event", "ledger", "sets", "cost", "net_profit", "reason")
    list_filter = ("reason", "kind", "mode")
    search_fields = ("event__title",)
    list_select_related = ("event",)


@admin.register(VenueState)
class VenueStateAdmin(FactAdmin):
    list_display = (
        "wallet",
        "ledger",
        "restriction",
        "restricted_until",
        "heartbeat_at",
        "reconciled_at",
        "changed_at",
    )
    list_filter = ("mode", "restriction")


@admin.register(WalletCheck)
class WalletCheckAdmin(FactAdmin):
    list_display = ("name", "state", "detail", "ledger", "wallet", "checked_at")
    list_filter = ("state", "mode")
    search_fields = ("detail",)
