"""Settings in force during a test: a new version with some values changed."""

from typing import Any

from config.kernel.models import VersionedSettings
from markets import models as markets
from mlops import models as mlops
from predictions import models as predictions
from risk import models as risk
from tests.moments import ago
from trading import models as trading


def revise(model: type[VersionedSettings], **changes: Any) -> Any:
    """The next version of a settings table, in force since a day before `NOW`."""
    before = model.objects.current(as_of=ago(86400))
    return model.objects.create(
        **{**before.values(), **changes},
        version=before.version + 1,
        created_at=ago(86400),
        reason="a test's knob",
    )


def trading_settings(**changes: Any) -> trading.TradingSettings:
    """Trading settings in force."""
    return revise(trading.TradingSettings, **changes)


def risk_limits(**changes: Any) -> risk.RiskLimits:
    """Risk limits in force."""
    return revise(risk.RiskLimits, **changes)


def prediction_settings(**changes: Any) -> predictions.PredictionSettings:
    """Prediction settings in force."""
    return revise(predictions.PredictionSettings, **changes)


def ingest_settings(**changes: Any) -> markets.IngestSettings:
    """Ingest settings in force."""
    return revise(markets.IngestSettings, **changes)


def learning_settings(**changes: Any) -> mlops.LearningSettings:
    """Learning settings in force."""
    return revise(mlops.LearningSettings, **changes)
