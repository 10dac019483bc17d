"""The four modes: a column on every row that moves money; ledgers of two modes never mix."""

from django.db import models


class Mode(models.TextChoices):
    """How orders are carried out; BACKTEST never writes to the main tables."""

    BACKTEST = "BACKTEST", "Backtest"
    DEMO = "DEMO", "Demo (simulated world)"
    PAPER = "PAPER", "Paper (real prices, simulated orders)"
    LIVE = "LIVE", "Live (real money)"


STORED_MODES = (Mode.DEMO, Mode.PAPER, Mode.LIVE)


def mode_is_stored(name: str) -> models.CheckConstraint:
    """Constraint: the row belongs to one of the three ledgers that exist outside a backtest."""
    return models.CheckConstraint(
        name=name, condition=models.Q(mode__in=[m.value for m in STORED_MODES])
    )
