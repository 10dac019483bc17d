"""What we believe: experts, the artefacts that serve them, and every forecast with its inputs."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from config.kernel.models import AppendOnly, VersionedSettings
from markets.models import Market
from predictions.core.contracts import PredictionConfig


class Horizon(models.TextChoices):
    """What a forecast is about; one artefact, one horizon."""

    OUTCOME = "outcome", "how the market resolves"
    M5 = "5m", "the price in 5 minutes"
    M15 = "15m", "the price in 15 minutes"
    H1 = "1h", "the price in 1 hour"
    H4 = "4h", "the price in 4 hours"
    H12 = "12h", "the price in 12 hours"
    H24 = "24h", "the price in 24 hours"


class Algorithm(models.TextChoices):
    """How an expert learns."""

    PRICE = "price", "the market price itself"
    RECALIBRATION = "recalibration", "hierarchical recalibration of the price"
    LIGHTGBM = "lightgbm", "LightGBM on the market logit's residual"
    XGBOOST = "xgboost", "XGBoost on the market logit's residual"
    FOREST = "forest", "random forest on the price's residual"
    MLP = "mlp", "neural network on the price's residual"
    TEXT = "text", "wording of the question and sentiment of its news"
    GATE = "gate", "combination of the experts with the market"


class Family(models.TextChoices):
    """What an expert's slice of the universe is cut by."""

    BASE = "base", "the whole universe"
    CATEGORY = "category"
    RISK = "risk", "how likely the outcome is priced"
    TIME = "time", "time left to the scheduled end"
    VOLUME = "volume", "volume of a day"
    VOLATILITY = "volatility", "how much the price moves"
    TIMING = "timing", "opening or closing phase of the market's life"
    HORIZON = "horizon", "the price some time ahead"
    NEWS = "news", "how fresh the news is"
    SMART_MONEY = "smart-money", "what skilled and large wallets do"


class ExpertState(models.TextChoices):
    """Only ACTIVE experts are served."""

    UNTRAINED = "UNTRAINED"
    SHADOW = "SHADOW"
    ACTIVE = "ACTIVE"
    PROBATION = "PROBATION"
    SUSPENDED = "SUSPENDED"
    DEPRECATED = "DEPRECATED"


class Source(models.TextChoices):
    """What produced a forecast: the rungs of the fallback chain."""

    EXPERTS = "EXPERTS", "experts combined with the market"
    ENSEMBLE = "ENSEMBLE", "experts in fixed weights"
    RECALIBRATED = "RECALIBRATED", "recalibrated price"
    PRICE = "PRICE", "market price"
    NEUTRAL = "NEUTRAL", "one half, for want of a price; never traded"


class ModelVersion(AppendOnly):
    """One trained artefact: what it was trained on and how its file proves itself."""

    expert = models.ForeignKey("Expert", on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    horizon = models.CharField(max_length=10, choices=Horizon)
    file = models.CharField(max_length=300, help_text="relative to ARTEFACT_DIR")
    sha256 = models.CharField(max_length=64)
    schema_hash = models.CharField(max_length=64, help_text="of the feature list it was trained on")
    manifest = models.TextField(
        help_text="signed JSON: data span, rows, events, seed, library versions, trials, members"
    )
    data_from = models.DateTimeField()
    data_until = models.DateTimeField(help_text="labels learned after this are unseen by it")
    rows = models.PositiveIntegerField()
    events = models.PositiveIntegerField()
    trials = models.PositiveIntegerField(default=1)
    seed = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        """Numbered per expert; a file is registered once."""

        constraints = [
            models.UniqueConstraint(
                name="model_version_numbered_once", fields=["expert", "number"]
            ),
            models.CheckConstraint(
                name="model_span_runs_forward", condition=Q(data_until__gte=models.F("data_from"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.expert_id} v{self.number}"


class Expert(models.Model):
    """One forecaster: a slice of the market universe, a horizon, an algorithm."""

    slug = models.SlugField(primary_key=True)
    name = models.CharField(max_length=100)
    family = models.CharField(max_length=12, choices=Family, default=Family.BASE)
    algorithm = models.CharField(max_length=20, choices=Algorithm)
    horizon = models.CharField(max_length=10, choices=Horizon, default=Horizon.OUTCOME)
    state = models.CharField(max_length=12, choices=ExpertState, default=ExpertState.UNTRAINED)
    served = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="serving",
        help_text="the pointer",
    )
    challenger = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="challenging",
        help_text="forecasts the share of events that the settings give it, to be compared",
    )
    validated_at = models.DateTimeField(
        null=True, blank=True, help_text="when it last learned, or held on new data"
    )
    note = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        """What is active has something to serve, except the price itself."""

        constraints = [
            models.CheckConstraint(
                name="active_expert_serves_a_version",
                condition=~Q(state="ACTIVE") | Q(served__isnull=False) | Q(algorithm="price"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Prediction(AppendOnly):
    """A forecast of outcome 0 at one instant, with the vector that it was made from."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_index=False)
    horizon = models.CharField(max_length=10, choices=Horizon)
    as_of = models.DateTimeField()
    price = models.FloatField(null=True, help_text="market mid at as_of: the baseline")
    probability = models.FloatField()
    sigma = models.FloatField(help_text="standard error of `probability`")
    source = models.CharField(max_length=14, choices=Source)
    version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT)
    weights = models.TextField(
        blank=True, default="", help_text="effective weights of market and experts, as JSON"
    )
    cap = models.FloatField(default=0, help_text="largest weight of the correction that applied")
    trust = models.FloatField(
        null=True,
        help_text="its weight against the price, which its answers had earned; empty = all",
    )
    corrections = models.BinaryField(
        default=b"",
        help_text="float32 per member of the version, on the logit scale; NaN = not its slice",
    )
    schema_hash = models.CharField(max_length=64)
    vector = models.BinaryField(
        help_text="float64, little endian, in the order of the feature list; "
        "empty where it was not kept, and for prices ahead",
    )
    settings_version = models.PositiveIntegerField()

    class Meta:
        """One forecast per market, horizon and instant."""

        constraints = [
            models.UniqueConstraint(
                name="prediction_once_per_instant", fields=["market", "horizon", "as_of"]
            ),
            models.CheckConstraint(
                name="prediction_is_a_probability",
                condition=Q(probability__gte=0, probability__lte=1, sigma__gte=0),
            ),
        ]
        indexes = [models.Index(name="prediction_by_time", fields=["as_of"])]

    def __str__(self) -> str:
        return f"{self.market_id} {self.probability:.3f}"


def _weight(default: float) -> "models.FloatField[float, float]":
    return models.FloatField(
        default=default,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="in the fixed-weight ensemble, before normalising over members that loaded",
    )


class PredictionSettings(VersionedSettings):
    """How forecasts are made."""

    enable_ml = models.BooleanField(
        default=True, help_text="off: collect and label only, forecasts are the market price"
    )
    correction_cap = models.FloatField(
        default=0.7,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="largest weight of the learned correction",
    )
    max_quote_age_s = models.PositiveIntegerField(
        default=3600, help_text="no forecast from an older price"
    )
    use_ensemble = models.BooleanField(
        default=True, help_text="off: the recalibrated price is the highest rung"
    )
    use_deep_learning = models.BooleanField(
        default=True, help_text="off: neural members have weight 0"
    )
    weight_xgboost = _weight(0.35)
    weight_lightgbm = _weight(0.25)
    weight_neural = _weight(0.20)
    weight_text = _weight(0.20)
    weight_forest = _weight(0.0)
    weight_recalibration = _weight(0.0)
    challenger_share = models.FloatField(
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(0.5)],
        help_text="share of events that a challenger forecasts, where there is one",
    )
    vector_every_s = models.PositiveIntegerField(
        default=3600,
        help_text="an outcome's forecast keeps its vector once in so many seconds; 0 = always",
    )
    vector_min_move = models.FloatField(
        default=0.01,
        validators=[MinValueValidator(0), MaxValueValidator(0.05)],
        help_text="and whenever it is at least this far from the price; less than what is traded",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "prediction settings"

    def as_config(self) -> PredictionConfig:
        """The frozen values."""
        return PredictionConfig(version=self.version, **self.values())
