"""Learning in the admin: experts, artefacts, trainings, evaluations, backtests; settings."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config.kernel.admin import FactAdmin, FactInline, four, pretty_json
from mlops import lifecycle, versions, wording
from mlops.models import (
    Backtest,
    CohortScore,
    Dataset,
    DriftReport,
    Evaluation,
    ExpertTransition,
    OnlineWeights,
    TrainingRun,
)
from predictions import registry
from predictions.models import Expert, ExpertState, ModelVersion


class TransitionInline(FactInline):
    model = ExpertTransition
    fields = ("moved_at", "before", "after", "version", "actor", "why")
    readonly_fields = ("why",)
    ordering = ("-moved_at", "-pk")

    @admin.display(description="Why")
    def why(self, obj: ExpertTransition) -> str:
        return wording.of_evidence(obj.evidence)


def move_expert(
    slug: str, *, verb: str, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> ExpertTransition:
    """Carry out one lifecycle verb."""
    if verb == "PROMOTE":
        return lifecycle.promote(slug, evidence=evidence, actor=actor, as_of=as_of)
    if verb == "NEWEST":
        newest = versions.newest(Expert.objects.get(slug=slug))
        return lifecycle.promote(slug, version=newest, evidence=evidence, actor=actor, as_of=as_of)
    if verb == "ROLLBACK":
        return lifecycle.rollback(slug, evidence=evidence, actor=actor, as_of=as_of)
    to = ExpertState(verb)
    if to == ExpertState.SHADOW:
        return lifecycle.override(slug, to=to, evidence=evidence, actor=actor, as_of=as_of)
    return lifecycle.demote(slug, to=to, evidence=evidence, actor=actor, as_of=as_of)


@admin.register(Expert)
class ExpertAdmin(FactAdmin):
    list_display = ("name", "family", "state", "algorithm", "horizon", "served", "note")
    list_filter = ("state", "family", "algorithm", "horizon")
    search_fields = ("name", "slug")
    list_select_related = ("served",)
    IN_SERVICE_FIRST: ClassVar = (
        ExpertState.ACTIVE,
        ExpertState.PROBATION,
        ExpertState.SUSPENDED,
        ExpertState.SHADOW,
        ExpertState.UNTRAINED,
        ExpertState.DEPRECATED,
    )
    inlines = (TransitionInline,)
    change_form_outer_before_template = "admin/mlops/expert_move.html"
    VERBS: ClassVar = (
        ("SHADOW", "Back to shadow: forecasts without weight"),
        ("PROBATION", "Put on probation"),
        ("SUSPENDED", "Suspend: out of service"),
        ("PROMOTE", "Promote: serve again what it served before"),
        ("NEWEST", "Promote the newest version"),
        ("ROLLBACK", "Roll back to the version before"),
        ("DEPRECATED", "Deprecate, for good"),
    )

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """By state, those that matter now first."""
        places = [When(state=state, then=Value(k)) for k, state in enumerate(self.IN_SERVICE_FIRST)]
        return (Case(*places, output_field=IntegerField()).asc(), "slug")

    def get_urls(self) -> list[URLPattern]:
        move = self.admin_site.admin_view(self.move_view)
        return [path("<slug:slug>/move/", move, name="expert_move"), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra: Any = None
    ) -> HttpResponse:
        may = request.user.has_perm("predictions.change_expert")
        context = {**(extra or {}), "expert_verbs": self.VERBS, "may_move": may}
        return super().changeform_view(request, object_id, form_url, context)  # type: ignore[no-any-return]

    def move_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Promote, demote or roll back, with a reason."""
        if not request.user.has_perm("predictions.change_expert"):
            raise PermissionDenied
        get_object_or_404(Expert, pk=slug)
        back = HttpResponseRedirect(reverse("admin:predictions_expert_change", args=[slug]))
        verb, reason = request.POST.get("verb", ""), request.POST.get("reason", "").strip()
        if request.method != "POST" or verb not in dict(self.VERBS) or not reason:
            messages.error(request, "Choose a move and give the reason.")
            return back
        try:
            moved = move_expert(
                slug,
                verb=verb,
                evidence={"reason": reason, "by_hand": True},
                actor=request.user.get_username(),
                as_of=timezone.now(),
            )
        except (
            lifecycle.IllegalMove,
            lifecycle.NothingToServe,
            registry.Unservable,
        ) as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"{slug}: {moved.before} → {moved.after}")
        return back


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
    list_display = ("moved_at", "expert", "before", "after", "version", "actor", "why")
    list_filter = ("before", "after")
    list_select_related = ("expert", "version")
    fields = (*list_display, "content")
    readonly_fields = fields

    @admin.display(description="Why")
    def why(self, obj: ExpertTransition) -> str:
        return wording.of_evidence(obj.evidence)

    @admin.display(description="Evidence as recorded")
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


@admin.register(CohortScore)
class CohortScoreAdmin(FactAdmin):
    list_display = ("cohort", "expert", "version", "source", "events", "market_4", "expert_4")
    market_4 = four("brier_market", "Brier, market")
    expert_4 = four("brier_expert", "Brier, expert")
    list_filter = ("source", "horizon")
    list_select_related = ("expert", "version")
    ordering = ("-cohort", "expert")


@admin.register(OnlineWeights)
class OnlineWeightsAdmin(FactAdmin):
    list_display = ("as_of", "horizon", "method", "events", "shares")
    list_filter = ("horizon",)
    ordering = ("-as_of",)

    @admin.display(description="Weights")
    def shares(self, obj: OnlineWeights) -> str:
        told = json.loads(obj.weights).items()
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in told)


@admin.register(DriftReport)
class DriftReportAdmin(FactAdmin):
    list_display = ("checked_at", "kind", "verdict", "worst", "statistic", "threshold", "rows")
    list_filter = ("verdict", "kind", "horizon")
    ordering = ("-checked_at",)
    fields = (*list_display, "horizon", "version", "content")
    readonly_fields = fields

    @admin.display(description="Detail")
    def content(self, obj: DriftReport) -> str:
        return pretty_json(obj.detail)
