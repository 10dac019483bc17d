"""How trading chooses among what is worth trading: profile, consensus, baseline, capital.

These are columns of the trading settings, so that the one version number that a signal keeps names
every threshold that judged it.
"""

from decimal import Decimal
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from predictions.core import online
from trading.core.profiles import CONSENSUS, DEFAULT, HORIZONS, SELECTIVE

SHARE = [MinValueValidator(0), MaxValueValidator(1)]
WEIGHT = [MinValueValidator(0), MaxValueValidator(5)]
EVENLY = "OFF"
GROWTH, THOMPSON = "GROWTH", "THOMPSON"


def _share(default: float, help_text: str) -> "models.FloatField[float, float]":
    return models.FloatField(default=default, validators=SHARE, help_text=help_text)


class StrategyColumns(models.Model):
    """Columns of the trading settings that a strategy profile may fix."""

    COHORTS: ClassVar = [("SKILLED", "skilled wallets"), ("WHALES", "whales")]
    METHODS: ClassVar = [
        (EVENLY, "off: every strategy and horizon may use the whole budget"),
        (online.HEDGE, "Hedge"),
        (online.SHARE, "Hedge with a fixed share for comebacks"),
        (online.BOA, "BOA"),
    ]
    RANKINGS: ClassVar = [
        (GROWTH, "expected growth"),
        (THOMPSON, "Thompson sampling: unsure ones go first now and then"),
    ]

    profile = models.CharField(
        max_length=12,
        default=DEFAULT,
        choices=[
            (DEFAULT, "Default: the settings below"),
            (CONSENSUS, "Consensus: forecast and cohort must agree at every horizon"),
            (SELECTIVE, "Selective: signals of at least MEDIUM strength"),
        ],
        help_text="what it fixes goes before the fields below",
    )
    require_consensus = models.CharField(
        max_length=60,
        blank=True,
        default="",
        help_text=f"horizons that need a cohort's consent, of: {' '.join(HORIZONS)}; empty = none",
    )
    mood_cohort = models.CharField(max_length=10, default="SKILLED", choices=COHORTS)
    s_min = _share(0.05, "a mood nearer to zero is neutral")
    m_min = _share(0.12, "a forecast that leans less from the price towards certainty is neutral")
    conf_min = _share(0.60, "smallest confidence where consensus is required")
    alpha_min = _share(0.02, "smallest net edge where consensus is required")
    allow_model_only_when_mood_neutral = models.BooleanField(
        default=False, help_text="a cohort that is neutral or unknown consents"
    )
    flip_mood = models.BooleanField(default=False, help_text="trade against the cohort")
    flip_model = models.BooleanField(
        default=False, help_text="mirror forecasts of a single model at the price"
    )
    flip_model_bma = models.BooleanField(
        default=False, help_text="mirror combined forecasts at the price"
    )
    baseline = models.BooleanField(
        default=False, help_text="trade the explainable value strategy while ML is off"
    )
    baseline_mood_weight = models.FloatField(
        default=0.2, validators=WEIGHT, help_text="log odds at a mood of one"
    )
    baseline_book_weight = models.FloatField(
        default=0.1, validators=WEIGHT, help_text="log odds where all depth rests on one side"
    )
    baseline_sigma = _share(0.05, "standard error of the explainable strategy's probability")
    unknown_liquidity_usd = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal(50),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1_000_000_000))],
        help_text="dollars that an order may cost where the market's volume is unknown",
    )
    capital_by = models.CharField(max_length=5, default=online.SHARE, choices=METHODS)
    capital_floor = _share(0.10, "share of the budget that no strategy and horizon falls below")
    capital_share = models.FloatField(
        default=0.01,
        validators=[MinValueValidator(0), MaxValueValidator(0.5)],
        help_text="weight given back to everybody after each answer",
    )
    capital_days = models.PositiveIntegerField(
        default=90, validators=[MinValueValidator(1)], help_text="days of answers that count"
    )
    ranking = models.CharField(max_length=8, default=GROWTH, choices=RANKINGS)

    class Meta:
        """No table of its own."""

        abstract = True

    def check_strategy(self) -> None:
        """Every horizon that needs consent exists."""
        unknown = [name for name in self.require_consensus.split() if name not in HORIZONS]
        if unknown:
            raise ValidationError(
                {
                    "require_consensus": f"{', '.join(unknown)} is no horizon; "
                    f"choose of {' '.join(HORIZONS)}"
                }
            )


STRATEGY_LABELS = {
    "fast_cycle_s": ("Fast cycle", "seconds between decisions about up/down epochs"),
    "profile": ("Strategy profile", "what it fixes goes before the fields below"),
    "require_consensus": (
        "Horizons with consensus",
        f"separated by spaces, of: {' '.join(HORIZONS)}; empty = none",
    ),
    "mood_cohort": ("Cohort", "whose mood has to agree"),
    "s_min": ("Neutral mood below", "size of a mood, in [0, 1]"),
    "m_min": ("Neutral forecast below", "way from the price to certainty, in [0, 1]"),
    "conf_min": ("Confidence with consensus", "smallest, where consensus is required"),
    "alpha_min": ("Net edge with consensus", "smallest, dollars a share"),
    "allow_model_only_when_mood_neutral": (
        "A neutral cohort consents",
        "also one whose mood is unknown",
    ),
    "flip_mood": ("Trade against the cohort", "its mood counts the other way round"),
    "flip_model": ("Mirror single models", "their forecasts are mirrored at the price"),
    "flip_model_bma": ("Mirror combined forecasts", "they are mirrored at the price"),
    "baseline": ("Explainable strategy", "trades while machine learning is off"),
    "baseline_mood_weight": ("Weight of the mood", "log odds at a mood of one"),
    "baseline_book_weight": ("Weight of the book", "log odds where all rests on one side"),
    "baseline_sigma": ("Its standard error", "in probability"),
    "unknown_liquidity_usd": (
        "Largest order at unknown volume",
        "dollars; the gate that was skipped is named in the decision",
    ),
    "capital_by": ("Capital follows answers by", "budgets of each strategy and horizon"),
    "capital_floor": ("Smallest budget", "share of the whole, in [0, 1]"),
    "capital_share": ("Comeback share", "weight given back to everybody after each answer"),
    "capital_days": ("Answers count for", "days"),
    "ranking": ("Who goes first", "when cash is scarce"),
}
"""Label and meaning of each column for the admin, the fast cycle's period among them."""
