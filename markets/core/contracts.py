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
    max_days_left: int
    max_tracked: int
    stale_after_s: int
    retention_days: int
