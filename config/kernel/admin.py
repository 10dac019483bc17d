"""What every admin page is made of: facts that are only read, settings that only grow versions."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from config.kernel import revise
from config.kernel.models import DomainEvent, Heartbeat, Job, VersionedSettings


class _ReadOnly:
    """Neither add, nor change, nor delete, whoever asks."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FactAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """A table to look at: no counting of big tables, newest first."""

    show_full_result_count = False
    paginator = InfinitePaginator
    list_per_page = 50
    ordering: tuple[str, ...] = ("-pk",)
    list_fullwidth = True

    @admin.display(description="Mode", ordering="mode")
    def ledger(self, obj: Any) -> str:
        """The mode without its explanation."""
        return str(obj.mode)


class FactInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    """Rows that belong to a fact, to look at."""

    extra = 0
    can_delete = False
    tab = False


def four(column: str, heading: str) -> Callable[[Any, Any], str]:
    """A list column that shows a number with four decimals, `–` where there is none."""

    @admin.display(description=heading, ordering=column)
    def shown(self: Any, obj: Any) -> str:
        value = getattr(obj, column)
        return "–" if value is None else f"{value:.4f}".replace("-", "−")

    return shown


def pretty_json(text: str) -> str:
    """Stored JSON as an indented block; text that is not JSON stays as it is."""
    with suppress(ValueError, RecursionError):
        told = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        told.encode()  # half of a surrogate pair is JSON, and no page can be sent with it
        text = told
    return format_html('<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>', text)


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    """A proposal for the next version; refused where it changes nothing."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        model: type[VersionedSettings] = self._meta.model
        before = model.objects.newest()
        known = {name: value for name, value in before.values().items() if name in cleaned}
        if before.version and all(cleaned[name] == value for name, value in known.items()):
            raise forms.ValidationError(
                f"Nothing differs from version {before.version}; change a value or leave the page."
            )
        return cleaned


class VersionList(ChangeList):  # type: ignore[misc]
    """Hands every listed version its predecessor, in one query for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        numbers = {row.version - 1 for row in self.result_list}
        before = {row.version: row for row in self.model.objects.filter(version__in=numbers)}
        in_force = self.model.objects.current(as_of=timezone.now()).version
        for row in self.result_list:
            row.before = before.get(row.version - 1)
            row.in_force = row.version == in_force


def difference(row: VersionedSettings, before: VersionedSettings | None) -> list[str]:
    """One line per value that a version changed, e.g. `min net edge: 0.02 → 0.03`."""
    if before is None:
        before = type(row)(version=0, created_at=row.created_at)
    return [
        f"{name.replace('_', ' ')}: {old} → {new}"
        for name, (old, new) in row.changed_from(before).items()
    ]


class SettingsAdmin(ModelAdmin):  # type: ignore[misc]
    """Saving inserts version n + 1 with author and reason; older ones can be taken up again."""

    form = SettingsForm
    ordering = ("-version",)
    list_display = ("version", "in_force", "created_at", "by", "reason", "what_changed")
    list_display_links = ("version",)
    list_select_related = ("author",)
    show_full_result_count = False
    change_form_template = "admin/settings/change_form.html"
    actions = None
    LABELS: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Column → (what people call it, unit and meaning)."""
    ONE_BUTTON: ClassVar[dict[str, bool]] = {
        "show_save_and_add_another": False,
        "show_save_and_continue": False,
    }
    ABOUT: ClassVar[tuple[str, ...]] = ("version", "created_at", "by", "what_changed")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return VersionList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("author")  # type: ignore[no-any-return]

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        labels = {name: label for name, (label, _) in self.LABELS.items()}
        helps = {name: meaning for name, (_, meaning) in self.LABELS.items()}
        return super().get_form(request, obj, labels=labels, help_texts=helps, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.ABOUT if obj is not None else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        tunable = list(self.model(version=0).values())
        return [*self.ABOUT, "reason", *tunable] if obj is not None else [*tunable, "reason"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        wanted = request.GET.get("from", "")
        row = self.model.objects.filter(version=wanted).first() if wanted.isdecimal() else None
        source = row or self.model.objects.newest()
        return dict(source.values())

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        current = self.model.objects.newest()
        title = f"Change {self.opts.verbose_name}: version {current.version + 1}"
        return super().add_view(  # type: ignore[no-any-return]
            request,
            form_url,
            {**(extra_context or {}), **self.ONE_BUTTON, "title": title, "in_force": current},
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        proposed = {name: form.cleaned_data[name] for name in obj.values() if name in form.fields}
        row = revise.settings(
            self.model,
            proposed,
            author=request.user,
            reason=form.cleaned_data["reason"],
            as_of=timezone.now(),
        )
        obj.__dict__.update(row.__dict__)
        before = self.model.objects.filter(version=row.version - 1).first()
        changed = "; ".join(difference(row, before)) or "the defaults, written down"
        self.message_user(request, f"Version {row.version} is in force: {changed}.")

    @admin.display(description="In force")
    def in_force(self, obj: Any) -> str:
        return "in force" if obj.in_force else "–"

    @admin.display(description="Author", ordering="author")
    def by(self, obj: Any) -> str:
        """Who saved it; the presets are nobody's."""
        return "system" if obj.author is None else str(obj.author)

    @admin.display(description="What changed")
    def what_changed(self, obj: Any) -> str:
        before = getattr(obj, "before", None)
        if not hasattr(obj, "before"):
            before = self.model.objects.filter(version=obj.version - 1).first()
        return "; ".join(difference(obj, before)) or "the defaults, written down"


@admin.register(DomainEvent)
class DomainEventAdmin(FactAdmin):
    list_display = ("happened_at", "kind", "actor", "subject", "short_data")
    list_filter = ("kind",)
    search_fields = ("kind", "actor", "subject")
    fields = ("happened_at", "kind", "actor", "subject", "content", "previous_hash", "hash")
    readonly_fields = fields

    @admin.display(description="Data")
    def short_data(self, obj: DomainEvent) -> str:
        return obj.data if len(obj.data) <= 120 else f"{obj.data[:120]}…"

    @admin.display(description="Data")
    def content(self, obj: DomainEvent) -> str:
        return pretty_json(obj.data)


@admin.register(Heartbeat)
class HeartbeatAdmin(FactAdmin):
    list_display = ("component", "beat_at", "period_s", "fresh", "note")
    ordering = ("component",)

    @admin.display(description="Fresh", boolean=True)
    def fresh(self, obj: Heartbeat) -> bool:
        return not obj.is_late(as_of=timezone.now())


@admin.register(Job)
class JobAdmin(FactAdmin):
    list_display = ("kind", "key", "status", "started_at", "finished_at", "done", "total")
    list_filter = ("status", "kind")
    search_fields = ("key",)
