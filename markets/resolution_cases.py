"""The manual queue: ends that no source settles, and booked results that a source denies.

A person settles with a name and a reason, once; facts are never changed.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction

from config.kernel import audit
from config.kernel.units import ONE
from markets import notices
from markets import resolution_records as records
from markets.core import wire_resolution as wire
from markets.core.wire_resolution import Evidence
from markets.models import Market, Notice, Resolution, ResolutionCase

log = structlog.get_logger()
LEAST_REASON = 10
BY_HAND = "manual"
LINES = frozenset("\t\n\r")
# Letters by their class that show nothing.
FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
PAYOUTS = {"0": Decimal(1), "1": Decimal(0), "half": wire.HALF}
"""What a share of outcome 0 pays under each decision of a person."""


class CannotSettle(ValueError):
    """The case cannot be decided so; the message says what to do instead."""


def open_case(
    market: Market, reason: str, evidence: Sequence[Evidence], *, as_of: datetime
) -> ResolutionCase:
    """Put a market before a person, or bring the evidence of its open case up to date."""
    case, fresh = _write(market, reason, evidence, as_of=as_of)
    if fresh:
        notices.note(
            Notice.Kind.RESOLUTION_UNCLEAR,
            str(market.pk),
            f"“{market.question[:200]}” ended, and no source settles how: {reason}"[:600],
            as_of=as_of,
            subject=market.slug or market.venue_key,
            severity=Notice.Severity.WARNING,
            market_id=market.pk,
        )
    return case


def contradicted(
    market: Market, booked: Resolution, evidence: Sequence[Evidence], *, as_of: datetime
) -> ResolutionCase | None:
    """Show that a source denies a booked result; None where a person has seen the same already."""
    against = wire.contradicts(booked.payout_0, evidence, by_hand=booked.strength == BY_HAND)
    share = f"{booked.payout_0.normalize():f}"
    reason = f"booked {share} by {booked.source}, but {wire.in_words(against)}"
    reason = wire.clean(reason, longest=400)
    seen = ResolutionCase.objects.filter(market=market, settled_at__isnull=False, reason=reason)
    if seen.exists():
        return None
    case, _ = _write(market, reason, evidence, as_of=as_of)
    word = ",".join(f"{e.source}={e.payout if e.payout is not None else e.said}" for e in against)
    notices.note(
        Notice.Kind.RESOLUTION_UNCLEAR,
        f"{market.pk}:{word}",
        f"“{market.question[:200]}”: {reason}"[:600],
        as_of=as_of,
        subject=market.slug or market.venue_key,
        severity=Notice.Severity.WARNING,
        market_id=market.pk,
    )
    return case


def _write(
    market: Market, reason: str, evidence: Sequence[Evidence], *, as_of: datetime
) -> tuple[ResolutionCase, bool]:
    """The case of the market, open, and whether it was not open before."""
    values = {
        "reason": wire.clean(reason, longest=400),
        "evidence": wire.as_json(evidence, as_of=as_of),
        "checked_at": as_of,
    }
    with transaction.atomic():
        opened = {**values, "opened_at": as_of}
        case, added = ResolutionCase.objects.select_for_update(of=("self",)).get_or_create(
            market=market, defaults=opened
        )
        if added:
            return case, True
        closed = case.settled_at is not None
        reopened = {"opened_at": as_of, "settled_at": None, "settled_by": "", "note": ""}
        for name, value in (values | (reopened if closed else {})).items():
            setattr(case, name, value)
        case.save()
        return case, closed


def settled_by_source(
    case: ResolutionCase, sources: str, evidence: Sequence[Evidence], *, as_of: datetime
) -> None:
    """Close the open case of a market that the sources settled by themselves, naming them."""
    ResolutionCase.objects.filter(pk=case.pk, settled_at__isnull=True).update(
        evidence=wire.as_json(evidence, as_of=as_of),
        checked_at=as_of,
        settled_at=as_of,
        settled_by=sources[:150],
        note="the sources settled it",
    )


@transaction.atomic
def settle(
    case: ResolutionCase, decision: str, *, person: str, reason: str, as_of: datetime
) -> Resolution:
    """Book what a person decided: `0` or `1` (that outcome won), or `half` (50/50).

    Raises `CannotSettle` without a proper reason, for a case that is closed, for a market with a
    result, and for a split of exclusive markets.
    """
    locked, note = _taken(case, reason)
    market = locked.market
    if decision not in PAYOUTS:
        raise CannotSettle("choose the outcome that won, or 50/50")
    if Resolution.objects.filter(market=market).exists():
        raise CannotSettle("the market has a result, and facts are not changed; close the case")
    if decision == "half" and market.neg_risk:
        raise CannotSettle("outcomes that exclude each other cannot split; name the winner")
    payout = PAYOUTS[decision]
    resolution = Resolution.objects.create(
        market=market,
        payout_0=payout,
        payout_1=ONE - payout,
        source=f"person: {person}"[:120],
        strength=BY_HAND,
        resolved_at=records.believable(market, market.closed_at or as_of, as_of=as_of),
        received_at=as_of,
    )
    records.close([(market, market.closed_at)], as_of=as_of)
    _close(locked, person, note, as_of=as_of)
    _audit("resolution.settled_by_hand", locked, person, note, as_of, payout_0=str(payout))
    return resolution


@transaction.atomic
def keep(case: ResolutionCase, *, person: str, reason: str, as_of: datetime) -> None:
    """Close the case of a market that has a result, which stays as it is.

    Raises `CannotSettle` without a proper reason, for a closed case, and without a result.
    """
    locked, note = _taken(case, reason)
    if not Resolution.objects.filter(market=locked.market).exists():
        raise CannotSettle("there is no result to keep; decide the market, or ask again")
    _close(locked, person, note, as_of=as_of)
    _audit("resolution.kept_by_hand", locked, person, note, as_of)


@transaction.atomic
def ask_again(case: ResolutionCase, *, person: str, reason: str, as_of: datetime) -> None:
    """Put the market in front of the line: the next round asks all sources; the case stays open.

    Raises `CannotSettle` without a proper reason and for a closed case.
    """
    locked, note = _taken(case, reason)
    Market.objects.filter(pk=locked.market_id).update(result_due_at=as_of)
    _audit("resolution.asked_again", locked, person, note, as_of)


def reason_problem(reason: str) -> str:
    """What is wrong with a person's reason, in words; empty where nothing is."""
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in LINES for c in reason):
        return "the reason holds characters that cannot be kept; type it as plain text"
    if sum(c.isalnum() and c not in FILLERS for c in reason) < LEAST_REASON:
        return f"give the reason in at least {LEAST_REASON} letters; it is recorded"
    return ""


def _taken(case: ResolutionCase, reason: str) -> tuple[ResolutionCase, str]:
    """The case as it stands, locked, and the reason as one line."""
    if wrong := reason_problem(reason):
        raise CannotSettle(wrong)
    note = wire.clean(reason, longest=len(reason))
    locked: ResolutionCase = (
        ResolutionCase.objects.select_for_update(of=("self",))
        .select_related("market")
        .get(pk=case.pk)
    )
    if locked.settled_at is not None:
        raise CannotSettle(f"{locked.settled_by} closed this case already")
    return locked, note


def _close(case: ResolutionCase, person: str, note: str, *, as_of: datetime) -> None:
    case.settled_at, case.settled_by, case.note = as_of, person[:150], note[:400]
    case.save(update_fields=["settled_at", "settled_by", "note"])


def _audit(
    kind: str, case: ResolutionCase, person: str, reason: str, as_of: datetime, **data: str
) -> None:
    audit.record(
        kind,
        actor=person,
        subject=f"market:{case.market_id}",
        data={"reason": reason, "case": case.reason, "evidence": case.evidence, **data},
        as_of=as_of,
    )
