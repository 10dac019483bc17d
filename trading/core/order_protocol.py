"""What may be sent when, and what to do next with an order whose fate nobody knows: pure rules.

Source: `reliability.md` §3: three kinds of failure, the same bytes or nothing, hold until proof.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from types import MappingProxyType

MAKER = "MAKER"
"""The style of entries that rest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionConfig:
    """The values of `ExecutionSettings`; spans in seconds."""

    version: int
    entry_style: str
    rest_s: int
    stale_order_s: int
    cancel_before_end_s: int
    probe_every_s: float
    probes_before_resend: int
    unknown_hold_s: float
    abandoned_after_s: float
    restart_post_only_s: int
    heartbeat: bool
    heartbeat_every_s: float
    heartbeat_unhealthy_s: float
    reconcile_in_doubt_s: float
    reconcile_all_s: float
    reconciled_within_s: float
    redeem_every_s: float
    longest_wait_s: float
    cancel_wait_s: float

    @property
    def entries_rest(self) -> bool:
        """Whether an entry waits at its price instead of taking what is there."""
        return self.entry_style == MAKER


PERMITTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ACTIVE": frozenset({"ENTRY", "LEG", "EXIT", "UNWIND"}),
        "LISTEN_ONLY": frozenset({"EXIT", "UNWIND"}),
        "REDUCING": frozenset({"EXIT", "UNWIND"}),
        "HALTED": frozenset(),
    }
)
"""Trading state → purposes whose orders may be sent."""

MAY_REST: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ACTIVE": frozenset({"ENTRY", "LEG", "EXIT", "UNWIND"}),
        "LISTEN_ONLY": frozenset({"ENTRY", "LEG", "EXIT", "UNWIND"}),
        "REDUCING": frozenset({"EXIT", "UNWIND"}),
        "HALTED": frozenset(),
    }
)
"""Trading state → purposes whose orders may stay at the venue."""

FORBIDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "NONE": frozenset(),
        "POST_ONLY": frozenset({"TAKER"}),
        "RESTARTING": frozenset({"TAKER", "POST_ONLY", "CANCEL"}),
        "CANCEL_ONLY": frozenset({"TAKER", "POST_ONLY"}),
        "DISABLED": frozenset({"TAKER", "POST_ONLY", "CANCEL"}),
        "RATE_LIMITED": frozenset({"TAKER", "POST_ONLY", "CANCEL"}),
    }
)
"""Restriction of a venue → requests that it refuses."""


def in_force(
    restriction: str, until: datetime | None, *, as_of: datetime, post_only_s: float
) -> tuple[str, datetime | None]:
    """The restriction that stands at `as_of`, and when it ends.

    After a restart the venue takes only post-only orders for `post_only_s`; an end that is not
    known has not come.
    """
    if restriction == "NONE" or until is None or as_of < until:
        return restriction, until
    if restriction == "RESTARTING":
        ends = until + timedelta(seconds=post_only_s)
        if as_of < ends:
            return "POST_ONLY", ends
    return "NONE", None


class Step(StrEnum):
    """What to do next with an order in doubt."""

    WAIT = "WAIT"
    RESEND = "RESEND"
    CANCEL = "CANCEL"
    GIVE_UP = "GIVE_UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """An order in state UNKNOWN: what was tried, and what the venue said of it.

    `acknowledged` says that the venue once said that it has it; `cancel_heard_at` is when it first
    answered a request to cancel it.
    """

    acknowledged: bool
    has_bytes: bool
    clean_probes: int
    expires_at: datetime
    cancel_asked_at: datetime | None
    cancel_heard_at: datetime | None = None


def next_step(doubt: Doubt, config: ExecutionConfig, *, as_of: datetime) -> Step:
    """Wait until it shows; hand in the same bytes while that is timely; else cancel, wait, end.

    Whoever follows the order probes it all the while; whoever sends the bytes reads under the lock
    whether they may go now. Given up is only what the venue heard that it shall cancel, and what
    then left no trace for `unknown_hold_s` of probes: a request that it never heard ends nothing.
    """
    if doubt.cancel_asked_at is not None:
        return Step.GIVE_UP if _held_long_enough(doubt, config, as_of=as_of) else Step.WAIT
    if doubt.clean_probes < config.probes_before_resend:
        return Step.WAIT
    if doubt.acknowledged or not doubt.has_bytes or as_of >= doubt.expires_at:
        return Step.CANCEL
    return Step.RESEND


def _held_long_enough(doubt: Doubt, config: ExecutionConfig, *, as_of: datetime) -> bool:
    """Enough clean probes since the venue heard that it shall end, over enough time."""
    heard = doubt.cancel_heard_at
    if heard is None:
        return False
    probes = max(config.probes_before_resend, ceil(config.unknown_hold_s / config.probe_every_s))
    waited = as_of - heard >= timedelta(seconds=config.unknown_hold_s)
    return waited and doubt.clean_probes >= probes
