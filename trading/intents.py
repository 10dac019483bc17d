"""What becomes of a wish before it is an order: approved, rejected, expired, or let go."""

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from config.kernel import audit, locks
from risk import gate
from risk.models import RiskDecision
from trading import candidates, claims, ledger, portfolio
from trading.core.decision import order_at
from trading.models import Account, Approval, TradeIntent
from trading.settings import TradingSettings

log = structlog.get_logger()
Status = TradeIntent.Status


class NotPending(RuntimeError):
    """The intent was decided, or its time ran out; make a new one."""


@transaction.atomic
def approve(intent: TradeIntent, *, user: Any, reason: str, as_of: datetime) -> TradeIntent:
    """A person says yes: the gate is asked again with the books and the book of now.

    Returns the intent, APPROVED, or REJECTED where the gate no longer agrees (its reason says
    why). Raises `NotPending` for one that is decided or expired.
    """
    locks.hold(f"portfolio:{intent.mode}")
    _pending(intent, as_of=as_of)
    decision = _review_again(intent, as_of=as_of)
    refused = decision.denials if decision else "STALE_BOOK"
    if decision is not None and decision.approved_shares < intent.shares and not refused:
        refused = "the gate admits fewer shares by now"
    if refused:
        _record(intent, approved=False, user=user, reason=f"gate: {refused}", as_of=as_of)
        let_go(intent, to=Status.REJECTED, reason=f"gate: {refused}", as_of=as_of)
    else:
        _record(intent, approved=True, user=user, reason=reason, as_of=as_of)
        TradeIntent.objects.filter(pk=intent.pk, status=Status.PENDING).update(
            status=Status.APPROVED, decision=decision, reason=reason[:400]
        )
    intent.refresh_from_db()
    return intent


@transaction.atomic
def reject(intent: TradeIntent, *, user: Any, reason: str, as_of: datetime) -> TradeIntent:
    """A person says no. Raises `NotPending` for an intent that is decided or expired."""
    locks.hold(f"portfolio:{intent.mode}")
    _pending(intent, as_of=as_of)
    _record(intent, approved=False, user=user, reason=reason, as_of=as_of)
    let_go(intent, to=Status.REJECTED, reason=reason, as_of=as_of)
    intent.refresh_from_db()
    return intent


def expire_due(*, as_of: datetime) -> int:
    """Expire every open intent whose time is over; returns how many."""
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
        raise NotPending(f"intent {intent.pk} is {state}: it can no longer be decided")


def _review_again(intent: TradeIntent, *, as_of: datetime) -> RiskDecision | None:
    """The gate's answer to the same order against the market of now; None without a book."""
    if intent.signal is None:
        return None
    found = candidates.gather([intent.signal], as_of=as_of).get(intent.signal.pk)
    if found is None:
        return None
    books = portfolio.snapshot(
        intent.mode,
        as_of=as_of,
        strategy=intent.strategy,
        market_id=intent.market_id,
        without=intent.pk,
    )
    config = TradingSettings.objects.current(as_of=as_of).as_config()
    order = order_at(found, shares=intent.shares, limit=intent.limit_price, config=config)
    return gate.review(order, books, mode=intent.mode, as_of=as_of)


def _record(
    intent: TradeIntent, *, approved: bool, user: Any, reason: str, as_of: datetime
) -> None:
    name = user.get_username()
    Approval.objects.create(
        intent=intent,
        approved=approved,
        user=user,
        actor=name,
        reason=reason[:400],
        decided_at=as_of,
    )
    audit.record(
        "intent.approved" if approved else "intent.rejected",
        actor=name,
        subject=f"intent:{intent.pk}",
        data={"reason": reason, "shares": intent.shares, "limit_price": intent.limit_price},
        as_of=as_of,
    )
