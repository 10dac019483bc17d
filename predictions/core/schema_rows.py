"""What quotes, facts and an event's other markets tell: each feature's name, unit, when missing.

A row is (name, unit, what a missing value says) and, where it differs from that of its group, what
instant makes it known. The kernels write their values in this order.
"""

from typing import Final

Rows = tuple[tuple[str, ...], ...]

_QUOTE: Final = "the newest quote's receipt"
_PRICE: Final = "the newest priced quote's receipt"
_LISTING: Final = "the listing's version in force"
_CLOCK: Final = "the decision's own instant"
_EVENT: Final = "the newest receipt among the event's priced quotes"

KNOWN_AT: Final = {
    "book": _QUOTE,
    "series": _PRICE,
    "flow": _QUOTE,
    "quality": _QUOTE,
    "derived": "the latest of its factors",
    "context": _LISTING,
}

_NO_PRICE = "no priced quote in the look-back"
_NO_BOOK = "the newest quote lacks a side"
_NO_DEPTH = "the newest quote lacks depth"
_FEW = "too few priced quotes in the window"
_OLD = "no price that old in the look-back"
_STILL = "too few prices, or none moved"
_NO_END = "no end was announced"
_FACTOR = "a factor is missing"
_ZERO = "a factor is missing or zero"
_NO_QUOTE = "no quote in the look-back"
_NEVER = "never missing"
_LONER = "not exclusive, or no other priced market"

ROWS: Final[dict[str, Rows]] = {
    "book": (
        ("mid", "probability", _NO_PRICE, _PRICE),
        ("logit", "logit, mid clipped to [0.005, 0.995]", _NO_PRICE, _PRICE),
        ("distance_to_bound", "probability", _NO_PRICE, _PRICE),
        ("outcome_variance", "probability²", _NO_PRICE, _PRICE),
        ("spread", "probability", _NO_BOOK),
        ("spread_relative", "of the distance to the nearer bound", _NO_BOOK),
        ("spread_logit", "logit", _NO_BOOK),
        ("best_bid", "probability", "no bid"),
        ("best_ask", "probability", "no ask"),
        ("price_to_middle", "probability, newest price less the quote's middle", _NO_BOOK),
        ("microprice_gap", "probability", _NO_DEPTH),
        ("depth_imbalance", "[-1, 1], bids positive", _NO_DEPTH),
        ("depth_ratio_log", "log((1 + bid shares) / (1 + ask shares))", _NO_DEPTH),
        ("depth_log", "log(1 + shares)", _NO_DEPTH),
        ("bid_depth_log", "log(1 + shares)", _NO_DEPTH),
        ("ask_depth_log", "log(1 + shares)", _NO_DEPTH),
        ("depth_dollars_log", "log(1 + dollars that rest at the best prices)", _NO_DEPTH),
    ),
    "series": (
        ("return_5m", "logit", _OLD),
        ("return_15m", "logit", _OLD),
        ("return_1h", "logit", _OLD),
        ("return_4h", "logit", _OLD),
        ("return_12h", "logit", _OLD),
        ("return_24h", "logit", _OLD),
        ("volatility_1h", "logit per √hour", _FEW),
        ("volatility_4h", "logit per √hour", _FEW),
        ("volatility_24h", "logit per √hour", _FEW),
        ("volatility_annualised", "logit per √year, from 24 h", _FEW),
        ("sma_5", "logit, mean of the last 5 prices", _FEW),
        ("sma_20", "logit, mean of the last 20 prices", _FEW),
        ("sma_5_deviation", "logit, now less sma_5", _FEW),
        ("sma_20_deviation", "logit, now less sma_20", _FEW),
        ("sma_cross", "logit, sma_5 less sma_20", _FEW),
        ("ema_1h", "logit, exponential average of the standing price", _NO_PRICE),
        ("ema_gap_5m", "logit, now less the average", _NO_PRICE),
        ("ema_gap_15m", "logit, now less the average", _NO_PRICE),
        ("ema_gap_1h", "logit, now less the average", _NO_PRICE),
        ("ema_cross", "logit, 15 min average less ema_1h", _NO_PRICE),
        ("deviation_4h", "standard deviations of the logit from its mean", _STILL),
        ("deviation_24h", "standard deviations of the logit from its mean", _STILL),
        ("range_24h", "logit", _FEW),
        ("range_position_24h", "[0, 1]", _STILL),
        ("below_high_24h", "logit", _FEW),
        ("drawdown_24h", "logit, largest fall from a high to a later low", _FEW),
        ("rise_24h", "logit, largest rise from a low to a later high", _FEW),
        ("largest_move_24h", "logit, absolute", _FEW),
        ("percentile_24h", "[0, 1] among the day's hourly prices", "too few hours known"),
        ("slope_4h", "logit per hour, least squares", _FEW),
        ("slope_24h", "logit per hour, least squares", _FEW),
        ("autocorrelation_1", "[-1, 1] of a day's logit moves, uncentred", _STILL),
        ("autocorrelation_2", "[-1, 1], two moves apart", _STILL),
        ("autocorrelation_3", "[-1, 1], three moves apart", _STILL),
        ("autocorrelation_5", "[-1, 1], five moves apart", _STILL),
        ("variance_ratio_2", "1 for a random walk, by quotes", _STILL),
        ("variance_ratio_4", "1 for a random walk, by quotes", _STILL),
        ("variance_ratio_16", "1 for a random walk, by quotes", _STILL),
        ("hurst", "0.5 for a random walk, 1 to 16 quotes apart", _STILL),
        ("entropy_24h", "[0, 1] of the moves' directions", _FEW),
        ("up_share_24h", "of the moves that are none of zero", _STILL),
        ("upside_share_24h", "of the moves' squares", _STILL),
        ("reversal_share_24h", "of successive moves", _FEW),
        ("efficiency_24h", "[0, 1], net of total movement", _STILL),
        ("jump_share_24h", "[0, 1] of the realised variance", _STILL),
    ),
    "flow": (
        ("volume_log", "log(1 + dollars in 24 h)", "volume unknown"),
        ("volume_change_4h", "log ratio", "volume unknown, now or then"),
        ("volume_change_24h", "log ratio", "volume unknown, now or then"),
        ("imbalance_mean_1h", "[-1, 1]", "no depth in the last hour"),
        ("imbalance_mean_4h", "[-1, 1]", "no depth in four hours"),
        ("imbalance_change_1h", "now against the hour's mean", _NO_DEPTH),
        ("depth_change_1h", "log ratio", "depth unknown, now or then"),
        ("depth_change_4h", "log ratio", "depth unknown, now or then"),
        ("spread_mean_4h", "probability", "no two-sided quote in four hours"),
        ("spread_to_mean_4h", "ratio", _NO_BOOK),
        ("order_flow_1h", "[-1, 1], mean of what came and went at the best prices", "no two books"),
        ("order_flow_4h", "[-1, 1], mean of what came and went at the best prices", "no two books"),
        ("quotes_1h", "count", _NO_QUOTE),
        ("quotes_24h", "count", _NO_QUOTE),
        ("quote_rate_change", "log ratio, the last hour against the day", _NO_QUOTE),
        ("move_share_24h", "of successive prices that differ", _FEW),
        ("turnover", "log volume − log depth", "volume or depth unknown"),
    ),
    "quality": (
        ("quote_age_log", "log(1 + s)", _NO_QUOTE),
        ("price_age_log", "log(1 + s)", _NO_PRICE, _PRICE),
        ("quotes_seen_log", "log(1 + count)", _NEVER),
        ("span_log", "log(1 + s) since the oldest quote of the look-back", _NO_QUOTE),
        ("largest_gap_log", "log(1 + s) between quotes of the look-back or since", _NO_QUOTE),
        ("staleness", "log(1 + age in mean gaps between quotes)", "fewer than two quotes"),
        ("two_sided_share", "of the look-back's quotes", _NO_QUOTE),
        ("priced_share", "of the look-back's quotes", _NO_QUOTE),
        ("depth_share", "of the look-back's quotes", _NO_QUOTE),
        ("missing_book", "of the group's features", _NEVER, _CLOCK),
        ("missing_series", "of the group's features", _NEVER, _CLOCK),
        ("missing_flow", "of the group's features", _NEVER, _CLOCK),
        ("missing_quality", "of the group's other features", _NEVER, _CLOCK),
        ("missing_derived", "of the group's features", _NEVER, _CLOCK),
        ("missing_context", "of the group's features", _NEVER, _CLOCK),
        ("missing_share", "of all other features", _NEVER, _CLOCK),
    ),
    "derived": (
        ("distance_to_half", "probability", _NO_PRICE),
        ("logit_abs", "logit", _NO_PRICE),
        ("acceleration", "logit: return_1h − return_4h / 4", "a return is missing"),
        ("acceleration_5m", "logit: return_5m − return_15m / 3", "a return is missing"),
        ("volatility_to_end", "logit: volatility_24h × √hours left", _FACTOR),
        ("logit_in_volatility", "|logit| / volatility_to_end", _ZERO),
        ("spread_in_volatility", "spread on the logit scale / volatility_1h", _ZERO),
        ("trend_agreement", "-1, 0 or 1: do 1 h and 24 h agree", "a return is missing"),
        ("pressure", "depth_imbalance × spread / 2", _FACTOR),
        ("volatility_ratio", "volatility_1h / volatility_24h", _ZERO),
        ("regime", "-1 calm, 0 normal, 1 volatile", _ZERO),
        ("liquidity_score", "depth_log − log(spread + one tick)", _FACTOR),
        ("momentum_1h", "return_1h / volatility_24h", _ZERO),
        ("momentum_4h", "return_4h / volatility of four hours", _ZERO),
        ("momentum_24h", "return_24h / volatility of a day", _ZERO),
        ("combined_momentum", "mean of momentum_1h, _4h and _24h", _ZERO),
        ("quality_adjusted_momentum", "combined_momentum × two_sided_share", _ZERO),
        ("return_in_spread", "return_1h / spread_logit", _ZERO),
        ("mean_reversion", "−deviation_24h × how negative autocorrelation_1 is", _FACTOR),
        ("reversion_pull", "−ema_gap_1h / volatility_24h", _ZERO),
        ("quote_flow_agreement", "order_flow_1h × depth_imbalance", _FACTOR),
        ("imbalance_momentum", "depth_imbalance × return_1h", _FACTOR),
        ("variance_per_hour_left", "outcome_variance / hours_left", _ZERO),
        ("spread_to_end", "spread_logit / volatility_to_end", _ZERO),
    ),
    "context": (
        ("open_for_log", "log(1 + s) since opening", "opening unknown"),
        ("time_left_log", "log(1 + s) to the scheduled end", _NO_END),
        ("hours_left", "h to the scheduled end", _NO_END),
        ("life_elapsed", "[0, 1] from opening to scheduled end", _NO_END),
        ("epoch_elapsed", "[0, 1] of the window", "not an epoch market"),
        ("epoch_left_s", "s", "not an epoch market"),
        ("hour_sin", "UTC", _NEVER, _CLOCK),
        ("hour_cos", "UTC", _NEVER, _CLOCK),
        ("weekday_sin", "UTC", _NEVER, _CLOCK),
        ("weekday_cos", "UTC", _NEVER, _CLOCK),
        ("weekend", "0 or 1, UTC", _NEVER, _CLOCK),
        ("exclusive", "0 or 1", _NEVER),
        ("is_politics", "0 or 1, geopolitics included", _NEVER),
        ("is_sports", "0 or 1, esports included", _NEVER),
        ("is_crypto", "0 or 1, epochs included", _NEVER),
        ("is_finance", "0 or 1, economics included", _NEVER),
        ("event_markets", "open markets of the event with a price", _NEVER, _EVENT),
        ("event_price_sum", "probability", "no market of the event has a price", _EVENT),
        ("event_residual", "1 − sum of prices", "outcomes do not exclude each other", _EVENT),
        ("event_rank", "1 = highest price in the event", _NO_PRICE, _EVENT),
        ("event_share", "of the event's prices", _NO_PRICE, _EVENT),
        ("event_fair_gap", "event_share less the price", _LONER, _EVENT),
        (
            "deadline_violation",
            "cents by which a later deadline is cheaper",
            "exclusive, or no other deadline in the event",
            _EVENT,
        ),
        (
            "ladder_violation",
            "cents by which a price breaks the order of the event's strikes",
            "exclusive, or no other strike in the event",
            _EVENT,
        ),
        ("related_move_1h", "probability, implied by the event's others", _LONER, _EVENT),
        ("related_gap_1h", "related_move_1h less the market's own move", _LONER, _EVENT),
        ("seasonal_return", "logit, a day ago over the coming hour", _OLD, _PRICE),
    ),
}
