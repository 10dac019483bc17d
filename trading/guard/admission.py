"""Whether anything may be sent just now: asked in the transactions that claim and mark an order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from trading.core.order_states import IN_FLIGHT
from trading.guard import heart
from trading.models import Order, TradeIntent
from trading.reconciling import reconcile
from trading.settings import ExecutionSettings

Unready = Callable[[datetime], str]
"""What is missing for this mode, as a sentence; empty where nothing is."""


def others(mode: str, wallet: str) -> str:
    """Which other wallet has orders in flight, and what to do; empty where none has.

    They can be asked after and cancelled with that wallet's key alone.
    """
    alive = Order.objects.filter(mode=mode, status__in=IN_FLIGHT).exclude(wallet=wallet)
    found = alive.values_list("wallet").annotate(Count("pk")).order_by("wallet").first()
    if found is None:
        return ""
    other, count = found
    return (
        f"{count} order{'s' * (count > 1)} of the wallet {other} {'are' if count > 1 else 'is'} in "
        f"flight, and this guard holds {wallet}: start it with the key of {other} until they ended"
    )


@dataclass(slots=True, kw_only=True)
class Admission:
    """The guard's answer; a callable as `trading.orders.sending.Admission` wants it.

    `is_leader` is asked anew each time. `began` is set by the first reconciliation of this process
    that agreed: an agreement of an earlier life says nothing of what happened since.
    """

    mode: str
    wallet: str
    is_leader: Callable[[], bool]
    unready: Unready
    began: bool = False
    stopping: bool = False

    def __call__(self, _wish: TradeIntent | Order, as_of: datetime) -> str:
        """Why nothing is sent now; empty where it may be."""
        if self.stopping:
            return "the guard is stopping"
        if not self.is_leader():
            return "another guard leads"
        if why := others(self.mode, self.wallet):
            return why
        config = ExecutionSettings.objects.current(as_of=as_of).as_config()
        within = timedelta(seconds=config.reconciled_within_s)
        agreed = reconcile.is_fresh(self.mode, self.wallet, as_of=as_of, within=within)
        if not (self.began and agreed):
            return "books and venue have not been found to agree lately"
        if heart.is_needed(self.mode, config) and not heart.is_healthy(
            self.mode, self.wallet, config, as_of=as_of
        ):
            return "the venue's dead-man switch does not hear us"
        return self.unready(as_of)
