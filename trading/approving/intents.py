"""What becomes of a wish before it is an order: approved, rejected, expired, or let go."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from config.kernel import audit, locks, texts
from config.kernel.clocks import Clock, given
from config.kernel.modes import Mode
from trading.approving import review
from trading.books import claims, ledger, portfolio
from trading.deciding import approvals
from trading.market_data import Refresh
from trading.models import Account, Approval, TradeIntent
from trading.settings import TradingSettings
from trading.watching.success import REHEARSAL_ENDED

log = structlog.get_logger()
Status = TradeIntent.Status
GATE = "risk gate"


class NotPending(RuntimeError):
    """The intent was decided, or its time ran out; make a new one."""


class Stopped(RuntimeError):
    """A halt stops what was approved; the wish waits on, for its time."""


class SaidYesBefore(RuntimeError):
    """A second yes of the same person, which counts for nothing; another one must say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What became of many at once: those rejected now, and those that were late."""

    rejected: tuple[TradeIntent, ...]
    late: tuple[TradeIntent, ...]


def approve(
    intent: TradeIntent,
    *,
    user: Any,
    reason: str,
    as_of: datetime,
    refresh: Refresh | None = None,
    clock: Clock | None = None,
) -> TradeIntent:
    """A person says yes: the gate is asked again with the books, the forecast and the book of now.

    One yes or no answers for all legs of a group: they are worth something only together.
    Returns the intent: APPROVED, PENDING where another person must say yes too, or REJECTED where
    the gate no longer agrees (its reason says why). Books too old for the gate, those of all legs,
    are fetched first where `refresh` can; `clock` tells when the lock was had. Raises `NotPending`
    for an intent that is decided or expired, `Stopped` in a halt, which leaves it waiting,
    `SaidYesBefore` for a second yes of the same person, `ValueError` without a reason.
    """
    reason = _reasoned(reason)
    if refresh is not None:
        review.freshen(_together(intent), refresh, as_of=as_of)
    return _approve(intent, user=user, reason=reason, now=given(clock, as_of))


@transaction.atomic
def _approve(intent: TradeIntent, *, user: Any, reason: str, now: Clock) -> TradeIntent:
    locks.hold(f"portfolio:{intent.mode}")
    as_of = now()
    _pending(intent, as_of=as_of)
    if (chosen := TradingSettings.objects.newest().mode) != intent.mode:
        raise NotPending(
            f"trading was switched from {intent.mode} to {chosen}: intent {intent.pk} would not be "
            "sent; reject it, or switch back"
        )
    said = intent.approval_set.filter(approved=True, user__isnull=False)
    if said.filter(user=user).exists():
        missing = intent.approvals_needed - len(approvals.persons_for(intent))
        raise SaidYesBefore(
            f"{user.get_username()} has said yes already; {missing} more must, each another person"
        )
    legs = _together(intent)
    if not _gate_refuses(legs, as_of=as_of):
        for leg in legs:
            name = user.get_username()
            _record(leg, approved=True, user=user, by=name, reason=reason, as_of=as_of)
        # Whoever asks was let in by the caller; the others may have lost their right since.
        persons = approvals.persons_for(intent) | {user.pk}
        if len(persons) >= max(leg.approvals_needed for leg in legs):
            keys = [leg.pk for leg in legs]
            TradeIntent.objects.filter(pk__in=keys, status=Status.PENDING).update(
                status=Status.APPROVED
            )
    intent.refresh_from_db()
    return intent


@transaction.atomic
def reject(
    intent: TradeIntent, *, user: Any, reason: str, as_of: datetime, clock: Clock | None = None
) -> TradeIntent:
    """A person says no, to all legs of a group at once.

    Raises `NotPending` for an intent that is decided or expired, `ValueError` without a reason.
    """
    reason = _reasoned(reason)
    locks.hold(f"portfolio:{intent.mode}")
    as_of = given(clock, as_of)()
    _pending(intent, as_of=as_of)
    for leg in _together(intent):
        name = user.get_username()
        _record(leg, approved=False, user=user, by=name, reason=reason, as_of=as_of)
        let_go(leg, to=Status.REJECTED, reason=reason, as_of=as_of)
    intent.refresh_from_db()
    return intent


def reject_many(
    rows: Iterable[TradeIntent],
    *,
    user: Any,
    reason: str,
    as_of: datetime,
    clock: Clock | None = None,
) -> Bulk:
    """A person says no to several; one that was decided or expired meanwhile stops none of them."""
    rejected, late = [], []
    for intent in rows:
        try:
            reject(intent, user=user, reason=reason, as_of=as_of, clock=clock)
        except NotPending:
            late.append(intent)
        else:
            rejected.append(intent)
    return Bulk(rejected=tuple(rejected), late=tuple(late))


def end_rehearsal(*, user: Any, reason: str, as_of: datetime, clock: Clock | None = None) -> Bulk:
    """A person ended the rehearsal: what still waits in it is refused, for that reason."""
    rows = TradeIntent.objects.filter(mode=Mode.REHEARSAL, status=Status.PENDING)
    said = f"the rehearsal ended: {reason}"
    return reject_many(rows, user=user, reason=said, as_of=as_of, clock=clock)


def expire_due(*, as_of: datetime) -> int:
    """Expire every open intent whose time is over, refuse what a rehearsal left; how many."""
    return _leftovers(as_of=as_of) + _expired(as_of=as_of)


def _leftovers(*, as_of: datetime) -> int:
    """Wishes of a rehearsal that ended otherwise than by its page: nobody can say yes to them."""
    if TradingSettings.objects.newest().mode == Mode.REHEARSAL:
        return 0
    rows = TradeIntent.objects.filter(mode=Mode.REHEARSAL, status=Status.PENDING)
    return sum(_refuse_leftover(intent, as_of=as_of) for intent in rows.select_related("market"))


@transaction.atomic
def _refuse_leftover(intent: TradeIntent, *, as_of: datetime) -> bool:
    locks.hold(f"portfolio:{intent.mode}")
    why = "the rehearsal ended"
    if not let_go(intent, to=Status.REJECTED, reason=why, as_of=as_of):
        return False
    _record(intent, approved=False, user=None, by=REHEARSAL_ENDED, reason=why, as_of=as_of)
    return True


def _expired(*, as_of: datetime) -> int:
    due = TradeIntent.objects.filter(status__in=TradeIntent.OPEN, expires_at__lte=as_of)
    return sum(_expire(intent, as_of=as_of) for intent in due.select_related("market"))


@transaction.atomic
def _expire(intent: TradeIntent, *, as_of: datetime) -> bool:
    locks.hold(f"portfolio:{intent.mode}")
    return let_go(intent, to=Status.EXPIRED, reason="its time ran out", as_of=as_of)


def let_go(intent: TradeIntent, *, to: str, reason: str, as_of: datetime) -> bool:
    """End an open intent without an order; cash and claim return. False where it was ended."""
    moved = TradeIntent.objects.filter(pk=intent.pk, status__in=TradeIntent.OPEN).update(
        status=to, reason=reason[:400]
    )
    if not moved:
        return False
    ledger.post_if_any(
        f"release:intent:{intent.pk}",
        debit=Account.RESERVED,
        credit=Account.CASH,
        amount=portfolio.reservation(intent.pk),
        kind="release",
        mode=intent.mode,
        wallet=intent.wallet,
        market_id=intent.market_id,
        as_of=as_of,
    )
    claims.release_if_idle(
        mode=intent.mode, wallet=intent.wallet, market_id=intent.market_id, as_of=as_of
    )
    log.info("intent.ended", intent_id=str(intent.pk), to=to, reason=reason)
    return True


def _pending(intent: TradeIntent, *, as_of: datetime) -> None:
    """Re-read under the lock; what is not pending and unexpired is nobody's to decide."""
    intent.refresh_from_db()
    if intent.status != Status.PENDING or intent.expires_at <= as_of:
        expired = intent.expires_at <= as_of
        state = "expired" if expired else intent.status.lower()
        raise NotPending(
            f"intent {intent.pk} is {state}: it can no longer be decided; decide one that waits"
        )


def _together(intent: TradeIntent) -> list[TradeIntent]:
    """The intent with the legs of its group that wait as it does."""
    if intent.group_id is None:
        return [intent]
    waits = TradeIntent.objects.filter(group=intent.group_id, status=Status.PENDING)
    return list(waits.select_related("market__fees", "outcome", "group").order_by("id"))


def _gate_refuses(legs: list[TradeIntent], *, as_of: datetime) -> bool:
    """Ask the gate about each leg again; where it says no to one, all are let go."""
    for leg in legs:
        decision = review.again(leg, as_of=as_of)
        if why := review.stopped_by(decision):
            raise Stopped(
                f"{why}; the wish still waits: release the halt, then say yes, or reject it"
            )
        if why := review.refusal(decision, leg):
            _record(leg, approved=False, user=None, by=GATE, reason=why, as_of=as_of)
            for each in legs:
                let_go(each, to=Status.REJECTED, reason=f"gate: {why}", as_of=as_of)
            return True
        TradeIntent.objects.filter(pk=leg.pk).update(decision=decision)
    return False


def _reasoned(reason: str) -> str:
    if not texts.says_something(reason):
        raise ValueError("a yes or no needs a reason; say why in one sentence")
    return texts.storable(reason)


def _record(
    intent: TradeIntent, *, approved: bool, user: Any, by: str, reason: str, as_of: datetime
) -> None:
    Approval.objects.create(
        intent=intent,
        approved=approved,
        user=user,
        actor=by,
        reason=reason[:400],
        decided_at=as_of,
    )
    audit.record(
        "intent.approved" if approved else "intent.rejected",
        actor=by,
        subject=f"intent:{intent.pk}",
        data={"reason": reason, "shares": intent.shares, "limit_price": intent.limit_price},
        as_of=as_of,
    )
