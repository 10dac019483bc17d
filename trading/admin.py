"""Trading in the admin: every wish, order, execution, holding and dollar; settings, to change."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.kernel.admin import FactAdmin, SettingsAdmin, four
from trading.models import (
    Approval,
    Claim,
    Fill,
    Order,
    Position,
    Redemption,
    Signal,
    TradeIntent,
    Transfer,
)
from trading.settings import TradingSettings


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
        "status",
        "reason",
    )
    list_filter = ("status", "mode", "strategy", "side")
    search_fields = ("market__question", "key")
    list_select_related = ("market", "outcome")
    ordering = ("-created_at",)


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


@admin.register(Fill)
class FillAdmin(FactAdmin):
    list_display = ("observed_at", "order", "ledger", "shares", "price", "fee")
    list_filter = ("mode",)
    search_fields = ("key", "order__market__question")
    list_select_related = ("order",)


@admin.register(Position)
class PositionAdmin(FactAdmin):
    list_display = (
        "market",
        "outcome",
        "ledger",
        "shares",
        "cost",
        "realised",
        "fees",
        "opened_at",
        "closed_at",
    )
    list_filter = ("mode", ("closed_at", admin.EmptyFieldListFilter))
    search_fields = ("market__question",)
    list_select_related = ("market", "outcome")


@admin.register(Redemption)
class RedemptionAdmin(FactAdmin):
    list_display = ("created_at", "market", "ledger", "shares", "payout", "status", "paid_at")
    list_filter = ("status", "mode")
    search_fields = ("market__question", "key")
    list_select_related = ("market",)


@admin.register(Transfer)
class TransferAdmin(FactAdmin):
    list_display = ("posted_at", "ledger", "kind", "debit", "credit", "amount", "market", "key")
    list_filter = ("mode", "kind", "debit", "credit")
    search_fields = ("key", "market__question")
    list_select_related = ("market",)


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
    }
