"""One look at every expert: what the rules ask for is done, with its evidence, a row a move."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

import structlog
from django.db.models import Max

from config.kernel import audit
from mlops import contest, lifecycle, losses, pruning, revalidation, scores
from mlops.core import standing
from mlops.core.contracts import LearningConfig
from mlops.core.standing import Proposal, Standing
from mlops.models import ExpertTransition, LearningSettings
from predictions import bundles, registry
from predictions.models import Algorithm, Expert, ExpertState, Horizon

log = structlog.get_logger(__name__)

ACTOR: Final = "review"
NONE_ACTIVE: Final = "experts:none-active"
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What one pass did.

    `waiting` are demotions left for the next pass, `refused` moves that could not be made and why,
    `validated` horizons that held on new data, `contests` live comparisons that ended, `pruned`
    files deleted.
    """

    moved: tuple[Proposal, ...] = ()
    waiting: tuple[Proposal, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    validated: tuple[str, ...] = ()
    contests: tuple[contest.Outcome, ...] = ()
    alerts: tuple[str, ...] = ()
    pruned: int = 0

    def as_json(self) -> dict[str, Any]:
        """For a command's output."""
        return {
            "moved": [{"slug": p.slug, "to": p.to, "rule": p.rule} for p in self.moved],
            "waiting": [{"slug": p.slug, "to": p.to, "rule": p.rule} for p in self.waiting],
            "refused": dict(self.refused),
            "validated": list(self.validated),
            "contests": [asdict(each) for each in self.contests],
            "alerts": list(self.alerts),
            "pruned": self.pruned,
        }


def run(*, as_of: datetime) -> Review:
    """Apply every rule to every expert; each move is one transaction of its own."""
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    validated = [
        horizon
        for horizon in Horizon.values
        if revalidation.due(horizon, config=config, as_of=as_of)
        and revalidation.run(horizon, as_of=as_of)
    ]
    contests = contest.settle(config=config, as_of=as_of)
    seen = look(config=config, as_of=as_of)
    asked = [found for each in seen if (found := standing.proposal(each, config))]
    todo, waiting = standing.decided(asked, max_demotions=config.max_demotions)
    moved, refused = [], {}
    for each in todo:
        try:
            _make(each, as_of=as_of)
            moved.append(each)
        except (lifecycle.IllegalMove, lifecycle.NothingToServe, registry.Unservable) as refusal:
            refused[each.slug] = str(refusal)
    alerts = [*_losing(seen, config, as_of=as_of), *_nobody(as_of=as_of)]
    done = Review(
        moved=tuple(moved),
        waiting=tuple(waiting),
        refused=refused,
        validated=tuple(validated),
        contests=contests,
        alerts=tuple(alerts),
        pruned=pruning.prune(keep=config.keep_versions, as_of=as_of),
    )
    log.info("experts.reviewed", **{k: v for k, v in done.as_json().items() if v})
    return done


def look(*, config: LearningConfig, as_of: datetime) -> list[Standing]:
    """Where every expert stands, except the price itself and those that are out for good."""
    experts = list(
        Expert.objects.select_related("served")
        .exclude(algorithm=Algorithm.PRICE)
        .exclude(state__in=[ExpertState.UNTRAINED, ExpertState.DEPRECATED])
        .order_by("slug")
    )
    last = _last_moves(experts)
    since = {
        e.slug: last[e.slug].moved_at.astimezone(UTC).date() if e.slug in last else date.min
        for e in experts
    }
    records = scores.live(since=since, margin=config.demotion_margin, as_of=as_of)
    waiting: dict[str, int] = {}
    for expert in experts:
        if expert.state == ExpertState.SHADOW:
            waiting[expert.horizon] = waiting.get(expert.horizon, 0) + 1
    return [
        _standing(
            expert,
            records[expert.slug],
            last.get(expert.slug),
            challengers=waiting.get(expert.horizon, 1),
            as_of=as_of,
        )
        for expert in experts
    ]


def _last_moves(experts: Iterable[Expert]) -> dict[str, ExpertTransition]:
    """The move by which each came to its state; serving another version is none."""
    slugs = [expert.slug for expert in experts]
    moves = ExpertTransition.objects.filter(expert__in=slugs)
    newest = (
        moves.exclude(before=ExpertState.ACTIVE, after=ExpertState.ACTIVE)
        .values("expert")
        .annotate(newest=Max("pk"))
        .values_list("newest", flat=True)
    )
    rows = ExpertTransition.objects.filter(pk__in=list(newest))
    return {row.expert_id: row for row in rows}


def _standing(
    expert: Expert,
    record: scores.Record,
    last: ExpertTransition | None,
    *,
    challengers: int,
    as_of: datetime,
) -> Standing:
    trades = expert.algorithm == Algorithm.GATE
    moved_at = last.moved_at if last else None
    losing = losses.run(expert.slug, since=moved_at, as_of=as_of) if trades else losses.Run()
    return Standing(
        slug=expert.slug,
        state=expert.state,
        gate=trades,
        returns=expert.horizon != Horizon.OUTCOME,
        evidence=record.evidence,
        skill=record.skill,
        events=record.events,
        taught=expert.served.events if expert.served else 0,
        tally=record.tally,
        validated_h=lifecycle.idle_h(expert, as_of=as_of),
        moved_h=_hours(moved_at, as_of),
        rule=lifecycle.rule_of(last) if last else "",
        by_person=last is not None and lifecycle.by_person(last),
        mismatch=_mismatch(expert),
        losses=losing.length,
        loss_chance=losing.chance,
        losing_since=losing.began_at,
        challengers=challengers,
    )


def _hours(at: datetime | None, as_of: datetime) -> float:
    return NEVER if at is None else (as_of - at).total_seconds() / lifecycle.SECONDS_AN_HOUR


def _mismatch(expert: Expert) -> str:
    """Why its version cannot be trusted in this process; "" where it can, or was shown to."""
    if expert.served is None:
        return ""
    try:
        return bundles.outdated(expert.served)
    except registry.Unservable as refusal:
        return str(refusal)


def _make(asked: Proposal, *, as_of: datetime) -> None:
    told: dict[str, Any] = {"evidence": asked.evidence, "actor": ACTOR, "as_of": as_of}
    if asked.to == ExpertState.ACTIVE:
        expert = Expert.objects.select_related("served").get(slug=asked.slug)
        lifecycle.move(asked.slug, to=asked.to, version=expert.served, **told)
        lifecycle.validate([asked.slug], actor=ACTOR, as_of=as_of)  # live answers just spoke for it
    else:
        lifecycle.demote(asked.slug, to=asked.to, **told)


def _losing(seen: Iterable[Standing], config: LearningConfig, *, as_of: datetime) -> list[str]:
    """An alert for each gate whose losing run has grown long, once a run."""
    told = []
    for each in seen:
        if each.losses < config.losses_to_alert:
            continue
        subject = f"expert:{each.slug}:losses:{each.losing_since:%Y%m%dT%H%M%S}"
        figures = {"losses": each.losses, "chance": each.loss_chance}
        text = f"{each.slug}: {each.losses} trades lost in a row, chance {each.loss_chance:.2g}"
        if audit.alert_once(subject, text=text, actor=ACTOR, as_of=as_of, **figures):
            told.append(subject)
    return told


def _nobody(*, as_of: datetime) -> list[str]:
    """An alert when no trained expert is in service, once until one has been."""
    if lifecycle.in_service() or not Expert.objects.filter(versions__isnull=False).exists():
        return []
    raised = audit.alerts().filter(subject=NONE_ACTIVE).order_by("-id").first()
    served = ExpertTransition.objects.filter(after=ExpertState.ACTIVE).order_by("-id").first()
    if raised is not None and (served is None or served.moved_at <= raised.happened_at):
        return []
    text = "no expert is in service: every forecast is the market price and nothing trades on it"
    audit.alert(NONE_ACTIVE, text=text, actor=ACTOR, as_of=as_of)
    return [NONE_ACTIVE]
