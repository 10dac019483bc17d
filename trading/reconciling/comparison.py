"""One comparison of a wallet's books with what was read outside, under the ledger's lock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db.models import Q

from config.kernel import audit
from config.kernel.units import ZERO, decimal
from markets.models import Resolution
from trading.books import ledger
from trading.core import reconcile as core
from trading.core.order_states import IN_FLIGHT
from trading.core.reconcile import (
    ANY,
    Allowance,
    Finding,
    Kind,
    OurOrder,
    ReconciliationConfig,
    Verdict,
    cents,
)
from trading.core.settlement import payout
from trading.models import Account, Order, Position, Redemption, Transfer
from trading.reconciling.on_its_way import OnItsWay
from trading.redeeming import redeem
from trading.venue import VenueOrder

log = structlog.get_logger()
ACTOR = "reconciliation"
CASH = "CASH"
ROUNDING = "rounding"
DAY = timedelta(days=1)
GONE = "gone from the chain, and no cash came for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was read outside, and what of ours explains a difference."""

    mode: str
    wallet: str
    listed: Sequence[VenueOrder]
    shares: Mapping[str, Decimal]
    cash: Decimal
    way: OnItsWay
    as_of: datetime
    config: ReconciliationConfig


def positions(
    mode: str, wallet: str, *, as_of: datetime, config: ReconciliationConfig
) -> list[Position]:
    """What is held, what was until a day ago, and what an order of the last days may have moved.

    Where an order left no position, an empty one that is not stored stands for it.
    """
    asked = Order.objects.filter(lately(as_of, config), mode=mode, wallet=wallet)
    asked = asked.exclude(outcome__asset_id="").select_related("outcome")
    touched = {order.outcome_id: order for order in asked}
    recent = Q(shares__gt=ZERO) | Q(changed_at__gt=as_of - DAY) | Q(outcome_id__in=list(touched))
    rows = Position.objects.filter(recent, mode=mode, wallet=wallet)
    held = list(rows.exclude(outcome__asset_id="").select_related("outcome"))
    known = {position.outcome_id for position in held}
    return held + [
        Position(
            mode=mode,
            wallet=wallet,
            market_id=order.market_id,
            outcome=order.outcome,
            shares=ZERO,
            cost=ZERO,
            opened_at=order.created_at,
        )
        for outcome_id, order in touched.items()
        if outcome_id not in known
    ]


def lately(as_of: datetime, config: ReconciliationConfig) -> Q:
    """Orders that may be at the venue, or were until a few days ago."""
    late = as_of - timedelta(days=config.late_fill_days)
    sent = Q(venue_order_id__isnull=False)
    return sent & (Q(status__in=IN_FLIGHT) | Q(finished_at__gt=late))


def orders(look: Look) -> list[Finding]:
    """What differs between our orders and those that the venue lists."""
    ids = [order.venue_order_id for order in look.listed]
    ours = Order.objects.filter(
        Q(status__in=IN_FLIGHT) | Q(venue_order_id__in=ids),
        mode=look.mode,
        wallet=look.wallet,
        venue_order_id__isnull=False,
    )
    known = {
        order.venue_order_id: OurOrder(
            order_id=str(order.pk),
            venue_order_id=order.venue_order_id,
            status=order.status,
            alive=order.status in IN_FLIGHT,
            filled=order.filled_shares,
            market_id=order.market_id,
            ended_at=order.finished_at,
        )
        for order in ours
        if order.venue_order_id
    }
    return core.orders(known, look.listed, as_of=look.as_of, config=look.config)


def shares(look: Look) -> list[Finding]:
    """Every token against the chain; what the venue redeemed before us is booked here."""
    held = positions(look.mode, look.wallet, as_of=look.as_of, config=look.config)
    resolved = Resolution.objects.in_bulk([p.market_id for p in held], field_name="market_id")
    found: list[Finding] = []
    for position in held:
        worth = _worth(position, resolved.get(position.market_id))
        finding = _token(look, position, worth)
        if finding is not None:
            found.append(finding)
    return _redeemed_by_venue(look, found, held, resolved)


def _worth(position: Position, resolution: Resolution | None) -> Decimal | None:
    """What a share pays; None while nobody knows."""
    if resolution is None:
        return None
    return resolution.payout_of(position.outcome.index)


def _token(look: Look, position: Position, worth: Decimal | None) -> Finding | None:
    token = position.outcome.asset_id or ""
    allowances = look.way.shares.get(position.outcome_id, ())
    if worth == ZERO:
        # Shares that lost are closed in the books without a transaction and stay on the chain.
        allowances = (*allowances, Allowance(reason="worthless", rise=ANY, fall=ANY))
    return core.amounts(
        Kind.POSITION,
        token,
        ours=position.shares,
        theirs=decimal(look.shares.get(token, ZERO)),
        allowances=allowances,
        dust=look.config.dust_shares,
        market_id=position.market_id,
    )


def _redeemed_by_venue(
    look: Look,
    found: list[Finding],
    held: Sequence[Position],
    resolved: Mapping[int, Resolution],
) -> list[Finding]:
    """Book vanished shares of resolved markets whose payout has arrived; return the rest.

    The cash decides: what vanished without it was taken, not redeemed.
    """
    by_token = {position.outcome.asset_id: position for position in held}
    waiting = set(
        Redemption.objects.filter(
            mode=look.mode,
            wallet=look.wallet,
            status__in=(Redemption.Status.PENDING, Redemption.Status.SENT),
        ).values_list("market_id", flat=True)
    )
    gone = [
        f
        for f in found
        if f.verdict == Verdict.UNEXPLAINED
        and f.theirs == ZERO
        and f.market_id in resolved
        and f.market_id not in waiting
    ]
    owed = {
        f.subject: payout(f.ours, _worth(by_token[f.subject], resolved[f.market_id]) or ZERO)
        for f in gone
        if f.market_id is not None
    }
    paid = _cash_finding(look, more=sum(owed.values(), ZERO), dust=look.config.dust_shares) is None
    if not gone or not paid:
        return [replace(f, explanation=GONE) if f in gone else f for f in found]
    for finding in gone:
        position = by_token[finding.subject]
        redeem.by_venue(position, payout=owed[finding.subject], as_of=look.as_of)
        log.info("position.redeemed_by_venue", market_id=position.market_id)
    return [f for f in found if f not in gone]


def cash(look: Look) -> list[Finding]:
    """Free and reserved cash against the chain: reservations are known here alone.

    Fractions of a cent by the venue's rounding wait until nothing else is on its way.
    """
    dust = look.config.dust_shares if look.way.cash else ZERO
    finding = _cash_finding(look, dust=dust)
    return [] if finding is None else [finding]


def _cash_finding(look: Look, *, dust: Decimal, more: Decimal = ZERO) -> Finding | None:
    accounts = ledger.standing(mode=look.mode, wallet=look.wallet)
    finding = core.amounts(
        Kind.CASH,
        CASH,
        ours=accounts[Account.CASH] + accounts[Account.RESERVED] + more,
        theirs=look.cash,
        allowances=look.way.cash,
        dust=dust,
    )
    if finding is None:
        return None
    # Where nothing at all is on its way, there is nothing that a second look could show.
    return replace(finding, certain=not look.way.cash)


def converge(look: Look, finding: Finding) -> Finding:
    """Book what the chain has more or less than the books, and tell people; the chain is right.

    The first dollars of a wallet are a deposit, dust is the venue's rounding and alarms nobody; any
    other difference is an adjustment.
    """
    more = finding.difference > ZERO
    kind = _kind_of(look, finding)
    key = f"{kind}:{look.mode}:{look.wallet}:{look.as_of.isoformat()}"
    ledger.post(
        key,
        debit=Account.EXTERNAL if more else Account.CASH,
        credit=Account.CASH if more else Account.EXTERNAL,
        amount=abs(finding.difference),
        kind=kind,
        mode=look.mode,
        wallet=look.wallet,
        as_of=look.as_of,
    )
    if kind == ROUNDING:
        return replace(finding, verdict=Verdict.EXPLAINED, explanation="rounding at the venue")
    if kind == ledger.ADJUSTMENT:
        text = (
            f"The wallet {look.wallet} ({look.mode}) holds {finding.theirs} dollars on the chain, "
            f"the books said {finding.ours}: {cents(finding.difference)} cents were booked as "
            "an adjustment. Find out who moved them."
        )
        audit.alert(
            f"adjustment:{look.mode}:{look.wallet}",
            text=text,
            actor=ACTOR,
            as_of=look.as_of,
            ours=finding.ours,
            theirs=finding.theirs,
        )
    log.warning("ledger.adjusted", kind=kind, dollars=str(finding.difference))
    return replace(
        finding, verdict=Verdict.CONVERGED, explanation=f"the books follow the chain: {key}"
    )


def _kind_of(look: Look, finding: Finding) -> str:
    booked = Transfer.objects.filter(mode=look.mode, wallet=look.wallet)
    if finding.difference > ZERO and not booked.exists():
        return ledger.DEPOSIT
    small = abs(finding.difference) <= look.config.dust_shares
    return ROUNDING if small else ledger.ADJUSTMENT
