"""The approval settings: who says yes, how long an intent waits, when missing orders alarm."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from trading.core.approval import ApprovalConfig


class ApprovalSettings(VersionedSettings):
    """Who says yes to an intent, how long it waits for that, and when missing orders alarm."""

    approval_expiry_s = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(10), MaxValueValidator(3600)],
        help_text="an intent that waits for a person expires after so many seconds",
    )
    two_person_above_usd = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=Decimal(200),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1_000_000))],
        help_text="an intent that can cost more needs two persons",
    )
    ask_in_simulated = models.BooleanField(
        default=False, help_text="ask a person in DEMO and PAPER too, to practise"
    )
    ask_for_exits = models.BooleanField(
        default=True, help_text="off = exits go out by rule, entries still wait for a person"
    )
    min_success = models.FloatField(
        default=0.9,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="orders placed / decisions to trade; below it an alert is raised",
    )
    success_over = models.PositiveIntegerField(
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="over so many of the newest decisions to trade",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "approval settings"

    def as_config(self) -> ApprovalConfig:
        """The frozen values."""
        return ApprovalConfig(version=self.version, **self.values())
