"""What the process with the key found of its wallet, for those who have none to read."""

from django.db import models

from config.kernel.modes import mode_column, mode_is_stored
from trading.core.readiness import State
from trading.models import columns


class WalletCheck(models.Model):
    """The newest finding of one check of one wallet; written by whoever holds its key."""

    mode = mode_column()
    wallet = columns.wallet()
    name = models.CharField(max_length=20)
    state = models.CharField(max_length=7, choices=[(s.value, s.value) for s in State])
    detail = models.CharField(max_length=400, blank=True, default="")
    checked_at = models.DateTimeField()

    class Meta:
        """One row a check."""

        constraints = [
            mode_is_stored("wallet_check_mode_is_stored"),
            models.UniqueConstraint(name="wallet_check_once", fields=["mode", "wallet", "name"]),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
