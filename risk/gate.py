"""Ask the gate and keep its answer: inputs, books and every limit as they were."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from config.kernel.units import ZERO
from risk.core import exposure
from risk.core.checks import evaluate
from risk.core.contracts import LimitsConfig, OrderIntent, PortfolioSnapshot, Verdict
from risk.models import RiskDecision, RiskLimits

NOTHING: Mapping[str, Any] = MappingProxyType({})
SKIPPED_UNKNOWN = "SKIPPED_UNKNOWN"
"""What a decision says about a gate whose input is unknown."""


def review(
    intent: OrderIntent,
    portfolio: PortfolioSnapshot,
    *,
    mode: str,
    as_of: datetime,
    market_id: int | None = None,
    limits: LimitsConfig | None = None,
    settings: Mapping[str, Any] = NOTHING,
) -> RiskDecision:
    """Decide with the limits in force and record it; approved where `approved_shares` > 0.

    `limits` are those in force where the caller has read them for all its decisions, `settings` are
    the caller's own thresholds, kept with the answer.
    """
    limits = limits or RiskLimits.objects.current(as_of=as_of).as_config()
    verdict = evaluate(intent, portfolio, limits)
    return record(
        intent,
        portfolio,
        verdict,
        limits,
        mode=mode,
        as_of=as_of,
        market_id=market_id,
        settings=settings,
    )


def record(
    intent: OrderIntent,
    portfolio: PortfolioSnapshot,
    verdict: Verdict,
    limits: LimitsConfig,
    *,
    mode: str,
    as_of: datetime,
    market_id: int | None = None,
    settings: Mapping[str, Any] = NOTHING,
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
        detail=json.dumps(
            {**_detail(intent, portfolio, verdict, limits), "settings": dict(settings)}, default=str
        ),
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
    # Not `asdict`: it would copy every holding only for us to leave them out.
    books = {f.name: getattr(portfolio, f.name) for f in fields(portfolio) if f.name != "holdings"}
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
        "gates": dict.fromkeys(intent.skipped, SKIPPED_UNKNOWN),
        "denials": [{"reason": d.reason, "message": d.message} for d in verdict.denials],
        "bound_by": list(verdict.bound_by),
    }
