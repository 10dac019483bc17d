"""Forecasts of one event made to agree with each other, as far as corrections made them disagree.

Of exclusive outcomes that exhaust an event exactly one happens, so corrections may move probability
between them and create none: a shift of all log odds restores the sum that the prices have, which
is the logit projection (min Σ KL) onto that simplex. Where they do not exhaust it, the sum stays
below one.

Of nested outcomes one implies the next: "by June" the later "by December", "above 110" the lower
"above 100". They are the ladders of the features `deadline_violation` and `ladder_violation`; an
event whose outcomes exclude each other has none, whatever its dates and strikes, for there a rung
is a slice. Neighbours out of order are pooled with equal weight as log odds. Experts err alike on
that scale, so it is the weight of the inverse variance: dp = p(1 − p) d logit p.

What nobody corrected stays as it is, bit by bit: that prices disagree is an arbitrage, not a
forecast.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from markets.core.series import MarketFacts, Snapshots
from predictions.core.logits import corrected, sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

STEPS: Final = 40
EXHAUSTIVE: Final = 0.10  # how far the prices of an exhaustive event may sum away from one
DISORDER: Final = 10.0  # cents by which the prices of a ladder may break its order
PASSES: Final = 50  # over an event that has both ladders; one pass is enough for any other
SAME: Final = 1e-12  # probabilities nearer than that are one: only the last bits differ
CERTAIN: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Which of n rows belong together.

    Attributes
    ----------
    event
        int64[n], one number for the rows of one question group at one instant.
    exclusive
        bool[n], whether at most one outcome of the event happens. All its rows must be there:
        events whose prices do not sum to about one are only kept from exceeding it.
    end, strike
        float64[n], the rungs: in any unit that orders the rows of an event; NaN: none.
    """

    event: Ints
    exclusive: Flags
    end: Floats
    strike: Floats

    @classmethod
    def of(cls, facts: MarketFacts, asked: Snapshots) -> Self:
        """The groups of decision points: markets of one event, asked about at one instant."""
        alone = -1 - np.arange(facts.markets)  # a negative number: the event is unknown
        event = np.where(facts.event < 0, alone, facts.event)[asked.market]
        return cls(
            event=moments(event, asked.as_of),
            exclusive=facts.exclusive[asked.market],
            end=facts.scheduled_end_at[asked.market],
            strike=strikes(facts)[asked.market],
        )

    def take(self, rows: Flags | Ints) -> Self:
        """The given rows."""
        return type(self)(
            event=self.event[rows],
            exclusive=self.exclusive[rows],
            end=self.end[rows],
            strike=self.strike[rows],
        )


def strikes(facts: MarketFacts) -> Floats:
    """The strike of each market that is a rung of its event's ladder, float64[m]; NaN: none.

    An epoch's price to beat is no rung, and is told only when the epoch starts.
    """
    return np.where(np.isfinite(facts.window_s), np.nan, facts.reference_price)


def moments(event: Ints, as_of: Floats) -> Ints:
    """One number for every event at every instant, in that order, int64[n]."""
    _, of = np.unique(event, return_inverse=True)
    times, at = np.unique(as_of, return_inverse=True)
    return np.asarray(of * max(len(times), 1) + at, dtype=np.int64)


def cohere(price: Floats, probability: Floats, groups: Groups, *, movable: Flags) -> Floats:
    """Coherent probabilities, float64[n]; the order of rows does not matter.

    Rows that are not `movable` or have no price stay bit by bit, and so does whatever contradicts
    nothing. Exclusive groups with such a row or without any correction are left alone; in a ladder
    every row stays that is the price, and the corrected ones keep to its side.
    """
    return _ordered(price, _summed(price, probability, groups, movable), groups, movable)


def _summed(price: Floats, probability: Floats, groups: Groups, movable: Flags) -> Floats:
    """Exclusive groups with the sum that they may have."""
    _, of = np.unique(groups.event, return_inverse=True)
    count = int(of.max(initial=-1)) + 1

    def total(values: Floats | Flags) -> Floats:
        found = np.bincount(of, weights=np.asarray(values, np.float64), minlength=count)
        return found.astype(np.float64)

    whole = total(~(groups.exclusive & movable & np.isfinite(price))) == 0
    market = total(np.where(np.isfinite(price), price, 0.0))
    touched = total(probability != price) > 0
    several = np.bincount(of, minlength=count) > 1
    exhaustive = np.abs(market - 1) <= EXHAUSTIVE
    excessive = (market < 1) & (total(np.where(whole[of], probability, 0.0)) > 1)
    rows = (whole & touched & several & (exhaustive | excessive))[of]
    if not rows.any():
        return probability
    _, where = np.unique(of[rows], return_inverse=True)
    wanted = np.where(exhaustive, market, 1.0)[np.unique(of[rows])]
    result = probability.copy()
    result[rows] = corrected(probability[rows], _shift(probability[rows], where, wanted)[where])
    return result


def _ordered(price: Floats, probability: Floats, groups: Groups, movable: Flags) -> Floats:
    """Every ladder in order, its rows that are the price untouched.

    Deadlines are compared between rows of one strike and strikes between those of one end, so an
    event may have both: each is put in order in turn until neither has to be.
    """
    from predictions.core.kernels_event import direction  # noqa: PLC0415 - pages import this module, not the compiler

    free = movable & (probability != price)
    nested = ~groups.exclusive & np.isfinite(price)
    result, before = probability.copy(), probability
    for _ in range(PASSES if (free & nested).any() else 0):
        for rung, beside in ((groups.strike, groups.end), (groups.end, groups.strike)):
            known = np.flatnonzero(nested & np.isfinite(rung))
            for rows in _ladders(known, (price, rung, beside, groups.event), free):
                rising = 1.0 if rung is groups.end else direction(rung[rows], price[rows])
                result[rows] = _rung_by_rung(
                    rising * rung[rows], price[rows], result[rows], free[rows]
                )
        if np.array_equal(before, result, equal_nan=True):
            break
        before = result.copy()
    return result


def _ladders(rows: Ints, keys: tuple[Floats, Floats, Floats, Ints], free: Flags) -> Iterator[Ints]:
    """Rows of each ladder that has two rungs and a row that may move, by rung and price.

    `keys` = price, rung, what all rungs of one ladder have in common, event.
    """
    if not len(rows):
        return
    price, rung, beside, event = (key[rows] for key in keys)
    _, side = np.unique(beside, return_inverse=True)
    order = np.lexsort((price, rung, side, event))
    rows, rung = rows[order], rung[order]
    new = (np.diff(event[order]) != 0) | (np.diff(side[order]) != 0)
    starts = np.concatenate(([0], np.flatnonzero(new) + 1))
    stops = np.append(starts[1:], len(rows))
    worth = np.logical_or.reduceat(free[rows], starts) & (rung[stops - 1] > rung[starts])
    for start, stop in zip(starts[worth].tolist(), stops[worth].tolist(), strict=True):
        yield rows[start:stop]


def _rung_by_rung(rung: Floats, price: Floats, probability: Floats, free: Flags) -> Floats:
    """The closest probabilities that rise with the rungs, between those that are not `free`.

    Rows of one rung need not agree. Held rows that contradict each other bound by their pool.
    """
    from predictions.core.kernels_event import violation  # noqa: PLC0415 - as above

    order = np.lexsort((probability, rung))
    if np.all(np.diff(probability[order]) >= 0):
        return probability
    if max(violation(k, rung, price, 1.0) for k in range(len(rung))) > DISORDER:
        return probability  # by its prices it is no ladder
    loose, held = order[free[order]], order[~free[order]]
    own = probability[loose]
    clear = np.clip(own, CERTAIN, 1 - CERTAIN)
    pooled = sigmoid(pool(np.log(clear) - np.log1p(-clear)))
    bound = pool(probability[held])
    floor = np.append(0.0, bound)[np.searchsorted(rung[held], rung[loose], "left")]
    ceiling = np.append(bound, 1.0)[np.searchsorted(rung[held], rung[loose], "right")]
    fitted = np.clip(pooled, floor, ceiling)
    result = probability.copy()
    result[loose] = np.where(np.abs(fitted - own) <= SAME, own, fitted)
    return result


def _shift(probability: Floats, of: Ints, wanted: Floats) -> Floats:
    """Per group the c with Σ σ(logit p + c) = wanted, by bisection: the sum rises with c."""
    low, high = np.full(len(wanted), -20.0), np.full(len(wanted), 20.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        over = np.bincount(of, weights=corrected(probability, middle[of])) > wanted
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.asarray((low + high) / 2)


def pool(values: Floats, weight: Floats | None = None) -> Floats:
    """The closest non-decreasing sequence in weighted squares: pool-adjacent violators.

    >>> pool(np.array([0.2, 0.5, 0.3, 0.6])).tolist()
    [0.2, 0.4, 0.4, 0.6]
    """
    means: list[float] = []
    masses: list[float] = []
    sizes: list[int] = []
    each = np.ones(len(values)) if weight is None else weight
    for value, alone in zip(values.tolist(), each.tolist(), strict=True):
        mean, mass, size = value, alone, 1
        while means and means[-1] >= mean:
            before, of, many = means.pop(), masses.pop(), sizes.pop()
            mean = (mean * mass + before * of) / (mass + of)
            mass, size = mass + of, size + many
        means.append(mean)
        masses.append(mass)
        sizes.append(size)
    return np.repeat(np.array(means, dtype=np.float64), sizes)
