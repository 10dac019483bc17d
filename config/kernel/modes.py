"""The modes: a column on every row that moves money; ledgers of two modes never mix."""

from typing import Any

from django.db import models


class Mode(models.TextChoices):
    """How orders are carried out; BACKTEST never writes to the main tables."""

    BACKTEST = "BACKTEST", "Backtest"
    DEMO = "DEMO", "Demo (simulated world)"
    REHEARSAL = "REHEARSAL", "Rehearsal (simulated world, real protocol)"
    PAPER = "PAPER", "Paper (real prices, simulated orders)"
    LIVE = "LIVE", "Live (real money)"


STORED_MODES = (Mode.DEMO, Mode.REHEARSAL, Mode.PAPER, Mode.LIVE)

SIMULATED = (Mode.DEMO, Mode.PAPER)
"""Modes whose orders never leave this machine: they meet recorded books, and nothing is signed."""

GUARDED = (Mode.REHEARSAL, Mode.LIVE)
"""Modes that sign and send: a person approves, and `live_guard` alone carries out."""


def mode_column() -> "models.CharField[Any, Any]":
    """The column that says to which ledger a row belongs."""
    return models.CharField(max_length=10, choices=Mode)


def mode_is_stored(name: str) -> models.CheckConstraint:
    """Constraint: the row belongs to one of the ledgers that exist outside a backtest."""
    return models.CheckConstraint(
        name=name, condition=models.Q(mode__in=[m.value for m in STORED_MODES])
    )
