"""What we learn: training runs and their data, evaluations, moves of experts, backtests."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from config.kernel.models import AppendOnly, VersionedSettings
from mlops.core.contracts import LearningConfig
from predictions.models import Expert, ExpertState, ModelVersion


class Dataset(models.Model):
    """A frozen set of examples, named by the hash of its content."""

    digest = models.CharField(max_length=64, primary_key=True)
    built_at = models.DateTimeField()
    learned_from = models.DateTimeField(help_text="first decision in it")
    learned_until = models.DateTimeField(help_text="last label in it was known by then")
    rows = models.PositiveIntegerField()
    events = models.PositiveIntegerField()
    source = models.CharField(max_length=300, help_text="archive folder and datasets")

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.events} events"


class TrainingRun(models.Model):
    """One training: seed, data, code, what came of it."""

    class Status(models.TextChoices):
        """How it ended; a run without an artefact has failed."""

        RUNNING = "RUNNING"
        SUCCEEDED = "SUCCEEDED"
        REFUSED = "REFUSED", "Refused (not enough data, or a gate said no)"
        FAILED = "FAILED"

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    seed = models.PositiveIntegerField()
    code_version = models.CharField(max_length=64)
    dataset = models.ForeignKey(Dataset, null=True, blank=True, on_delete=models.PROTECT)
    version = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="the gate it produced",
    )
    metrics = models.TextField(
        default="{}", help_text="JSON: out-of-fold scores against the market, per fold"
    )
    error = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"training {self.pk} {self.status}"


class Evaluation(models.Model):
    """Forecasts scored against the market price on the same rows."""

    evaluated_at = models.DateTimeField()
    version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT)
    source = models.CharField(max_length=300)
    result = models.TextField(help_text="JSON as printed by `evaluate --json`")

    def __str__(self) -> str:
        return f"evaluation {self.pk} of {self.source}"


class ExpertTransition(AppendOnly):
    """A move of an expert between states, with its evidence and author."""

    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="transitions")
    moved_at = models.DateTimeField()
    before = models.CharField(max_length=12, choices=ExpertState)
    after = models.CharField(max_length=12, choices=ExpertState)
    version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT)
    actor = models.CharField(max_length=150)
    evidence = models.TextField(default="{}", help_text="JSON")

    def __str__(self) -> str:
        return f"{self.expert_id}: {self.before} → {self.after}"


class Backtest(models.Model):
    """One replay over history: everything that it needs to be run again, and what it found."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    name = models.CharField(max_length=200)
    data_digest = models.CharField(max_length=64)
    code_version = models.CharField(max_length=64)
    seed = models.PositiveIntegerField()
    settings = models.TextField(help_text="JSON: settings and assumption set")
    result = models.TextField(help_text="JSON report")
    folder = models.CharField(
        max_length=300, blank=True, default="", help_text="where the page and the picture are"
    )
    events = models.PositiveIntegerField()
    trades = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.name


class LearningSettings(VersionedSettings):
    """When and how models are trained and scored."""

    seed = models.PositiveIntegerField(default=7)
    min_events = models.PositiveIntegerField(
        default=200, help_text="fewer resolved events: nothing is trained"
    )
    min_rows = models.PositiveIntegerField(
        default=1000, help_text="fewer labelled rows: nothing is trained"
    )
    min_new_labels = models.PositiveIntegerField(
        default=100, help_text="fewer since the last run: training is skipped"
    )
    embargo_days = models.PositiveIntegerField(default=7)
    folds = models.PositiveIntegerField(
        default=8, validators=[MinValueValidator(2), MaxValueValidator(30)]
    )
    bootstrap = models.PositiveIntegerField(default=2000, validators=[MinValueValidator(200)])
    snapshot_every_s = models.PositiveIntegerField(
        default=3600,
        validators=[MinValueValidator(1)],
        help_text="markets are asked at every multiple of this many seconds, UTC",
    )
    max_quote_age_s = models.PositiveIntegerField(
        default=2700, help_text="older prices are no decision (books on change repeat every 30 min)"
    )
    max_epoch_quote_age_s = models.PositiveIntegerField(
        default=90, help_text="the same for up/down epochs"
    )
    rows_per_bucket = models.PositiveIntegerField(
        default=3,
        validators=[MinValueValidator(1)],
        help_text="training keeps so many decisions of a market in each bucket of time left",
    )
    min_cell_events = models.PositiveIntegerField(
        default=200, help_text="fewer resolved events in a domain: its forecast stays the price"
    )
    evidence_level = models.FloatField(
        default=0.05,
        validators=[MinValueValidator(0.001), MaxValueValidator(0.5)],
        help_text="one-sided level at which a domain's correction must beat the price out of fold",
    )
    max_skill = models.FloatField(
        default=0.1,
        validators=[MinValueValidator(0.001), MaxValueValidator(1)],
        help_text="more out-of-fold skill than this is a suspected leak and blocks the model",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "learning settings"
        constraints = [
            models.CheckConstraint(name="learning_needs_folds", condition=Q(folds__gte=2))
        ]

    def as_config(self) -> LearningConfig:
        """The frozen values."""
        return LearningConfig(version=self.version, **self.values())
