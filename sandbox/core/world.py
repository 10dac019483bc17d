"""The world at any second: which markets exist, their truth, and the price the crowd quotes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from sandbox.core import chance, spot
from sandbox.core.chance import Floats
from sandbox.core.families import DAY_S, HOUR_S, PRESETS, Ending, Family, Kind

LISTED_AHEAD_S = 120  # epoch markets are listed before their window opens
RESOLVES_WITHIN_S = (2, 8)
DISPUTE_S = 180
MAX_CHILDREN = 10
LAUNCH_DIGITS = 10_000_000_000
NEW_YORK = ZoneInfo("America/New_York")
NOON = time(12)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
FLOOR = 0.004
Seconds = NDArray[np.int64]


class UnknownMarket(KeyError):
    """The world never had such an event."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Happening:
    """One event of the world; times are UTC epoch seconds.

    `probability` and `mid` are float64[markets, seconds from `opens_at` to `ends_at` inclusive] of
    outcome 0; `winners` says per market whether outcome 0 came true. For epochs, `reference` is
    the price to beat.
    """

    seed: int
    family: Family
    number: int
    opens_at: int
    starts_at: int
    ends_at: int
    closed_at: int
    probability: Floats
    mid: Floats
    winners: tuple[bool, ...]
    reference: float = float("nan")
    final: float = float("nan")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Happening) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[int, Family, int]:
        """What all the rest is a function of."""
        return self.seed, self.family, self.number

    @property
    def markets(self) -> int:
        """How many binary questions it holds."""
        return len(self.winners)

    @property
    def is_disputed(self) -> bool:
        """Whether the first proposal is wrong and will be disputed."""
        return self.family.ending is Ending.DISPUTED

    @property
    def settled_at(self) -> int:
        """When the result is final; after that the ledger pays."""
        return self.closed_at + (DISPUTE_S if self.is_disputed else 0)

    def disputed_at(self, second: int) -> bool:
        """Whether the wrong result is pinned at `second`."""
        return self.is_disputed and self.closed_at <= second < self.settled_at

    def payouts(self, child: int) -> tuple[float, float]:
        """Dollars that a share of each outcome pays in the end; zeros where nothing is decided."""
        if self.family.ending is Ending.SPLIT:
            return 0.5, 0.5
        if self.family.ending is Ending.VOID:
            return 0.0, 0.0
        return (1.0, 0.0) if self.winners[child] else (0.0, 1.0)

    def at(self, second: int) -> int:
        """Column of the paths for `second`, clipped to the life of the event."""
        return int(min(max(second, self.opens_at), self.ends_at) - self.opens_at)

    def market_number(self, child: int) -> int:
        """Number of one of its markets."""
        return self.number * MAX_CHILDREN + child


@dataclass(frozen=True, slots=True)
class World:
    """A preset under a seed: everything is a function of these two and the second asked about."""

    seed: int
    preset: str = "demo"

    @property
    def families(self) -> tuple[Family, ...]:
        """The kinds of markets."""
        return PRESETS[self.preset]

    def happening(self, number: int) -> Happening:
        """The event of this number; raises `UnknownMarket` where its family or launch never was."""
        return _happening(self.seed, self.preset, number)

    def listed(self, second: int) -> list[Happening]:
        """Events that are listed and not yet resolved at `second`."""
        near = self._living(second, second + LISTED_AHEAD_S)
        return [h for h in near if h.opens_at <= second < h.closed_at]

    def resolved(self, since: int, until: int) -> list[Happening]:
        """Events whose result was published in `[since, until)`."""
        return [h for h in self._living(since, until) if since <= h.closed_at < until]

    def opened(self, before: int, after: int) -> list[Happening]:
        """Events that were listed in (before, after]."""
        near = self.between(before, after + LISTED_AHEAD_S)
        return [h for h in near if before < h.opens_at <= after]

    def between(self, since: int, until: int) -> Iterator[Happening]:
        """Events launched in `[since, until]`, family by family."""
        for family in self.families:
            yield from self._of(family, since, until)

    def _living(self, since: int, until: int) -> Iterator[Happening]:
        """Events that may live in `[since, until]`: of each family those of its longest life."""
        for family in self.families:
            yield from self._of(family, since - _longest(family), until)

    def _of(self, family: Family, since: int, until: int) -> Iterator[Happening]:
        for launch in _launches(family, since, until):
            yield self.happening(family.code * LAUNCH_DIGITS + int(launch))

    def index(self, family: Family, second: int, *, closed_for_s: int = 0) -> Seconds:
        """Numbers of one family's listed events, or of those that closed within a time.

        Costs arithmetic on the launches only: no event is generated.
        """
        earliest = second - _longest(family) - closed_for_s
        launches = _launches(family, earliest, second + _ahead(family))
        life, wait = _lives(self.seed, family, launches)
        closed_at = launches + life + wait
        if closed_for_s:
            there = (closed_at <= second) & (closed_at >= second - closed_for_s)
        else:
            there = (launches - _ahead(family) <= second) & (closed_at > second)
        return np.asarray(family.code * LAUNCH_DIGITS + launches[there], dtype=np.int64)

    def ends(self, family: Family, numbers: Seconds) -> Seconds:
        """When these events of a family end."""
        launches = numbers - family.code * LAUNCH_DIGITS
        return launches + _lives(self.seed, family, launches)[0]

    def recent(self, second: int, *, events: int) -> list[Happening]:
        """About that many of the newest events, oldest first: what a look back can afford."""
        span = int(events / sum(1 / family.every_s for family in self.families))
        found = [h for h in self.between(second - span, second) if h.opens_at <= second]
        return sorted(found, key=lambda h: h.starts_at)


@lru_cache(maxsize=2048)
def _happening(seed: int, preset: str, number: int) -> Happening:
    code, launch = divmod(number, LAUNCH_DIGITS)
    family = next((f for f in PRESETS[preset] if f.code == code), None)
    if family is None or launch <= 0 or not len(_launches(family, launch, launch)):
        raise UnknownMarket(f"no event {number} was ever launched in the {preset} world")
    life, wait = (int(part[0]) for part in _lives(seed, family, np.array([launch])))
    ahead = _ahead(family)
    seconds = np.arange(launch - ahead, launch + life + 1, dtype=np.int64)
    reference = final = float("nan")
    if family.kind is Kind.EPOCH:
        truth, reference, final = _epoch(seed, family, launch, seconds)
        winners: tuple[bool, ...] = (final >= reference,)
    else:
        truth, winners = _contest(seed, family, number, life)
    return Happening(
        seed=seed,
        family=family,
        number=number,
        opens_at=launch - ahead,
        starts_at=launch,
        ends_at=launch + life,
        closed_at=launch + life + wait,
        probability=truth,
        mid=_quoted(seed, family, number, seconds, truth),
        winners=winners,
        reference=reference,
        final=final,
    )


def _launches(family: Family, since: int, until: int) -> Seconds:
    """When its events start in `[since, until]`."""
    if family.window_s == DAY_S:
        days = range((until - since) // DAY_S + 2)
        first = datetime.fromtimestamp(since, NEW_YORK).date()
        noons = (_noon(datetime.combine(first + timedelta(days=n), NOON)) for n in days)
        return np.array([at for at in noons if since <= at <= until], dtype=np.int64)
    first_at = -(-since // family.every_s) * family.every_s
    return np.arange(first_at, until + 1, family.every_s, dtype=np.int64)


def _noon(wall: datetime) -> int:
    return int(wall.replace(tzinfo=NEW_YORK).timestamp())


def _longest(family: Family) -> int:
    slack = HOUR_S if family.window_s == DAY_S else 0
    return family.life_s[1] + slack + RESOLVES_WITHIN_S[1] + 1


def _ahead(family: Family) -> int:
    return LISTED_AHEAD_S if family.kind is Kind.EPOCH else 0


def _lives(seed: int, family: Family, launches: Seconds) -> tuple[Seconds, Seconds]:
    """Seconds from each launch to its end, and from there to its result."""
    low, high = family.life_s
    numbers = family.code * LAUNCH_DIGITS + launches
    luck = chance.uniform(seed, 1, numbers)
    life = low + np.round(luck * (high - low) / 10).astype(np.int64) * 10
    if family.window_s == DAY_S:
        walls = [datetime.fromtimestamp(at, UTC).astimezone(NEW_YORK) for at in launches.tolist()]
        ends = [_noon(wall.replace(tzinfo=None) + timedelta(days=1)) for wall in walls]
        life = np.array(ends, dtype=np.int64) - launches
    wait = RESOLVES_WITHIN_S[0] + (chance.word(seed, 2, numbers) % np.uint64(7)).astype(np.int64)
    return life, wait


def _epoch(
    seed: int, family: Family, launch: int, seconds: NDArray[np.int64]
) -> tuple[Floats, float, float]:
    path = spot.price(seed, family.asset, seconds)
    end = seconds[-1]
    reference, final = path[seconds == launch][0], path[-1]
    left = spot.SIGMA * np.sqrt(np.maximum(end - seconds, 1e-9))
    ahead = np.where(seconds < launch, 0.0, np.log(path / reference))
    return np.asarray(ndtr(ahead / left), dtype=np.float64)[None, :], float(reference), float(final)


def _contest(seed: int, family: Family, number: int, life: int) -> tuple[Floats, tuple[bool, ...]]:
    sides = np.arange(family.outcomes)[:, None]
    step = np.arange(1, life + 1)[None, :]
    variance = _variance(seed, family, number, life)
    start = 0.9 * chance.normal(seed, 3, number, sides)
    moves = np.sqrt(variance)[None, :] * chance.normal(seed, 4, number, sides, step)
    score = np.concatenate([start, start + np.cumsum(moves, axis=1)], axis=1)
    left = np.sqrt(np.maximum(1.0 - np.concatenate([[0.0], np.cumsum(variance)]), 1e-12))
    if family.outcomes == 1:
        return np.asarray(ndtr(score / left), dtype=np.float64), (bool(score[0, -1] > 0),)
    best = int(np.argmax(score[:, -1]))
    return _wins(score, left), tuple(i == best for i in range(family.outcomes))


def _variance(seed: int, family: Family, number: int, life: int) -> Floats:
    """Share of the total variance that each second carries; sums to one."""
    if family.kind is not Kind.JUMPS:
        return np.full(life, 1.0 / life)
    shares = np.full(life, 0.25 / life)
    count = 3 + int(chance.word(seed, 5, number)[0] % np.uint64(4))
    when = (chance.uniform(seed, 6, number, np.arange(count)) * life).astype(np.int64)
    np.add.at(shares, when, 0.75 / count)
    return np.asarray(shares, dtype=np.float64)


def _wins(score: Floats, left: Floats) -> Floats:
    """P(side i ends highest) per second: a Gauss–Hermite integral over side i's remaining move."""
    gap = (score[:, None, :] - score[None, :, :]) / left
    out = np.empty_like(score)
    for i in range(score.shape[0]):
        others = [j for j in range(score.shape[0]) if j != i]
        below = ndtr(gap[i, others, :, None] + NODES)
        out[i] = np.prod(below, axis=0) @ WEIGHTS / WEIGHTS.sum()
    return np.asarray(out / out.sum(axis=0), dtype=np.float64)


def _quoted(
    seed: int, family: Family, number: int, seconds: NDArray[np.int64], truth: Floats
) -> Floats:
    """The crowd's price with its planted bias: logits squeezed to the ignorant guess, and noise."""
    children = np.arange(truth.shape[0])[:, None]
    ignorant = logit(1.0 / family.outcomes) if family.outcomes > 1 else 0.0
    belief = logit(np.clip(truth, 1e-4, 1 - 1e-4))
    noise = family.noise * chance.ripple(seconds[None, :], seed, 7, number, children, period_s=20)
    squeezed = ignorant + family.compression * (belief - ignorant) + noise
    return np.asarray(np.clip(expit(squeezed), FLOOR, 1 - FLOOR), dtype=np.float64)
