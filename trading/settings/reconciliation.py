"""The settings of reconciliation: how far, and for how long, two tellings may differ."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from trading.core.reconcile import ReconciliationConfig


class ReconciliationSettings(VersionedSettings):
    """How far our books and the venue's may differ, and for how long that explains itself."""

    settle_s = models.PositiveIntegerField(
        default=120,
        validators=[MinValueValidator(5)],
        help_text="what happened within so many seconds may not have arrived everywhere",
    )
    confirm_s = models.PositiveIntegerField(
        default=30,
        validators=[MinValueValidator(1)],
        help_text="what nothing explains and is not certain counts when seen again after so long",
    )
    overlap_s = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(5), MaxValueValidator(86_400)],
        help_text="trades are asked for from so many seconds before the last look",
    )
    dust_shares = models.DecimalField(
        max_digits=6,
        decimal_places=6,
        default=Decimal("0.01"),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal("0.99"))],
        help_text="shares that rounding at the venue may leave",
    )
    price_tolerance = models.FloatField(
        default=0.0001,
        validators=[MinValueValidator(0), MaxValueValidator(0.1)],
        help_text="share of the price by which a trade told twice may differ",
    )

    late_fill_days = models.PositiveIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
        help_text="so long after its end an order may turn out to have been filled after all",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "reconciliation settings"

    def as_config(self) -> ReconciliationConfig:
        """The frozen values."""
        return ReconciliationConfig(version=self.version, **self.values())
