"""A gate with members whose files are real, and live forecasts of theirs with answers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from markets.models import Event, Market, Resolution
from predictions import registry
from predictions.core.estimators import Recalibration
from predictions.core.logits import corrected
from predictions.models import Horizon, ModelVersion, Prediction
from tests import factories as make
from tests.predictions.fitted import fitted

LEARNED = 900


def trained(
    *,
    at: datetime,
    slope: float = 0.3,
    members: Sequence[str] = ("recalibration",),
    horizon: str = Horizon.OUTCOME,
) -> ModelVersion:
    """A registered version of a horizon's gate: every member says `slope` × log odds."""
    rng = np.random.default_rng(1)
    price = rng.uniform(0.1, 0.9, LEARNED)
    y = (rng.random(LEARNED) < price).astype(float)
    blend = fitted(
        dict.fromkeys(members, np.zeros(LEARNED)),
        price,
        y,
        event=np.arange(LEARNED),
        cell=np.zeros(LEARNED, dtype=np.int64),
        cap=0.7,
        allowed=frozenset({0}),
    )
    return registry.register(
        members={slug: Recalibration(root_=(0.0, slope)) for slug in members},
        blend=blend,
        span=registry.Span(
            data_from=at - timedelta(days=90), data_until=at, rows=LEARNED, events=LEARNED
        ),
        seed=7,
        trials=1,
        actor="test",
        as_of=at,
        horizon=horizon,
    )


def answered(
    version: ModelVersion | None,
    *,
    prices: Sequence[float],
    payouts: Sequence[float],
    known_at: datetime,
    moves: Sequence[float] = (),
    probability: float | None = None,
    asked_at: datetime | None = None,
    trust: float | None = None,
) -> list[Prediction]:
    """One market an event, forecast 90 minutes before its answer; each member says `moves`."""
    at = asked_at or known_at - timedelta(minutes=90)
    found, answers = [], []
    asked = markets(len(prices))
    for market, price, payout in zip(asked, prices, payouts, strict=True):
        moved = float(corrected(np.array([price]), np.array([0.35 * (moves or [0.0])[0]]))[0])
        found.append(
            make.PredictionFactory.build(
                market=market,
                as_of=at,
                price=price,
                probability=moved if probability is None else probability,
                version=version,
                cap=0.7,
                trust=trust,
                corrections=np.array(moves, dtype="<f4").tobytes(),
            )
        )
        answers.append(
            make.ResolutionFactory.build(
                market=market, payout_0=Decimal(str(payout)), resolved_at=known_at
            )
        )
    Resolution.objects.bulk_create(answers)
    return list(Prediction.objects.bulk_create(found))


def markets(many: int) -> list[Market]:
    """So many markets, each of an event of its own, without outcomes, in two statements."""
    fees = make.FeeScheduleFactory.create()
    events = Event.objects.bulk_create(make.EventFactory.build_batch(many))
    built = [make.MarketFactory.build(event=event, fees=fees, outcomes=()) for event in events]
    return list(Market.objects.bulk_create(built))
