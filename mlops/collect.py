"""How far the collecting has come: what is there, what is needed before experts may forecast.

An installation without a model collects and labels; forecasts are the price. Once the minimum is
there it trains by itself and goes on from there: nobody has to switch anything on.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl
from django.db.models import Exists, F, Max, OuterRef, QuerySet

from config.kernel import estimates
from markets import archive
from markets.models import Resolution
from mlops import cards
from mlops.core.contracts import LearningConfig
from mlops.core.examples import STRONG
from mlops.models import LearningSettings, TrainingRun
from predictions.core.schema import SCHEMA_HASH
from predictions.models import (
    Algorithm,
    Expert,
    ExpertState,
    Horizon,
    Prediction,
    PredictionSettings,
)

COLLECTING: Final = "COLLECTING"
READY: Final = "READY"
FORECASTING: Final = "FORECASTING"
OFF: Final = "OFF"
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One thing that must be there: `have` of `need`; counted no further than needed."""

    name: str
    have: int
    need: int

    @property
    def share(self) -> float:
        """How far it is, 0 to 1."""
        return 1.0 if self.have >= self.need else self.have / self.need


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of collecting.

    Attributes
    ----------
    phase
        OFF: ML is switched off. COLLECTING: the minimum is not there. READY: it is, a training is
        due. FORECASTING: a trained gate is in service.
    forecasts, forecasts_of_day
        Stored forecasts: all (an estimate), and those of outcomes in the last 24 hours.
    answered_markets, imported_markets
        Resolved markets with a strong answer: forecast by us before, and in imported history.
    ended_markets
        Markets that we forecast and that resolved in whatever way.
    minimum, experts
        What all need, and what each expert's slice had at the last training.
    """

    phase: str
    forecasts: int | None
    forecasts_of_day: int
    answered_markets: int
    imported_markets: int
    ended_markets: int
    minimum: tuple[Bar, ...]
    experts: tuple[Bar, ...]

    @property
    def labelling_rate(self) -> float | None:
        """Share of the ended markets whose answer is good enough to learn from."""
        return self.answered_markets / self.ended_markets if self.ended_markets else None

    @property
    def ready(self) -> bool:
        """Whether every bar of the minimum is full."""
        return all(bar.have >= bar.need for bar in self.minimum)


def progress(*, as_of: datetime) -> Progress:
    """What is there now. A few indexed counts, none of which grows with the history."""
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    ended = _ended(as_of=as_of)
    answered = ended.filter(strength__in=STRONG)
    imported = _imported(as_of=as_of)
    own = answered.count()
    minimum = (
        Bar(name="resolved markets", have=own + imported, need=config.min_markets),
        Bar(
            name="labelled decisions",
            have=_labelled(config, as_of=as_of, imported=imported),
            need=config.min_rows,
        ),
    )
    today = Prediction.objects.filter(
        horizon=Horizon.OUTCOME, as_of__gt=as_of - DAY, as_of__lte=as_of
    )
    found = Progress(
        phase=COLLECTING,
        forecasts=estimates.rows([Prediction])[Prediction._meta.db_table],  # noqa: SLF001 - Django's public name
        forecasts_of_day=today.count(),
        answered_markets=own,
        imported_markets=imported,
        ended_markets=ended.count(),
        minimum=minimum,
        experts=expert_bars(),
    )
    return _in_phase(found, as_of=as_of)


def is_first_training_due(*, as_of: datetime) -> bool:
    """Whether no outcome model was ever trained although the minimum is there and ML is on."""
    # A clock that was ahead leaves rows of the future: they say nothing about now.
    runs = TrainingRun.objects.filter(horizon=Horizon.OUTCOME, started_at__lte=as_of)
    if runs.filter(status=TrainingRun.Status.SUCCEEDED).exists():
        return False
    refused = runs.filter(
        status=TrainingRun.Status.REFUSED, finished_at__range=(as_of - HOUR, as_of)
    )
    return not refused.exists() and progress(as_of=as_of).phase == READY


def expert_bars() -> tuple[Bar, ...]:
    """What each expert's slice held at the newest training of its horizon that looked."""
    runs = TrainingRun.objects.exclude(card="{}")
    newest = runs.values("horizon").annotate(newest=Max("pk")).values_list("newest", flat=True)
    texts = TrainingRun.objects.filter(pk__in=list(newest)).order_by("pk")
    return tuple(
        bar
        for text in texts.values_list("card", flat=True)
        for slug, each in cards.experts(text).items()
        if (bar := _bar(slug, each.get("rows"), each.get("need")))
    )


def _bar(name: str, have: object, need: object) -> Bar | None:
    """A bar of what a card says; None where it says no counts."""
    if type(have) is int and type(need) is int and have >= 0 and need >= 0:
        return Bar(name=name, have=have, need=need)
    return None


def _in_phase(found: Progress, *, as_of: datetime) -> Progress:
    settings = PredictionSettings.objects.current(as_of=as_of)
    gates = Expert.objects.filter(
        algorithm=Algorithm.GATE,
        state=ExpertState.ACTIVE,
        served__isnull=False,
        horizon=Horizon.OUTCOME,
    )
    phase = READY if found.ready else COLLECTING
    if not settings.enable_ml:
        phase = OFF
    elif gates.exists():
        phase = FORECASTING
    return replace(found, phase=phase)


def _ended(*, as_of: datetime) -> QuerySet[Resolution]:
    """Resolutions of markets that we had forecast before their end."""
    forecast = Prediction.objects.filter(
        market=OuterRef("market"), horizon=Horizon.OUTCOME, as_of__lt=OuterRef("resolved_at")
    )
    found: QuerySet[Resolution] = Resolution.objects.filter(received_at__lte=as_of)
    return found.filter(Exists(forecast))


def _labelled(config: LearningConfig, *, as_of: datetime, imported: int) -> int:
    """Decisions with an answer, counted up to the need: of an imported market at least one."""
    if imported >= config.min_rows:
        return config.min_rows
    rows = Prediction.objects.filter(
        horizon=Horizon.OUTCOME,
        schema_hash=SCHEMA_HASH,
        market__resolution__strength__in=STRONG,
        market__resolution__received_at__lte=as_of,
        as_of__lt=F("market__resolution__resolved_at"),
    ).exclude(vector=b"")
    return imported + rows[: config.min_rows - imported].count()


def _imported(*, as_of: datetime) -> int:
    """Markets of the archive with a strong answer that was known by then."""
    files = [f for f in archive.files("markets") if f.parent.name != f"dataset={archive.VENUE}"]
    if not files:
        return 0
    rows = pl.scan_parquet(files, glob=False).filter(
        pl.col("label_strength").is_in(list(STRONG))
        & (pl.col("label_known_at") <= as_of.timestamp())
        & pl.col("payout").is_not_null()
    )
    return int(rows.select(pl.len()).collect().item())
