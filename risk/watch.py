"""Look at the equity curve; halt what it forbids, release what its rule lets go."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from config.kernel import audit
from config.kernel.modes import STORED_MODES
from markets.models import Notice
from risk import equity, halts
from risk.core import drawdown
from risk.core.contracts import LimitsConfig
from risk.models import EquityPoint, Halt, RiskLimits

ACTOR = "watch"
HEARD_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a rule may look at: one mode at one instant; `at_work` modes owe snapshots."""

    mode: str
    at_work: bool
    point: EquityPoint
    limits: LimitsConfig
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """Halts opened and released in one look, and how many notices of ingestion were raised."""

    opened: tuple[Halt, ...] = ()
    released: tuple[Halt, ...] = ()
    raised: int = 0


@transaction.atomic
def run(*, as_of: datetime, at_work: Collection[str]) -> WatchReport:
    """Apply every rule to every mode that has a curve, then end the halts whose time is over.

    `at_work` names the modes whose books somebody should be marking now.
    """
    limits = RiskLimits.objects.current(as_of=as_of).as_config()
    opened: list[Halt] = []
    released: list[Halt] = []
    for mode in STORED_MODES:
        point = equity.latest(mode, as_of=as_of)
        if point is None:
            continue
        seen = Seen(mode=mode, at_work=mode in at_work, point=point, limits=limits, as_of=as_of)
        causes = {kind: cause for kind, rule in RULES.items() if (cause := rule(seen))}
        opened += _open(seen, causes)
        released += _release(seen, causes)
    raised = _raise_notices(as_of=as_of)
    return WatchReport(opened=tuple(opened), released=tuple(released), raised=raised)


def _raise_notices(*, as_of: datetime) -> int:
    """Each warning of ingestion becomes one event of the audit trail: an alert, once."""
    fresh = Notice.objects.filter(
        severity=Notice.Severity.WARNING,
        received_at__gt=as_of - HEARD_WITHIN,
        received_at__lte=as_of,
    )
    texts = dict(fresh.order_by("received_at").values_list("key", "text"))
    raised = audit.alerts().filter(subject__in=texts)
    told = set(raised.values_list("subject", flat=True))
    news = {key: text for key, text in texts.items() if key not in told}
    for key, text in news.items():
        audit.alert(key, text=text, actor=ACTOR, as_of=as_of)
    return len(news)


def _open(seen: Seen, causes: dict[str, str]) -> list[Halt]:
    opened = []
    standing = {halt.kind for halt in _own(seen.mode)}
    for kind, cause in causes.items():
        if kind not in standing:
            halt = halts.open_halt(
                kind,
                reason=cause,
                actor=ACTOR,
                as_of=seen.as_of,
                scope=Halt.Scope.MODE,
                scope_key=seen.mode,
            )
            opened.append(halt)
    return opened


def _release(seen: Seen, causes: dict[str, str]) -> list[Halt]:
    released = []
    for halt in _own(seen.mode):
        over = _over(halt, still_there=halt.kind in causes, as_of=seen.as_of)
        if over:
            halts.release(halt, actor=ACTOR, reason=over, as_of=seen.as_of)
            released.append(halt)
    return released


def _over(halt: Halt, *, still_there: bool, as_of: datetime) -> str:
    """Why a halt ends by itself now, or an empty text; a manual one never does."""
    if still_there:
        return ""
    if halt.resume_rule == Halt.Resume.WHEN_CLEAR:
        return "its cause is gone"
    if halt.resume_rule == Halt.Resume.NEXT_DAY and as_of.date() > halt.opened_at.date():
        return "a new day began"
    return ""


def _own(mode: str) -> list[Halt]:
    """Open halts of one mode whose cause this module can judge."""
    reach = {"scope": Halt.Scope.MODE, "scope_key": mode, "released_at__isnull": True}
    return list(Halt.objects.filter(kind__in=RULES, **reach).order_by("id"))


# --- rules: the cause in a sentence, or an empty text --------------------------------------------


def _fallen(seen: Seen, limit: Decimal) -> str:
    """Risk equity against its peak, resets included."""
    peak = equity.peak(seen.mode, as_of=seen.as_of)
    base = seen.point.peak if peak is None else peak
    return _loss("its peak", seen.point.risk_equity, base, limit)


def _loss(what: str, now: Decimal, base: Decimal, limit: Decimal) -> str:
    fallen = drawdown.fall(now, base)
    if fallen < limit:
        return ""
    return (
        f"risk equity {now:.2f} is {fallen:.2%} below {what} {base:.2f}, the limit is {limit:.2%}"
    )


def _day(seen: Seen) -> str:
    start = equity.day_start(seen.mode, as_of=seen.as_of)
    base = seen.point.risk_equity if start is None else start
    return _loss("the day's opening", seen.point.risk_equity, base, seen.limits.daily_loss)


def _sudden(seen: Seen) -> str:
    at = seen.point.observed_at
    since = at - timedelta(seconds=seen.limits.sudden_drop_s)
    # What a person has seen and released is not held against the curve again.
    reviewed = Halt.objects.filter(kind="SUDDEN_DROP", scope_key=seen.mode).aggregate(
        last=Max("released_at")
    )["last"]
    since = since if reviewed is None else min(max(since, reviewed), at)
    top = equity.highest_since(seen.mode, since=since, as_of=at)
    base = seen.point.risk_equity if top is None else top
    what = f"the highest of the last {seen.limits.sudden_drop_s} s"
    return _loss(what, seen.point.risk_equity, base, seen.limits.sudden_drop)


def _gap(seen: Seen) -> str:
    age = (seen.as_of - seen.point.observed_at).total_seconds()
    if not seen.at_work or age <= seen.limits.max_equity_age_s:
        return ""
    return f"the books were last marked {age:.0f} s ago, at most {seen.limits.max_equity_age_s} s"


RULES: dict[str, Callable[[Seen], str]] = {
    "DRAWDOWN_LISTEN": lambda seen: _fallen(seen, seen.limits.drawdown_listen),
    "DRAWDOWN_REDUCE": lambda seen: _fallen(seen, seen.limits.drawdown_reduce),
    "DRAWDOWN_HALT": lambda seen: _fallen(seen, seen.limits.drawdown_halt),
    "DAILY_LOSS": _day,
    "SUDDEN_DROP": _sudden,
    "SNAPSHOT_GAP": _gap,
}
