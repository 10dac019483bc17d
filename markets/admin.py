"""Markets in the admin: what the venue said, to look at; ingest settings, to change."""

from typing import ClassVar

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from config.kernel.admin import FactAdmin, FactInline, SettingsAdmin, pretty_json
from markets.models import (
    Event,
    FeeSchedule,
    IngestSettings,
    Market,
    Outcome,
    RawMessage,
    Resolution,
    Series,
)


class OutcomeInline(FactInline):
    model = Outcome
    fields = ("index", "name", "asset_id")


@admin.register(Market)
class MarketAdmin(FactAdmin):
    list_display = (
        "question",
        "category",
        "tracked",
        "filter_reason",
        "scheduled_end_at",
        "origin",
        "page",
    )
    list_filter = ("tracked", "origin", "category", "protocol", "accepting_orders")
    search_fields = ("question", "slug", "condition_id")
    list_select_related = ("event",)
    inlines = (OutcomeInline,)

    @admin.display(description="Page")
    def page(self, obj: Market) -> str:
        return format_html('<a href="{}">chart and book</a>', reverse("market", args=[obj.pk]))


@admin.register(Event)
class EventAdmin(FactAdmin):
    list_display = ("title", "category", "neg_risk", "origin", "received_at")
    list_filter = ("origin", "category", "neg_risk")
    search_fields = ("title", "slug", "venue_key")
    list_select_related = ("series",)


@admin.register(Outcome)
class OutcomeAdmin(FactAdmin):
    list_display = ("name", "index", "market", "asset_id")
    search_fields = ("name", "asset_id", "market__question")
    list_select_related = ("market",)


@admin.register(Series)
class SeriesAdmin(FactAdmin):
    list_display = ("slug", "title", "recurrence", "venue")
    search_fields = ("slug", "title")


@admin.register(FeeSchedule)
class FeeScheduleAdmin(FactAdmin):
    list_display = (
        "category",
        "condition_key",
        "rate",
        "exponent",
        "taker_only",
        "valid_from",
        "source",
    )
    search_fields = ("category", "condition_key")


@admin.register(Resolution)
class ResolutionAdmin(FactAdmin):
    list_display = (
        "market",
        "payout_0",
        "payout_1",
        "strength",
        "source",
        "resolved_at",
        "received_at",
    )
    list_filter = ("strength",)
    search_fields = ("market__question",)
    list_select_related = ("market",)


@admin.register(RawMessage)
class RawMessageAdmin(FactAdmin):
    list_display = ("source", "reason", "seen", "first_seen_at", "last_seen_at")
    list_filter = ("source",)
    search_fields = ("reason", "body")
    ordering = ("-last_seen_at",)
    fields = ("source", "reason", "seen", "first_seen_at", "last_seen_at", "digest", "content")
    readonly_fields = fields

    @admin.display(description="Body")
    def content(self, obj: RawMessage) -> str:
        return pretty_json(obj.body)


@admin.register(IngestSettings)
class IngestSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "min_depth_usd": ("Smallest depth", "dollars resting near the mid, both sides together"),
        "depth_within": ("Depth counts within", "dollars a share from the mid"),
        "max_spread": ("Widest spread", "best ask − best bid, dollars a share"),
        "min_seconds_left": (
            "Time left",
            "seconds to the scheduled end; up/down markets: see below",
        ),
        "min_epoch_seconds_left": (
            "Time left, up/down markets",
            "seconds to the end of the window",
        ),
        "max_epoch_lead_s": ("Followed before the window", "seconds; up/down markets"),
        "epoch_assets": ("Assets of up/down markets", "separated by blanks, e.g. btc eth"),
        "epoch_windows": ("Windows of up/down markets", "separated by blanks, e.g. 5m 15m 4h"),
        "book_levels": ("Levels kept", "count a side with each book; totals count all levels"),
        "max_days_left": ("Farthest end", "days from now"),
        "max_tracked": ("Markets followed", "count, at most"),
        "stale_after_s": (
            "Prices are old after",
            "seconds; older books are fetched anew before deciding",
        ),
        "retention_days": ("Prices kept for", "days in the database"),
    }
