"""Trading in the admin: every wish, order, execution, holding and dollar; settings, to change."""

from django.contrib import admin

from config.kernel.admin import FactAdmin, SettingsAdmin
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
        "outcome_index",
        "probability",
        "cost",
        "net_edge",
        "confidence",
        "strength",
        "reason",
    )
    list_filter = ("reason", "strength")
    search_fields = ("market__question",)
    list_select_related = ("market",)
    raw_id_fields = ("prediction",)


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
    pass
