"""Did inputs, forecasts, scores or calibration of what is served move away from its training?

A look sees what was known when the last cohort of answers closed: looks within a cohort say the
same and are one, and every new one spends its own share of the levels. Each leaves one
`DriftReport` a kind and horizon. `ACT` raises an alert and asks for a new training, whose result is
compared with what is served as every other: nothing is swapped silently.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import numpy as np
import structlog
from django.db.models import Count, QuerySet

from config.kernel import audit
from markets.core.series import Floats, Ints
from mlops import answers, cards
from mlops.core import drift
from mlops.core.contracts import LearningConfig
from mlops.core.drift import Profile
from mlops.core.tally import Tally
from mlops.models import DriftReport, LearningSettings, TrainingRun
from predictions import keeping
from predictions.core.schema import NAMES, SCHEMA_HASH
from predictions.models import (
    Algorithm,
    Expert,
    ExpertState,
    Horizon,
    ModelVersion,
    Prediction,
    PredictionSettings,
)

log = structlog.get_logger(__name__)

ACTOR = "drift"
INSTANTS = 8  # cycles of a window that are read: neighbouring ones say the same
ANSWERED_WITHIN = timedelta(days=30)  # what scores and calibration look at
MOST_EVENTS = 5_000  # of these, the newest
HOUR_S = 3600.0  # holds a cycle of all markets, whatever else runs in between
Kind, Verdict = DriftReport.Kind, DriftReport.Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look found: `statistic` against `threshold`, None where too little was there."""

    kind: str
    verdict: str
    rows: int
    worst: str = ""
    statistic: float | None = None
    threshold: float | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """Stored forecasts in a window: float64[rows, k] or [0, k], float64[rows], int64[rows]."""

    x: Floats
    probability: Floats
    event: Ints

    @property
    def events(self) -> int:
        """How many events they are about."""
        return len(np.unique(self.event))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Per answered event the last forecast, its price and what came of it, oldest answer first."""

    probability: Floats
    price: Floats
    won: Floats

    def loss(self, said: Floats) -> Floats:
        """Squared error of what somebody said."""
        return np.square(said - self.won)


def check(*, as_of: datetime) -> list[DriftReport]:
    """Look at every horizon that is served; one report a kind. Alerts are raised once a version.

    What breaks on one horizon keeps no other from being looked at, and is raised at the end.
    """
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    served = Expert.objects.filter(
        algorithm=Algorithm.GATE, state=ExpertState.ACTIVE, served__isnull=False
    ).select_related("served")
    versions = [gate.served for gate in served.order_by("slug") if gate.served is not None]
    reports: list[DriftReport] = []
    broken: list[Exception] = []
    for version in versions:
        try:
            found = list(_look(version, config=config, as_of=as_of))
            reports += [_keep(version, finding, as_of=as_of) for finding in found]
        except Exception as failure:
            log.exception("drift.failed", version=str(version))
            broken.append(failure)
    if broken:
        raise ExceptionGroup("drift could not be looked at everywhere", broken)
    return reports


def asks_for_training(*, as_of: datetime) -> str:
    """What drift of the outcome's forecasts since its last training asks to learn from; "" = none.

    Each kind asks once for a version: a training that was refused, or whose result did not take
    over, has looked too, and would say the same again.
    """
    looked = TrainingRun.objects.filter(
        horizon=Horizon.OUTCOME,
        status__in=[TrainingRun.Status.SUCCEEDED, TrainingRun.Status.REFUSED],
        finished_at__lte=as_of,
    )
    last = looked.order_by("-started_at").values_list("started_at", flat=True).first()
    found = DriftReport.objects.filter(
        horizon=Horizon.OUTCOME, verdict=Verdict.ACT, checked_at__lte=as_of
    )
    answered = set()
    if last is not None:
        before = found.filter(checked_at__lte=last)
        answered = set(before.values_list("version_id", "kind").distinct())
        found = found.filter(checked_at__gt=last)
    for report in found.order_by("-checked_at").iterator():
        if (report.version_id, report.kind) not in answered:
            return f"{report.get_kind_display()}: {report.worst}"
    return ""


def _look(version: ModelVersion, *, config: LearningConfig, as_of: datetime) -> Iterable[Finding]:
    until = keeping.opened(as_of, every=config.cohort_s)
    made = keeping.opened(version.created_at, every=config.cohort_s)
    look = max((until - made) // timedelta(seconds=config.cohort_s), 0) + 1
    config = replace(
        config,
        drift_level=drift.spent(config.drift_level, look=look),
        adwin_delta=drift.spent(config.adwin_delta, look=look),
    )
    window = timedelta(hours=config.drift_window_h)
    now = _recent(version.horizon, since=until - window, until=until)
    met = _recent(Horizon.OUTCOME, since=until - window, until=until, vectors=True)
    then = _recent(version.horizon, since=until - 2 * window, until=until - window)
    yield _features(met, _profile(version), config=config)
    yield _predictions(now, then, config=config)
    if version.horizon == Horizon.OUTCOME:
        said = _answers(version, config=config, as_of=until)
        yield _scores(said, config=config)
        yield _calibration(said, config=config)


def _features(now: Recent, before: Profile | None, *, config: LearningConfig) -> Finding:
    """Distribution of every feature against the training's."""
    rows = len(now.event)
    if before is None or rows < max(config.drift_min_rows, 1):
        return Finding(kind=Kind.FEATURES, verdict=Verdict.INSUFFICIENT, rows=rows)
    order = [NAMES.index(name) for name in before.names if name in NAMES]
    if len(order) != len(before.names):
        return Finding(kind=Kind.FEATURES, verdict=Verdict.INSUFFICIENT, rows=rows)
    moved = drift.shift(before, now.x[:, order], events=now.events)
    real = drift.discoveries(moved.p_value, config.drift_level)
    excess = np.where(real | np.isnan(moved.p_value), moved.psi - moved.floor, -np.inf)
    worst = int(np.argmax(excess))
    beyond = excess[worst] > 0
    psi = float(moved.psi[worst])
    return Finding(
        kind=Kind.FEATURES,
        verdict=_graded(psi if beyond else 0.0, config.psi_watch, config.psi_act),
        rows=rows,
        worst=moved.names[worst] if beyond else "",
        statistic=psi,
        threshold=config.psi_act,
        detail={
            name: {"psi": round(float(moved.psi[k]), 4), "floor": round(float(moved.floor[k]), 4)}
            for k, name in enumerate(moved.names)
            if excess[k] > 0
        },
    )


def _predictions(now: Recent, then: Recent, *, config: LearningConfig) -> Finding:
    """Distribution of the forecasts against the window before."""
    rows = min(len(now.event), len(then.event))
    if rows < max(config.drift_min_rows, 1):
        return Finding(kind=Kind.PREDICTIONS, verdict=Verdict.INSUFFICIENT, rows=rows)
    before = Profile.of(then.probability[:, None], ("probability",), events=then.events)
    moved = drift.shift(before, now.probability[:, None], events=now.events)
    psi, floor = float(moved.psi[0]), float(moved.floor[0])
    real = psi > floor and moved.p_value[0] <= config.drift_level
    return Finding(
        kind=Kind.PREDICTIONS,
        verdict=_graded(psi if real else 0.0, config.psi_watch, config.psi_act),
        rows=rows,
        worst="probability",
        statistic=psi,
        threshold=config.psi_act,
        detail={"floor": round(floor, 4)},
    )


def _scores(said: Answers, *, config: LearningConfig) -> Finding:
    """A change of the score against the market: adaptive windowing (Bifet & Gavaldà 2007)."""
    worse_by = said.loss(said.probability) - said.loss(said.price)
    rows = len(worse_by)
    if rows < max(config.drift_min_rows, 1):
        return Finding(kind=Kind.SCORES, verdict=Verdict.INSUFFICIENT, rows=rows)
    detector = _library().ADWIN(delta=config.adwin_delta)
    changed_after, worse = 0, False
    for number, each in enumerate(worse_by.tolist(), start=1):
        before = detector.estimation
        detector.update(each)
        if detector.drift_detected:
            changed_after, worse = number, detector.estimation > before
    verdict = Verdict.ACT if worse else Verdict.WATCH if changed_after else Verdict.QUIET
    return Finding(
        kind=Kind.SCORES,
        verdict=verdict,
        rows=rows,
        worst=f"changed by event {changed_after} of {rows}" if changed_after else "",
        statistic=float(worse_by.mean()),
    )


def _library() -> Any:
    # Imported at first use: pages read reports and load no ML library.
    return import_module("river.drift")


def _calibration(said: Answers, *, config: LearningConfig) -> Finding:
    """The largest gap between forecast and frequency that chance does not explain."""
    rows = len(said.won)
    if rows < max(config.reliability_events, 1):
        return Finding(kind=Kind.CALIBRATION, verdict=Verdict.INSUFFICIENT, rows=rows)
    tally = Tally.of(said.probability, said.won, weight=np.ones(rows))
    gap = tally.lean(min_events=config.reliability_events, level=config.drift_level)
    return Finding(
        kind=Kind.CALIBRATION,
        verdict=Verdict.ACT if gap > config.max_reliability_gap else Verdict.QUIET,
        rows=rows,
        worst="forecast against frequency" if gap else "",
        statistic=gap,
        threshold=config.max_reliability_gap,
    )


def _answers(version: ModelVersion, *, config: LearningConfig, as_of: datetime) -> Answers:
    """The newest answered events that the version forecast, in order of their answers.

    Of each event the last forecast counts, made before its end and answered strongly.
    """
    since = as_of - ANSWERED_WITHIN
    found = answers.known(Horizon.OUTCOME, since=since, until=as_of, config=config)
    own = found.take(found.version == version.pk)
    last = {event: row for row, event in enumerate(own.event.tolist())}
    kept = np.array(sorted(last.values())[-MOST_EVENTS:], dtype=np.int64)
    return Answers(probability=own.probability[kept], price=own.price[kept], won=own.y[kept])


def _graded(value: float, watch: float, act: float) -> str:
    return Verdict.ACT if value > act else Verdict.WATCH if value > watch else Verdict.QUIET


def _recent(horizon: str, *, since: datetime, until: datetime, vectors: bool = False) -> Recent:
    """Stored forecasts of `INSTANTS` cycles in `[since, until)`, evenly spaced; `x` with `vectors`.

    Vectors are those of the outcome's rows, in the cycles in which every market keeps its own: in
    others only markets whose forecast moves do, and they are not like the rest.
    """
    settings = PredictionSettings.objects.current(as_of=until).as_config()
    every = max(keeping.every_s(horizon, settings), HOUR_S)
    made = Prediction.objects.filter(
        horizon=horizon,
        as_of__gte=since,
        as_of__lt=until,
        schema_hash=SCHEMA_HASH,
        price__isnull=False,
    )
    made = made.exclude(vector=b"") if vectors else made
    ends = [until - k * (until - since) / INSTANTS for k in range(INSTANTS)]
    moments = {moment for end in ends if (moment := _fullest(made, end, every=every))}
    kept = made.filter(as_of__in=moments).order_by("as_of", "market_id")
    columns = ("market__event_id", "probability", *(["vector"] if vectors else []))
    told = list(kept.values_list(*columns))
    x = [np.frombuffer(vector, dtype="<f8") for row in told for vector in row[2:]]
    return Recent(
        x=np.array(x, dtype=np.float64).reshape(-1, len(NAMES)),
        probability=np.array([row[1] for row in told], dtype=np.float64),
        event=np.array([row[0] for row in told], dtype=np.int64),
    )


def _fullest(made: QuerySet[Prediction], end: datetime, *, every: float) -> datetime | None:
    """The cycle with the most forecasts in the last interval of the clock that began before `end`.

    Between cycles of all markets there are many that forecast the up/down epochs alone.
    """
    last = made.filter(as_of__lt=end).order_by("-as_of").values_list("as_of", flat=True).first()
    if last is None:
        return None
    begun = keeping.opened(last, every=every)
    within = made.filter(as_of__gte=begun, as_of__lt=begun + timedelta(seconds=every))
    counted = within.values("as_of").annotate(count=Count("id")).order_by("-count", "as_of")
    return counted.values_list("as_of", flat=True).first()


def _profile(version: ModelVersion) -> Profile | None:
    run = TrainingRun.objects.filter(version=version).order_by("-id").first()
    return None if run is None else cards.profile(run.card)


def _keep(version: ModelVersion, finding: Finding, *, as_of: datetime) -> DriftReport:
    report = DriftReport.objects.create(
        checked_at=as_of,
        horizon=version.horizon,
        version=version,
        kind=finding.kind,
        verdict=finding.verdict,
        rows=finding.rows,
        worst=finding.worst[:100],
        statistic=finding.statistic,
        threshold=finding.threshold,
        detail=json.dumps(finding.detail or {}),
    )
    if finding.verdict == Verdict.ACT:
        subject = f"drift:{finding.kind}:{version}"
        text = f"{report.get_kind_display()} of {version}: {finding.worst}"
        audit.alert_once(subject, text=text, actor=ACTOR, as_of=as_of)
    log.info("drift.checked", version=str(version), kind=finding.kind, verdict=finding.verdict)
    return report
