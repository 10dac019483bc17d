"""The equity curve: record the books, carry the peak, reset it only with a reason."""

import json
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from config.kernel import audit, locks
from config.kernel.models import DomainEvent
from config.kernel.units import ZERO
from risk.core import drawdown
from risk.core.drawdown import Figures
from risk.models import EquityPoint

PEAK_RESET = "peak.reset"


class NothingToReset(RuntimeError):
    """The mode has no equity point yet."""


@transaction.atomic
def record(mode: str, figures: Figures, *, as_of: datetime) -> EquityPoint:
    """Add a point to the curve; a second one for the same instant is the first."""
    locks.hold(f"equity:{mode}")
    standing: EquityPoint | None = EquityPoint.objects.filter(mode=mode, observed_at=as_of).first()
    if standing is not None:
        return standing
    equity = figures.risk_equity
    peak = drawdown.next_peak(equity, _previous_peak(mode, as_of=as_of))
    point: EquityPoint = EquityPoint.objects.create(
        mode=mode,
        observed_at=as_of,
        cash=figures.cash,
        reserved=figures.reserved,
        redeemable=figures.redeemable,
        open_cost=sum((p.cost for p in figures.positions), ZERO),
        open_mark=sum((p.mark for p in figures.positions), ZERO),
        open_liquidation=sum((p.liquidation for p in figures.positions), ZERO),
        risk_equity=equity,
        peak=peak,
        drawdown=float(drawdown.fall(equity, peak)),
        realised=figures.realised,
        fees=figures.fees,
    )
    return point


def _previous_peak(mode: str, *, as_of: datetime) -> Decimal | None:
    """The peak before `as_of`: of the newest point, or of a reset that came after it."""
    point = latest(mode, as_of=as_of)
    reset = (
        DomainEvent.objects.filter(kind=PEAK_RESET, subject=_subject(mode), happened_at__lte=as_of)
        .order_by("-id")
        .first()
    )
    if reset is not None and (point is None or reset.happened_at >= point.observed_at):
        return Decimal(json.loads(reset.data)["to"])
    return None if point is None else point.peak


def latest(mode: str, *, as_of: datetime) -> EquityPoint | None:
    """The newest point at or before `as_of`."""
    points = EquityPoint.objects.filter(mode=mode, observed_at__lte=as_of)
    return points.order_by("-observed_at").first()


def peak(mode: str, *, as_of: datetime) -> Decimal | None:
    """The peak that drawdown is measured from now, resets included; None without a point."""
    return _previous_peak(mode, as_of=as_of)


def day_start(mode: str, *, as_of: datetime) -> Decimal | None:
    """Risk equity as the UTC day began: of the last point before it, else of the day's first."""
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    points = EquityPoint.objects.filter(mode=mode, observed_at__lte=as_of)
    first = (
        points.filter(observed_at__lt=midnight).order_by("-observed_at").first()
        or points.order_by("observed_at").first()
    )
    return None if first is None else first.risk_equity


def highest_since(mode: str, *, since: datetime, as_of: datetime) -> Decimal | None:
    """Highest risk equity in [since, as_of], and of the point that still held at `since`."""
    points = EquityPoint.objects.filter(mode=mode, observed_at__lte=as_of)
    before = points.filter(
        observed_at__lt=since, observed_at__gte=since - (as_of - since)
    ).order_by("-observed_at")
    within = points.filter(observed_at__gte=since).aggregate(top=Max("risk_equity"))["top"]
    known = [v for v in (within, before.values_list("risk_equity", flat=True).first()) if v]
    return max(known, default=None)


def drawdown_since_start(mode: str, *, as_of: datetime) -> Decimal:
    """Fall from the highest risk equity ever recorded, whatever resets said; 0 without a point."""
    points = EquityPoint.objects.filter(mode=mode, observed_at__lte=as_of)
    top, now = points.aggregate(top=Max("risk_equity"))["top"], latest(mode, as_of=as_of)
    return ZERO if now is None or top is None else drawdown.fall(now.risk_equity, top)


@transaction.atomic
def reset_peak(mode: str, *, actor: str, reason: str, as_of: datetime) -> DomainEvent:
    """Measure drawdown from today's risk equity; an audited event that keeps the old peak.

    Raises `ValueError` without a reason, `NothingToReset` without a point.
    """
    if not reason.strip():
        raise ValueError("resetting the peak needs a reason; say why in one sentence")
    locks.hold(f"equity:{mode}")
    point = latest(mode, as_of=as_of)
    if point is None:
        raise NothingToReset(f"{mode} has no equity point yet; mark the books first")
    data = {
        "from": str(_previous_peak(mode, as_of=as_of)),
        "to": str(point.risk_equity),
        "reason": reason,
    }
    return audit.record(PEAK_RESET, actor=actor, subject=_subject(mode), data=data, as_of=as_of)


def _subject(mode: str) -> str:
    return f"mode:{mode}"
