"""The features once more, one market at a time and in plain numpy: slow, and easy to believe."""

import math

import numpy as np

from predictions.core.schema import ALIASES, DOMAINS, LOOKBACK_S, MAX_QUOTES, NAMES

NAN = math.nan
COLUMNS = ("known_at", "price", "bid", "ask", "bid_depth", "ask_depth", "volume_24h")


def seen(series, market, as_of):
    """The market's quotes that a row may see, as a dict of arrays."""
    mine = slice(series.starts[market], series.starts[market + 1])
    quotes = {name: getattr(series, name)[mine] for name in COLUMNS}
    visible = (quotes["known_at"] <= as_of) & (quotes["known_at"] > as_of - LOOKBACK_S)
    return {name: values[visible][-MAX_QUOTES:] for name, values in quotes.items()}


def log_odds(price):
    price = np.clip(price, 0.005, 0.995)
    return np.log(price / (1 - price))


def since(times, values, as_of, seconds):
    """Values younger than `seconds`."""
    return values[times > as_of - seconds]


def book(q):
    bid, ask, bids, asks = (q[n][-1] for n in ("bid", "ask", "bid_depth", "ask_depth"))
    depth = bids + asks
    out = {
        "spread": ask - bid,
        "depth_log": np.log1p(depth),
        "bid_depth_log": np.log1p(bids),
        "ask_depth_log": np.log1p(asks),
    }
    if depth > 0:
        out["microprice_gap"] = (bid * asks + ask * bids) / depth - (bid + ask) / 2
        out["depth_imbalance"] = (bids - asks) / depth
    return out


def priced(q, as_of):
    has = ~np.isnan(q["price"])
    times, price = q["known_at"][has], q["price"][has]
    if not len(price):
        return {}
    y, p = log_odds(price), price[-1]
    bound = min(p, 1 - p)
    out = {
        "mid": p,
        "logit": y[-1],
        "distance_to_bound": bound,
        "outcome_variance": p * (1 - p),
        "distance_to_half": abs(p - 0.5),
        "logit_abs": abs(y[-1]),
        "price_age_log": np.log1p(as_of - times[-1]),
    }
    if bound > 0:
        out["spread_relative"] = (q["ask"][-1] - q["bid"][-1]) / bound
    for name, lag in (("5m", 300), ("15m", 900), ("1h", 3600), ("4h", 14400), ("24h", 86400)):
        then = y[times <= as_of - lag]
        out[f"return_{name}"] = y[-1] - then[-1] if len(then) else NAN
    return out | moved(times, y, as_of) | ranged(times, price, y, as_of)


def moved(times, y, as_of):
    move, when = np.diff(y), times[1:]
    out = {}
    for name, hours in (("1h", 1), ("4h", 4), ("24h", 24)):
        inside = move[as_of - when <= hours * 3600]
        if len(inside) >= 2:
            out[f"volatility_{name}"] = math.sqrt(np.sum(inside**2) / hours)
    if len(move) >= 4 and np.sum(move**2) > 0:
        out["autocorrelation"] = np.sum(move[1:] * move[:-1]) / np.sum(move**2)
    day = move[as_of - when <= 86400]
    if np.any(day != 0):
        out["up_share_24h"] = np.sum(day > 0) / np.sum(day != 0)
    if len(day) >= 2:
        out["largest_move_24h"] = np.max(np.abs(day))
        out["move_share_24h"] = np.mean(day != 0)
    return out


def ranged(times, price, y, as_of):
    out = {}
    day, odds = since(times, price, as_of, 86400), since(times, y, as_of, 86400)
    if len(day) >= 3:
        if np.var(odds) > 1e-12:
            out["deviation_24h"] = (y[-1] - np.mean(odds)) / np.std(odds)
        out["range_24h"] = np.ptp(day)
    if len(day) and np.ptp(day) > 0:
        out["range_position_24h"] = (price[-1] - day.min()) / np.ptp(day)
    recent = (times - as_of >= -14400) & (times > as_of - 86400)
    hours, values = (times[recent] - as_of) / 3600, y[recent]
    if len(hours) >= 3 and len(hours) ** 2 * np.var(hours) > 1e-9:
        out["slope_4h"] = np.mean((hours - hours.mean()) * (values - values.mean())) / np.var(hours)
    return out


def flow(q, as_of):
    times = q["known_at"]
    depth = q["bid_depth"] + q["ask_depth"]
    imbalance = np.divide(
        q["bid_depth"] - q["ask_depth"], depth, out=np.full(len(depth), NAN), where=depth > 0
    )
    spread = q["ask"] - q["bid"]
    volume = np.log1p(q["volume_24h"])
    out = {
        "volume_log": volume[-1],
        "quotes_1h": len(since(times, times, as_of, 3600)),
        "quotes_24h": len(since(times, times, as_of, 86400)),
        "turnover": volume[-1] - np.log1p(depth[-1]),
    }
    before = volume[times <= as_of - 14400]
    if len(before):
        out["volume_change_4h"] = volume[-1] - before[-1]
    hour = since(times, imbalance, as_of, 3600)
    hour = hour[~np.isnan(hour)]
    if len(hour):
        out["imbalance_mean_1h"] = hour.mean()
        out["imbalance_change_1h"] = imbalance[-1] - hour.mean()
    thin = depth[times <= as_of - 3600]
    if len(thin):
        out["depth_change_1h"] = np.log1p(depth[-1]) - np.log1p(thin[-1])
    wide = since(times, spread, as_of, 14400)
    wide = wide[~np.isnan(wide)]
    if len(wide):
        out["spread_mean_4h"] = wide.mean()
        if wide.sum() > 0:
            out["spread_to_mean_4h"] = spread[-1] / wide.mean()
    return out


def quality(q, as_of):
    times = q["known_at"]
    return {
        "quote_age_log": np.log1p(as_of - times[-1]),
        "span_log": np.log1p(as_of - times[0]),
        "largest_gap_log": np.log1p(max(np.diff(times).max(initial=0), as_of - times[-1])),
        "two_sided_share": np.mean(~np.isnan(q["bid"]) & ~np.isnan(q["ask"])),
    }


def context(facts, market, as_of):
    opened = as_of - facts.opens_at[market]
    left = facts.scheduled_end_at[market] - as_of
    opened = NAN if opened < 0 else opened
    left = left if math.isnan(left) else max(left, 0.0)
    angle = 2 * math.pi * (as_of % 86400) / 86400
    domain = facts.category[market].strip().lower()
    domain = ALIASES.get(domain, domain)
    domain = "other" if domain and domain not in DOMAINS else domain
    window, epoch = facts.window_s[market], as_of - facts.epoch_start_at[market]
    if not math.isnan(window):
        domain = "epoch"
    return {
        "open_for_log": np.log1p(opened),
        "time_left_log": np.log1p(left),
        "hours_left": left / 3600,
        "life_elapsed": opened / (opened + left) if opened + left > 0 else NAN,
        "epoch_elapsed": np.clip(epoch / window, 0, 1),
        "epoch_left_s": np.clip(window - epoch, 0, window),
        "hour_sin": math.sin(angle),
        "hour_cos": math.cos(angle),
        "weekend": float(np.datetime64(int(as_of), "s").astype(object).weekday() >= 5),
        "exclusive": float(facts.exclusive[market]),
        "is_politics": float(domain in {"politics", "geopolitics"}),
        "is_sports": float(domain in {"sports", "esports"}),
        "is_crypto": float(domain in {"crypto", "epoch"}),
        "is_finance": float(domain in {"finance", "economics"}),
    }


def event(series, facts, market, as_of):
    prices = {}
    for peer in range(facts.markets):
        if peer != market and (facts.event[peer] != facts.event[market] or facts.event[peer] < 0):
            continue
        if facts.opens_at[peer] > as_of or facts.scheduled_end_at[peer] <= as_of:
            continue
        price = seen(series, peer, as_of)["price"]
        price = price[~np.isnan(price)]
        if len(price):
            prices[peer] = price[-1]
    total = sum(prices.values())
    out = {"event_markets": len(prices)}
    if prices:
        out["event_price_sum"] = total
        if facts.exclusive[market]:
            out["event_residual"] = 1 - total
    if market in prices:
        out["event_rank"] = 1 + sum(p > prices[market] for p in prices.values())
        out["event_share"] = prices[market] / total if total > 0 else NAN
    return out


def derived(f):
    def over(top, bottom):
        return top / bottom if bottom > 0 else NAN

    to_end = f["volatility_24h"] * math.sqrt(f["hours_left"])
    return {
        "acceleration": f["return_1h"] - f["return_4h"] / 4,
        "volatility_to_end": to_end,
        "logit_in_volatility": over(f["logit_abs"], to_end),
        "spread_in_volatility": over(over(f["spread"], f["outcome_variance"]), f["volatility_1h"]),
        "trend_agreement": np.sign(f["return_1h"]) * np.sign(f["return_24h"]),
        "pressure": f["depth_imbalance"] * f["spread"] / 2,
    }


def features(series, facts, market, as_of):
    """One row of the feature matrix."""
    out = dict.fromkeys(NAMES, NAN)
    q = seen(series, market, as_of)
    out["quotes_seen_log"] = np.log1p(len(q["known_at"]))
    if len(q["known_at"]):
        out |= flow(q, as_of) | quality(q, as_of) | book(q) | priced(q, as_of)
    out |= context(facts, market, as_of) | event(series, facts, market, as_of)
    out |= derived(out)
    missing = sum(math.isnan(v) for name, v in out.items() if name != "missing_share")
    out["missing_share"] = missing / (len(NAMES) - 1)
    return np.array([out[name] for name in NAMES])
