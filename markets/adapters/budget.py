"""Request budgets shared by all our processes: the venue sees one address, not many programs."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

from django.conf import settings

from config.kernel import locks
from markets.core import pacing
from markets.core.pacing import Limit, Pace

# The venue documents what an address may ask; a quarter leaves room for people and other programs.
SHARE = 0.25
Buckets = dict[str, float]
Step = Callable[[Mapping[str, float], float], Mapping[str, float]]


class NotShared(RuntimeError):
    """The store that all processes share does not answer."""


class Store(Protocol):
    """Keeps epoch seconds per key; `change` is atomic among everybody who shares the store."""

    def change(self, keys: Sequence[str], step: Step) -> None:
        """Replace the values of `keys` by what `step(values, now)` gives."""
        ...

    def read(self) -> tuple[Buckets, float]:
        """All values, and the store's present time; raises `NotShared` where it does not answer."""
        ...


class InMemory:
    """For one process: recorded replies in tests, the stand-in venue on this machine."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251 - an edge
        self._clock = clock
        self._values: Buckets = {}

    def change(self, keys: Sequence[str], step: Step) -> None:
        """See `Store`."""
        self._values |= step({k: self._values.get(k, 0.0) for k in keys}, self._clock())

    def read(self) -> tuple[Buckets, float]:
        """See `Store`."""
        return dict(self._values), self._clock()


class InFile:
    """For the processes of one machine, where no Redis is configured."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - an edge
    ) -> None:
        self._path = path
        self._clock = clock

    def change(self, keys: Sequence[str], step: Step) -> None:
        """See `Store`; a damaged file counts as empty."""
        with self._path.open("a+") as file:
            locks.lock_file(file, wait=True)
            file.seek(0)
            values = _parsed(file.read())
            now = self._clock()
            values |= step({k: values.get(k, 0.0) for k in keys}, now)
            file.seek(0)
            file.truncate()
            file.write(json.dumps(values))

    def read(self) -> tuple[Buckets, float]:
        """See `Store`."""
        with suppress(FileNotFoundError):
            return _parsed(self._path.read_text()), self._clock()
        return {}, self._clock()


class Budget:
    """Spends from the limits of one service; `spend` waits until a request is within all."""

    def __init__(
        self,
        service: str,
        limits: Sequence[Limit],
        store: Store,
        *,
        share: float = SHARE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = [(f"{service}{x.prefix}", x, pacing.pace(x, share=share)) for x in limits]
        self._store = store
        self._sleep = sleep

    def spend(self, path: str) -> float:
        """Take one token of every limit that covers `path`; returns the seconds waited."""
        waited = self.reserve(path)
        if waited > 0:
            self._sleep(waited)
        return waited

    def reserve(self, path: str) -> float:
        """As `spend`, but the caller does the waiting: seconds until the request may go."""
        paces = self._covering(path)
        wait = 0.0

        def step(full_at: Mapping[str, float], now: float) -> Mapping[str, float]:
            nonlocal wait
            taken, wait = pacing.reserve(full_at, paces, now=now)
            return taken

        self._store.change(list(paces), step)
        return wait

    def pause(self, path: str, seconds: float) -> None:
        """Nobody asks for what shares a limit with `path` within `seconds`: the venue said so."""
        paces = self._covering(path)
        # The narrowest limit is the one that was hit; a wider one would stop the whole service.
        slowest = min((p.rate for p in paces.values()), default=0.0)
        narrow = {key: p for key, p in paces.items() if p.rate == slowest}
        self._store.change(
            list(narrow),
            lambda full_at, now: pacing.pause(full_at, narrow, now=now, seconds=seconds),
        )

    def used(self) -> dict[str, float]:
        """How much of each limit's burst is taken now; above 1 callers wait."""
        values, now = self._store.read()
        return {key: pacing.used(values.get(key, 0.0), p, now=now) for key, _, p in self._limits}

    def _covering(self, path: str) -> dict[str, Pace]:
        return {key: p for key, limit, p in self._limits if limit.covers(path)}


@cache
def shared() -> Store:
    """The store of this installation."""
    if settings.ENV.redis_url:
        # Its client weighs 20 MB in each of our processes: only where it is used.
        from markets.adapters.budget_redis import InRedis  # noqa: PLC0415

        return InRedis.at(settings.ENV.redis_url)
    return InFile(Path(settings.ENV.state_dir) / "budget.json")


def _parsed(text: str) -> Buckets:
    try:
        values = json.loads(text or "{}")
        return {str(key): float(value) for key, value in values.items()}
    except (ValueError, AttributeError, TypeError):
        return {}
