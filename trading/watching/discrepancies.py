"""Differences on record: each told when it is news, judged at its second look, halted on."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.db.models import Max, Sum

from config.kernel import audit
from config.kernel.units import ZERO
from risk import halts
from risk.models import Halt
from trading.core.reconcile import Finding, Kind, ReconciliationConfig, Verdict, cents
from trading.models import Discrepancy, Fill, Order

log = structlog.get_logger()
ACTOR = "reconciliation"
OURS = (ACTOR, "books")
"""Who releases this halt without being a person."""
HALT = "RECONCILIATION"
TRADE = Kind.TRADE.value
DOUBT = "seen once, to be looked at again"
AGREES = "agrees again"
REMEMBERED = timedelta(days=30)
"""How far back the last word on a subject is looked for."""


def judge(
    findings: Iterable[Finding],
    *,
    mode: str,
    wallet: str,
    as_of: datetime,
    config: ReconciliationConfig,
) -> list[Finding]:
    """Let what nothing explains be doubted first: only a second look condemns it."""
    told = _told(mode, wallet, as_of=as_of)
    patience = timedelta(seconds=config.confirm_s)
    return [
        finding
        if finding.verdict != Verdict.UNEXPLAINED
        or finding.certain
        or _seen_for(told.get((finding.kind, finding.subject), []), finding, as_of) >= patience
        else replace(finding, verdict=Verdict.DOUBTED, explanation=DOUBT)
        for finding in findings
    ]


def put_on_record(
    findings: Sequence[Finding], *, mode: str, wallet: str, as_of: datetime
) -> list[Discrepancy]:
    """Write what is news, and that an old difference is gone; returns the rows written.

    What is on its way explains a difference every minute: that alone is no news.
    """
    told = _told(mode, wallet, as_of=as_of)
    rows = [
        _row(finding, mode=mode, wallet=wallet, as_of=as_of)
        for finding in findings
        if _is_news(told.get((finding.kind, finding.subject), []), finding)
    ]
    standing = {(finding.kind.value, finding.subject) for finding in findings}
    rows += [
        Discrepancy(
            mode=mode,
            wallet=wallet,
            kind=kind,
            subject=subject,
            market_id=before[-1].market_id,
            ours=before[-1].theirs,
            theirs=before[-1].theirs,
            explained=True,
            explanation=AGREES,
            found_at=as_of,
        )
        for (kind, subject), before in told.items()
        if (kind, subject) not in standing and before[-1].ours != before[-1].theirs
    ]
    for row in rows:
        row.save(force_insert=True)
        if not row.explained:
            _alert(row, as_of=as_of)
    return rows


def keep(findings: Sequence[Finding], *, mode: str, wallet: str, as_of: datetime) -> None:
    """Put on record what is certain about trades, and halt over it.

    Part of the transaction that moves on in the venue's list: what was read is not told again.
    """
    told = _told(mode, wallet, as_of=as_of)
    certain = [f for f in _not_accepted(findings, told, mode) if f.certain]
    for finding in certain:
        if _is_news(told.get((finding.kind, finding.subject), []), finding):
            row = _row(finding, mode=mode, wallet=wallet, as_of=as_of)
            row.save(force_insert=True)
            _alert(row, as_of=as_of)
    if certain and not any(halt.kind == HALT for halt in halts.standing(mode=mode)):
        stop_or_go(certain, mode=mode, wallet=wallet, as_of=as_of)


def is_accepted(finding: Finding, *, mode: str, wallet: str, as_of: datetime) -> bool:
    """Whether a person resumed, knowing of this finding about a trade."""
    return not _not_accepted([finding], _told(mode, wallet, as_of=as_of), mode)


def with_standing(
    findings: Sequence[Finding],
    *,
    mode: str,
    wallet: str,
    agreed: Collection[str],
    as_of: datetime,
) -> list[Finding]:
    """The findings, and what stands about trades from earlier looks; without what was accepted.

    A trade is told once. That nobody repeats it proves nothing: it stands until it is booked, until
    it is told anew as the books have it (`agreed`), or until a person resumes knowing of it.
    """
    told = _told(mode, wallet, as_of=as_of)
    found = _not_accepted(findings, told, mode)
    now = {(f.kind.value, f.subject) for f in findings}
    # What the venue's list of orders says of an order is told at each look.
    orders = set(
        Order.objects.filter(
            mode=mode, wallet=wallet, venue_order_id__in=[s for kind, s in told if kind == TRADE]
        ).values_list("venue_order_id", flat=True)
    )
    last = {
        key: rows[-1]
        for key, rows in told.items()
        if key[0] == TRADE and key not in now and key[1] not in orders and key[1] not in agreed
    }
    earlier = [
        _again(row)
        for row in last.values()
        if row.ours != row.theirs and not row.explained and not _is_booked(row)
    ]
    return [*found, *_not_accepted(earlier, told, mode)]


def _again(row: Discrepancy) -> Finding:
    return Finding(
        kind=Kind(row.kind),
        subject=row.subject,
        ours=row.ours,
        theirs=row.theirs,
        verdict=Verdict.UNEXPLAINED,
        explanation=row.explanation,
        market_id=row.market_id,
        certain=True,
    )


def _is_booked(row: Discrepancy) -> bool:
    """Whether a trade of which the books knew nothing is in them by now."""
    fills = Fill.objects.filter(mode=row.mode, order__wallet=row.wallet, trade_id=row.subject)
    booked = fills.aggregate(shares=Sum("shares"))["shares"]
    return bool(row.ours == ZERO and booked == row.theirs)


def _not_accepted(findings: Sequence[Finding], told: "Told", mode: str) -> list[Finding]:
    """Without what stood about trades when a person last resumed."""
    resumed = (
        Halt.objects.filter(kind=HALT, scope=Halt.Scope.MODE, scope_key=mode)
        .exclude(released_by__in=OURS)
        .aggregate(at=Max("released_at"))["at"]
    )
    if resumed is None:
        return list(findings)
    return [
        finding
        for finding in findings
        if finding.kind != Kind.TRADE
        or not any(
            (row.ours, row.theirs, row.explained) == (finding.ours, finding.theirs, False)
            and row.found_at <= resumed
            for row in told.get((finding.kind, finding.subject), [])
        )
    ]


def standing(mode: str, wallet: str, *, as_of: datetime) -> list[Discrepancy]:
    """The last word on everything that differs."""
    last = (rows[-1] for rows in _told(mode, wallet, as_of=as_of).values())
    return [row for row in last if row.ours != row.theirs]


def stop_or_go(
    findings: Sequence[Finding], *, mode: str, wallet: str, as_of: datetime, behind: bool = False
) -> bool:
    """Halt new entries over what nothing explains, let them go on once all agrees; whether it does.

    What is merely doubted neither halts nor releases; nor are books released that are `behind`
    what the venue told, because something could not be booked.
    """
    wrong = [f for f in findings if f.verdict == Verdict.UNEXPLAINED]
    if wrong:
        text = "; ".join(f"{f.kind} {f.subject[:20]}: {f.explanation}" for f in wrong[:3])
        reach = {"scope": Halt.Scope.MODE, "scope_key": mode}
        reason = f"{len(wrong)} differences of {wallet}: {text}"
        halts.open_halt(HALT, reason=reason, actor=ACTOR, as_of=as_of, **reach)
        return False
    if behind or any(f.verdict == Verdict.DOUBTED for f in findings):
        return False
    for halt in halts.standing(mode=mode):
        if halt.kind == HALT and halt.resume_rule == Halt.Resume.WHEN_CLEAR:
            reason = "books, venue and chain agree"
            halts.release(halt, actor=ACTOR, reason=reason, as_of=as_of)
    return True


Told = dict[tuple[str, str], list[Discrepancy]]
"""Kind and subject → what was found about it, oldest first."""


def _told(mode: str, wallet: str, *, as_of: datetime) -> Told:
    rows = Discrepancy.objects.filter(
        mode=mode, wallet=wallet, found_at__gt=as_of - REMEMBERED
    ).order_by("pk")
    told: Told = {}
    for row in rows:
        told.setdefault((row.kind, row.subject), []).append(row)
    return told


def _seen_for(rows: Sequence[Discrepancy], finding: Finding, as_of: datetime) -> timedelta:
    """For how long the same difference has stood without an explanation."""
    since = as_of
    for row in reversed(rows):
        same_side = (row.theirs > row.ours) == (finding.theirs > finding.ours)
        if row.ours == row.theirs or not same_side or _is_explained(row):
            break
        since = row.found_at
    return as_of - since


def _is_settled(row: Discrepancy) -> bool:
    return row.ours == row.theirs or _is_explained(row)


def _is_explained(row: Discrepancy) -> bool:
    return row.explained and row.explanation != DOUBT


def _is_news(rows: Sequence[Discrepancy], finding: Finding) -> bool:
    plain = finding.verdict == Verdict.EXPLAINED
    if not rows or (plain and _is_settled(rows[-1])):
        return not plain
    last = rows[-1]
    before = (last.ours, last.theirs, last.explained, last.explanation)
    explained = finding.verdict != Verdict.UNEXPLAINED
    return before != (finding.ours, finding.theirs, explained, finding.explanation[:400])


def _row(finding: Finding, *, mode: str, wallet: str, as_of: datetime) -> Discrepancy:
    return Discrepancy(
        mode=mode,
        wallet=wallet,
        kind=finding.kind.value,
        subject=finding.subject[:120],
        market_id=finding.market_id,
        ours=finding.ours,
        theirs=finding.theirs,
        explained=finding.verdict != Verdict.UNEXPLAINED,
        explanation=finding.explanation[:400],
        found_at=as_of,
    )


def _alert(row: Discrepancy, *, as_of: datetime) -> None:
    difference = row.theirs - row.ours
    amount = f"{cents(difference)} cents" if row.kind == Kind.CASH else f"{difference:+} shares"
    text = (
        f"{row.kind} of {row.wallet} ({row.mode}): the books say {row.ours}, outside it is "
        f"{row.theirs} ({amount}): {row.explanation}. No new order is sent until it is "
        "explained; see `manage.py reconcile`."
    )
    subject = f"reconciliation:{row.mode}:{row.kind}:{row.subject}"[:200]
    audit.alert(subject, text=text, actor=ACTOR, as_of=as_of)
    log.warning("reconciliation.unexplained", kind=row.kind, subject=row.subject)
