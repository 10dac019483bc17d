"""What the guard does, again and again: send, follow, cancel, beat, reconcile, redeem."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import OperationalError

from config.kernel import audit, heartbeats, locks, texts
from config.kernel.clocks import Clock
from risk import halts
from risk.models import Halt
from trading.books import portfolio
from trading.core.order_protocol import ExecutionConfig
from trading.guard.admission import Admission
from trading.guard.heart import Heart
from trading.guard.pulse import Pulse
from trading.orders import cancel, following, submit, transitions
from trading.reconciling import reconcile
from trading.settings import ExecutionSettings, ReadinessSettings
from trading.venue import (
    GuardedVenue,
    Holdings,
    Unauthorised,
    VenueFailure,
)

log = structlog.get_logger()
ACTOR = COMPONENT = "live_guard"
MODE = Halt.Scope.MODE
BEAT_S = 15
BUSY = (locks.LockTimeout, OperationalError)
BUSY_TURNS = 3
"""So often in a row a step may find the database busy before trading stops.

No setting: a wait for the lock lasts seconds already, and three of them in a row are a
database that somebody has to look at.
"""

Act = Callable[[datetime], object]
"""Something to do at an instant."""


@dataclass(slots=True, kw_only=True)
class Rounds:
    """The rounds of one wallet at one venue. No step keeps another from its turn.

    `chain` tells what the wallet holds, `payouts` follows and starts what the chain owes it, `look`
    puts on record what it may do.
    """

    mode: str
    venue: GuardedVenue
    chain: Holdings
    payouts: Act
    look: Act
    admission: Admission
    clock: Clock
    pulse: Pulse | None = None
    """Beats between the turns; without one the heart beats once a turn."""
    heart: Heart = field(init=False)
    due: dict[str, datetime] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    """How often in a row a step found the database busy."""

    def __post_init__(self) -> None:
        """One heart a venue."""
        self.heart = Heart(mode=self.mode, venue=self.venue, pulse=self.pulse)

    def begin(self) -> None:
        """The books are this wallet's; what an earlier life did not resolve may be at the venue."""
        now = self.clock()
        portfolio.choose(self.mode, self.venue.wallet, as_of=now)
        following.suspect_abandoned(self.mode, self._config(now), as_of=now, at_once=True)

    def turn(self) -> None:
        """Take every step whose time has come; who leads no more leaves the rest to who does."""
        config = self._config(self.clock())
        steps: tuple[tuple[str, float, Act], ...] = (
            ("life", BEAT_S, self._live),
            ("wallet", self._look_every_s(), self.look),
            ("heart", 0, lambda now: self.heart.keep(config, as_of=now)),
            ("books", config.reconcile_all_s, self._compare),
            ("orders", 0, self._orders),
            ("cancels", 0, lambda _now: cancel.run(self.mode, self.venue, now=self.clock)),
            ("doubts", config.reconcile_in_doubt_s, self._doubts),
            ("payouts", config.redeem_every_s, self.payouts),
        )
        for name, every_s, step in steps:
            now = self.clock()
            pause = timedelta(seconds=every_s)
            # A turn further off than the pause was set before the clock was set back.
            if now < self.due.get(name, now) <= now + pause:
                continue
            if not self.admission.is_leader():
                return
            self.due[name] = now + pause
            self._take(name, step)

    def end(self, *, wait: Callable[[], bool]) -> int:
        """Stop sending, cancel what rests, follow it to its end; returns what is left over.

        `wait` pauses a moment and says whether there is time for one more look. Who leads no more
        does none of it: the orders are its successor's.
        """
        self.admission.stopping = True
        if self.admission.is_leader():
            self._take("shutdown", lambda _now: self._cancel_all())
        while (left := self._at_venue()) and self.admission.is_leader() and wait():
            self._take("orders", self._orders)
        return left

    def _take(self, name: str, step: Act) -> None:
        """One step; what goes wrong is told, and the others go on."""
        now = self.clock()
        self.heart.felt()
        try:
            step(now)
        except Unauthorised as refusal:
            self._halt("CREDENTIALS", f"{name}: the venue refuses us: {refusal}", as_of=now)
        except VenueFailure as trouble:
            log.warning("guard.step_failed", step=name, reason=texts.storable(str(trouble)))
        except BUSY as busy:
            self._wait_for_turn(name, busy, as_of=now)
        except Exception as unforeseen:
            # Payouts and cancels must go on while sending is stopped.
            log.exception("guard.step_broke", step=name)
            self._halt(
                "ORDER_FAILURES",
                f"the guard's step {name} broke: {type(unforeseen).__name__}: {unforeseen}",
                as_of=now,
            )
        else:
            self.busy.pop(name, None)

    def _wait_for_turn(self, name: str, busy: Exception, *, as_of: datetime) -> None:
        """A ledger that is busy for a moment stops nothing; one that stays busy needs a person."""
        self.busy[name] = self.busy.get(name, 0) + 1
        log.warning("guard.step_waits", step=name, times=self.busy[name], reason=str(busy))
        if self.busy[name] >= BUSY_TURNS:
            reason = f"the guard's step {name} found the database busy {BUSY_TURNS} times: {busy}"
            self._halt("ORDER_FAILURES", reason, as_of=as_of)

    def _live(self, now: datetime) -> None:
        heartbeats.beat(COMPONENT, period_s=BEAT_S, as_of=now, note=self.mode)

    def _orders(self, now: datetime) -> None:
        submit.run(
            as_of=now,
            venues={self.mode: self.venue},
            modes=(self.mode,),
            clock=self.clock,
            admit=self.admission,
        )

    def _doubts(self, now: datetime) -> None:
        reconcile.in_doubt(self.mode, self.venue.wallet, self.venue, as_of=now)

    def _compare(self, now: datetime) -> None:
        """Compare everything; what failed or differs is tried again as soon as open questions."""
        config = self._config(now)
        self.due["books"] = now + timedelta(seconds=config.reconcile_in_doubt_s)
        report = reconcile.everything(
            self.mode, self.venue.wallet, self.venue, chain=self.chain, as_of=now
        )
        if report.clean and not self.admission.began:
            self.admission.began = True
            audit.record(
                "guard.began",
                actor=ACTOR,
                subject=f"mode:{self.mode}",
                data={"wallet": self.venue.wallet, "booked": report.booked},
                as_of=now,
            )
        if report.clean:
            self.due["books"] = now + timedelta(seconds=config.reconcile_all_s)

    def _cancel_all(self) -> int:
        return cancel.everything(
            self.mode, self.venue, reason="the guard is stopping", now=self.clock
        )

    def _at_venue(self) -> int:
        alive = ("SUBMITTING", "UNKNOWN", "OPEN")
        return transitions.of(self.mode, self.venue).filter(status__in=alive).count()

    def _halt(self, kind: str, reason: str, *, as_of: datetime) -> None:
        """Stop the mode; saying at each turn that it stands would only fill the trail."""
        if any(halt.kind == kind and halt.scope == MODE for halt in halts.standing(mode=self.mode)):
            return
        halts.open_halt(
            kind,
            reason=texts.storable(reason)[:400],
            actor=ACTOR,
            as_of=as_of,
            scope=MODE,
            scope_key=self.mode,
        )

    def _look_every_s(self) -> int:
        """Seconds between two looks at what the wallet may do; readiness trusts them longer."""
        config = ReadinessSettings.objects.current(as_of=self.clock()).as_config()
        return int(config.look_every_s)

    @staticmethod
    def _config(as_of: datetime) -> ExecutionConfig:
        config: ExecutionConfig = ExecutionSettings.objects.current(as_of=as_of).as_config()
        return config
