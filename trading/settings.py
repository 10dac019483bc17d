"""The trading settings: when a forecast is worth trading, and whether anything is traded."""

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from config.kernel.modes import Mode
from trading.core.contracts import TradingConfig

BUILT = (Mode.DEMO, Mode.PAPER)
"""Modes that can be chosen: live orders are not built yet."""

MODE_FOLLOWS_PRICES = {
    Mode.DEMO: "the prices of this installation are simulated, so its mode stays DEMO; "
    "start one without --demo for PAPER",
    Mode.PAPER: "the prices of this installation are a venue's, so its mode stays PAPER; "
    "start one with --demo for DEMO",
}

SHARE = [MinValueValidator(0), MaxValueValidator(1)]


class TradingSettings(VersionedSettings):
    """When a forecast is worth trading, and whether anything is traded at all."""

    STRENGTHS: ClassVar = [
        ("", "no minimum beyond the edge gate"),
        ("MEDIUM", "MEDIUM"),
        ("STRONG", "STRONG"),
    ]

    mode = models.CharField(
        max_length=8, choices=[(m.value, m.label) for m in BUILT], default=Mode.PAPER
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
        validators=[MinValueValidator(Decimal(1))],
        help_text="paper and demo: booked once as a deposit",
    )
    min_gross_edge = models.FloatField(default=0.05, validators=SHARE)
    min_net_edge = models.FloatField(default=0.02, validators=SHARE)
    min_confidence = models.FloatField(
        default=0.55, validators=[MinValueValidator(0.5), MaxValueValidator(1)]
    )
    min_depth_usd = models.FloatField(
        default=500,
        validators=[MinValueValidator(0)],
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
        default=500, help_text="a simulated order meets the book no earlier than this"
    )
    cycle_s = models.PositiveIntegerField(
        default=300, validators=[MinValueValidator(5)], help_text="seconds between decisions"
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "trading settings"

    def clean(self) -> None:
        """STRONG is not below MEDIUM; the mode is that of the prices: DEMO in a demo, else PAPER.

        No order is live.
        """
        if self.mode == Mode.LIVE:
            raise ValidationError({"mode": "live orders are not built yet; choose PAPER or DEMO"})
        served = Mode.DEMO if settings.ENV.mode == Mode.DEMO else Mode.PAPER
        if self.mode != served:
            raise ValidationError({"mode": MODE_FOLLOWS_PRICES[served]})
        if self.strong_above < self.medium_above:
            raise ValidationError({"strong_above": "must not be below the bound of MEDIUM"})

    def as_config(self) -> TradingConfig:
        """The frozen values."""
        return TradingConfig(version=self.version, **self.values())
