"""What ingestion knows of itself, in the admin."""

from django.contrib import admin

from config.kernel.admin import FactAdmin, pretty_json
from markets.models import FetchState, Notice, RawMessage


@admin.register(Notice)
class NoticeAdmin(FactAdmin):
    list_display = ("text", "kind", "severity", "subject", "market", "observed_at")
    list_filter = ("kind", "severity")
    search_fields = ("text", "subject", "market__question")
    list_select_related = ("market",)
    ordering = ("-received_at",)


@admin.register(FetchState)
class FetchStateAdmin(FactAdmin):
    list_display = ("name", "url", "answered_at", "failures", "items", "error")
    search_fields = ("name", "url")


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
