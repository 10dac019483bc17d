"""The exit settings: when a position is sold before its market ends."""

from decimal import Decimal
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from trading.core.exits import ExitConfig

PRICE = [MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))]


def _share(default: str, text: str) -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal(default), validators=PRICE, help_text=text
    )


class ExitSettings(VersionedSettings):
    """When a position is sold before its market ends. Each rule can be switched off.

    A sale pays the venue's fee a second time, so the rules compare with what it would really
    bring. Every position that no rule sells is paid out when its market resolves.
    """

    LABELS: ClassVar = {
        "edge_gone": ("Sell when the edge is gone", "the newest forecast is below what bids pay"),
        "edge_gone_margin": (
            "… by at least",
            "dollars a share that the bids pay, after the fee, above what the forecast says",
        ),
        "take_profit": ("Take profit", "sell when most of what could be won is won"),
        "take_profit_share": (
            "… at this share of the most that could be won",
            "0.9: bought at 0.40 it is sold where 0.94 a share remain after the fee",
        ),
        "stop": ("Stop loss", "off: a binary market that pays is worth more than its worst minute"),
        "stop_loss": ("… after losing this share of the cost", "against what a sale would bring"),
        "stop_max_spread": (
            "… only where the spread is at most",
            "dollars a share; an empty book stops nobody out",
        ),
        "time": ("Sell by time", "for those who do not wait for the resolution"),
        "max_held_h": ("… after hours held", "0 = never for this reason"),
        "before_end_min": ("… this long before the scheduled end", "minutes; 0 = never"),
        "retry_after_s": (
            "Try again after",
            "seconds from the last attempt to sell the same position",
        ),
        "overdue_alert_h": (
            "Alert when a position is older than its market",
            "hours after the scheduled end, still unresolved or unpaid",
        ),
    }

    edge_gone = models.BooleanField(
        default=True, help_text="sell what the newest forecast values below what the bids pay"
    )
    edge_gone_margin = _share(
        "0.02", "dollars a share, after the fee, by which a sale must beat the forecast"
    )
    take_profit = models.BooleanField(
        default=True, help_text="sell when most of what could be won is won"
    )
    take_profit_share = _share("0.9", "of the difference between 1 and what was paid")
    stop = models.BooleanField(
        default=False,
        help_text="sell at a loss; off, because the price of a coming payout swings on its way",
    )
    stop_loss = _share("0.5", "of the cost, against what a sale would bring after the fee")
    stop_max_spread = _share("0.05", "a stop is ignored where the book is wider")
    time = models.BooleanField(default=False, help_text="sell after a time, or before the end")
    max_held_h = models.PositiveIntegerField(default=0, help_text="hours; 0 = never")
    before_end_min = models.PositiveIntegerField(
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(60 * 24 * 366)],
        help_text="minutes before the scheduled end; 0 = never",
    )
    retry_after_s = models.PositiveIntegerField(
        default=120,
        validators=[MinValueValidator(1)],
        help_text="seconds between two attempts to sell the same position",
    )
    overdue_alert_h = models.PositiveIntegerField(
        default=24,
        validators=[MinValueValidator(1)],
        help_text="hours after the scheduled end until an open position is told of",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "exit settings"

    def clean(self) -> None:
        """A rule that is on has a bound that means something."""
        if self.take_profit and not self.take_profit_share:
            raise ValidationError({"take_profit_share": "0 would sell at once; switch it off"})
        if self.stop and not self.stop_loss:
            raise ValidationError({"stop_loss": "0 would sell at once; switch the stop off"})
        if self.time and not (self.max_held_h or self.before_end_min):
            raise ValidationError({"time": "give hours held, or minutes before the end"})

    def as_config(self) -> ExitConfig:
        """The frozen values."""
        return ExitConfig(version=self.version, **self.values())
