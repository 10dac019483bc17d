"""How far the gate is trusted, learned from its answered forecasts: one update an event.

Market and gate share weight that moves to whoever lost less (`predictions.core.online`), the gate
by what it would have said in full trust: else the less it is trusted, the less could be learned.
Only forecasts of the version that it serves count, and another version starts anew, with its own
answers so far. What an event's markets answered within the same hour is one event; hours are worked
off in order, each once, so that a rebuild from the rows gives the same weights. The gate was
admitted on evidence, so it is trusted in full at its equal share and above; below, its weight
shrinks in proportion.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import structlog
from django.db import transaction

from config.kernel import locks
from mlops import answers, cards, lifecycle
from mlops.answers import Answered
from mlops.core.contracts import LearningConfig
from mlops.models import LearningSettings, OnlineWeights
from predictions.core import online, roster
from predictions.core.ensemble import untrusted
from predictions.core.online import State
from predictions.models import Expert, Horizon, ModelVersion

log = structlog.get_logger(__name__)

OFF: Final = "off"
NAMES: Final = ("market", "gate")
EQUAL: Final = 1.0 / len(NAMES)
SETTLE: Final = timedelta(minutes=10)  # writers of the last hour have ended
HOUR_S: Final = 3600


def follow(*, as_of: datetime) -> int:
    """Add every event whose answer came in a finished hour; returns how many were added."""
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    if config.online_method == OFF:
        return 0
    return sum(_follow(horizon, config=config, as_of=as_of) for horizon in Horizon.values)


@transaction.atomic
def _follow(horizon: str, *, config: LearningConfig, as_of: datetime) -> int:
    locks.hold(f"trust:{horizon}")
    gate = _gate(horizon)
    last = _last(horizon, as_of=as_of)
    until = _hour(as_of - SETTLE)
    if gate is None or gate.served is None or (last is not None and last.as_of >= until):
        return 0
    broken = last is not None and _broken(last)
    if last is not None and not broken and _is_of(last, gate.served, config):
        since, before = last.as_of, State.from_json(json.loads(last.state))
    else:  # then it is learned, or learned again, from the answers
        since = max(until - answers.LOOK_BACK, _hour(gate.served.created_at))
        before = online.start(NAMES)
    after = _added(before, gate.served, since=since, until=until, config=config)
    if broken:
        log.warning("trust.broken", horizon=horizon)
    elif after.events == before.events:
        return 0
    OnlineWeights.objects.create(
        horizon=horizon,
        as_of=until,
        method=config.online_method,
        events=after.events,
        weights=json.dumps(dict(zip(NAMES, after.weights.tolist(), strict=True))),
        losses=json.dumps(
            {
                **dict(zip(NAMES, after.losses.tolist(), strict=True)),
                "mixture": after.mixture,
                "bound": after.bound,
            }
        ),
        state=json.dumps({**after.as_json(), "version": gate.served.pk}),
    )
    log.info("trust.followed", horizon=horizon, events=after.events - before.events)
    return after.events - before.events


def current(horizon: str, *, as_of: datetime) -> float:
    """How much of the gate's weight stands, in [0, 1]; 1 before any event spoke against it.

    0 where it neither learned nor held on new data for too long: nothing trades on a stale model,
    also where no review came by to say so.
    """
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    gate = _gate(horizon)
    if gate is None or gate.served is None:
        return 1.0
    if lifecycle.expired(gate, config=config, as_of=as_of):
        return 0.0
    last = _last(horizon, as_of=as_of)
    if config.online_method == OFF or last is None:
        return 1.0
    # What cannot be read speaks for nobody: the forecast is the price until the next good row.
    if _broken(last):
        return 0.0
    spoke = _is_of(last, gate.served, config)
    return min(1.0, cards.read(last.weights)["gate"] / EQUAL) if spoke else 1.0


def _gate(horizon: str) -> Expert | None:
    return Expert.objects.select_related("served").filter(slug=roster.gate(horizon)).first()


def _is_of(row: OnlineWeights, version: ModelVersion, config: LearningConfig) -> bool:
    """Whether a readable row speaks of a version, by the method in use."""
    return row.method == config.online_method and cards.read(row.state).get("version") == version.pk


def rebuilt(
    version: ModelVersion, *, since: datetime, until: datetime, config: LearningConfig
) -> State:
    """The state after the events of a span, from the rows alone."""
    return _added(online.start(NAMES), version, since=since, until=until, config=config)


def _added(
    state: State, version: ModelVersion, *, since: datetime, until: datetime, config: LearningConfig
) -> State:
    """One update an event, in order of the answers."""
    found = answers.known(version.horizon, since=since, until=until, config=config)
    # Where the forecast was the price, nothing is learned about the gate.
    found = found.take((found.version == version.pk) & (found.probability != found.price))
    for event in _events(found):
        rows = found.take(event)
        in_full = untrusted(rows.price, rows.probability, rows.trust)
        state = online.update(
            state,
            np.column_stack([rows.price, in_full]),
            rows.y,
            method=config.online_method,
            share=config.online_share,
        )
    return state


def _events(found: Answered) -> list["np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Rows of each event whose answers came within one hour, oldest hour first."""
    hour = (found.known_at // HOUR_S).astype(np.int64)
    pairs, number = np.unique(np.column_stack([hour, found.event]), axis=0, return_inverse=True)
    number = number.reshape(-1)
    return [np.flatnonzero(number == k) for k in range(len(pairs))]


def _broken(row: OnlineWeights) -> bool:
    """Whether a row holds what no update writes: unreadable, not finite or not a share."""
    share = cards.read(row.weights).get("gate")
    if not isinstance(share, float | int) or not 0 <= share <= 1:
        return True
    try:
        state = State.from_json(cards.read(row.state))
    except cards.BROKEN:
        return True
    figures = (state.weights, state.losses, state.regret, state.square, state.drift)
    sound = all(each.shape == (len(NAMES),) and np.isfinite(each).all() for each in figures)
    return not sound or state.names != NAMES


def _last(horizon: str, *, as_of: datetime) -> OnlineWeights | None:
    rows = OnlineWeights.objects.filter(horizon=horizon, as_of__lte=as_of)
    return rows.order_by("-as_of").first()


def _hour(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // HOUR_S * HOUR_S, tz=UTC)
