"""Write a wish down: intent, claim, reservation, and the yes where a rule says it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from config.kernel import audit, units
from markets.models import Market, Outcome
from risk.core.contracts import OrderIntent
from risk.models import RiskDecision
from trading import fee_terms
from trading.books import claims, ledger, portfolio
from trading.core.decision import cost_bound
from trading.deciding import approvals
from trading.models import Account, IntentGroup, Side, Signal, TimeInForce, TradeIntent

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an intent is about, beside the figures that the gate judged.

    `key` is the same whenever the same wish is made again. `net_edge` is a fraction of the price
    after all costs. Without `expires_at` it waits as long as the approval settings say. `together`
    are the dollars that everything one yes answers for can cost, where that is more than this.
    """

    market: Market
    outcome: Outcome
    key: str
    mode: str
    wallet: str
    purpose: str = TradeIntent.Purpose.ENTRY
    signal: Signal | None = None
    group: IntentGroup | None = None
    net_edge: float | None = None
    together: Decimal | None = None
    expires_at: datetime | None = None
    type: str = TimeInForce.FAK
    post_only: bool = False
    rest_until: datetime | None = None


def write_down(
    proposal: OrderIntent,
    decision: RiskDecision,
    wish: Wish,
    *,
    as_of: datetime,
    rules: approvals.Rules | None = None,
    actor: str = "",
) -> TradeIntent:
    """Write an approved order down: intent, claim, reservation, and the yes where a rule says it.

    Part of the caller's transaction, under the lock `portfolio:{mode}`. An ENTRY takes the claim of
    its market (`claims.AlreadyHeld` where somebody has it); every other purpose acts under one that
    is held. A purchase sets the most that it can cost aside, a sale nothing. `rules` are those of
    approval, where the caller has read them for all its intents; `actor` names the caller in the
    audit trail, where it has a name of its own beside its strategy's.
    """
    rules = rules or approvals.rules(as_of=as_of)
    most = _bound(proposal, decision.approved_shares, wish.market)
    wanted = wish.expires_at or as_of + approvals.expiry(wish.mode, as_of=as_of)
    intent = TradeIntent(
        mode=wish.mode,
        wallet=wish.wallet,
        market=wish.market,
        outcome=wish.outcome,
        side=Side.BUY if proposal.is_buy else Side.SELL,
        shares=decision.approved_shares,
        limit_price=proposal.limit_price,
        type=wish.type,
        post_only=wish.post_only,
        rest_until=wish.rest_until,
        purpose=wish.purpose,
        group=wish.group,
        strategy=proposal.strategy,
        key=wish.key,
        signal=wish.signal,
        decision=decision,
        net_edge=wish.net_edge,
        approvals_needed=rules.needed(wish.mode, wish.together or most, wish.purpose),
        created_at=as_of,
        expires_at=_deadline(wish.market, wanted, as_of=as_of),
    )
    _hold(intent, as_of=as_of)
    ruled = approvals.by_rule(intent, as_of=as_of)
    _tell(intent, actor=actor or proposal.strategy, ruled=ruled)
    return intent


def _hold(intent: TradeIntent, *, as_of: datetime) -> None:
    """Store it with what it needs: the claim of an entry, the dollars of a purchase."""
    intent.fingerprint = fingerprint(intent)
    if intent.purpose == TradeIntent.Purpose.ENTRY:
        claims.take(intent, as_of=as_of)
    intent.save(force_insert=True)
    if intent.side == Side.BUY:
        reserve(intent, as_of=as_of)


def _deadline(market: Market, wanted: datetime, *, as_of: datetime) -> datetime:
    """`wanted`, or the scheduled end of the market where that comes first."""
    end = market.scheduled_end_at
    return wanted if end is None or end <= as_of else min(wanted, end)


def _tell(intent: TradeIntent, *, actor: str, ruled: bool) -> None:
    audit.record(
        "intent.made",
        actor=actor,
        subject=f"intent:{intent.pk}",
        data={
            "mode": intent.mode,
            "purpose": intent.purpose,
            "market": intent.market_id,
            "outcome": intent.outcome.name,
            "side": intent.side,
            "shares": intent.shares,
            "limit_price": intent.limit_price,
            "net_edge": intent.net_edge,
            "approved_by": approvals.actor_of(intent) if ruled else None,
        },
        as_of=intent.created_at,
    )
    log.info(
        "intent.made", intent_id=str(intent.pk), market_id=intent.market_id, purpose=intent.purpose
    )


def _bound(proposal: OrderIntent, shares: Decimal, market: Market) -> Decimal:
    """The most that a purchase can cost, fee included; the notional of a sale."""
    if not proposal.is_buy:
        return units.pay(shares * proposal.limit_price)
    return cost(shares, proposal.limit_price, market)


def cost(shares: Decimal, limit: Decimal, market: Market) -> Decimal:
    """The most that buying `shares` up to `limit` takes from cash, fee included.

    Raises `fee_terms.UnknownFees`; decisions deny such a market before (UNKNOWN_RULES).
    """
    fees = fee_terms.of(market)
    if fees.rate is None:
        raise fee_terms.UnknownFees(market)
    return units.pay(cost_bound(shares, limit, rate=fees.rate, exponent=fees.exponent))


def fingerprint(intent: TradeIntent) -> str:
    """What makes two wishes the same: ledger, side of the market, strategy, price to the cent.

    For a sale at any price: one holding has one open sale.
    """
    buying = intent.side == Side.BUY
    cents = intent.limit_price.quantize(Decimal("0.01")) if buying else ""
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
    amount = cost(intent.shares, intent.limit_price, intent.market)
    ledger.post(
        portfolio.reserve_key(intent.pk),
        debit=Account.CASH,
        credit=Account.RESERVED,
        amount=amount,
        kind="reserve",
        mode=intent.mode,
        wallet=intent.wallet,
        market_id=intent.market_id,
        as_of=as_of,
    )
    return amount
