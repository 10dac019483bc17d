"""The features once more, one market at a time and in plain numpy: slow, and easy to believe."""

import math

import numpy as np

from predictions.core.schema import ALIASES, DOMAINS, GROUPS, LOOKBACK_S, NAMES

NAN = math.nan
COLUMNS = ("known_at", "price", "bid", "ask", "bid_depth", "ask_depth", "volume_24h")
UNIT = 2.0**-20  # fixed point of the logits
DAY = 86400.0
SHARES = {f"missing_{group}" for group in GROUPS} | {"missing_share"}


def seen(series, market, as_of):
    """The market's quotes that a row may see, as a dict of arrays."""
    mine = slice(series.starts[market], series.starts[market + 1])
    quotes = {name: getattr(series, name)[mine] for name in COLUMNS}
    visible = (quotes["known_at"] <= as_of) & (quotes["known_at"] > as_of - LOOKBACK_S)
    return {name: values[visible] for name, values in quotes.items()}


def log_odds(price):
    price = np.clip(price, 0.005, 0.995)
    return np.log(price) - np.log1p(-price)


def since(times, values, as_of, seconds):
    """Values younger than `seconds`."""
    return values[times > as_of - seconds]


def then(times, values, as_of, seconds):
    """The newest value known `seconds` ago."""
    old = values[times <= as_of - seconds]
    return old[-1] if len(old) else NAN


def ratio(top, bottom):
    return top / bottom if bottom > 0 else NAN


def book(q):
    bid, ask, bids, asks = (q[n][-1] for n in ("bid", "ask", "bid_depth", "ask_depth"))
    depth = bids + asks
    out = {
        "spread": ask - bid,
        "best_bid": bid,
        "best_ask": ask,
        "depth_log": np.log1p(depth),
        "bid_depth_log": np.log1p(bids),
        "ask_depth_log": np.log1p(asks),
        "depth_ratio_log": np.log((1 + bids) / (1 + asks)),
        "depth_dollars_log": np.log1p(bids * bid + asks * (1 - ask)),
        "spread_logit": log_odds(ask) - log_odds(bid),
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
    p, y = price[-1], np.rint(log_odds(price) / UNIT) * UNIT
    bound = min(p, 1 - p)
    spread = q["ask"][-1] - q["bid"][-1]
    out = {
        "mid": p,
        "logit": log_odds(p),
        "distance_to_bound": bound,
        "outcome_variance": p * (1 - p),
        "price_age_log": np.log1p(as_of - times[-1]),
        "spread_relative": ratio(spread, bound),
        "price_to_middle": p - (q["ask"][-1] + q["bid"][-1]) / 2,
        "seasonal_return": then(times, y, as_of, 23 * 3600) - then(times, y, as_of, DAY),
    }
    for name, hours in (("5m", 1 / 12), ("15m", 0.25), ("1h", 1), ("4h", 4), ("12h", 12)):
        out[f"return_{name}"] = y[-1] - then(times, y, as_of, hours * 3600)
    out["return_24h"] = y[-1] - then(times, y, as_of, DAY)
    day = since(times, y, as_of, DAY)
    out |= volatility(times, y, as_of) | averages(times, y, as_of)
    return out | levels(times, y, as_of) | memory(day) | shape(day)


def volatility(times, y, as_of):
    out = {}
    for hours in (1, 4, 24):
        move = np.diff(since(times, y, as_of, hours * 3600))
        out[f"volatility_{hours}h"] = math.sqrt(np.sum(move**2) / hours) if len(move) > 1 else NAN
    return out | {"volatility_annualised": out["volatility_24h"] * math.sqrt(24 * 365)}


def averages(times, y, as_of):
    short = np.mean(y[-5:]) if len(y) >= 5 else NAN
    long = np.mean(y[-20:]) if len(y) >= 20 else NAN
    ema = {name: standing(times, y, as_of, 60.0 * name) for name in (5, 15, 60)}
    return {
        "sma_5": short,
        "sma_20": long,
        "sma_5_deviation": y[-1] - short,
        "sma_20_deviation": y[-1] - long,
        "sma_cross": short - long,
        "ema_1h": ema[60],
        "ema_gap_5m": y[-1] - ema[5],
        "ema_gap_15m": y[-1] - ema[15],
        "ema_gap_1h": y[-1] - ema[60],
        "ema_cross": ema[15] - ema[60],
    }


def standing(times, y, as_of, seconds):
    """Exponential average of the price as it stood, from the last silence of 12 hours on."""
    silent = np.flatnonzero(np.diff(times) > 12 * 3600)
    start = silent[-1] + 1 if len(silent) else 0
    until = np.append(times[start + 1 :], as_of)
    weight = np.exp((until - as_of) / seconds) - np.exp((times[start:] - as_of) / seconds)
    before = np.exp((times[start] - as_of) / seconds) * y[start]
    return before + np.sum(weight * y[start:])


def levels(times, y, as_of):
    out = {}
    for hours in (4, 24):
        window = since(times, y, as_of, hours * 3600)
        if len(window) < 3:
            continue
        if np.ptp(window) > 0:
            out[f"deviation_{hours}h"] = (y[-1] - np.mean(window)) / np.std(window)
        clock = np.floor(since(times, times, as_of, hours * 3600) * 64) / 64
        x = (clock - clock.mean()) / 3600
        if np.sum(x**2) > 0:
            out[f"slope_{hours}h"] = np.sum(x * (window - window.mean())) / np.sum(x**2)
    day = since(times, y, as_of, DAY)
    hourly = np.array([then(times, y, as_of, 3600 * k) for k in range(1, 25)])
    hourly = hourly[~np.isnan(hourly)]
    if len(hourly) >= 6:
        out["percentile_24h"] = np.mean((hourly < y[-1]) + 0.5 * (hourly == y[-1]))
    if len(day) < 3:
        return out
    return out | {
        "range_24h": np.ptp(day),
        "range_position_24h": ratio(y[-1] - day.min(), np.ptp(day)),
        "below_high_24h": day.max() - y[-1],
        "drawdown_24h": np.max(np.maximum.accumulate(day) - day),
        "rise_24h": np.max(day - np.minimum.accumulate(day)),
        "largest_move_24h": np.max(np.abs(np.diff(day))),
    }


def memory(day):
    move = np.diff(day)
    out = {}
    for lag in (1, 2, 3, 5):
        if len(move) - lag >= 3:
            products = np.sum(move[lag:] * move[:-lag])
            out[f"autocorrelation_{lag}"] = ratio(products, np.sum(move**2))
    apart = {}
    for lag in (1, 2, 4, 8, 16):
        enough = len(day) > 2 * lag
        apart[lag] = np.mean((day[lag:] - day[:-lag]) ** 2) if enough else NAN
    for lag in (2, 4, 16):
        out[f"variance_ratio_{lag}"] = ratio(apart[lag], lag * apart[1])
    if all(value > 0 for value in apart.values()):
        x, root = np.log(list(apart)), 0.5 * np.log(list(apart.values()))
        out["hurst"] = np.polyfit(x, root, 1)[0]
    return out


def shape(day):
    move = np.diff(day)
    n, squares = len(move), np.sum(move**2)
    if n < 3:
        return {}
    ways = np.array([np.sum(move > 0), np.sum(move < 0), np.sum(move == 0)]) / n
    some = ways[ways > 0]
    out = {
        "entropy_24h": -np.sum(some * np.log(some)) / math.log(3),
        "reversal_share_24h": np.mean(move[1:] * move[:-1] < 0),
        "move_share_24h": np.mean(move != 0),
    }
    if squares > 0:
        neighbours = np.sum(np.abs(move[1:] * move[:-1]))
        out |= {
            "up_share_24h": np.sum(move > 0) / np.sum(move != 0),
            "upside_share_24h": np.sum(move[move > 0] ** 2) / squares,
            "efficiency_24h": abs(day[-1] - day[0]) / np.sum(np.abs(move)),
            "jump_share_24h": max(1 - math.pi / 2 * neighbours / squares, 0),
        }
    return out


def flow(q, as_of):
    times = q["known_at"]
    depth = q["bid_depth"] + q["ask_depth"]
    imbalance = np.divide(
        q["bid_depth"] - q["ask_depth"], depth, out=np.full(len(depth), NAN), where=depth > 0
    )
    spread = q["ask"] - q["bid"]
    volume, thick = np.log1p(q["volume_24h"]), np.log1p(depth)
    hourly, daily = (len(since(times, times, as_of, s)) for s in (3600, DAY))
    near, far = (known_mean(since(times, imbalance, as_of, s)) for s in (3600, 14400))
    wide = known_mean(since(times, spread, as_of, 14400))
    has = ~np.isnan(q["price"])
    day = since(times[has], log_odds(q["price"][has]), as_of, DAY)
    return {
        "volume_log": volume[-1],
        "volume_change_4h": volume[-1] - then(times, volume, as_of, 14400),
        "volume_change_24h": volume[-1] - then(times, volume, as_of, DAY),
        "imbalance_mean_1h": near,
        "imbalance_mean_4h": far,
        "imbalance_change_1h": imbalance[-1] - near,
        "depth_change_1h": thick[-1] - then(times, thick, as_of, 3600),
        "depth_change_4h": thick[-1] - then(times, thick, as_of, 14400),
        "spread_mean_4h": wide,
        "spread_to_mean_4h": ratio(spread[-1], wide),
        "order_flow_1h": order_flow(q, as_of, 3600),
        "order_flow_4h": order_flow(q, as_of, 14400),
        "quotes_1h": hourly,
        "quotes_24h": daily,
        "quote_rate_change": math.log((1 + hourly) / (1 + daily / 24)),
        "move_share_24h": np.mean(np.diff(day) != 0) if len(day) >= 3 else NAN,
        "turnover": volume[-1] - thick[-1],
    }


def known_mean(values):
    values = values[~np.isnan(values)]
    return np.mean(values) if len(values) else NAN


def order_flow(q, as_of, seconds):
    """Cont, Kukanov, Stoikov (2014) of successive quotes, each over the depth of both."""
    shares = []
    for i in range(1, len(q["bid"])):
        b0, b1, a0, a1 = q["bid"][i - 1], q["bid"][i], q["ask"][i - 1], q["ask"][i]
        nb0, nb1 = q["bid_depth"][i - 1], q["bid_depth"][i]
        na0, na1 = q["ask_depth"][i - 1], q["ask_depth"][i]
        depth = nb0 + nb1 + na0 + na1
        if q["known_at"][i] <= as_of - seconds or math.isnan(b0 + b1 + a0 + a1):
            continue
        if depth > 0:
            bids = nb1 * (b1 >= b0) - nb0 * (b1 <= b0)
            asks = na1 * (a1 <= a0) - na0 * (a1 >= a0)
            shares.append((bids - asks) / depth)
    return np.mean(shares) if shares else NAN


def quality(q, as_of):
    times = q["known_at"]
    age = as_of - times[-1]
    lived = times[-1] - times[0]
    return {
        "quote_age_log": np.log1p(age),
        "span_log": np.log1p(as_of - times[0]),
        "largest_gap_log": np.log1p(max(np.diff(times).max(initial=0), age)),
        "staleness": np.log1p(age / np.mean(np.diff(times))) if lived > 0 else NAN,
        "two_sided_share": np.mean(~np.isnan(q["bid"]) & ~np.isnan(q["ask"])),
        "priced_share": np.mean(~np.isnan(q["price"])),
        "depth_share": np.mean(q["bid_depth"] + q["ask_depth"] > 0),
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
        "weekday_sin": math.sin(2 * math.pi * (as_of // 86400 % 7) / 7),
        "weekday_cos": math.cos(2 * math.pi * (as_of // 86400 % 7) / 7),
        "weekend": float(np.datetime64(int(as_of), "s").astype(object).weekday() >= 5),
        "exclusive": float(facts.exclusive[market]),
        "is_politics": float(domain in {"politics", "geopolitics"}),
        "is_sports": float(domain in {"sports", "esports"}),
        "is_crypto": float(domain in {"crypto", "epoch"}),
        "is_finance": float(domain in {"finance", "economics"}),
    }


def peers(series, facts, market, as_of):
    """Prices of the event's open markets, now and an hour ago."""
    now, before = {}, {}
    for peer in range(facts.markets):
        if peer != market and (facts.event[peer] != facts.event[market] or facts.event[peer] < 0):
            continue
        if facts.opens_at[peer] > as_of or facts.scheduled_end_at[peer] <= as_of:
            continue
        q = seen(series, peer, as_of)
        has = ~np.isnan(q["price"])
        if has.any():
            now[peer] = q["price"][has][-1]
            before[peer] = then(q["known_at"][has], q["price"][has], as_of, 3600)
    return now, before


def event(series, facts, market, as_of):
    now, before = peers(series, facts, market, as_of)
    total, exclusive = sum(now.values()), facts.exclusive[market]
    out = {"event_markets": len(now)}
    if now:
        out["event_price_sum"] = total
        out["event_residual"] = 1 - total if exclusive else NAN
    if market not in now:
        return out
    p = now[market]
    out["event_rank"] = 1 + sum(other > p for other in now.values())
    out["event_share"] = ratio(p, total)
    if exclusive and len(now) > 1:
        out["event_fair_gap"] = out["event_share"] - p
        implied = -sum(now[peer] - before[peer] for peer in now if peer != market)
        own = p - before[market]
        out["related_move_1h"] = implied + 0 * own
        out["related_gap_1h"] = implied - own
    return out if exclusive else out | ladders(facts, market, now)


def ladders(facts, market, now):
    ends = {peer: facts.scheduled_end_at[peer] for peer in now}
    strikes = {p: facts.reference_price[p] for p in now if math.isnan(facts.window_s[p])}
    known = [p for p, strike in strikes.items() if not math.isnan(strike)]
    x, y = np.array([strikes[p] for p in known]), np.array([now[p] for p in known])
    rising = len(known) > 0 and np.sum((x - x.mean()) * (y - y.mean())) > 0
    return {
        "deadline_violation": violation(market, now, ends, 1),
        "ladder_violation": violation(market, now, strikes, 1 if rising else -1),
    }


def violation(market, prices, rungs, rising):
    """How far, in cents, the price is on the wrong side of another rung's."""
    broken = []
    for peer, rung in rungs.items():
        above = rung - rungs.get(market, NAN)
        if above != 0 and not math.isnan(above):
            step = rising * (1 if above > 0 else -1)
            broken.append(max(0.0, 100 * step * (prices[market] - prices[peer])))
    return max(broken) if broken else NAN


def derived(f):
    daily, to_end = f["volatility_24h"], f["volatility_24h"] * math.sqrt(f["hours_left"])
    calm = ratio(f["volatility_1h"], daily)
    scaled = [ratio(f[f"return_{h}h"], daily * math.sqrt(h)) for h in (1, 4, 24)]
    spread = f["spread"]
    return {
        "distance_to_half": abs(f["mid"] - 0.5),
        "logit_abs": abs(f["logit"]),
        "acceleration": f["return_1h"] - f["return_4h"] / 4,
        "acceleration_5m": f["return_5m"] - f["return_15m"] / 3,
        "volatility_to_end": to_end,
        "logit_in_volatility": ratio(abs(f["logit"]), to_end),
        "spread_in_volatility": ratio(ratio(spread, f["outcome_variance"]), f["volatility_1h"]),
        "trend_agreement": np.sign(f["return_1h"]) * np.sign(f["return_24h"]),
        "pressure": f["depth_imbalance"] * spread / 2,
        "volatility_ratio": calm,
        "regime": NAN if math.isnan(calm) else -1 if calm < 0.5 else 1 if calm > 2 else 0,
        "liquidity_score": f["depth_log"] - np.log(np.maximum(spread, 0) + 0.001),
        "momentum_1h": scaled[0],
        "momentum_4h": scaled[1],
        "momentum_24h": scaled[2],
        "combined_momentum": np.mean(scaled),
        "quality_adjusted_momentum": np.mean(scaled) * f["two_sided_share"],
        "return_in_spread": ratio(f["return_1h"], f["spread_logit"]),
        "mean_reversion": -f["deviation_24h"] * np.maximum(-f["autocorrelation_1"], 0),
        "reversion_pull": ratio(-f["ema_gap_1h"], daily),
        "quote_flow_agreement": f["order_flow_1h"] * f["depth_imbalance"],
        "imbalance_momentum": f["depth_imbalance"] * f["return_1h"],
        "variance_per_hour_left": ratio(f["outcome_variance"], f["hours_left"]),
        "spread_to_end": ratio(f["spread_logit"], to_end),
    }


def features(series, facts, market, as_of):
    """One row of the feature matrix; NaN where a context would be needed."""
    out = dict.fromkeys(NAMES, NAN)
    q = seen(series, market, as_of)
    out["quotes_seen_log"] = np.log1p(len(q["known_at"]))
    if len(q["known_at"]):
        out |= flow(q, as_of) | quality(q, as_of) | book(q) | priced(q, as_of)
    out |= context(facts, market, as_of) | event(series, facts, market, as_of)
    out |= derived(out)
    lacks = {
        group: [math.isnan(out[f.name]) for f in listed if f.name not in SHARES]
        for group, listed in GROUPS.items()
    }
    out |= {f"missing_{group}": np.mean(values) for group, values in lacks.items()}
    out["missing_share"] = np.mean([each for values in lacks.values() for each in values])
    return np.array([out[name] for name in NAMES])
