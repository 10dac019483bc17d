"""The ingestion settings: which markets are followed, and how long their prices are kept."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from markets.core.contracts import IngestConfig


class IngestSettings(VersionedSettings):
    """Which markets we follow, and how long their prices are kept hot."""

    min_depth_usd = models.FloatField(
        default=500,
        validators=[MinValueValidator(0)],
        help_text="dollars resting near the mid, both sides together",
    )
    depth_within = models.FloatField(
        default=0.02,
        validators=[MinValueValidator(0.001), MaxValueValidator(0.5)],
        help_text="how far from the mid depth counts, dollars a share",
    )
    max_spread = models.FloatField(
        default=0.05, validators=[MinValueValidator(0.001), MaxValueValidator(1)]
    )
    min_seconds_left = models.PositiveIntegerField(
        default=3600,
        help_text="no forecast closer to the scheduled end; up/down markets: see below",
    )
    min_epoch_seconds_left = models.PositiveIntegerField(
        default=20, help_text="up/down markets: no forecast closer to the end of the window"
    )
    max_epoch_lead_s = models.PositiveIntegerField(
        default=900, help_text="up/down markets: followed from so many seconds before the window"
    )
    epoch_assets = models.CharField(
        max_length=200, blank=True, default="btc eth sol xrp", help_text="separated by blanks"
    )
    epoch_windows = models.CharField(
        max_length=100, blank=True, default="5m 15m 4h", help_text="looked up by name, e.g. 5m 15m"
    )
    book_levels = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(5), MaxValueValidator(200)],
        help_text="levels a side kept with each book; totals count all levels",
    )
    max_days_left = models.PositiveIntegerField(default=180)
    max_tracked = models.PositiveIntegerField(default=2000, validators=[MaxValueValidator(5000)])
    stale_after_s = models.PositiveIntegerField(
        default=600, help_text="older books are fetched anew before deciding"
    )
    retention_days = models.PositiveIntegerField(default=90)

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "ingest settings"

    def as_config(self) -> IngestConfig:
        """The frozen values."""
        values = self.values()
        for name in ("epoch_assets", "epoch_windows"):
            values[name] = tuple(values[name].split())
        return IngestConfig(version=self.version, **values)
