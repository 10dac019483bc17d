"""The settings of readiness: what has to be shown before real money moves."""

from decimal import Decimal
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from trading.core.readiness import ReadinessConfig


class ReadinessSettings(VersionedSettings):
    """What has to be shown before real money moves. No value of zero opens a gate."""

    LABELS: ClassVar = {
        "min_shadow_days": ("Days of paper trading", "on which something was decided"),
        "min_resolved_events": ("Traded events that resolved", "on paper"),
        "max_clock_offset_ms": ("Clock offset", "milliseconds from the venue's, at most"),
        "facts_valid_s": ("Wallet checks are good for", "seconds; above the time between two"),
        "look_every_s": ("Check the wallet every", "seconds, while the guard runs"),
        "trial_valid_days": ("A round trip is good for", "days"),
        "min_balance_usd": ("Least balance", "dollars"),
        "min_persons": ("Persons who may approve", "at least"),
    }

    min_shadow_days = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(3660)],
        help_text="days on which paper trading decided something",
    )
    min_resolved_events = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="events that were traded on paper and have an answer",
    )
    max_clock_offset_ms = models.PositiveIntegerField(
        default=2000,
        # The venue states whole seconds, so a smaller bound would refuse a clock that is right.
        validators=[MinValueValidator(1000), MaxValueValidator(10_000)],
        help_text="how far our clock may be from the venue's",
    )
    facts_valid_s = models.PositiveIntegerField(
        default=900,
        validators=[MinValueValidator(60), MaxValueValidator(86_400)],
        help_text="older checks count as unknown",
    )
    look_every_s = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(15), MaxValueValidator(43_200)],
        help_text="seconds between two looks of the guard at what its wallet may do",
    )
    trial_valid_days = models.PositiveIntegerField(
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text="how long a small round trip proves that the venue speaks as we do",
    )
    min_balance_usd = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal(10),
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(1_000_000))],
        help_text="dollars that the wallet must hold before LIVE opens",
    )
    min_persons = models.PositiveIntegerField(
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="people who may approve orders; one alone can approve nothing large",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "readiness settings"

    def clean(self) -> None:
        """A check is repeated before it is too old to count."""
        if self.facts_valid_s <= self.look_every_s:
            raise ValidationError(
                {"facts_valid_s": "must be above the time between two looks at the wallet"}
            )

    def as_config(self) -> ReadinessConfig:
        """The frozen values."""
        return ReadinessConfig(version=self.version, **self.values())
