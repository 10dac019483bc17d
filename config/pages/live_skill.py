"""The forecast of outcomes against the price on answered events, and the day that is not over."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any, Final

from django.db.models import F, OuterRef, Subquery, Sum

from markets.models import Resolution
from mlops.core.examples import STRONG
from mlops.models import CohortScore
from predictions.core import roster
from predictions.models import Horizon, Prediction

NEWEST: Final = 300  # answers of the unfinished day that are looked at


def read(*, as_of: datetime) -> dict[str, Any]:
    """Mean Brier scores over the live days, and of the last forecasts before today's answers."""
    live = CohortScore.objects.filter(
        expert=roster.gate(Horizon.OUTCOME), source=CohortScore.Source.LIVE
    )
    sums = live.aggregate(
        n=Sum("events"),
        forecast=Sum(F("events") * F("brier_expert")),
        price=Sum(F("events") * F("brier_market")),
    )
    days = _means(sums["n"] or 0, sums["forecast"] or 0.0, sums["price"] or 0.0)
    return {**days, "today": _today(as_of=as_of)}


def _today(*, as_of: datetime) -> dict[str, Any]:
    """The day so far: of each answered market the last forecast of a model, the newest answers."""
    midnight = datetime.combine(as_of.astimezone(UTC).date(), time(), tzinfo=UTC)
    said = Prediction.objects.filter(
        market=OuterRef("market"),
        horizon=Horizon.OUTCOME,
        version__isnull=False,
        as_of__lt=OuterRef("resolved_at"),
    ).order_by("-as_of")
    answers = Resolution.objects.filter(
        received_at__gte=midnight, received_at__lte=as_of, strength__in=STRONG
    ).order_by("-received_at")[:NEWEST]
    rows: Sequence[tuple[Any, ...]] = answers.annotate(
        said=Subquery(said.values("probability")[:1]), price=Subquery(said.values("price")[:1])
    ).values_list("payout_0", "said", "price")
    pairs = [(float(y), p, price) for y, p, price in rows if p is not None and price is not None]
    return _means(
        len(pairs),
        sum((p - y) ** 2 for y, p, _ in pairs),
        sum((price - y) ** 2 for y, _, price in pairs),
    )


def _means(events: int, forecast: float, price: float) -> dict[str, Any]:
    """Sums of `events` Brier scores as means, and the skill; None where nothing was answered."""
    if not events:
        return {"events": 0, "forecast": None, "price": None, "skill": None}
    return {
        "events": events,
        "forecast": forecast / events,
        "price": price / events,
        "skill": 1 - forecast / price if price else None,
    }
