"""What can go wrong with a socket, on command: which frames are lost, doubled, late or broken."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from sandbox.core import chance

DISTURB = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Everything is well by default; shares are of all frames, in [0, 1].

    Attributes
    ----------
    loss, duplication
        Frames that never arrive; that arrive twice.
    reordering
        Frames that arrive after those of the next step.
    malformed, half
        Frames that are no JSON; that end in the middle.
    delay_steps
        Every frame comes this many steps late, in order.
    silent, deaf
        No messages at all, subscribing included; no PONG.
    refusing
        New connections get 503.
    no_snapshot, stale_s, crossed
        Subscribing brings no book; one of so many seconds ago; one whose sides overlap.
    """

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    malformed: float = 0.0
    half: float = 0.0
    delay_steps: int = 0
    silent: bool = False
    deaf: bool = False
    refusing: bool = False
    no_snapshot: bool = False
    stale_s: int = 0
    crossed: bool = False


class UnknownFault(ValueError):
    """No fault has this name, or it does not take this value."""


def parse(said: Any) -> Faults:
    """Faults from decoded JSON, the missing ones absent; raises `UnknownFault`."""
    if not isinstance(said, dict):
        raise UnknownFault("faults are an object of names and values")
    kinds = {name: type(value) for name, value in asdict(Faults()).items()}
    found: dict[str, Any] = {}
    for name, value in said.items():
        if name not in kinds:
            raise UnknownFault(f"no fault is called {name}; there are {', '.join(sorted(kinds))}")
        if isinstance(value, bool) != (kinds[name] is bool) or not isinstance(value, int | float):
            raise UnknownFault(f"{name} takes a {kinds[name].__name__}, not {value!r}")
        found[name] = kinds[name](value)
    return Faults(**found)


@dataclass(frozen=True, slots=True)
class Held:
    """A frame that goes out at step `due`; a `late` one after the others of that step."""

    frame: bytes
    due: int
    late: bool


@dataclass(slots=True)
class Wire:
    """One connection's way out: what it holds back, and how many frames have passed."""

    seed: int
    connection: int
    passed: int = 0
    queue: list[Held] = field(default_factory=list)

    def pass_on(self, frames: list[bytes], faults: Faults, *, step: int) -> list[bytes]:
        """The frames that go out at `step`: out of those held back, then out of `frames`.

        Once the faults are gone, all that was delayed goes out at once, the reordered one step on.
        """
        for frame in frames:
            self.queue += self._fate(frame, faults, step)
        ready = [
            row for row in self.queue if row.due <= step or not (faults.delay_steps or row.late)
        ]
        self.queue = [row for row in self.queue if row not in ready]
        return [row.frame for row in sorted(ready, key=lambda row: row.late)]

    def _fate(self, frame: bytes, faults: Faults, step: int) -> list[Held]:
        """The copies of a frame that will go out, and when."""
        self.passed += 1
        if faults.silent:
            return []
        luck = chance.uniform(self.seed, DISTURB, self.connection, self.passed, np.arange(5))
        if luck[0] < faults.loss:
            return []
        if luck[1] < faults.malformed:
            frame = b'{"event_type": "book", ' + frame[:20] + b"\x00}"
        elif luck[2] < faults.half:
            frame = frame[: len(frame) // 2]
        late = bool(luck[4] < faults.reordering)
        held = Held(frame, step + faults.delay_steps + late, late)
        return [held] * (2 if luck[3] < faults.duplication else 1)
