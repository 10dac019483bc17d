"""Compiled kernels of the features: all rows at once, each row looking back from its own instant.

One module, because the compiler's cache does not notice a change in another file.
"""
# ruff: noqa: PLR0917 - compiled functions take arrays by position; a struct would cost a copy
# ruff: noqa: C901, PLR0915 - one pass over the quotes serves many features, which costs branches

import math

import numpy as np
from numpy.typing import NDArray

from predictions.core.compiled import njit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@njit
def known_by(times: Floats, first: int, end: int, when: float) -> int:
    """Index after the last time <= `when` within `[first, end)`."""
    while first < end:
        middle = (first + end) // 2
        if times[middle] <= when:
            first = middle + 1
        else:
            end = middle
    return first


@njit
def look_back(
    known_at: Floats, first: int, end: int, as_of: float, lookback_s: float, max_quotes: int
) -> tuple[int, int]:
    """The quotes that a row at `as_of` may see: known by then, young enough, not too many."""
    last = known_by(known_at, first, end, as_of)
    oldest = known_by(known_at, first, last, as_of - lookback_s)
    return max(oldest, last - max_quotes), last


@njit
def priced(price: Floats, first: int, end: int) -> int:
    """Index of the last quote with a price in `[first, end)`, or -1."""
    for i in range(end - 1, first - 1, -1):
        if not math.isnan(price[i]):
            return i
    return -1


@njit
def prices_at(
    starts: Ints, known_at: Floats, price: Floats, market: Ints, as_of: Floats, max_age_s: Floats
) -> Floats:
    """Newest known price per row, NaN where it is older than its limit or there is none."""
    out = np.full(len(market), np.nan)
    for row in range(len(market)):
        begin = starts[market[row]]
        last = known_by(known_at, begin, starts[market[row] + 1], as_of[row])
        i = priced(price, begin, last)
        if i >= 0 and as_of[row] - known_at[i] <= max_age_s[row]:
            out[row] = price[i]
    return out


@njit
def book(
    i: int,
    p: float,
    logit: float,
    bid: Floats,
    ask: Floats,
    bids: Floats,
    asks: Floats,
    out: Floats,
) -> None:
    """The newest quote `i`, and the newest price `p`."""
    bound = min(p, 1 - p)
    out[0], out[1], out[2], out[3] = p, logit, bound, p * (1 - p)
    out[4] = ask[i] - bid[i]
    if bound > 0:
        out[5] = out[4] / bound
    depth = bids[i] + asks[i]
    if depth > 0:
        out[6] = (bid[i] * asks[i] + ask[i] * bids[i]) / depth - (bid[i] + ask[i]) / 2
        out[7] = (bids[i] - asks[i]) / depth
    out[8], out[9], out[10] = math.log1p(depth), math.log1p(bids[i]), math.log1p(asks[i])


@njit
def returns(
    known_at: Floats, logit: Floats, first: int, last: int, as_of: float, lags: Floats, out: Floats
) -> None:
    """Logit now against the logit known `lags` seconds ago."""
    now = priced(logit, first, last)
    for k in range(len(lags)):
        then = priced(logit, first, known_by(known_at, first, last, as_of - lags[k]))
        if then >= 0:
            out[k] = logit[now] - logit[then]


@njit
def moves(
    known_at: Floats,
    logit: Floats,
    first: int,
    last: int,
    as_of: float,
    windows: Floats,
    out: Floats,
) -> None:
    """Volatility per window, autocorrelation, share of rises, largest move, share of moves.

    A move is the difference of two successive prices; it belongs to a window when its later
    price became known within it. `out`: one a window, then the four.
    """
    squares = np.zeros(len(windows))
    counts = np.zeros(len(windows))
    products = total = before = largest = 0.0
    ups = changes = pairs = n = 0
    previous = np.nan
    for i in range(first, last):
        if math.isnan(logit[i]):
            continue
        if math.isnan(previous):
            previous = logit[i]
            continue
        move = logit[i] - previous
        previous = logit[i]
        age = as_of - known_at[i]
        for k in range(len(windows)):
            if age <= windows[k]:
                squares[k] += move * move
                counts[k] += 1
        total += move * move
        if n > 0:
            products += move * before
            pairs += 1
        before = move
        n += 1
        if age <= windows[-1]:
            largest = max(largest, abs(move))
            changes += move != 0
            ups += move > 0
    for k in range(len(windows)):
        if counts[k] >= 2:
            out[k] = math.sqrt(squares[k] / (windows[k] / 3600))
    k = len(windows)
    if pairs >= 3 and total > 0:
        out[k] = products / total
    if changes > 0:
        out[k + 1] = ups / changes
    if counts[-1] >= 2:
        out[k + 2] = largest
        out[k + 3] = changes / counts[-1]


@njit
def levels(
    known_at: Floats, price: Floats, logit: Floats, first: int, last: int, as_of: float, out: Floats
) -> None:
    """Deviation, range and range position over 24 h; slope over 4 h. `out`: four values."""
    now = priced(price, first, last)
    total = squares = 0.0
    low, high = np.inf, -np.inf
    n = m = 0
    sx = sy = sxx = sxy = 0.0
    for i in range(known_by(known_at, first, last, as_of - 86400.0), last):
        if math.isnan(price[i]):
            continue
        y = logit[i] - logit[now]
        total += y
        squares += y * y
        n += 1
        low, high = min(low, price[i]), max(high, price[i])
        x = (known_at[i] - as_of) / 3600
        if x >= -4:
            m += 1
            sx, sy, sxx, sxy = sx + x, sy + y, sxx + x * x, sxy + x * y
    if n >= 3:
        variance = squares / n - (total / n) ** 2
        if variance > 1e-12:
            out[0] = -(total / n) / math.sqrt(variance)
        out[1] = high - low
    if high > low:
        out[2] = (price[now] - low) / (high - low)
    spread = m * sxx - sx * sx
    if m >= 3 and spread > 1e-9:
        out[3] = (m * sxy - sx * sy) / spread


@njit
def flow(
    known_at: Floats,
    quotes: tuple[Floats, Floats, Floats, Floats, Floats],
    first: int,
    last: int,
    as_of: float,
    out: Floats,
) -> None:
    """Volume, imbalance, depth and spread against their recent past; quote counts."""
    bid, ask, bids, asks, volume = quotes
    i = last - 1
    hour = known_by(known_at, first, last, as_of - 3600)
    four = known_by(known_at, first, last, as_of - 14400)
    depth = bids[i] + asks[i]
    out[0] = math.log1p(volume[i])
    if four > first:
        out[1] = out[0] - math.log1p(volume[four - 1])
    total, n = 0.0, 0
    for j in range(hour, last):
        if bids[j] + asks[j] > 0:
            total += (bids[j] - asks[j]) / (bids[j] + asks[j])
            n += 1
    if n > 0:
        out[2] = total / n
        if depth > 0:
            out[3] = (bids[i] - asks[i]) / depth - out[2]
    if hour > first:
        out[4] = math.log1p(depth) - math.log1p(bids[hour - 1] + asks[hour - 1])
    total, n = 0.0, 0
    for j in range(four, last):
        if not math.isnan(ask[j] - bid[j]):
            total += ask[j] - bid[j]
            n += 1
    if n > 0:
        out[5] = total / n
        if total > 0:
            out[6] = (ask[i] - bid[i]) / out[5]
    out[7] = last - hour
    out[8] = last - known_by(known_at, first, last, as_of - 86400.0)
    out[10] = out[0] - math.log1p(depth)


@njit
def quality(
    known_at: Floats, bid: Floats, ask: Floats, first: int, last: int, as_of: float, out: Floats
) -> None:
    """How old and how complete: quote age, then span, largest gap, two-sided share."""
    out[0] = math.log1p(as_of - known_at[last - 1])
    out[3] = math.log1p(as_of - known_at[first])
    gap = as_of - known_at[last - 1]
    sides = 0
    for i in range(first, last):
        if i > first:
            gap = max(gap, known_at[i] - known_at[i - 1])
        sides += not math.isnan(ask[i] - bid[i])
    out[4] = math.log1p(gap)
    out[5] = sides / (last - first)


@njit
def quote_features(
    starts: Ints,
    known_at: Floats,
    price: Floats,
    logit: Floats,
    quotes: tuple[Floats, Floats, Floats, Floats, Floats],
    market: Ints,
    as_of: Floats,
    lookback_s: float,
    max_quotes: int,
    spans: tuple[Floats, Floats],
    out: tuple[Floats, Floats, Floats, Floats],
) -> None:
    """Fill the groups book, series, flow and quality, row by row.

    `quotes` = bid, ask, bid depth, ask depth, volume; `spans` = return lags and volatility
    windows in seconds; `out` = the four groups' columns, filled with NaN beforehand.
    """
    lags, windows = spans
    books, series, flows, qualities = out
    bid, ask, bids, asks, _ = quotes
    moved = np.empty(len(windows) + 4)
    level = np.empty(4)
    n_lags, n_windows = len(lags), len(windows)
    for row in range(len(market)):
        begin, end, t = starts[market[row]], starts[market[row] + 1], as_of[row]
        first, last = look_back(known_at, begin, end, t, lookback_s, max_quotes)
        qualities[row, 2] = math.log1p(last - first)
        if last == first:
            continue
        flow(known_at, quotes, first, last, t, flows[row])
        quality(known_at, bid, ask, first, last, t, qualities[row])
        i = priced(price, first, last)
        p = price[i] if i >= 0 else np.nan
        book(last - 1, p, logit[i] if i >= 0 else np.nan, bid, ask, bids, asks, books[row])
        if i < 0:
            continue
        qualities[row, 1] = math.log1p(t - known_at[i])
        moved[:] = np.nan
        level[:] = np.nan
        returns(known_at, logit, first, last, t, lags, series[row])
        moves(known_at, logit, first, last, t, windows, moved)
        levels(known_at, price, logit, first, last, t, level)
        series[row, n_lags : n_lags + n_windows] = moved[:n_windows]
        series[row, n_lags + n_windows : n_lags + n_windows + 3] = level[:3]
        series[row, n_lags + n_windows + 3] = moved[n_windows]
        series[row, n_lags + n_windows + 4] = moved[n_windows + 1]
        series[row, n_lags + n_windows + 5] = level[3]
        series[row, n_lags + n_windows + 6] = moved[n_windows + 2]
        flows[row, 9] = moved[n_windows + 3]


@njit
def event_features(
    starts: Ints,
    known_at: Floats,
    price: Floats,
    lives: tuple[Floats, Floats, Flags],
    members: tuple[Ints, Ints, Ints],
    groups: tuple[Ints, Ints],
    market: Ints,
    as_of: Floats,
    lookback_s: float,
    max_quotes: int,
    out: Floats,
) -> None:
    """Fill the event columns: rows that ask about one event at one instant share the work.

    `lives` = opening, scheduled end, exclusive per market; `members` = event of each market,
    starts per event, markets by event; `groups` = rows in order, starts per group of rows.
    """
    opens_at, ends_at, exclusive = lives
    event_of, event_starts, event_markets = members
    order, group_starts = groups
    for g in range(len(group_starts) - 1):
        row = order[group_starts[g]]
        event, t = event_of[market[row]], as_of[row]
        peers = event_markets[event_starts[event] : event_starts[event + 1]]
        prices = np.full(len(peers), np.nan)
        total, n = 0.0, 0
        for k in range(len(peers)):
            peer = peers[k]
            if opens_at[peer] > t or ends_at[peer] <= t:
                continue
            first, last = look_back(
                known_at, starts[peer], starts[peer + 1], t, lookback_s, max_quotes
            )
            i = priced(price, first, last)
            if i >= 0:
                prices[k] = price[i]
                total += price[i]
                n += 1
        for j in range(group_starts[g], group_starts[g + 1]):
            row = order[j]
            out[row, 0] = n
            if n == 0:
                continue
            out[row, 1] = total
            if exclusive[market[row]]:
                out[row, 2] = 1 - total
            for k in range(len(peers)):
                if peers[k] == market[row] and not math.isnan(prices[k]):
                    out[row, 3] = 1 + np.sum(prices > prices[k])
                    if total > 0:
                        out[row, 4] = prices[k] / total
