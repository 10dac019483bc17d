"""The arbitrage settings: which sets are worth buying, and what a broken one may cost."""

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from trading.core.arbitrage_terms import ArbitrageConfig

NOT_NEGATIVE = [MinValueValidator(Decimal(0))]
AMOUNT = [*NOT_NEGATIVE, MaxValueValidator(Decimal(1_000_000))]
SHARE = [*NOT_NEGATIVE, MaxValueValidator(Decimal(1))]


class ArbitrageSettings(VersionedSettings):
    """Sets of outcomes that pay more than they cost, whatever happens.

    Looking costs nothing and is on: what is seen is kept, with what it would have brought. Buying
    is off until somebody wants it: a set whose last leg fails has to be sold again.
    """

    LABELS: ClassVar = {
        "detecting": ("Look for arbitrage", "every cycle, over the newest books; orders nothing"),
        "trading": ("Trade it", "off: only the log of what would have been"),
        "min_profit_usd": ("Smallest profit", "dollars of the whole set, after fees"),
        "min_profit_share": ("… and of its cost", "0.01 = one percent, after fees"),
        "max_sets": ("Most sets", "shares of each leg"),
        "max_legs": ("Most legs", "more legs, more that can fail"),
        "leg_risk_budget_usd": (
            "Leg-risk budget",
            "dollars that selling the legs of a broken set may cost at worst; it bounds the size",
        ),
        "unwind_slip": (
            "… with bids worse by",
            "dollars a share by which bids may have fallen before a leg is sold again",
        ),
        "retry_after_s": ("Sell a broken leg again after", "seconds from the last attempt"),
        "log_again_s": (
            "Log the same set again after",
            "seconds, where its figures moved; one that did not move is one row",
        ),
    }

    detecting = models.BooleanField(
        default=True, help_text="look for sets that pay; orders nothing"
    )
    trading = models.BooleanField(default=False, help_text="buy them; off = only the log")
    min_profit_usd = models.DecimalField(
        max_digits=20,
        decimal_places=6,
        default=Decimal("1.00"),
        validators=AMOUNT,
        help_text="dollars, after fees",
    )
    min_profit_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.01"),
        validators=SHARE,
        help_text="profit after fees ÷ cost",
    )
    max_sets = models.DecimalField(
        max_digits=20,
        decimal_places=6,
        default=Decimal(500),
        validators=AMOUNT,
        help_text="shares of each leg",
    )
    max_legs = models.PositiveSmallIntegerField(
        default=8,
        validators=[MinValueValidator(2), MaxValueValidator(100)],
        help_text="orders that one set may need",
    )
    leg_risk_budget_usd = models.DecimalField(
        max_digits=20,
        decimal_places=6,
        default=Decimal(5),
        validators=AMOUNT,
        help_text="most that unwinding a broken set may cost, dollars",
    )
    unwind_slip = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.01"),
        validators=SHARE,
        help_text="dollars a share that bids may fall before a leg is sold again",
    )
    retry_after_s = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1)], help_text="seconds between two attempts"
    )
    log_again_s = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1)], help_text="seconds between two rows of a set"
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "arbitrage settings"

    def as_config(self) -> ArbitrageConfig:
        """The frozen values."""
        return ArbitrageConfig(version=self.version, **self.values())
