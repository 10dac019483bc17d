"""Answered live forecasts → one row per expert version and UTC day, against the price.

A day's answers are one cohort (two days' on the 24-hour horizon), and only forecasts that were made
after the previous cohort had closed count in it: others share surprises that are already known. It
is written an hour after the day is over: an answer is dated by when we received it, so none joins
a day that has passed, and the hour lets writers end.
An expert's own forecast is what it `cohorts.said`; the gate's is what was served.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import structlog
from django.db import transaction
from django.db.models import Max

from config.kernel import audit
from config.kernel.models import DomainEvent
from markets.core.series import Floats, Ints
from mlops import answers
from mlops.answers import Answered
from mlops.core import cohorts, eprocess, metrics
from mlops.core.contracts import LearningConfig
from mlops.core.eprocess import Evidence
from mlops.core.examples import weights
from mlops.core.tally import Tally
from mlops.models import CohortScore, LearningSettings
from predictions import registry
from predictions.core import roster
from predictions.core.roster import HORIZON_S
from predictions.models import Expert, Horizon, ModelVersion

log = structlog.get_logger(__name__)

LIVE: Final = CohortScore.Source.LIVE
ACTOR: Final = "scores"
EPOCH: Final = date(1970, 1, 1)
GRACE: Final = timedelta(hours=1)
CATCH_UP: Final = timedelta(days=14)  # days that a scorer which was down makes good
DAY: Final = timedelta(days=1)
SKIPPED: Final = "scores.skipped"


def width(horizon: str) -> int:
    """Days of a cohort: more than the horizon, so that what is made in one is answered in it."""
    return 1 + int(HORIZON_S.get(horizon, 0) // DAY.total_seconds())


def countable(found: Answered, horizon: str) -> Answered:
    """The forecasts that were made after the cohort before that of their answer had closed."""
    width_s = width(horizon) * DAY.total_seconds()
    return found.take(eprocess.counted(found.as_of, found.known_at, width_s=width_s))


def record(*, as_of: datetime) -> int:
    """Score every finished cohort that has no scores yet; returns how many rows were added.

    A version that cannot be served then leaves an audit event, and is scored when it can again.
    """
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    written = 0
    for horizon in Horizon.values:
        owed = _owed(horizon, as_of=as_of)
        for day in sorted({*_finished(horizon, as_of=as_of), *owed}):
            with transaction.atomic():
                found = _of_cohort(horizon, day, told=owed.get(day), config=config, as_of=as_of)
                rows = list(found)
                CohortScore.objects.bulk_create(rows, ignore_conflicts=True)
            written += len(rows)
    if written:
        log.info("scores.recorded", rows=written)
    return written


def _finished(horizon: str, *, as_of: datetime) -> Iterator[date]:
    """Last days of the cohorts that are over and come after the last one with scores."""
    today = (as_of - GRACE).astimezone(UTC).date()
    live = CohortScore.objects.filter(horizon=horizon, source=LIVE, cohort__lte=today)
    last = live.aggregate(last=Max("cohort"))["last"]
    day = max(today - CATCH_UP, last + DAY) if last else today - CATCH_UP
    while day < today:
        if _begins(horizon, day + DAY):
            yield day
        day += DAY


def _begins(horizon: str, day: date) -> bool:
    """Whether a cohort begins with a day; they are counted from 1970."""
    return (day - EPOCH).days % width(horizon) == 0


def _owed(horizon: str, *, as_of: datetime) -> dict[date, set[int]]:
    """Versions that could not be scored when their cohort was, by its last day."""
    told = DomainEvent.objects.filter(
        kind=SKIPPED, subject=f"scores:{horizon}", happened_at__gt=as_of - CATCH_UP
    )
    owed: dict[date, set[int]] = {}
    for body in map(json.loads, told.values_list("data", flat=True)):
        day, version = date.fromisoformat(body["cohort"]), int(body["version"])
        scored = CohortScore.objects.filter(version=version, source=LIVE, cohort=day)
        if not scored.exists():
            owed.setdefault(day, set()).add(version)
    return owed


def _of_cohort(
    horizon: str, day: date, *, told: set[int] | None, config: LearningConfig, as_of: datetime
) -> Iterator[CohortScore]:
    """Scores of one cohort: of those that are owed where it was scored before, else of all."""
    until = datetime.combine(day, time(), tzinfo=UTC) + DAY
    found = answers.known(horizon, since=until - width(horizon) * DAY, until=until, config=config)
    found = countable(found, horizon)
    found = found.take(found.version != answers.NONE)
    for key in np.unique(found.version).tolist():
        if told is not None and key not in told:
            continue
        version = ModelVersion.objects.get(pk=key)
        part = found.take(found.version == key)
        try:
            yield from _of_version(version, part, cohort=day, as_of=as_of)
        except registry.Unservable as refusal:
            log.warning(SKIPPED, version=str(version), why=str(refusal))
            if told is None:
                data = {"version": key, "cohort": day.isoformat(), "why": str(refusal)}
                subject = f"scores:{horizon}"
                audit.record(SKIPPED, actor=ACTOR, subject=subject, data=data, as_of=as_of)


def _of_version(
    gate: ModelVersion, found: Answered, *, cohort: date, as_of: datetime
) -> Iterator[CohortScore]:
    """The gate and its members, each on the events about which it said something."""
    order = registry.order(gate)
    versions = {each.expert_id: each for each in registry.members(gate)}
    moves = answers.corrections(found, len(order)).astype(np.float64)
    heard = {gate: (np.ones(found.rows, dtype=bool), found.probability)}
    for slug, move in zip(order, moves.T, strict=True):
        if slug in versions:
            heard[versions[slug]] = cohorts.said(
                found.price, move, event=found.event, cap=found.cap
            )
    for version, (rows, p) in heard.items():
        if rows.any():
            yield CohortScore(
                expert_id=version.expert_id,
                version=version,
                horizon=gate.horizon,
                source=LIVE,
                cohort=cohort,
                scored_at=as_of,
                **figures(found.take(rows), p),
            )


def figures(found: Answered, p: Floats) -> dict[str, Any]:
    """The columns of one cohort's score: the probabilities `p` of its forecasts, by event."""
    y, price = found.y, found.price
    each = np.column_stack(
        [
            metrics.brier(price, y),
            metrics.brier(p, y),
            metrics.log_loss(price, y),
            metrics.log_loss(p, y),
            eprocess.brier_reach(price, p),
        ]
    )
    one: Ints = np.zeros(found.rows, dtype=np.int64)
    _, means, events = eprocess.cohort_means(each, cohort=one, event=found.event)
    names = ("brier_market", "brier_expert", "log_loss_market", "log_loss_expert", "reach")
    tally = Tally.of(p, y, weight=weights(found.event))
    return {
        **dict(zip(names, means[0].tolist(), strict=True)),
        "events": int(events[0]),
        "calibration": json.dumps(tally.as_json()),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An expert's live days: events in all, mean Brier scores over them, evidence, calibration."""

    events: int
    brier_market: float
    brier_expert: float
    evidence: Evidence
    tally: Tally

    @property
    def skill(self) -> float:
        """1 - Brier expert / Brier price; on a price horizon, R² against an unchanged price."""
        return 1 - self.brier_expert / self.brier_market if self.brier_market > 0 else float("nan")


def record_of(rows: Iterable[CohortScore], *, margin: float) -> Record:
    """Add up the live days of one expert; versions that shared a day make one bet."""
    days: dict[date, list[CohortScore]] = {}
    for row in rows:
        days.setdefault(row.cohort, []).append(row)
    ordered = [days[day] for day in sorted(days)]
    gains = np.array([_mean(day, _gain) for day in ordered], dtype=np.float64)
    reach = np.array([_mean(day, _reach) for day in ordered], dtype=np.float64)
    every = [row for day in ordered for row in day]
    return Record(
        events=sum(row.events for row in every),
        brier_market=_mean(every, lambda row: row.brier_market),
        brier_expert=_mean(every, lambda row: row.brier_expert),
        evidence=eprocess.evidence(gains, margin=margin, reach=reach),
        tally=sum(
            (Tally.from_json(json.loads(row.calibration)) for row in every if row.calibration),
            start=Tally.nothing(),
        ),
    )


def _gain(row: CohortScore) -> float:
    return float(row.brier_market - row.brier_expert)


def _reach(row: CohortScore) -> float:
    return float(row.reach)


def _mean(rows: list[CohortScore], figure: Any) -> float:
    total = sum(row.events for row in rows)
    return float(sum(row.events * figure(row) for row in rows) / total) if total else float("nan")


def live(*, since: Mapping[str, date], margin: float, as_of: datetime) -> dict[str, Record]:
    """Each expert's record on the cohorts that began after `since` (slug → day); one query."""
    found: dict[str, list[CohortScore]] = {slug: [] for slug in since}
    rows = CohortScore.objects.filter(expert_id__in=since, source=LIVE, scored_at__lte=as_of)
    earliest = min(since.values(), default=None)
    for row in rows.filter(cohort__gt=earliest) if earliest else ():
        began = row.cohort - (width(row.horizon) - 1) * DAY
        if began > since[row.expert_id]:
            found[row.expert_id].append(row)
    return {slug: record_of(each, margin=margin) for slug, each in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Champion and challenger of a horizon, each on the events that it forecast.

    `evidence` is on the difference of their gains over the price: above zero the challenger is
    better.
    """

    champion: str
    challenger: str
    days: int
    champion_events: int
    challenger_events: int
    champion_gain: float
    challenger_gain: float
    evidence: Evidence

    def as_json(self) -> dict[str, Any]:
        """Plain numbers; null where a number is not finite."""
        body = asdict(self) | {"evidence": self.evidence.as_json()}
        return {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in body.items()
        }


def compare(horizon: str, *, as_of: datetime) -> Comparison | None:
    """Challenger against champion on the days on which both were answered; None without one.

    Events are split by lot, so on each day both meet the same kind of event: the difference of
    their mean gains is one bet.
    """
    gate = Expert.objects.select_related("served", "challenger").filter(
        slug=roster.gate(horizon), served__isnull=False, challenger__isnull=False
    )
    expert = gate.first()
    if expert is None:
        return None
    rows = CohortScore.objects.filter(
        version__in=[expert.served_id, expert.challenger_id], source=LIVE, scored_at__lte=as_of
    ).order_by("cohort")
    of: dict[int | None, dict[date, CohortScore]] = {
        expert.served_id: {},
        expert.challenger_id: {},
    }
    for row in rows:
        of[row.version_id][row.cohort] = row
    champion, challenger = of[expert.served_id], of[expert.challenger_id]
    days = sorted(champion.keys() & challenger.keys())
    ours, theirs = [champion[day] for day in days], [challenger[day] for day in days]
    pairs = list(zip(ours, theirs, strict=True))
    return Comparison(
        champion=str(expert.served),
        challenger=str(expert.challenger),
        days=len(days),
        champion_events=sum(row.events for row in ours),
        challenger_events=sum(row.events for row in theirs),
        champion_gain=_mean(ours, _gain),
        challenger_gain=_mean(theirs, _gain),
        evidence=eprocess.evidence(
            np.array([_gain(new) - _gain(old) for old, new in pairs], dtype=np.float64),
            margin=0.0,
            reach=np.array([_reach(new) + _reach(old) for old, new in pairs], dtype=np.float64),
        ),
    )
