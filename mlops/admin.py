"""Learning in the admin: experts, artefacts, trainings, evaluations, backtests; settings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from config.kernel.admin import FactAdmin, FactInline, SettingsAdmin, pretty_json
from mlops import lifecycle
from mlops.models import (
    Backtest,
    Dataset,
    Evaluation,
    ExpertTransition,
    LearningSettings,
    TrainingRun,
)
from predictions.models import Expert, ExpertState, ModelVersion


class TransitionInline(FactInline):
    model = ExpertTransition
    fields = ("moved_at", "before", "after", "version", "actor", "evidence")
    ordering = ("-moved_at",)


def move_expert(
    slug: str, *, verb: str, evidence: Mapping[str, Any], actor: str, as_of: datetime
) -> ExpertTransition:
    """Carry out one lifecycle verb."""
    if verb == "PROMOTE":
        return lifecycle.promote(slug, evidence=evidence, actor=actor, as_of=as_of)
    if verb == "ROLLBACK":
        return lifecycle.rollback(slug, evidence=evidence, actor=actor, as_of=as_of)
    to = ExpertState(verb)
    return lifecycle.demote(slug, to=to, evidence=evidence, actor=actor, as_of=as_of)


@admin.register(Expert)
class ExpertAdmin(FactAdmin):
    list_display = ("name", "state", "algorithm", "horizon", "served", "note")
    list_filter = ("state", "algorithm", "horizon")
    search_fields = ("name", "slug")
    list_select_related = ("served",)
    ordering = ("slug",)
    inlines = (TransitionInline,)
    change_form_outer_before_template = "admin/mlops/expert_move.html"
    VERBS: ClassVar = (
        ("PROBATION", "Put on probation"),
        ("SUSPENDED", "Suspend: out of service"),
        ("PROMOTE", "Promote the newest version"),
        ("ROLLBACK", "Roll back to the version before"),
        ("DEPRECATED", "Deprecate, for good"),
    )

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
        except (lifecycle.IllegalMove, lifecycle.NothingToServe) as refused:
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
    LABELS: ClassVar = {
        "seed": ("Seed", "of everything drawn in training"),
        "min_events": ("Fewest events", "resolved events; fewer: nothing is trained"),
        "min_rows": ("Fewest rows", "labelled decisions; fewer: nothing is trained"),
        "min_new_labels": ("Fewest new labels", "since the last run; fewer: training is skipped"),
        "embargo_days": ("Embargo", "days left out between learning and testing"),
        "folds": ("Folds", "count, in order of time"),
        "bootstrap": ("Resamples", "count, for confidence intervals"),
        "snapshot_every_s": (
            "Decisions every",
            "seconds; markets are asked at every multiple, UTC",
        ),
        "max_quote_age_s": ("Oldest price", "seconds; older prices are no decision"),
        "max_epoch_quote_age_s": ("Oldest price, up/down markets", "seconds"),
        "rows_per_bucket": ("Decisions per bucket", "count a market and bucket of time left"),
        "min_cell_events": (
            "Fewest events of a domain",
            "resolved events; fewer: its forecast stays the price",
        ),
        "evidence_level": (
            "Level of evidence",
            "one-sided; at it a domain's correction must beat the price",
        ),
        "max_skill": (
            "Too good to be true",
            "out-of-fold skill above this blocks the model as a leak",
        ),
    }
