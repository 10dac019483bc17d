"""What is held and owned: positions, payouts, the ledger, the chain, and what disagreed."""

from typing import Any

from django.contrib import admin

from config.kernel import units
from config.kernel.admin import FactAdmin
from trading.models import (
    ChainTransaction,
    Conversion,
    Discrepancy,
    LedgerBalance,
    Position,
    Redemption,
    Transfer,
)


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


def _dollars(account: str, name: str, *, gained: bool = False) -> Any:
    """A column of an account in dollars; what was gained lies on its account with a minus."""

    @admin.display(description=f"{name}, $", ordering=account)
    def column(_self: Any, obj: LedgerBalance) -> str:
        amount = units.from_micro(getattr(obj, account))
        return f"{-amount if gained else amount:,.2f}"

    return column


@admin.register(LedgerBalance)
class LedgerBalanceAdmin(FactAdmin):
    list_display = ("ledger", "wallet", "free", "held", "invested", "paid", "gained")
    list_filter = ("mode",)
    free = _dollars("cash", "Cash")
    held = _dollars("reserved", "Reserved")
    invested = _dollars("positions", "Cost of positions")
    paid = _dollars("fees", "Fees")
    gained = _dollars("realised", "Realised", gained=True)


@admin.register(Discrepancy)
class DiscrepancyAdmin(FactAdmin):
    list_display = (
        "found_at",
        "kind",
        "subject",
        "ledger",
        "market",
        "ours",
        "theirs",
        "explained",
        "explanation",
    )
    list_filter = ("explained", "kind", "mode")
    search_fields = ("subject", "explanation")
    list_select_related = ("market",)


@admin.register(Conversion)
class ConversionAdmin(FactAdmin):
    list_display = ("received_at", "kind", "market", "ledger", "shares", "transaction_hash")
    list_filter = ("kind", "mode")
    search_fields = ("market__question", "key", "transaction_hash")
    list_select_related = ("market",)


@admin.register(ChainTransaction)
class ChainTransactionAdmin(FactAdmin):
    list_display = (
        "signed_at",
        "purpose",
        "ledger",
        "nonce",
        "status",
        "block_number",
        "transaction_hash",
        "reason",
    )
    list_filter = ("status", "mode")
    search_fields = ("purpose", "transaction_hash")
