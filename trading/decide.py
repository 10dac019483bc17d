"""Signal → sized intent → gate → approved intent, claim and reservation: one transaction."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import numpy as np
import structlog
from django.db import transaction

from config.kernel import audit, locks, units
from config.kernel.clocks import Clock, given
from config.kernel.modes import Mode
from markets.models import Outcome
from risk import gate
from risk.core.contracts import Denial, DenialReason, LimitsConfig, OrderIntent, Verdict
from risk.models import RiskDecision, RiskLimits
from trading import candidates, claims, failures, ledger, portfolio
from trading.core.contracts import TradingConfig
from trading.core.decision import Candidate, Refusal, cost_bound, growth, propose
from trading.core.edge import Reason
from trading.market_data import Refresh, from_venue
from trading.models import MAIN_WALLET, Account, Approval, Side, Signal, TradeIntent
from trading.settings import TradingSettings

log = structlog.get_logger()
PAPER_RULE = "paper rule"


class AlreadyDecided(RuntimeError):
    """Another worker put this signal to the gate first."""


def run(*, as_of: datetime, refresh: Refresh | None = None, clock: Clock | None = None) -> int:
    """Decide every passed signal that waits, best first; returns how many intents were made.

    Books too old for the gate are fetched anew first; what is decided with them is decided after
    they came, as `clock` tells it. What goes wrong is counted, and raised.
    """
    fetch = refresh or partial(from_venue, clock=clock)
    limits = RiskLimits.objects.current(as_of=as_of).as_config()
    waiting = _waiting(limits, as_of=as_of)
    found = candidates.gather(waiting, as_of=as_of)
    old = candidates.stale(found.values(), older_than_s=limits.max_book_age_s)
    old += [s.market_id for s in waiting if s.pk not in found]
    if old and fetch(old, as_of):
        as_of = given(clock, as_of)()
        found = candidates.gather(waiting, as_of=as_of)
    made = 0
    for signal in _ranked(waiting):
        try:
            made += _decide(signal, found.get(signal.pk), limits, as_of=as_of) is not None
        except AlreadyDecided:
            log.info("decision.already_made", signal_id=signal.pk)
        except Exception as failure:
            mode = TradingSettings.objects.current(as_of=as_of).mode
            failures.note_decision(mode, failure, signal_id=signal.pk, as_of=as_of)
            raise
    return made


def _waiting(limits: LimitsConfig, *, as_of: datetime) -> list[Signal]:
    """The newest passed signal of each market that the gate has not seen."""
    oldest = as_of - timedelta(seconds=limits.max_prediction_age_s)
    rows = (
        Signal.objects.filter(
            reason=Reason.PASSED.value,
            decision__isnull=True,
            prediction__as_of__gt=oldest,
            as_of__lte=as_of,
        )
        .select_related("prediction", "market__event", "market__fees")
        .order_by("as_of", "id")
    )
    return list({row.market_id: row for row in rows}.values())


def _ranked(waiting: Sequence[Signal]) -> list[Signal]:
    """By expected growth of wealth: scarce cash goes to the price that is most wrong."""
    cost = np.array([(s.cost or 1.0) + (s.fee or 0.0) for s in waiting])
    value = growth(np.array([s.probability for s in waiting]), cost)
    return [waiting[i] for i in np.argsort(-value, kind="stable")]


@transaction.atomic
def _decide(
    signal: Signal, candidate: Candidate | None, limits: LimitsConfig, *, as_of: datetime
) -> TradeIntent | None:
    """One signal: everything that may forbid it is read here, under the lock."""
    mode = TradingSettings.objects.newest().mode
    config = replace(TradingSettings.objects.current(as_of=as_of).as_config(), mode=mode)
    locks.hold(f"portfolio:{mode}")
    ledger.open_books(mode, as_of=as_of)
    if candidate is None:
        refusal = Refusal(reason=DenialReason.STALE_BOOK, message="the market has no book")
        _settle(signal, _refuse(signal, refusal, limits, mode=mode, as_of=as_of))
        return None
    books = portfolio.snapshot(
        mode, as_of=as_of, strategy=candidate.strategy, market_id=candidate.market
    )
    proposal = propose(candidate, books, limits, config)
    if isinstance(proposal, Refusal):
        _settle(signal, _refuse(signal, proposal, limits, mode=mode, as_of=as_of))
        return None
    intent = None
    try:
        with transaction.atomic():
            decision = gate.review(proposal, books, mode=mode, as_of=as_of)
            if decision.approved_shares:
                intent = _make(signal, proposal, decision, config, as_of=as_of)
    except claims.AlreadyHeld as held:
        # The approval went with the savepoint: nothing on record says yes to what was refused.
        denial = Denial(reason=DenialReason.ALREADY_HELD, message=str(held))
        verdict = Verdict(approved_shares=Decimal(0), denials=(denial,))
        decision = gate.record(proposal, books, verdict, limits, mode=mode, as_of=as_of)
    _settle(signal, decision)
    return intent


def _settle(signal: Signal, decision: RiskDecision) -> None:
    """Tie the gate's answer to the signal, once."""
    if not Signal.objects.filter(pk=signal.pk, decision__isnull=True).update(decision=decision):
        raise AlreadyDecided(f"signal {signal.pk} has been decided by another worker")


def _refuse(
    signal: Signal, refusal: Refusal, limits: LimitsConfig, *, mode: str, as_of: datetime
) -> RiskDecision:
    """Record why no order could be written down at all."""
    detail = {
        "denials": [{"reason": refusal.reason.value, "message": refusal.message}],
        "probability": signal.probability,
    }
    decision: RiskDecision = RiskDecision.objects.create(
        market_id=signal.market_id,
        mode=mode,
        decided_at=as_of,
        requested_shares=0,
        approved_shares=0,
        denials=refusal.reason.value,
        detail=json.dumps(detail),
        limits_version=limits.version,
    )
    return decision


def _make(
    signal: Signal,
    proposal: OrderIntent,
    decision: RiskDecision,
    config: TradingConfig,
    *,
    as_of: datetime,
) -> TradeIntent:
    """Intent, claim, approval, reservation; raises `claims.AlreadyHeld` where somebody has it."""
    outcome = Outcome.objects.get(market_id=signal.market_id, index=proposal.outcome_index)
    intent = TradeIntent(
        mode=config.mode,
        market=signal.market,
        outcome=outcome,
        side=Side.BUY,
        shares=decision.approved_shares,
        limit_price=proposal.limit_price,
        strategy=proposal.strategy,
        key=f"decide:{signal.prediction_id}:{config.mode}",
        signal=signal,
        decision=decision,
        net_edge=signal.net_edge,
        created_at=as_of,
        expires_at=as_of + timedelta(seconds=config.intent_expiry_s),
    )
    intent.fingerprint = fingerprint(intent)
    claims.take(intent, as_of=as_of)
    intent.save(force_insert=True)
    reserve(intent, as_of=as_of)
    if config.mode != Mode.LIVE:
        Approval.objects.create(
            intent=intent, approved=True, actor=PAPER_RULE, reason="simulated", decided_at=as_of
        )
        TradeIntent.objects.filter(pk=intent.pk).update(status=TradeIntent.Status.APPROVED)
        intent.refresh_from_db(fields=["status"])
    audit.record(
        "intent.made",
        actor=PAPER_RULE if config.mode != Mode.LIVE else "decide",
        subject=f"intent:{intent.pk}",
        data={
            "mode": config.mode,
            "market": intent.market_id,
            "outcome": outcome.name,
            "shares": intent.shares,
            "limit_price": intent.limit_price,
            "net_edge": intent.net_edge,
        },
        as_of=as_of,
    )
    log.info("intent.made", intent_id=str(intent.pk), market_id=intent.market_id)
    return intent


def fingerprint(intent: TradeIntent) -> str:
    """What makes two wishes the same: ledger, side of the market, strategy, price to the cent."""
    cents = intent.limit_price.quantize(Decimal("0.01"))
    parts = (
        intent.mode,
        intent.wallet,
        intent.market_id,
        intent.outcome.index,
        intent.side,
        intent.strategy,
        cents,
    )
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def reserve(intent: TradeIntent, *, as_of: datetime) -> Decimal:
    """Set the most that the intent can cost aside; returns it."""
    fees = intent.market.fees
    amount = units.pay(
        cost_bound(
            intent.shares,
            intent.limit_price,
            rate=Decimal(0) if fees is None else fees.rate,
            exponent=Decimal(1) if fees is None else fees.exponent,
        )
    )
    ledger.post(
        portfolio.reserve_key(intent.pk),
        debit=Account.CASH,
        credit=Account.RESERVED,
        amount=amount,
        kind="reserve",
        mode=intent.mode,
        wallet=intent.wallet or MAIN_WALLET,
        market_id=intent.market_id,
        as_of=as_of,
    )
    return amount
