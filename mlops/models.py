"""What we learn: training runs and their data, evaluations, moves of experts, backtests."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from config.kernel.models import AppendOnly, VersionedSettings
from mlops.core.contracts import LearningConfig
from predictions.models import Expert, ExpertState, Horizon, ModelVersion

YEAR_H = 366 * 24


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
    horizon = models.CharField(max_length=10, choices=Horizon, default=Horizon.OUTCOME)
    trials = models.PositiveIntegerField(
        default=0, help_text="configurations that were tried on its data, tuning included"
    )
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
    card = models.TextField(
        default="{}",
        help_text="JSON model card: data span, scores against the price, calibration, importance, "
        "negative controls",
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


class CohortScore(AppendOnly):
    """One version of one expert on the events that were answered on one day, against the price.

    All scores are means over events. A day's events are one cohort, because forecasts of markets
    that are open at the same time are not independent bets.
    """

    class Source(models.TextChoices):
        """Where the forecasts come from."""

        LIVE = "LIVE", "made and stored before the answer"
        OUT_OF_FOLD = "OOF", "by an earlier fit of the same training"

    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="scores")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="scores")
    horizon = models.CharField(max_length=10, choices=Horizon)
    source = models.CharField(max_length=4, choices=Source)
    cohort = models.DateField(help_text="UTC day on which the answers became known")
    scored_at = models.DateTimeField()
    events = models.PositiveIntegerField()
    brier_market = models.FloatField()
    brier_expert = models.FloatField()
    log_loss_market = models.FloatField()
    log_loss_expert = models.FloatField()
    reach = models.FloatField(
        default=1,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="the Brier scores could not differ by more, whatever the answers",
    )
    calibration = models.TextField(
        blank=True,
        default="",
        help_text="JSON: sums of events, forecasts and answers per bin of the forecast",
    )

    class Meta:
        """A cohort is scored once."""

        constraints = [
            models.UniqueConstraint(
                name="cohort_scored_once", fields=["version", "source", "cohort"]
            ),
            models.CheckConstraint(name="cohort_has_events", condition=Q(events__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} {self.cohort}"


class OnlineWeights(AppendOnly):
    """How much the market and the gate are trusted after every answered event so far."""

    horizon = models.CharField(max_length=10, choices=Horizon)
    as_of = models.DateTimeField()
    method = models.CharField(max_length=12)
    events = models.PositiveIntegerField(help_text="answered events it has seen")
    weights = models.TextField(help_text="JSON: name → share")
    losses = models.TextField(help_text="JSON: name → cumulative log loss, `mixture` among them")
    state = models.TextField(default="{}", help_text="JSON: what the next event is added to")

    class Meta:
        """The newest of a horizon counts."""

        verbose_name_plural = "online weights"
        constraints = [
            models.UniqueConstraint(name="online_weights_once", fields=["horizon", "as_of"])
        ]

    def __str__(self) -> str:
        return f"{self.horizon} after {self.events} events"


class DriftReport(AppendOnly):
    """One check of inputs, forecasts or scores against what the served version was trained on."""

    class Kind(models.TextChoices):
        """What was looked at."""

        FEATURES = "FEATURES", "distribution of a feature"
        PREDICTIONS = "PREDICTIONS", "distribution of the forecasts"
        SCORES = "SCORES", "score against the market over time"
        CALIBRATION = "CALIBRATION", "live calibration against validation"

    class Verdict(models.TextChoices):
        """How far it is."""

        QUIET = "QUIET"
        WATCH = "WATCH"
        ACT = "ACT"
        INSUFFICIENT = "INSUFFICIENT"

    checked_at = models.DateTimeField()
    horizon = models.CharField(max_length=10, choices=Horizon)
    version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT)
    kind = models.CharField(max_length=12, choices=Kind)
    verdict = models.CharField(max_length=12, choices=Verdict)
    rows = models.PositiveIntegerField(help_text="recent rows that were compared")
    worst = models.CharField(max_length=100, blank=True, default="", help_text="what moved most")
    statistic = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    detail = models.TextField(default="{}", help_text="JSON, per feature or bucket")

    class Meta:
        """Read by time."""

        indexes = [models.Index(name="drift_by_time", fields=["checked_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.verdict}"


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


def _fraction(default: float, meaning: str) -> "models.FloatField[float, float]":
    return models.FloatField(
        default=default,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=meaning,
    )


def _count(
    default: int, meaning: str = "", *, least: int = 1, most: int = 10**9
) -> "models.PositiveIntegerField[int, int]":
    return models.PositiveIntegerField(
        default=default,
        validators=[MinValueValidator(least), MaxValueValidator(most)],
        help_text=meaning,
    )


class LearningSettings(VersionedSettings):
    """When and how models are trained and scored."""

    seed = _count(7, least=0, most=2**31 - 1)
    min_events = _count(200, "fewer resolved events: nothing is trained")
    min_rows = _count(1000, "fewer labelled rows: nothing is trained")
    min_new_labels = models.PositiveIntegerField(
        default=100, help_text="fewer since the last run: training is skipped"
    )
    embargo_days = models.PositiveIntegerField(default=7)
    folds = models.PositiveIntegerField(
        default=8, validators=[MinValueValidator(2), MaxValueValidator(30)]
    )
    bootstrap = _count(2000, least=200, most=100_000)
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
    rows_per_bucket = _count(
        3, "training keeps so many decisions of a market in each bucket of time left"
    )
    min_cell_events = _count(200, "fewer resolved events in a domain: its forecast stays the price")
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
    min_markets = _count(500, "fewer resolved markets: no expert becomes ACTIVE")
    min_expert_rows = _count(200, "fewer labelled rows in its slice: an expert stays UNTRAINED")
    max_fit_rows = _count(
        60_000,
        "an expert learns from at most so many rows: whole events, drawn by the seed",
        least=1000,
    )
    cohort_s = models.PositiveIntegerField(
        default=86_400,
        validators=[MinValueValidator(60)],
        help_text="answers of so many seconds are one bet in the evidence of an expert",
    )
    label_tolerance_s = models.PositiveIntegerField(
        default=300, help_text="a price horizon is labelled by a price at most so much later"
    )
    min_return_skill = _fraction(0.03, "R² against an unchanged price that a return model needs")
    min_direction = _fraction(0.52, "share of moves whose direction a return model must name")
    max_direction = _fraction(0.75, "a higher share is a suspected leak and blocks the model")
    max_return_skill = _fraction(0.30, "a higher R² is a suspected leak and blocks the model")
    min_improvement = _fraction(
        0.01, "by so much of the champion's gain over the price a challenger must gain more"
    )
    ladder_level = _fraction(
        0.10, "a more complex combination must win beyond the interval of this width"
    )
    tuning_trials = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(500)],
        help_text="configurations that tuning tries; each counts as a trial",
    )
    evidence_to_promote = models.FloatField(
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(1e9)],
        help_text="e-value, times the challengers alive",
    )
    evidence_to_demote = models.FloatField(
        default=20, validators=[MinValueValidator(1), MaxValueValidator(1e9)]
    )
    demotion_margin = _fraction(0.002, "Brier points by which an expert may be worse for a while")
    expiry_h = _count(72, "without a successful training or re-validation: PROBATION", most=YEAR_H)
    max_demotions = _count(3, "of one lifecycle pass, except for cause", least=0)
    losses_to_alert = _count(5)
    losses_to_suspend = _count(8)
    loss_chance = _fraction(0.01, "a losing run counts where it was less likely than this")
    max_reliability_gap = _fraction(0.10, "forecast minus frequency, where it leans most")
    reliability_events = _count(50)
    deprecate_after_days = models.PositiveIntegerField(
        default=90, help_text="so long SUSPENDED: DEPRECATED"
    )
    keep_versions = _count(3, least=3, most=1000)
    online_method = models.CharField(
        max_length=12,
        choices=[("off", "Off"), ("hedge", "Hedge"), ("share", "Fixed share"), ("boa", "BOA")],
        default="share",
        help_text="how the trust in the gate follows its answered forecasts",
    )
    online_share = _fraction(0.001, "fixed share: what every event gives back to all")
    psi_watch = models.FloatField(
        default=0.10, validators=[MinValueValidator(0), MaxValueValidator(1000)]
    )
    psi_act = models.FloatField(
        default=0.25, validators=[MinValueValidator(0), MaxValueValidator(1000)]
    )
    drift_level = _fraction(0.05, "false discovery rate of the Kolmogorov-Smirnov tests")
    drift_window_h = _count(168, most=YEAR_H)
    drift_min_rows = _count(200)
    adwin_delta = _fraction(0.002, "confidence of the change detector on scores")
    mlflow_uri = models.CharField(
        max_length=300,
        blank=True,
        default="",
        help_text="tracking address or folder; empty: nothing is logged there",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "learning settings"
        constraints = [
            models.CheckConstraint(name="learning_needs_folds", condition=Q(folds__gte=2))
        ]

    def as_config(self) -> LearningConfig:
        """The frozen values; a row of before a bound was set counts at that bound."""
        return LearningConfig(version=self.version, **self.bounded())
