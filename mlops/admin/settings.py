"""Learning settings in the admin: what each means to the person who changes it."""

from typing import ClassVar

from django.contrib import admin

from config.kernel.admin import SettingsAdmin
from mlops.models import LearningSettings


@admin.register(LearningSettings)
class LearningSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "seed": ("Seed", "of everything drawn in training"),
        "min_events": ("Fewest events", "resolved events; fewer: nothing is trained"),
        "min_rows": ("Fewest rows", "labelled decisions; fewer: nothing is trained"),
        "min_new_labels": ("Fewest new labels", "since the last run; fewer: training is skipped"),
        "embargo_days": ("Embargo", "days left out between learning and testing"),
        "folds": ("Folds", "count, in order of time"),
        "bootstrap": ("Resamples", "count, for confidence intervals"),
        "snapshot_every_s": (
            "Decisions every",
            "seconds; markets are asked at every multiple, UTC",
        ),
        "max_quote_age_s": ("Oldest price", "seconds; older prices are no decision"),
        "max_epoch_quote_age_s": ("Oldest price, up/down markets", "seconds"),
        "rows_per_bucket": ("Decisions per bucket", "count a market and bucket of time left"),
        "min_cell_events": (
            "Fewest events of a domain",
            "resolved events; fewer: its forecast stays the price",
        ),
        "evidence_level": (
            "Level of evidence",
            "one-sided; at it a domain's correction must beat the price",
        ),
        "max_skill": (
            "Too good to be true",
            "out-of-fold skill above this blocks the model as a leak",
        ),
        "min_markets": (
            "Fewest markets",
            "resolved markets with labels; fewer: no expert becomes ACTIVE",
        ),
        "min_expert_rows": (
            "Fewest rows of an expert",
            "labelled decisions in its slice; fewer: it stays UNTRAINED",
        ),
        "max_fit_rows": (
            "Most rows of a fit",
            "an expert learns from at most so many, drawn by whole events",
        ),
        "cohort_s": ("Width of a cohort", "seconds; answers within are one bet of the evidence"),
        "label_tolerance_s": (
            "Label of a price horizon",
            "seconds; the price that labels it may be so much later",
        ),
        "min_return_skill": ("Least R²", "of a price horizon, against an unchanged price"),
        "min_direction": ("Least direction", "share of moves whose direction is named"),
        "max_direction": ("Direction too good to be true", "a higher share blocks the model"),
        "max_return_skill": ("R² too good to be true", "a higher one blocks the model"),
        "min_improvement": (
            "Least improvement",
            "fraction of the champion's gain over the price by which a challenger must gain more",
        ),
        "ladder_level": (
            "Level of a rung",
            "two-sided; a more complex combination must win beyond this interval",
        ),
        "tuning_trials": ("Tuning trials", "count; each enters the significance as a trial"),
        "evidence_to_promote": ("Evidence to promote", "e-value, times the challengers alive"),
        "evidence_to_demote": ("Evidence to demote", "e-value that it is worse by the margin"),
        "demotion_margin": ("Margin of demotion", "Brier points it may be worse"),
        "expiry_h": (
            "Expiry",
            "hours without a successful training or re-validation; then PROBATION",
        ),
        "max_demotions": ("Most demotions", "count in one pass, except for cause"),
        "losses_to_alert": ("Losses that alert", "count in a row"),
        "losses_to_suspend": ("Losses that suspend", "count in a row"),
        "loss_chance": (
            "Chance of a losing run",
            "fraction; a run counts where its fill prices made it less likely",
        ),
        "max_reliability_gap": ("Largest reliability gap", "forecast − frequency, fraction"),
        "reliability_events": ("Events for reliability", "count, before the gap counts"),
        "deprecate_after_days": ("Deprecate after", "days SUSPENDED"),
        "keep_versions": ("Versions kept", "count per expert, at least 3"),
        "online_method": ("Online weights", "how trust in the gate follows its answers"),
        "online_share": ("Fixed share", "fraction that every event gives back to all"),
        "psi_watch": ("PSI to watch", "population stability index of a feature"),
        "psi_act": ("PSI to act", "population stability index of a feature"),
        "drift_level": ("Level of drift tests", "false discovery rate"),
        "drift_window_h": ("Drift window", "hours of recent forecasts that are compared"),
        "drift_min_rows": ("Fewest rows for drift", "count; fewer: insufficient"),
        "adwin_delta": ("Confidence of change", "of the detector on scores, fraction"),
        "mlflow_uri": ("MLflow", "tracking address or folder; empty: not used"),
    }
