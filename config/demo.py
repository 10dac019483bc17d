"""The demo preset: the same product, tuned to a simulated world whose markets live for minutes."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from config.kernel import revise
from config.kernel.models import VersionedSettings
from config.kernel.modes import Mode
from markets.models import (
    ContextSettings,
    HistorySettings,
    IngestSettings,
    SpotSettings,
    StreamSettings,
)
from mlops.models import LearningSettings
from predictions.models import PredictionSettings
from risk.models import RiskLimits
from trading.settings import ApprovalSettings, TradingSettings

REASON = "demo preset: the simulated markets live for minutes, so all waits are short"

PRESET: tuple[tuple[type[VersionedSettings], Mapping[str, Any]], ...] = (
    (
        IngestSettings,
        {
            "min_seconds_left": 20,
            "min_epoch_seconds_left": 10,
            "max_epoch_lead_s": 120,
            "epoch_assets": "btc eth",
            "epoch_windows": "1m 2m 1h 1d",
            "max_days_left": 1,
            "stale_after_s": 30,
        },
    ),
    (
        StreamSettings,
        {"silent_after_s": 20, "snapshot_within_s": 3, "top_every_s": 2, "book_every_s": 15},
    ),
    (SpotSettings, {"assets": "btc eth", "stale_after_s": 15}),
    (
        HistorySettings,
        {
            "backfill_days": 1,
            "backfill_fidelity_min": 1,
            "quotes_days": 7,
            "trades_days": 7,
            "spot_days": 7,
            "news_days": 7,
            "notices_days": 7,
            "raw_days": 7,
        },
    ),
    (
        ContextSettings,
        {
            # A market trades for minutes: one trade is a good part of its volume.
            "whale_usd": 2_000,
            "whale_volume_share": 0.5,
            "large_trade_usd": 200,
            "min_wallet_events": 10,
            "informed_hours": 1,
            "max_wallets": 60,
            "calendar_notice_hours": 48,
        },
    ),
    (PredictionSettings, {"max_quote_age_s": 60, "vector_every_s": 60}),
    (
        TradingSettings,
        {
            "mode": Mode.DEMO,
            "cycle_s": 10,
            "min_gross_edge": 0.02,
            "min_net_edge": 0.008,
            "intent_expiry_s": 30,
            "paper_latency_ms": 100,
        },
    ),
    # A person who rehearses reads first; one is enough for what a demo may stake.
    (ApprovalSettings, {"approval_expiry_s": 120, "two_person_above_usd": Decimal(250)}),
    (
        RiskLimits,
        {
            "max_book_age_s": 30,
            "max_prediction_age_s": 60,
            "min_seconds_left": 8,
            "cooldown_s": 20,
            "reentry_s": 60,
            "max_orders_per_hour": 2000,
            "max_positions": 60,
            "max_category": Decimal("0.30"),
            "max_total": Decimal("0.60"),
            # A "day" of exposure passes every few minutes here.
            "max_day": Decimal(1),
            "max_equity_age_s": 120,
        },
    ),
    (
        LearningSettings,
        {
            "min_events": 150,
            "min_rows": 600,
            "min_new_labels": 50,
            "embargo_days": 0,
            "folds": 4,
            "bootstrap": 200,
            "snapshot_every_s": 60,
            "max_quote_age_s": 60,
            "max_epoch_quote_age_s": 30,
            "min_cell_events": 60,
            "min_markets": 150,
            "max_fit_rows": 6000,
            "cohort_s": 600,
        },
    ),
)


class NotADemo(RuntimeError):
    """The database belongs to another mode; a demo would mix simulated rows into it."""


def _rehearses(trading: TradingSettings) -> bool:
    """Whether a demo rehearses, which it goes on with when it is started again."""
    first = TradingSettings.objects.order_by("version").values_list("mode", flat=True).first()
    return trading.mode == Mode.REHEARSAL and first == Mode.DEMO


def apply(*, as_of: datetime) -> list[str]:
    """Save the preset where no person ever saved settings; the names of what was saved.

    Raises `NotADemo` where the trading settings in force are of another mode.
    """
    trading = TradingSettings.objects.current(as_of=as_of)
    if trading.version and trading.mode != Mode.DEMO and not _rehearses(trading):
        raise NotADemo(
            f"this database trades in {trading.mode}; the demo needs one of its own: "
            "unset DATABASE_URL or set STATE_DIR to an empty folder"
        )
    saved = []
    for model, changes in PRESET:
        if model.objects.current(as_of=as_of).version == 0:
            revise.settings(model, dict(changes), author=None, reason=REASON, as_of=as_of)
            saved.append(str(model._meta.verbose_name))  # noqa: SLF001 - Django's public name for it
    return saved
