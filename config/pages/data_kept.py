"""What we hold and what is open: catalogue, history, tables, request budget, questions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from config.kernel import estimates
from config.kernel.models import Job
from config.pages.lines import BAD, GOOD, WARN, Line, ago, counted
from config.pages.words import phrase
from markets import archive, budgets, retention, universe
from markets import passes as listing_passes
from markets.models import (
    Backfill,
    CalendarEvent,
    FundingRate,
    HistorySettings,
    Market,
    MarketVersion,
    NewsItem,
    Notice,
    Origin,
    Profile,
    Protocol,
    PublicTrade,
    Quote,
    RawMessage,
    ResolutionCase,
    SpotTick,
    WalletTrade,
)
from predictions.models import Prediction

ROWS = 8
HOLDS = Q(covered_from__lt=F("covered_until"))
LISTINGS = ("catalogue", "epochs", "universe")
BIG = (Quote, PublicTrade, SpotTick, FundingRate, Market, MarketVersion, Prediction)
CONTEXT = (NewsItem, CalendarEvent, WalletTrade, Notice)
FULL, BUSY = 1.0, 0.5
"""Share of a limit's burst from which callers wait, and from which somebody should know."""


def read(*, as_of: datetime, staff: bool) -> dict[str, Any]:
    """The sections about what is kept."""
    return {
        **catalogue(as_of=as_of),
        "past": past(as_of=as_of, staff=staff),
        "tables": tables(),
        "archive_bytes": archive_bytes(),
        "budget": budget(),
        **questions(as_of=as_of),
    }


def catalogue(*, as_of: datetime) -> dict[str, Any]:
    """Open markets by origin and protocol, the passes over the listing, and who is followed."""
    grouped = list(
        Market.objects.filter(closed_at__isnull=True)
        .values("origin", "protocol", "profile", "filter_reason", "tracked")
        .annotate(n=Count("pk"), newest_at=Max("received_at"))
    )
    newest = max((row["newest_at"] for row in grouped), default=None)
    kinds: dict[tuple[str, str], int] = {}
    for row in grouped:
        kind = row["origin"], row["protocol"]
        kinds[kind] = kinds.get(kind, 0) + row["n"]
    return {
        "newest_market": ago(newest, as_of=as_of),
        "open_markets": sum(kinds.values()),
        "kinds": [
            Line(
                name=f"{Origin(origin).label} · protocol {Protocol(protocol).label}",
                figure=f"{n:,}",
                word="not tradable" if protocol == Protocol.UNKNOWN else "",
                mark=WARN,
            )
            for (origin, protocol), n in sorted(kinds.items(), key=lambda kind: -kind[1])
        ],
        "passes": passes(as_of=as_of),
        "profiles": profiles(grouped),
    }


def passes(*, as_of: datetime) -> list[Line]:
    """When each pass over the listing last got through; late after two periods."""
    tasks = PeriodicTask.objects.filter(name__in=LISTINGS).select_related("interval")
    known = {task.name: task for task in tasks}
    return [_pass(known[name], as_of=as_of) for name in LISTINGS if name in known]


def _pass(task: PeriodicTask, *, as_of: datetime) -> Line:
    state = listing_passes.state(task.name)
    period = task.interval.schedule.run_every if task.interval else None
    last = state.answered_at if state else None
    late = last is None or (period is not None and as_of - last > 2 * period)
    said = ago(last, as_of=as_of)
    failures = state.failures if state else 0
    word = f"{failures} failures" if failures else f"late: {said}" if late else said
    note = f"{task.description}; last got through: {said}" if failures else task.description
    return Line(
        name=f"Pass: {task.name}",
        note=note,
        word=word if task.enabled else "off",
        mark=WARN if not task.enabled else BAD if failures or late else GOOD,
    )


def profiles(grouped: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per universe: how many are followed, and the reasons of the others, the commonest first."""
    live = [row for row in grouped if row["origin"] in universe.LIVE_ORIGINS]
    most = max((row["n"] for row in live), default=1)
    found = []
    for profile in (*Profile.values, ""):
        rows = [row for row in live if row["profile"] == profile]
        if not rows:
            continue
        reasons: dict[str, int] = {}
        for row in rows:
            if not row["tracked"]:
                code = row["filter_reason"] or "NOT_IN_THE_UNIVERSE"
                reasons[code] = reasons.get(code, 0) + row["n"]
        found.append(
            {
                "name": Profile(profile).label if profile else "No universe fits",
                "followed": sum(row["n"] for row in rows if row["tracked"]),
                "reasons": [
                    {
                        "code": code,
                        "words": phrase(code),
                        "count": n,
                        "width": max(round(100 * n / most), 1),
                    }
                    for code, n in sorted(reasons.items(), key=lambda reason: -reason[1])
                ],
            }
        )
    return found


def past(*, as_of: datetime, staff: bool) -> list[Line]:
    """Backfill by kind, and the last run of the work that fills and empties the tables."""
    settings = HistorySettings.objects.current(as_of=as_of)
    found = []
    if not settings.backfill:
        note = "Switched off in the history settings."
        found.append(Line(name="Backfill", note=note, word="off", mark=WARN))
    rows = {
        row["kind"]: row
        for row in Backfill.objects.values("kind").annotate(
            markets=Count("market_id", filter=HOLDS),
            oldest=Min("covered_from", filter=HOLDS),
            held=Sum("rows"),
            failing=Count("market_id", filter=Q(failures__gt=0)),
            at=Max("updated_at"),
        )
    }
    for kind in Backfill.Kind:
        row = rows.get(str(kind))
        name = f"Backfill: {kind.label}"
        if row is None:
            note = "Nothing fetched yet; manage.py backfill does it now."
            found.append(Line(name=name, note=note, word="empty", mark=WARN))
            continue
        failing = row["failing"]
        found.append(
            Line(
                name=name,
                note=f"{counted(row['markets'], 'market')} from {row['oldest']:%Y-%m-%d} on, "
                f"{counted(row['held'], 'row')}"
                if row["oldest"]
                else "No market's past could be fetched yet.",
                word=f"{failing:,} failing" if failing else ago(row["at"], as_of=as_of),
                mark=BAD if failing else GOOD,
            )
        )
    found.append(_last_job(retention.KIND, "Retention", as_of=as_of, staff=staff))
    return found


def _last_job(kind: str, name: str, *, as_of: datetime, staff: bool) -> Line:
    job = Job.objects.filter(kind=kind).order_by("-started_at").first()
    if job is None:
        note = "Has not run yet; it runs once a day, or with manage.py retention."
        return Line(name=name, note=note, word="never", mark=WARN)
    failed = job.status == Job.Status.FAILED
    note = (
        (job.error[:200] if staff else "failed") if failed else f"{counted(job.done, 'row')} left"
    )
    return Line(
        name=name,
        note=note,
        word=f"{job.status.lower()} {ago(job.finished_at or job.beat_at, as_of=as_of)}",
        mark=BAD if failed else GOOD,
    )


def tables() -> list[Line]:
    """About how many rows the large tables hold."""
    models = (*BIG, *CONTEXT)
    counts = estimates.rows(models)
    named = [
        (str(model._meta.verbose_name_plural), counts[model._meta.db_table])  # noqa: SLF001 - Django's public name
        for model in models
    ]
    return [
        Line(name=name.capitalize(), figure="not counted yet" if n is None else f"{n:,}")
        for name, n in sorted(named, key=lambda line: -(line[1] or 0))
    ]


def archive_bytes() -> int:
    """What the Parquet archive takes on this machine's disk."""
    tables = (*archive.KEYS, "funding")
    return sum(file.stat().st_size for table in tables for file in archive.files(table))


def budget() -> dict[str, Any]:
    """Each request limit with the share of its burst in use; why there is nothing to show."""
    try:
        found = budgets.used()
    except budgets.NotKnown:
        return {"why": "Redis, where the budget is shared, does not answer.", "limits": []}
    if found is None:
        why = "The stand-in venue answers on this machine; it has no limits."
        return {"why": why, "limits": []}
    return {
        "why": "",
        "limits": [
            {
                "name": use.limit,
                "service": use.service,
                "taken": use.taken,
                "width": min(round(100 * use.taken), 100),
                "word": "waiting" if use.taken >= FULL else "busy" if use.taken >= BUSY else "",
            }
            for use in found
            if use.taken > 0
        ],
        "idle": sum(use.taken == 0 for use in found),
    }


def questions(*, as_of: datetime) -> dict[str, Any]:
    """What a person should look at: cases, messages not understood, notices."""
    cases = ResolutionCase.objects.filter(settled_at__isnull=True)
    return {
        "cases_open": cases.count(),
        "cases": [
            Line(
                name=case.market.question,
                note=case.reason,
                word=ago(case.opened_at, as_of=as_of),
                mark=WARN,
                link=reverse("market", args=[case.market_id]),
            )
            for case in cases.select_related("market").order_by("opened_at")[:ROWS]
        ],
        "unknown_seen": RawMessage.objects.aggregate(n=Sum("seen"))["n"] or 0,
        "unknown": [
            Line(
                name=row.source,
                note=row.reason,
                figure=f"{row.seen:,}×",
                word=ago(row.last_seen_at, as_of=as_of),
                mark=WARN,
            )
            for row in RawMessage.objects.order_by("-last_seen_at")[:ROWS].defer("body")
        ],
        "notices": [
            Line(
                name=row.get_kind_display().capitalize(),
                note=row.text,
                word=ago(row.received_at, as_of=as_of),
                mark=WARN if row.severity == Notice.Severity.WARNING else "",
                link=reverse("market", args=[row.market_id]) if row.market_id else "",
            )
            for row in Notice.objects.order_by("-received_at", "-pk")[:ROWS]
        ],
    }
