"""What a person tunes about transactions on the chain, and about redemption."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings

GWEI = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """The frozen values."""

    version: int
    confirmations: int
    stuck_after_s: int
    max_fee_gwei: int
    min_priority_gwei: int
    gas_margin_percent: int
    in_flight: int
    redeem_retry_s: int
    redeem_alert_after: int
    lookup_blocks: int
    lookup_queries: int


class ChainSettings(VersionedSettings):
    """How transactions are paid and followed, and how patient redemption is."""

    confirmations = models.PositiveIntegerField(
        default=12,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="blocks, its own included, after which a transaction counts as final",
    )
    stuck_after_s = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(5)],
        help_text="a transaction that waits longer is replaced with a tenth more on both fees",
    )
    max_fee_gwei = models.PositiveIntegerField(
        default=1000,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="never pay more for one gas",
    )
    min_priority_gwei = models.PositiveIntegerField(
        default=30,
        validators=[MinValueValidator(0), MaxValueValidator(100_000)],
        help_text="what the block makers take at least for one gas; not above the highest",
    )
    gas_margin_percent = models.PositiveIntegerField(
        default=30,
        validators=[MinValueValidator(0), MaxValueValidator(500)],
        help_text="on top of the gas that the node estimates",
    )
    in_flight = models.PositiveIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="transactions that may wait for a block at once",
    )
    redeem_retry_s = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1)],
        help_text="pause after a redemption that paid nothing; doubled each time, an hour at most",
    )
    redeem_alert_after = models.PositiveIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="vain attempts at one redemption after which people are told",
    )
    lookup_blocks = models.PositiveIntegerField(
        default=2000,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="blocks that one search for a payout made by the venue spans",
    )
    lookup_queries = models.PositiveIntegerField(
        default=25,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="such searches in one turn, from the newest block backwards",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "chain settings"

    def clean(self) -> None:
        """What block makers ask for at least may be paid."""
        if self.min_priority_gwei > self.max_fee_gwei:
            raise ValidationError({"min_priority_gwei": "must not be above the highest fee a gas"})

    def as_config(self) -> ChainConfig:
        """The frozen values."""
        return ChainConfig(version=self.version, **self.values())
