"""The catalogue in the admin: what the venue said, to look at."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from config.kernel.admin import FactAdmin, FactInline
from markets.models import (
    Event,
    FeeSchedule,
    Market,
    Outcome,
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
