"""What decides about learning hands to the core."""

from dataclasses import dataclass
from typing import Final

FIXED_SAMPLE: Final = "first training, fixed sample"  # the route of what one look admitted


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
    min_markets: int
    min_expert_rows: int
    max_fit_rows: int
    cohort_s: int
    label_tolerance_s: int
    min_return_skill: float
    min_direction: float
    max_direction: float
    max_return_skill: float
    min_improvement: float
    ladder_level: float
    tuning_trials: int
    evidence_to_promote: float
    evidence_to_demote: float
    demotion_margin: float
    expiry_h: int
    max_demotions: int
    losses_to_alert: int
    losses_to_suspend: int
    loss_chance: float
    max_reliability_gap: float
    reliability_events: int
    deprecate_after_days: int
    keep_versions: int
    online_method: str
    online_share: float
    psi_watch: float
    psi_act: float
    drift_level: float
    drift_window_h: int
    drift_min_rows: int
    adwin_delta: float
    mlflow_uri: str
