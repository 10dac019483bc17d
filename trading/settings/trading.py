"""The trading settings: when a forecast is worth trading, and whether anything is traded."""

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from config.kernel.models import VersionedSettings
from config.kernel.modes import Mode
from trading.core.contracts import TradingConfig
from trading.core.profiles import PROFILES
from trading.settings.strategy import StrategyColumns

BUILT = (Mode.DEMO, Mode.REHEARSAL, Mode.PAPER, Mode.LIVE)
"""Modes that can be chosen; LIVE only while every gate of `trading.watching.readiness` is green."""

MODES_OF = {Mode.DEMO: (Mode.DEMO, Mode.REHEARSAL), Mode.PAPER: (Mode.PAPER, Mode.LIVE)}
"""What the prices of an installation are → the modes that its orders may have."""

MODE_FOLLOWS_PRICES = {
    Mode.DEMO: "the prices of this installation are simulated, so its mode is DEMO or REHEARSAL; "
    "start one without --demo for PAPER and LIVE",
    Mode.PAPER: "the prices of this installation are a venue's, so its mode is PAPER or LIVE; "
    "start one with --demo for DEMO and REHEARSAL",
}

SHARE = [MinValueValidator(0), MaxValueValidator(1)]


class TradingSettings(StrategyColumns, VersionedSettings):
    """When a forecast is worth trading, and whether anything is traded at all."""

    STRENGTHS: ClassVar = [
        ("", "no minimum beyond the edge gate"),
        ("MEDIUM", "MEDIUM"),
        ("STRONG", "STRONG"),
    ]

    mode = models.CharField(
        max_length=10, choices=[(m.value, m.label) for m in BUILT], default=Mode.PAPER
    )
    placing_orders = models.BooleanField(
        default=True, help_text="master switch; off = watch and collect only"
    )
    dry_run = models.BooleanField(
        default=False, help_text="intents end as EXECUTED_DRYRUN, no order is made"
    )
    starting_cash = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal(10000),
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(1_000_000_000))],
        help_text="paper and demo: booked once as a deposit",
    )
    min_gross_edge = models.FloatField(default=0.05, validators=SHARE)
    min_net_edge = models.FloatField(default=0.02, validators=SHARE)
    min_confidence = models.FloatField(
        default=0.55, validators=[MinValueValidator(0.5), MaxValueValidator(1)]
    )
    min_depth_usd = models.FloatField(
        default=500,
        validators=[MinValueValidator(0), MaxValueValidator(1_000_000_000)],
        help_text="resting on the side we would take",
    )
    depth_within = models.FloatField(
        default=0.02, validators=SHARE, help_text="depth counts this close to the mid"
    )
    max_spread = models.FloatField(
        default=0.05, validators=[MinValueValidator(0.001), MaxValueValidator(1)]
    )
    medium_above = models.FloatField(
        default=0.10, validators=SHARE, help_text="net edge above which a signal is MEDIUM"
    )
    strong_above = models.FloatField(
        default=0.15, validators=SHARE, help_text="net edge above which a signal is STRONG"
    )
    prior_sigma = models.FloatField(
        default=0.10,
        validators=[MinValueValidator(0.001), MaxValueValidator(1)],
        help_text="how far from the price the truth usually lies; smaller = trust the price more",
    )
    min_strength = models.CharField(max_length=6, blank=True, default="", choices=STRENGTHS)
    intent_expiry_s = models.PositiveIntegerField(default=60, validators=[MinValueValidator(5)])
    paper_latency_ms = models.PositiveIntegerField(
        default=500,
        validators=[MinValueValidator(0), MaxValueValidator(60_000)],
        help_text="milliseconds; a simulated order meets the book no earlier than this",
    )
    cycle_s = models.PositiveIntegerField(
        default=300, validators=[MinValueValidator(5)], help_text="seconds between decisions"
    )
    fast_cycle_s = models.PositiveIntegerField(
        default=10,
        validators=[MinValueValidator(2)],
        help_text="seconds between decisions about up/down epochs",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "trading settings"

    def clean(self) -> None:
        """STRONG is not below MEDIUM; the mode suits the prices: DEMO or REHEARSAL in a demo.

        LIVE opens only where nothing is left to show.
        """
        served = Mode.DEMO if settings.ENV.mode == Mode.DEMO else Mode.PAPER
        if self.mode not in MODES_OF[served]:
            raise ValidationError({"mode": MODE_FOLLOWS_PRICES[served]})
        if self.mode == Mode.LIVE and (closed := self._what_keeps_live_closed()):
            raise ValidationError({"mode": f"LIVE stays closed: {closed}"})
        self.check_strategy()
        if self.strong_above < self.medium_above:
            raise ValidationError({"strong_above": "must not be below the bound of MEDIUM"})

    def _what_keeps_live_closed(self) -> str:
        """The unmet gates with their next steps, in one text; empty where LIVE may be chosen."""
        from trading.watching import readiness  # noqa: PLC0415 - readiness reads settings

        # A row that is being proposed has no stamp yet: a person saves it now.
        as_of = self.created_at or timezone.now()  # noqa: TID251 - a form is an edge
        return "; ".join(
            f"{gate.sentence} {gate.remedy}".strip() for gate in readiness.unmet(as_of=as_of)
        )

    def as_config(self) -> TradingConfig:
        """The frozen values, with those that the strategy profile fixes."""
        return TradingConfig(version=self.version, **{**self.values(), **PROFILES[self.profile]})
