"""What ingestion hands to the core."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """The values of `IngestSettings` that ingestion and the universe filter use."""

    version: int
    min_depth_usd: float
    depth_within: float
    max_spread: float
    min_seconds_left: int
    min_epoch_seconds_left: int
    max_epoch_lead_s: int
    epoch_assets: tuple[str, ...]
    epoch_windows: tuple[str, ...]
    book_levels: int
    outcome_from_days: int
    max_days_left: int
    categories: tuple[str, ...]
    blacklist: tuple[str, ...]
    min_listing_share: float
    max_tracked: int
    max_analysed: int
    stale_after_s: int
    unclear_after_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """The values of `StreamSettings`."""

    version: int
    enabled: bool
    tokens_per_connection: int
    max_tokens: int
    silent_after_s: int
    snapshot_within_s: int
    top_every_s: int
    book_every_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryConfig:
    """The values of `HistorySettings`."""

    version: int
    backfill: bool
    backfill_days: int
    backfill_fidelity_min: int
    archive_first: bool
    quotes_days: int
    trades_days: int
    spot_days: int
    news_days: int
    wallet_days: int
    notices_days: int
    raw_days: int
    events_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotConfig:
    """The values of `SpotSettings`."""

    version: int
    sources: tuple[str, ...]
    assets: tuple[str, ...]
    stale_after_s: int
    min_sources: int
    max_deviation_bps: int
    funding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextConfig:
    """The values of `ContextSettings`."""

    version: int
    news_feeds: tuple[str, ...]
    news_query: str
    min_similarity: float
    rare_word_share: float
    max_links: int
    sentiment_backend: str
    embedding_backend: str
    tweets_query: str
    subreddits: tuple[str, ...]
    source_down_after: int
    calendars: tuple[str, ...]
    calendar_notice_hours: int
    whale_volume_share: float
    whale_usd: float
    large_trade_usd: float
    min_wallet_events: int
    informed_hours: int
    max_wallets: int
