"""Columns that the tables of trading share."""

from typing import Any

from django.db import models

MAIN_WALLET = "main"


def dollars(**options: Any) -> "models.DecimalField[Any, Any]":
    """A column of dollars or shares on the grid of 1e-6."""
    return models.DecimalField(max_digits=20, decimal_places=6, **options)


def price() -> "models.DecimalField[Any, Any]":
    """A column of dollars a share, in (0, 1)."""
    return models.DecimalField(max_digits=7, decimal_places=6)


def wallet() -> "models.CharField[Any, Any]":
    """A column that names the wallet: an address, or the one of a simulated ledger."""
    return models.CharField(max_length=44, default=MAIN_WALLET)


class Side(models.TextChoices):
    """Buy or sell an outcome's shares; SELL only from inventory."""

    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(models.TextChoices):
    """How long an order lives at its venue."""

    GTC = "GTC", "until cancelled"
    GTD = "GTD", "until a date"
    FOK = "FOK", "all at once or nothing"
    FAK = "FAK", "what is there at once, the rest is cancelled"
