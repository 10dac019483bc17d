"""Request budgets shared through Redis, by all processes on all machines."""

import time
from collections.abc import Sequence
from typing import Self

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from markets.adapters.budget import Buckets, InMemory, NotShared, Step

log = structlog.get_logger()
KEPT_S = 3600
# A Redis that is down is not asked again with every request.
ALONE_S = 30.0


class InRedis:
    """For all processes on all machines; Redis also tells the time, so clocks need not agree."""

    PREFIX = "oddsmith:budget:"

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._alone = InMemory()
        self._alone_until = 0.0

    @classmethod
    def at(cls, url: str) -> Self:
        """The store at this address; nothing is asked yet."""
        once = Retry(NoBackoff(), 0)
        return cls(redis.Redis.from_url(url, socket_timeout=2, retry=once))

    def change(self, keys: Sequence[str], step: Step) -> None:
        """See `Store`; without Redis this process keeps its own budget until it is back."""
        if time.monotonic() < self._alone_until:
            self._alone.change(keys, step)
            return
        try:
            self._redis.transaction(
                lambda pipe: self._replace(pipe, keys, step), *map(self._named, keys)
            )
        except redis.RedisError as failure:
            log.warning("budget.not_shared", error=repr(failure))
            self._alone_until = time.monotonic() + ALONE_S
            self._alone.change(keys, step)

    def read(self) -> tuple[Buckets, float]:
        """See `Store`."""
        try:
            names = list(self._redis.scan_iter(match=self.PREFIX + "*", count=500))
            values = self._redis.mget(names) if names else []
            now = self._now(self._redis)
        except redis.RedisError as failure:
            raise NotShared(f"the shared budget does not answer: {failure}") from failure
        found = {
            bytes(name).decode().removeprefix(self.PREFIX): float(value)
            for name, value in zip(names, values, strict=True)
            if value is not None
        }
        return found, now

    def _replace(self, pipe: "redis.client.Pipeline", keys: Sequence[str], step: Step) -> None:
        names = [self._named(key) for key in keys]
        values = [float(value or 0) for value in pipe.mget(names)]
        after = step(dict(zip(keys, values, strict=True)), self._now(pipe))
        pipe.multi()
        for key, value in after.items():
            pipe.set(self._named(key), repr(value), ex=KEPT_S)

    def _named(self, key: str) -> str:
        return self.PREFIX + key

    @staticmethod
    def _now(client: redis.Redis) -> float:
        seconds, micros = client.time()
        return float(seconds) + float(micros) / 1e6
