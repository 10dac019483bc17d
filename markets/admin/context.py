"""News, calendar and wallets in the admin."""

from django.contrib import admin

from config.kernel.admin import FactAdmin
from markets.models import (
    CalendarEvent,
    EventImpact,
    NewsItem,
    NewsLink,
    Wallet,
    WalletTrade,
)


@admin.register(NewsItem)
class NewsItemAdmin(FactAdmin):
    list_display = ("title", "source", "kind", "sentiment", "published_at", "received_at")
    list_filter = ("kind", "source")
    search_fields = ("title", "publisher", "url")
    exclude = ("embedding",)


@admin.register(NewsLink)
class NewsLinkAdmin(FactAdmin):
    list_display = ("item", "market", "similarity", "received_at")
    search_fields = ("item__title", "market__question")
    list_select_related = ("item", "market")


@admin.register(CalendarEvent)
class CalendarEventAdmin(FactAdmin):
    list_display = ("title", "kind", "importance", "scheduled_at", "all_day", "source", "cancelled")
    list_filter = ("kind", "importance", "source", "cancelled")
    search_fields = ("title",)


@admin.register(EventImpact)
class EventImpactAdmin(FactAdmin):
    list_display = ("calendar_event", "market", "strength", "why")
    search_fields = ("calendar_event__title", "market__question")
    list_select_related = ("calendar_event", "market")


@admin.register(Wallet)
class WalletAdmin(FactAdmin):
    list_display = ("address", "name", "watched", "first_seen_at", "last_seen_at", "checked_at")
    list_filter = ("watched",)
    search_fields = ("address", "name")


@admin.register(WalletTrade)
class WalletTradeAdmin(FactAdmin):
    list_display = (
        "wallet",
        "market",
        "side",
        "outcome_index",
        "dollars",
        "price",
        "is_whale",
        "observed_at",
    )
    list_filter = ("is_whale", "side")
    search_fields = ("wallet__address", "wallet__name", "market__question")
    list_select_related = ("wallet", "market")
