"""Ask the gate and keep its answer: inputs, books and every limit as they were."""

import json
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from risk.core import exposure
from risk.core.checks import evaluate
from risk.core.contracts import LimitsConfig, OrderIntent, PortfolioSnapshot, Verdict
from risk.models import RiskDecision, RiskLimits

ZERO = Decimal(0)


def review(
    intent: OrderIntent,
    portfolio: PortfolioSnapshot,
    *,
    mode: str,
    as_of: datetime,
    market_id: int | None = None,
) -> RiskDecision:
    """Decide with the limits in force and record it; approved where `approved_shares` > 0."""
    limits = RiskLimits.objects.current(as_of=as_of).as_config()
    verdict = evaluate(intent, portfolio, limits)
    return record(intent, portfolio, verdict, limits, mode=mode, as_of=as_of, market_id=market_id)


def record(
    intent: OrderIntent,
    portfolio: PortfolioSnapshot,
    verdict: Verdict,
    limits: LimitsConfig,
    *,
    mode: str,
    as_of: datetime,
    market_id: int | None = None,
) -> RiskDecision:
    """Store a verdict; `market_id` where the intent numbers its market otherwise."""
    codes = dict.fromkeys(denial.reason.value for denial in verdict.denials)
    decision: RiskDecision = RiskDecision.objects.create(
        market_id=intent.market if market_id is None else market_id,
        mode=mode,
        decided_at=as_of,
        requested_shares=_requested(intent),
        approved_shares=verdict.approved_shares,
        denials=" ".join(codes),
        detail=json.dumps(_detail(intent, portfolio, verdict, limits), default=str),
        limits_version=limits.version,
    )
    return decision


def _requested(intent: OrderIntent) -> Decimal:
    """What was asked for; 0 where the wish was not a number, which the denial says."""
    if not intent.shares.is_finite() or not (intent.min_shares or ZERO).is_finite():
        return ZERO
    return max(intent.wanted, ZERO)


def _detail(
    intent: OrderIntent, portfolio: PortfolioSnapshot, verdict: Verdict, limits: LimitsConfig
) -> dict[str, Any]:
    books = asdict(portfolio)
    books.pop("holdings")
    for ages in ("seconds_since_intent", "seconds_since_exit"):
        books[ages] = books[ages].get(intent.market)
    held = exposure.measure(portfolio.holdings)
    return {
        "intent": asdict(intent),
        "portfolio": books
        | {
            "positions": len({h.market for h in portfolio.holdings}),
            "exposure": held.total,
            "exposure_market": held.markets.get(intent.market, ZERO),
            "exposure_event": held.events.get(intent.event, ZERO),
            "exposure_category": held.categories.get(intent.category, ZERO),
        },
        "limits": asdict(limits),
        "denials": [{"reason": d.reason, "message": d.message} for d in verdict.denials],
        "bound_by": list(verdict.bound_by),
    }
