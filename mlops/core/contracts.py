"""What decides about learning hands to the core."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningConfig:
    """The values of `LearningSettings`."""

    version: int
    seed: int
    min_events: int
    min_rows: int
    min_new_labels: int
    embargo_days: int
    folds: int
    bootstrap: int
    snapshot_every_s: int
    max_quote_age_s: int
    max_epoch_quote_age_s: int
    rows_per_bucket: int
    min_cell_events: int
    evidence_level: float
    max_skill: float
