"""The features: what each means, its unit, what a missing value says. Needs no compiler."""

import hashlib
from dataclasses import astuple, dataclass
from typing import Final, Literal

Group = Literal["book", "series", "flow", "quality", "derived", "context"]

LOOKBACK_S: Final = 48 * 3600.0
MAX_QUOTES: Final = 300
HORIZONS_S: Final = (3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0)
DOMAINS: Final = (
    "unknown",
    "politics",
    "geopolitics",
    "sports",
    "esports",
    "crypto",
    "epoch",
    "finance",
    "economics",
    "culture",
    "science",
    "weather",
    "other",
)
ALIASES: Final = {
    "macro": "economics",
    "elections": "politics",
    "world": "geopolitics",
    "tech": "science",
    "technology": "science",
    "business": "finance",
    "stocks": "finance",
    "entertainment": "culture",
    "mentions": "culture",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix; `missing` says what NaN means there."""

    name: str
    group: Group
    unit: str
    missing: str


_NO_PRICE = "no priced quote in the look-back"
_NO_BOOK = "the newest quote lacks a side"
_NO_DEPTH = "the newest quote lacks depth"
_FEW = "too few priced quotes in the window"
_NO_END = "no end was announced"


def _features(group: Group, *rows: tuple[str, str, str]) -> tuple[Feature, ...]:
    return tuple(Feature(name, group, unit, missing) for name, unit, missing in rows)


GROUPS: Final[dict[Group, tuple[Feature, ...]]] = {
    "book": _features(
        "book",
        ("mid", "probability", _NO_PRICE),
        ("logit", "logit, mid clipped to [0.005, 0.995]", _NO_PRICE),
        ("distance_to_bound", "probability", _NO_PRICE),
        ("outcome_variance", "probability²", _NO_PRICE),
        ("spread", "probability", _NO_BOOK),
        ("spread_relative", "of the distance to the nearer bound", _NO_BOOK),
        ("microprice_gap", "probability", _NO_DEPTH),
        ("depth_imbalance", "[-1, 1], bids positive", _NO_DEPTH),
        ("depth_log", "log(1 + shares)", _NO_DEPTH),
        ("bid_depth_log", "log(1 + shares)", _NO_DEPTH),
        ("ask_depth_log", "log(1 + shares)", _NO_DEPTH),
    ),
    "series": _features(
        "series",
        ("return_5m", "logit", "no price that old in the look-back"),
        ("return_15m", "logit", "no price that old in the look-back"),
        ("return_1h", "logit", "no price that old in the look-back"),
        ("return_4h", "logit", "no price that old in the look-back"),
        ("return_24h", "logit", "no price that old in the look-back"),
        ("volatility_1h", "logit per √hour", _FEW),
        ("volatility_4h", "logit per √hour", _FEW),
        ("volatility_24h", "logit per √hour", _FEW),
        ("deviation_24h", "standard deviations of the logit from its mean", _FEW),
        ("range_24h", "probability", _FEW),
        ("range_position_24h", "[0, 1]", "the price did not move"),
        ("autocorrelation", "[-1, 1] of successive logit moves, uncentred", _FEW),
        ("up_share_24h", "of the moves", "the price did not move"),
        ("slope_4h", "logit per hour, least squares", _FEW),
        ("largest_move_24h", "logit, absolute", _FEW),
    ),
    "flow": _features(
        "flow",
        ("volume_log", "log(1 + dollars in 24 h)", "volume unknown"),
        ("volume_change_4h", "log ratio", "volume unknown, now or then"),
        ("imbalance_mean_1h", "[-1, 1]", "no depth in the last hour"),
        ("imbalance_change_1h", "now against the hour's mean", _NO_DEPTH),
        ("depth_change_1h", "log ratio", "depth unknown, now or then"),
        ("spread_mean_4h", "probability", "no two-sided quote in four hours"),
        ("spread_to_mean_4h", "ratio", _NO_BOOK),
        ("quotes_1h", "count, at most the look-back's", "no quote in the look-back"),
        ("quotes_24h", "count, at most the look-back's", "no quote in the look-back"),
        ("move_share_24h", "of successive prices that differ", _FEW),
        ("turnover", "log volume − log depth", "volume or depth unknown"),
    ),
    "quality": _features(
        "quality",
        ("quote_age_log", "log(1 + s)", "no quote in the look-back"),
        ("price_age_log", "log(1 + s)", _NO_PRICE),
        ("quotes_seen_log", "log(1 + count)", "never missing"),
        ("span_log", "log(1 + s) since the oldest quote of the look-back", "no quote"),
        ("largest_gap_log", "log(1 + s) between quotes of the look-back or since", "no quote"),
        ("two_sided_share", "of the look-back's quotes", "no quote"),
        ("missing_share", "of all other features", "never missing"),
    ),
    "derived": _features(
        "derived",
        ("distance_to_half", "probability", _NO_PRICE),
        ("logit_abs", "logit", _NO_PRICE),
        ("acceleration", "logit: return_1h − return_4h / 4", "a return is missing"),
        ("volatility_to_end", "logit: volatility_24h × √hours left", "a factor is missing"),
        ("logit_in_volatility", "|logit| / volatility_to_end", "missing or no volatility"),
        ("spread_in_volatility", "spread on the logit scale / volatility_1h", "missing or zero"),
        ("trend_agreement", "-1, 0 or 1: do 1 h and 24 h agree", "a return is missing"),
        ("pressure", "depth_imbalance × spread / 2", "a factor is missing"),
    ),
    "context": _features(
        "context",
        ("open_for_log", "log(1 + s) since opening", "opening unknown"),
        ("time_left_log", "log(1 + s) to the scheduled end", _NO_END),
        ("hours_left", "h to the scheduled end", _NO_END),
        ("life_elapsed", "[0, 1] from opening to scheduled end", _NO_END),
        ("epoch_elapsed", "[0, 1] of the window", "not an epoch market"),
        ("epoch_left_s", "s", "not an epoch market"),
        ("hour_sin", "UTC", "never missing"),
        ("hour_cos", "UTC", "never missing"),
        ("weekend", "0 or 1, UTC", "never missing"),
        ("exclusive", "0 or 1", "never missing"),
        ("is_politics", "0 or 1, geopolitics included", "never missing"),
        ("is_sports", "0 or 1, esports included", "never missing"),
        ("is_crypto", "0 or 1, epochs included", "never missing"),
        ("is_finance", "0 or 1, economics included", "never missing"),
        ("event_markets", "open markets of the event with a price", "never missing"),
        ("event_price_sum", "probability", "no market of the event has a price"),
        ("event_residual", "1 − sum of prices", "outcomes do not exclude each other"),
        ("event_rank", "1 = highest price in the event", _NO_PRICE),
        ("event_share", "of the event's prices", _NO_PRICE),
    ),
}
FEATURES: Final = tuple(feature for group in GROUPS.values() for feature in group)
NAMES: Final = tuple(feature.name for feature in FEATURES)
COLUMN: Final = {name: i for i, name in enumerate(NAMES)}
# Raise when a kernel's arithmetic changes: old artefacts must not read new numbers.
ARITHMETIC: Final = 1
SCHEMA_HASH: Final = hashlib.sha256(
    repr(
        (
            ARITHMETIC,
            LOOKBACK_S,
            MAX_QUOTES,
            HORIZONS_S,
            DOMAINS,
            ALIASES,
            [astuple(f) for f in FEATURES],
        )
    ).encode()
).hexdigest()


def columns(group: Group) -> slice:
    """Where a group's columns lie in the matrix."""
    first = next(i for i, feature in enumerate(FEATURES) if feature.group == group)
    return slice(first, first + len(GROUPS[group]))
