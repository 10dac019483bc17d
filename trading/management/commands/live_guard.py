"""`manage.py live_guard`: sign, send, follow, reconcile and redeem, until told to stop.

One process at a time signs: `moneydoctor` makes its round trip under the same lock, and only while
no guard runs. With nothing to do the guard opens neither key nor connection.
"""

import signal
import threading
from collections.abc import Callable
from datetime import datetime
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections, connection
from django.utils import timezone

from config.kernel import heartbeats
from config.kernel.clocks import Clock
from config.kernel.locks import LeaderLock
from config.kernel.modes import Mode
from trading.core.order_states import IN_FLIGHT
from trading.guard.admission import Admission, others
from trading.guard.pulse import Pulse
from trading.guard.rounds import BEAT_S, COMPONENT, Rounds
from trading.models import ChainTransaction, Order, Position, TradeIntent
from trading.settings import TradingSettings

LOOK_EVERY_S = 0.5
IDLE_S = 2.0
AGAIN_S = 10.0
LAST_LOOKS = 20
ON_THE_WAY = ("SIGNED", "SENT", "MINED")


class Command(BaseCommand):
    help = (
        "Sign and send approved orders, follow them, compare books with venue and chain, collect "
        "payouts. One process leads; a second one waits to take over. SIGTERM cancels what rests."
    )
    # Checks would load the pages.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one round, then end")

    def handle(self, *_args: Any, **options: Any) -> None:
        mode = Mode.REHEARSAL if settings.ENV.mode == Mode.DEMO else Mode.LIVE
        if mode == Mode.LIVE and connection.vendor != "postgresql":
            raise CommandError(
                "LIVE needs PostgreSQL: an embedded database may lose what it committed when power "
                "fails; set DATABASE_URL",
                returncode=1,
            )
        self.stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        self.told = ""
        leader = LeaderLock("live_guard")
        try:
            self._watch(mode, leader, once=options["once"])
        finally:
            leader.release()

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop.set()

    def _watch(self, mode: str, leader: LeaderLock, *, once: bool) -> None:
        """Wait for work and leadership, then go the rounds."""
        while not self.stop.is_set():
            close_old_connections()
            if not leader.held():
                self._tell("another live_guard leads; waiting")
                if once:
                    return
                self.stop.wait(IDLE_S)
                continue
            # Who has nothing to do is here all the same.
            heartbeats.beat(COMPONENT, period_s=BEAT_S, as_of=timezone.now(), note="idle")
            if not _has_work(mode):
                self._tell(f"nothing to do: the mode is not {mode} and nothing of it is open")
            else:
                self._go(mode, leader, once=once)
            if once:
                return
            self.stop.wait(IDLE_S)

    def _go(self, mode: str, leader: LeaderLock, *, once: bool) -> None:
        """Open key and venue, go the rounds while there is work, and leave nothing resting."""
        try:
            rounds, close = open_rounds(mode, leader, clock=timezone.now)
        except _refusals() as refusal:
            self._tell(f"not open: {refusal}")
            if once:
                raise CommandError(str(refusal), returncode=1) from refusal
            self.stop.wait(AGAIN_S)
            return
        self._tell(f"open: {mode} of {rounds.venue.wallet}")
        if why := others(mode, rounds.venue.wallet):
            self._tell(f"sends nothing: {why}")
        try:
            rounds.begin()
            while not self.stop.is_set() and leader.held() and _has_work(mode):
                close_old_connections()
                rounds.turn()
                if once:
                    return
                self.stop.wait(LOOK_EVERY_S)
        finally:
            if not once:
                self._leave(rounds)
            close()

    def _leave(self, rounds: Rounds) -> None:
        looks = iter(range(LAST_LOOKS))

        def wait() -> bool:
            threading.Event().wait(LOOK_EVERY_S)
            return next(looks, None) is not None

        left = rounds.end(wait=wait)
        self._tell(f"closed; {left} orders are still to be followed" if left else "closed")

    def _tell(self, line: str) -> None:
        """One line for each change."""
        if line != self.told:
            self.told = line
            self.stdout.write(f"{timezone.now():%H:%M:%S} {line}")
            self.stdout.flush()


def _has_work(mode: str) -> bool:
    """Whether this mode is chosen, or something of it is not at its end."""
    return (
        TradingSettings.objects.newest().mode == mode
        or Order.objects.filter(mode=mode, status__in=IN_FLIGHT).exists()
        or Position.objects.filter(mode=mode, shares__gt=0).exists()
        or TradeIntent.objects.filter(mode=mode, status=TradeIntent.Status.APPROVED).exists()
        or ChainTransaction.objects.filter(mode=mode, status__in=ON_THE_WAY).exists()
    )


def _refusals() -> tuple[type[Exception], ...]:
    """Why a venue may not be opened now; nothing is imported before there is work."""
    from trading.adapters import custody, guarded  # noqa: PLC0415 - a key's library
    from trading.venue import OutcomeUnknown, Rejected, Restricted, Unsent  # noqa: PLC0415 - ditto

    return (
        custody.NoKey,
        custody.UnsafeKey,
        guarded.WrongHost,
        Unsent,
        Rejected,
        OutcomeUnknown,
        Restricted,
    )


def open_rounds(
    mode: str, leader: LeaderLock, *, clock: Clock
) -> tuple[Rounds, Callable[[], None]]:
    """The rounds, and what closes them: from here on this process could sign."""
    from trading.adapters import chain, custody, guarded  # noqa: PLC0415 - a key's library
    from trading.redeeming import redeem_guarded  # noqa: PLC0415 - ditto
    from trading.redeeming.senders import sender_of  # noqa: PLC0415 - ditto
    from trading.watching import readiness  # noqa: PLC0415 - not before there is work

    custody.harden()
    env = settings.ENV
    venue = guarded.open_venue(mode, env, as_of=clock())
    node = chain.connect(env.polygon_rpc_url, wallet=venue.wallet)
    sender = sender_of(node, venue.signer, mode=mode)

    def payouts(as_of: datetime) -> object:
        return redeem_guarded.run(mode, venue.wallet, node, sender, as_of=as_of)

    def unready(as_of: datetime) -> str:
        if mode != Mode.LIVE:
            return ""
        missing = readiness.unmet(as_of=as_of, wallet=venue.wallet)
        return f"not ready for LIVE: {missing[0].sentence}" if missing else ""

    def look(_as_of: datetime) -> object:
        return guarded.look(venue, mode=mode, env=env, clock=clock)

    pulse = Pulse(open_line=lambda: guarded.beating_line(venue), clock=clock)

    def close() -> None:
        pulse.end()
        venue.close()
        node.close()

    admission = Admission(mode=mode, wallet=venue.wallet, is_leader=leader.held, unready=unready)
    rounds = Rounds(
        mode=mode,
        venue=venue,
        chain=node,
        payouts=payouts,
        look=look,
        admission=admission,
        clock=clock,
        pulse=pulse,
    )
    return rounds, close
