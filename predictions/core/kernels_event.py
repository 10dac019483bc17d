"""What the other markets of a row's event say: sums, ranks, order of deadlines and strikes."""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit
from predictions.core.kernels import after, over, put
from predictions.core.schema import LOOKBACK_S

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Series = tuple[Ints, Floats, Floats]
Facts = tuple[Floats, Floats, Floats]

CENTS = 100.0


@njit
def newest_price(
    series: Series, cursor: int, m: int, when: float, oldest: float
) -> tuple[float, int]:
    """Price of market `m` known at `when`, NaN if none since `oldest`; `cursor`: no later place."""
    starts, known_at, price = series
    last = after(known_at, cursor, starts[m + 1], when)
    for i in range(last - 1, starts[m] - 1, -1):
        if known_at[i] <= oldest:
            break
        if not math.isnan(price[i]):
            return price[i], last
    return np.nan, last


@njit
def look(
    series: Series, facts: Facts, peers: Ints, t: float, cursors: Ints, now: Floats, then: Floats
) -> tuple[int, float, float]:
    """Prices of an event's open markets at `t` and an hour before; how many, their sum, its change.

    `cursors[2, peers]` only move forward, for an event's instants come in order.
    """
    total, change, n = 0.0, 0.0, 0
    for k in range(len(peers)):
        m = peers[k]
        now[k] = then[k] = np.nan
        if facts[0][m] > t or facts[1][m] <= t:
            continue
        oldest = t - LOOKBACK_S
        now[k], cursors[0, k] = newest_price(series, cursors[0, k], m, t, oldest)
        then[k], cursors[1, k] = newest_price(series, cursors[1, k], m, t - 3600.0, oldest)
        if not math.isnan(now[k]):
            total += now[k]
            n += 1
            change += now[k] - then[k]
    return n, total, change


@njit
def direction(rungs: Floats, prices: Floats) -> float:
    """Whether prices rise (1) or fall (−1) with the rungs, by the sign of their covariance."""
    n, sx, sy, sxy = 0, 0.0, 0.0, 0.0
    low = np.inf
    for k in range(len(rungs)):
        if not math.isnan(rungs[k] + prices[k]):
            low = min(low, rungs[k])
    for k in range(len(rungs)):
        x, y = rungs[k] - low, prices[k]
        if not math.isnan(x + y):
            n, sx, sy, sxy = n + 1, sx + x, sy + y, sxy + x * y
    return 1.0 if n * sxy - sx * sy > 0 else -1.0


@njit
def violation(k: int, rungs: Floats, prices: Floats, rising: float) -> float:
    """Cents by which price `k` breaks its ladder's order at worst; NaN without another rung."""
    worst = np.nan
    if math.isnan(rungs[k]):
        return worst
    for j in range(len(rungs)):
        if math.isnan(rungs[j] + prices[j]) or rungs[j] == rungs[k]:
            continue
        step = rising if rungs[j] > rungs[k] else -rising
        broken = max(step * (prices[k] - prices[j]), 0.0) * CENTS
        worst = broken if math.isnan(worst) else max(worst, broken)
    return worst


@njit
def above(prices: Floats, price: float) -> float:
    """1 + how many prices are higher."""
    rank = 1.0
    for other in prices:
        rank += other > price
    return rank


@njit
def answer(
    k: int,
    seen: tuple[int, float, float],
    prices: tuple[Floats, Floats],
    ladders: tuple[Floats, Floats, float],
    exclusive: bool,  # noqa: FBT001 - compiled functions take arguments by position
    at: int,
    out: Floats,
) -> None:
    """Fill the event's columns of a row that asks about peer `k`."""
    (n, total, change), (now, then), (ends, strikes, rising) = seen, prices, ladders
    at = put(out, at, (float(n), total if n else np.nan))
    if n == 0 or math.isnan(now[k]):
        if n and exclusive:
            out[at] = 1 - total
        return
    moved = now[k] - then[k]
    implied = moved - change
    put(
        out,
        at,
        (
            1 - total if exclusive else np.nan,
            above(now, now[k]),
            over(now[k], total),
            over(now[k], total) - now[k] if exclusive and n > 1 else np.nan,
            violation(k, ends, now, 1.0) if not exclusive else np.nan,
            violation(k, strikes, now, rising) if not exclusive else np.nan,
            implied if exclusive and n > 1 else np.nan,
            implied - moved if exclusive and n > 1 else np.nan,
        ),
    )


@njit
def event_features(
    series: Series,
    facts: Facts,
    exclusive: Flags,
    members: tuple[Ints, Ints, Ints],
    rows: tuple[Ints, Ints],
    asked: tuple[Ints, Floats],
    at: int,
    out: Floats,
) -> None:
    """Fill the event columns: rows that ask about one event at one instant share the work.

    `series` = starts, instants, prices; `facts` = opening, scheduled end, strike;
    `members` = event of each market, starts per event, markets by event; `rows` = rows by event
    and instant, starts per group of rows; `at` = the first of the columns.
    """
    event_of, event_starts, event_markets = members
    order, groups = rows
    market, as_of = asked
    place = np.empty(len(event_of), dtype=np.int64)
    for k in range(len(event_markets)):
        place[event_markets[k]] = k - event_starts[event_of[event_markets[k]]]
    most = 0
    for k in range(len(event_starts) - 1):
        most = max(most, event_starts[k + 1] - event_starts[k])
    room = np.empty((4, most))
    cursors = np.empty((2, most), dtype=np.int64)
    previous, peers = -1, event_markets
    for g in range(len(groups) - 1):
        row = order[groups[g]]
        event, t = event_of[market[row]], as_of[row]
        if event != previous:
            previous = event
            peers = event_markets[event_starts[event] : event_starts[event + 1]]
            for k in range(len(peers)):
                room[2, k], room[3, k] = facts[1][peers[k]], facts[2][peers[k]]
                cursors[0, k] = cursors[1, k] = series[0][peers[k]]
        n = len(peers)
        now, then, ends, strikes = room[0, :n], room[1, :n], room[2, :n], room[3, :n]
        seen = look(series, facts, peers, t, cursors, now, then)
        ladders = (ends, strikes, direction(strikes, now))
        for j in range(groups[g], groups[g + 1]):
            m = market[order[j]]
            answer(place[m], seen, (now, then), ladders, exclusive[m], at, out[order[j]])
