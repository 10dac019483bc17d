"""Learning in the admin: experts, artefacts, trainings, evaluations, backtests; settings."""

from django.contrib import admin

from config.kernel.admin import FactAdmin, FactInline, SettingsAdmin, pretty_json
from mlops.models import (
    Backtest,
    Dataset,
    Evaluation,
    ExpertTransition,
    LearningSettings,
    TrainingRun,
)
from predictions.models import Expert, ModelVersion


class TransitionInline(FactInline):
    model = ExpertTransition
    fields = ("moved_at", "before", "after", "version", "actor", "evidence")
    ordering = ("-moved_at",)


@admin.register(Expert)
class ExpertAdmin(FactAdmin):
    list_display = ("name", "state", "algorithm", "horizon", "served", "note")
    list_filter = ("state", "algorithm", "horizon")
    search_fields = ("name", "slug")
    list_select_related = ("served",)
    ordering = ("slug",)
    inlines = (TransitionInline,)


@admin.register(ModelVersion)
class ModelVersionAdmin(FactAdmin):
    list_display = (
        "expert",
        "number",
        "horizon",
        "rows",
        "events",
        "data_from",
        "data_until",
        "created_at",
    )
    list_filter = ("horizon",)
    search_fields = ("expert__name", "sha256")
    list_select_related = ("expert",)
    fields = (
        "expert",
        "number",
        "horizon",
        "file",
        "sha256",
        "schema_hash",
        "data_from",
        "data_until",
        "rows",
        "events",
        "trials",
        "seed",
        "created_at",
        "content",
    )
    readonly_fields = fields

    @admin.display(description="Manifest")
    def content(self, obj: ModelVersion) -> str:
        return pretty_json(obj.manifest)


@admin.register(Dataset)
class DatasetAdmin(FactAdmin):
    list_display = (
        "digest",
        "rows",
        "events",
        "learned_from",
        "learned_until",
        "built_at",
        "source",
    )
    ordering = ("-built_at",)


@admin.register(TrainingRun)
class TrainingRunAdmin(FactAdmin):
    list_display = ("started_at", "status", "version", "seed", "dataset", "finished_at")
    list_filter = ("status",)
    list_select_related = ("version", "dataset")
    fields = (*list_display, "code_version", "content", "error")
    readonly_fields = fields

    @admin.display(description="Metrics")
    def content(self, obj: TrainingRun) -> str:
        return pretty_json(obj.metrics)


@admin.register(Evaluation)
class EvaluationAdmin(FactAdmin):
    list_display = ("evaluated_at", "source", "version")
    list_select_related = ("version",)
    fields = (*list_display, "content")
    readonly_fields = fields

    @admin.display(description="Result")
    def content(self, obj: Evaluation) -> str:
        return pretty_json(obj.result)


@admin.register(ExpertTransition)
class ExpertTransitionAdmin(FactAdmin):
    list_display = ("moved_at", "expert", "before", "after", "version", "actor")
    list_filter = ("before", "after")
    list_select_related = ("expert", "version")
    fields = (*list_display, "content")
    readonly_fields = fields

    @admin.display(description="Evidence")
    def content(self, obj: ExpertTransition) -> str:
        return pretty_json(obj.evidence)


@admin.register(Backtest)
class BacktestAdmin(FactAdmin):
    list_display = ("name", "started_at", "finished_at", "events", "trades", "seed", "code_version")
    search_fields = ("name", "data_digest")
    fields = (*list_display, "data_digest", "folder", "assumptions", "content")
    readonly_fields = fields

    @admin.display(description="Settings and assumptions")
    def assumptions(self, obj: Backtest) -> str:
        return pretty_json(obj.settings)

    @admin.display(description="Result")
    def content(self, obj: Backtest) -> str:
        return pretty_json(obj.result)


@admin.register(LearningSettings)
class LearningSettingsAdmin(SettingsAdmin):
    pass
