"""The venue's dead-man switch: while orders rest there, it cancels them all unless it hears us."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from trading.core.amounts import RESTING
from trading.core.order_protocol import ExecutionConfig
from trading.core.order_states import IN_FLIGHT
from trading.guard.pulse import Pulse, accepted
from trading.models import Order, TradeIntent, VenueState
from trading.orders import restrictions
from trading.venue import (
    GuardedVenue,
    VenueFailure,
    WrongHeartbeat,
)

log = structlog.get_logger()


def is_needed(mode: str, config: ExecutionConfig) -> bool:
    """Whether an order rests, or is about to: the first beat arms the switch for all of them."""
    if not config.heartbeat:
        return False
    orders = Order.objects.filter(mode=mode, type__in=RESTING, status__in=IN_FLIGHT)
    approved = TradeIntent.objects.filter(
        mode=mode, type__in=RESTING, status=TradeIntent.Status.APPROVED
    )
    return orders.exists() or approved.exists()


def is_healthy(mode: str, wallet: str, config: ExecutionConfig, *, as_of: datetime) -> bool:
    """Whether the venue accepted a heartbeat lately enough; one of the future is none."""
    since = as_of - timedelta(seconds=config.heartbeat_unhealthy_s)
    heard = VenueState.objects.filter(mode=mode, wallet=wallet, heartbeat_at__range=(since, as_of))
    return heard.exists()


@dataclass(slots=True, kw_only=True)
class Heart:
    """Beats for one wallet; its id outlives the process, a beat that was not heard does not.

    With a `pulse` that does the beating, what it was told is put on record here.
    """

    mode: str
    venue: GuardedVenue
    pulse: Pulse | None = None
    tried_at: datetime | None = None

    def felt(self) -> None:
        """The rounds go on."""
        if self.pulse is not None:
            self.pulse.felt()

    def keep(self, config: ExecutionConfig, *, as_of: datetime) -> bool:
        """Beat if one is needed and due; whether the venue accepted one since the last time."""
        if not is_needed(self.mode, config):
            if self.pulse is not None:
                self.pulse.rest()
            return False
        if self.pulse is not None:
            return self._note(self.pulse, config, as_of=as_of)
        pause = timedelta(seconds=config.heartbeat_every_s)
        if self.tried_at is not None and self.tried_at <= as_of < self.tried_at + pause:
            return False
        self.tried_at = as_of
        state = restrictions.state_of(self.mode, self.venue.wallet, as_of=as_of)
        try:
            following = accepted(self.venue, state.heartbeat_id)
        except (VenueFailure, WrongHeartbeat) as trouble:
            log.warning("heartbeat.not_accepted", mode=self.mode, reason=str(trouble))
            return False
        VenueState.objects.filter(pk=state.pk).update(
            heartbeat_id=following, heartbeat_at=as_of, changed_at=as_of
        )
        return True

    def _note(self, pulse: Pulse, config: ExecutionConfig, *, as_of: datetime) -> bool:
        """Have the pulse beat, and keep what the venue accepted since."""
        state = restrictions.state_of(self.mode, self.venue.wallet, as_of=as_of)
        pulse.wanted(state.heartbeat_id, every_s=config.heartbeat_every_s)
        heard = pulse.heard
        if heard is None or heard.at == state.heartbeat_at:
            return False
        VenueState.objects.filter(pk=state.pk).update(
            heartbeat_id=heard.following, heartbeat_at=heard.at, changed_at=as_of
        )
        return True
