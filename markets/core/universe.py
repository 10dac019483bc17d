"""Which of the open markets are followed: rules as a table, judged for all markets at once.

Three profiles share the followed places: EPOCH (crypto up/down windows), SHORT and OUTCOME (by
time left). Every market that is left out has exactly one reason, the first rule that it breaks.
What is unknown stays unknown and has reasons of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from markets.core.contracts import IngestConfig

TIME = pl.Datetime("us", "UTC")
DAY = 86_400.0
CANDIDATES: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.Int64,
    "protocol": pl.String,
    "accepting": pl.Int64,
    "scheduled_end_at": TIME,
    "window_s": pl.Int64,
    "epoch_start_at": TIME,
    "placeholder": pl.Int64,
    "fees_id": pl.Int64,
    "assets": pl.Int64,
    "liquidity": pl.Float64,
    "tracked": pl.Int64,
    "filter_reason": pl.String,
    "profile": pl.String,
    "category": pl.String,
    "asset": pl.String,
    "slug": pl.String,
    "event_slug": pl.String,
    "tags": pl.String,
    "question": pl.String,
}
"""Columns of the frame that is judged; flags are 0, 1 or null."""

EPOCH, SHORT, OUTCOME = "EPOCH", "SHORT", "OUTCOME"
PROFILES = (EPOCH, SHORT, OUTCOME)
OVER_LIMIT, UNKNOWN_LIQUIDITY = "OVER_LIMIT", "UNKNOWN_LIQUIDITY"
BOOK_COLUMNS = ("spread", "depth_usd")

Breaks = Callable[[IngestConfig], pl.Expr]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A reason code with what breaks it, the column that is judged, and the bound in words.

    `higher` says in which direction a numeric column would have to move to pass; None = a rule
    that no number relaxes.
    """

    code: str
    breaks: Breaks
    column: str
    bound: Callable[[IngestConfig], str]
    higher: bool | None = None


def _is_epoch() -> pl.Expr:
    return pl.col("window_s").is_not_null()


def _too_soon(config: IngestConfig) -> pl.Expr:
    needed = (
        pl.when(_is_epoch()).then(config.min_epoch_seconds_left).otherwise(config.min_seconds_left)
    )
    return pl.col("seconds_left") < needed


def _too_late(config: IngestConfig) -> pl.Expr:
    by_start = pl.col("lead_s") > config.max_epoch_lead_s
    by_end = pl.col("seconds_left") > config.max_days_left * DAY
    return pl.when(pl.col("lead_s").is_not_null()).then(by_start).otherwise(by_end)


def _wrong_category(config: IngestConfig) -> pl.Expr:
    if not config.categories:
        return pl.lit(value=False)
    return ~pl.col("category").is_in(list(config.categories))


def _wrong_asset(config: IngestConfig) -> pl.Expr:
    if not config.epoch_assets:
        return pl.lit(value=False)
    return _is_epoch() & (pl.col("asset") != "") & ~pl.col("asset").is_in(config.epoch_assets)


def blacklisted(config: IngestConfig) -> pl.Expr:
    """Whether a line names the market: its slug, its event's, `tag:…`, or words of the question."""
    lines = [line.strip().lower() for line in config.blacklist if line.strip()]
    tags = [line.removeprefix("tag:") for line in lines if line.startswith("tag:")]
    names = [line for line in lines if not line.startswith("tag:")]
    if not lines:
        return pl.lit(value=False)
    text = pl.col("question").str.to_lowercase()
    hits = [
        pl.col("slug").str.to_lowercase().is_in(names),
        pl.col("event_slug").str.to_lowercase().is_in(names),
        *(pl.col("tags").str.to_lowercase().str.split("|").list.contains(tag) for tag in tags),
        # Words match whole: "war" is not in "award".
        *(text.str.contains(rf"(^|\W){_escaped(name)}(\W|$)") for name in names),
    ]
    return pl.any_horizontal(hits)


def _escaped(words: str) -> str:
    return "".join(c if c.isalnum() or c.isspace() else f"\\{c}" for c in words)


def _said(text: str) -> Callable[[IngestConfig], str]:
    return lambda _config: text


# In this order: the first that is broken is the reason recorded.
CATALOGUE_RULES: tuple[Rule, ...] = (
    Rule(
        code="UNKNOWN_PROTOCOL",
        breaks=lambda _c: pl.col("protocol") == "unknown",
        column="protocol",
        bound=_said("v1 or v2"),
    ),
    Rule(
        code="ENDED",
        breaks=lambda _c: pl.col("seconds_left") <= 0,
        column="seconds_left",
        bound=_said("an end ahead"),
    ),
    Rule(
        code="UNKNOWN_ACCEPTING",
        breaks=lambda _c: pl.col("accepting").is_null(),
        column="accepting",
        bound=_said("the venue says that it takes orders"),
    ),
    Rule(
        code="NOT_ACCEPTING",
        breaks=lambda _c: pl.col("accepting") == 0,
        column="accepting",
        bound=_said("takes orders"),
    ),
    Rule(
        code="BLACKLISTED",
        breaks=blacklisted,
        column="slug",
        bound=lambda c: f"none of {len(c.blacklist)} lines of the blacklist",
    ),
    Rule(
        code="NO_ASSET_ID",
        breaks=lambda _c: pl.col("assets") != 2,
        column="assets",
        bound=_said("2 asset ids"),
    ),
    Rule(
        code="NEG_RISK_OTHER",
        breaks=lambda _c: pl.col("placeholder") == 1,
        column="placeholder",
        bound=_said("a named outcome"),
    ),
    Rule(
        code="NO_FEE_SCHEDULE",
        breaks=lambda _c: pl.col("fees_id").is_null(),
        column="fees_id",
        bound=_said("a fee schedule"),
    ),
    Rule(
        code="UNKNOWN_END",
        breaks=lambda _c: pl.col("scheduled_end_at").is_null(),
        column="scheduled_end_at",
        bound=_said("an announced end"),
    ),
    Rule(
        code="ASSET_NOT_FOLLOWED",
        breaks=_wrong_asset,
        column="asset",
        bound=lambda c: "one of " + " ".join(c.epoch_assets),
    ),
    Rule(
        code="UNKNOWN_CATEGORY",
        breaks=lambda c: _wrong_category(c) & (pl.col("category") == ""),
        column="category",
        bound=lambda c: "one of " + " ".join(c.categories) if c.categories else "any",
    ),
    Rule(
        code="CATEGORY_NOT_FOLLOWED",
        breaks=lambda c: _wrong_category(c) & (pl.col("category") != ""),
        column="category",
        bound=lambda c: "one of " + " ".join(c.categories) if c.categories else "any",
    ),
    Rule(
        code="ENDS_TOO_SOON",
        breaks=_too_soon,
        column="seconds_left",
        bound=lambda c: (
            f"at least {c.min_seconds_left} s left (up/down: {c.min_epoch_seconds_left} s)"
        ),
        higher=True,
    ),
    Rule(
        code="ENDS_TOO_LATE",
        breaks=_too_late,
        column="seconds_left",
        bound=lambda c: (
            f"at most {c.max_days_left} days left (up/down: {c.max_epoch_lead_s} s to its start)"
        ),
        higher=False,
    ),
)
BOOK_RULES: tuple[Rule, ...] = (
    Rule(
        code="NO_BOOK",
        breaks=lambda _c: pl.col("spread").is_null(),
        column="spread",
        bound=_said("a fresh book with both sides"),
    ),
    Rule(
        code="WIDE_SPREAD",
        breaks=lambda c: pl.col("spread") > c.max_spread,
        column="spread",
        bound=lambda c: f"at most {c.max_spread:g} dollars a share",
        higher=False,
    ),
    Rule(
        code="THIN_BOOK",
        breaks=lambda c: pl.col("depth_usd") < c.min_depth_usd,
        column="depth_usd",
        bound=lambda c: f"at least ${c.min_depth_usd:g} within {c.depth_within:g} of the mid",
        higher=True,
    ),
)


def prepared(frame: pl.DataFrame, config: IngestConfig, *, as_of: datetime) -> pl.DataFrame:
    """The candidates with `seconds_left`, `lead_s` (up/down: to its start) and `fits`, the profile.

    `fits` is the profile whose rules judge the market; empty where no end was announced.
    """
    now = pl.lit(as_of).cast(TIME)
    left = (pl.col("scheduled_end_at") - now).dt.total_microseconds() / 1e6
    lead = (pl.col("epoch_start_at") - now).dt.total_microseconds() / 1e6
    frame = frame.with_columns(seconds_left=left, lead_s=lead)
    short = pl.col("seconds_left") < config.outcome_from_days * DAY
    fits = (
        pl.when(_is_epoch())
        .then(pl.lit(EPOCH))
        .when(pl.col("seconds_left").is_null())
        .then(pl.lit(""))
        .when(short)
        .then(pl.lit(SHORT))
        .otherwise(pl.lit(OUTCOME))
    )
    return frame.with_columns(fits=fits)


def first_broken(rules: Sequence[Rule], config: IngestConfig) -> pl.Expr:
    """The code of the first rule that a row breaks, or an empty text; what is null breaks none."""
    found = pl.lit("")
    for rule in reversed(rules):
        broken = rule.breaks(config).fill_null(value=False)
        found = pl.when(broken).then(pl.lit(rule.code)).otherwise(found)
    return found


def broken(frame: pl.DataFrame, rules: Sequence[Rule], config: IngestConfig) -> pl.DataFrame:
    """One flag a rule and row: whether the row breaks it. Columns are named by the codes."""
    return frame.select(r.breaks(config).fill_null(value=False).alias(r.code) for r in rules)
