"""The features that need more than quotes and facts: what they mean, their unit, when missing."""

from typing import Final

SPOT_FRESH_S: Final = 90.0
"""Seconds after which a spot price says nothing about now."""
SPOT_STEP_S: Final = 60.0
SPOT_STEPS: Final = 60
MIN_SPOT_STEPS: Final = 10
REFERENCE_TOLD_S: Final = 60.0
"""Seconds after an epoch's start at which its price to beat counts as told."""
LARGE_TRADE_USD: Final = 500.0
IMPACT_USD: Final = (10.0, 50.0, 100.0)
LEVELS: Final = 5
WORDS: Final = 16

_NO_BOOK = "no whole book in the last hour"
_ONE_SIDED = "no whole, two-sided, uncrossed book in the last hour"
_NO_TRADES = "no trade known in two days"
_NO_TAKER = "no trade in the window whose taker is known"
_NO_NEWS = "no linked news"
_NO_SPOT = "no asset, or no spot price young enough"
_NO_STRIKE = "no asset, no fresh spot price, or the price to beat is not known yet"
_UNWORDED = "nobody read the question"

# What instant makes a value known, by how its name begins; the first that fits.
KNOWN_AT: Final = (
    (("last_trade", "spot_gap", "spot_z", "spot_distance"), "the latest of its factors"),
    (("trade", "buy_", "flow_", "aggressive", "large_"), "the newest trade's receipt"),
    (("spot_",), "the newest spot price's receipt"),
    (("news_", "sentiment_"), "when the newest item was received, read and linked"),
    (("mood_",), "the newest mood's computation"),
    (("word_",), "the listing's version in force"),
    (("",), "the newest whole book's receipt"),
)

# Per group the rows (name, unit, what a missing value says), appended to those of `schema.GROUPS`.
ROWS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "book": (
        *(
            (f"{side}_depth_{n}", f"log(1 + shares on the best {n} levels)", _NO_BOOK)
            for side in ("bid", "ask")
            for n in range(1, LEVELS + 1)
        ),
        ("depth_slope", "log(1 + shares per cent of distance from the mid)", _ONE_SIDED),
        ("depth_imbalance_5", "[-1, 1] over five levels, bids positive", _NO_BOOK),
        ("weighted_mid_gap", "probability: depth-weighted mid − mid", _ONE_SIDED),
        *(
            (
                f"impact_{verb}_{usd:.0f}",
                f"probability: mean price of ${usd:.0f} against the mid, a cost",
                f"no book as above, or five levels hold less than ${usd:.0f}",
            )
            for verb in ("buy", "sell")
            for usd in IMPACT_USD
        ),
        ("book_toxicity", "[0, 1]: net over gross change of the best levels", "fewer than 2 books"),
    ),
    "flow": (
        *(
            row
            for window in ("15m", "1h", "24h")
            for row in (
                (f"trades_{window}", "log(1 + count)", _NO_TRADES),
                (f"trade_volume_{window}", "log(1 + dollars)", _NO_TRADES),
                (f"buy_ratio_{window}", "[0, 1] of the trades, by count", _NO_TAKER),
                (f"flow_imbalance_{window}", "[-1, 1] of the dollars", _NO_TAKER),
                (f"trade_intensity_{window}", "log ratio to the look-back's rate", _NO_TRADES),
            )
        ),
        ("aggressive_share", "[0, 1] of dollars: takers who moved the price their way", _NO_TAKER),
        ("trade_momentum", "logit: mean traded price of 1 h against 24 h", "no trade in the hour"),
        ("last_trade_gap", "probability: last trade − market price", "no trade or no price"),
        ("large_trade_share", "[0, 1] of the dollars in 24 h", "no trade in 24 h"),
        ("flow_toxicity", "[0, 1]: |bought − sold| by the hour, over 24 h", _NO_TAKER),
        (
            "flow_depth_agreement",
            "[-1, 1]: flow_imbalance_1h × depth_imbalance_5",
            "either missing",
        ),
    ),
    "quality": (
        ("book_age_log", "log(1 + s) since the newest whole book", _NO_BOOK),
        ("trade_age_log", "log(1 + s) since the last trade", _NO_TRADES),
        ("spot_age_log", "log(1 + s) since the spot price became known", _NO_SPOT),
    ),
    "context": (
        ("news_age_log", "log(1 + s) since the newest item was published", _NO_NEWS),
        ("news_count_24h", "count of items published in 24 h", "no linked news in a week"),
        ("sentiment_24h", "[-1, 1], mean", "no news that was understood"),
        ("sentiment_7d", "[-1, 1], mean", "no news that was understood"),
        ("mood_skilled", "[-1, 1] towards outcome 0", "skilled wallets took no side"),
        ("mood_whales", "[-1, 1] towards outcome 0", "whales took no side"),
        ("spot_return_1m", "log", _NO_SPOT),
        ("spot_return_5m", "log", _NO_SPOT),
        ("spot_return_15m", "log", _NO_SPOT),
        ("spot_volatility", "log per √hour, over one hour by the minute", "too few minutes"),
        ("spot_distance", "log of spot over the price to beat", _NO_STRIKE),
        ("spot_z", "spot_distance / (volatility × √left)", "a factor is missing, or no time left"),
        ("spot_gap", "logit: Φ(spot_z) against the market's", "spot_z or the price missing"),
        *(
            (f"word_{n:02d}", "direction of the question's letters", _UNWORDED)
            for n in range(WORDS)
        ),
        ("word_negation", "0 or 1", _UNWORDED),
        ("word_threshold", "0 or 1: above, below, at least …", _UNWORDED),
        ("word_by_date", "0 or 1: by, before or until a date", _UNWORDED),
        ("word_will", "0 or 1: begins with Will", _UNWORDED),
    ),
}
