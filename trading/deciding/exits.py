"""Sell what the exit rules give up, through the same gate and the same intents as an entry.

An exit acts under the claim that its position holds, one at a time per position, never for more
than is ours to sell. What cannot be sold stays for the resolution, and is said so once.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import structlog
from django.db import transaction

from config.kernel import audit, locks
from config.kernel.clocks import Clock, given
from config.kernel.models import DomainEvent
from config.kernel.units import ZERO
from risk import gate
from risk.core.contracts import DEFAULT_STRATEGY, OrderIntent, PortfolioSnapshot
from risk.models import RiskDecision
from trading.books import portfolio
from trading.core.exits import ExitConfig, Kept, Sale, is_dust
from trading.core.order_states import IN_FLIGHT
from trading.deciding import candidates, exit_reasons, wishes
from trading.deciding.exit_reasons import Given, Terms
from trading.market_data import Refresh, from_venue
from trading.models import Order, Position, Side, TradeIntent

log = structlog.get_logger()
ACTOR = "exits"
ATTEMPTED = "exit.attempted"
KEPT = "exit.left_for_resolution"


def run(*, as_of: datetime, refresh: Refresh | None = None, clock: Clock | None = None) -> int:
    """Sell every position that a rule gives up; returns how many intents were made.

    The recorded books say where a rule speaks; it is asked again with a fresh one before anything
    is sold. Tells people of positions that are older than their market.
    """
    terms = Terms.current(as_of=as_of)
    tell_overdue(terms.exits, as_of=as_of)
    if not terms.trading.placing_orders:
        return 0
    found = exit_reasons.given_up(exit_reasons.sellable(terms.trading.mode), terms, as_of=as_of)
    old = {g.position.market_id for g in found if not g.is_fresh(terms.limits, as_of=as_of)}
    fetch = refresh or partial(from_venue, clock=clock)
    if old and fetch(sorted(old), as_of):
        as_of = given(clock, as_of)()
        found = exit_reasons.given_up([g.position for g in found], terms, as_of=as_of)
    fresh = [g for g in found if g.is_fresh(terms.limits, as_of=as_of)]
    return sum(_sell(g, terms, as_of=as_of) for g in fresh)


@transaction.atomic
def _sell(found: Given, terms: Terms, *, as_of: datetime) -> bool:
    """One position, under the lock of its ledger; False where it is being sold, or may not be."""
    row, mode = found.position, found.position.mode
    locks.hold(f"portfolio:{mode}")
    if _tried_lately(row, terms.exits, as_of=as_of) or _is_being_sold(row):
        return False
    strategy = _strategy(row)
    snapshot = portfolio.snapshot(mode, as_of=as_of, strategy=strategy, market_id=row.market_id)
    if (shares := _sellable(row, snapshot)) <= ZERO:
        return False
    sale = exit_reasons.sale_of(row, shares, found.book, terms.limits)
    if is_dust(shares, exit_reasons.rules_of(row)):
        sale = Kept.DUST
    if isinstance(sale, Kept):
        _keep(row, sale, found, as_of=as_of)
        return False
    order = _order(found, sale, strategy=strategy, as_of=as_of)
    decision = gate.review(order, snapshot, mode=mode, as_of=as_of)
    intent = _write_down(found, order, decision, as_of=as_of) if decision.approved_shares else None
    audit.record(
        ATTEMPTED,
        actor=ACTOR,
        subject=f"position:{row.pk}",
        data={
            "mode": mode,
            "market": row.market_id,
            "rules": {rule.value: why for rule, why in found.why.items()},
            "believed": found.believed,
            "net": sale.net,
            "limit_price": sale.limit,
            "decision": decision.pk,
            "denials": decision.denials,
            "intent": None if intent is None else intent.pk,
            "settings_version": terms.exits.version,
        },
        as_of=as_of,
    )
    return intent is not None


def _tried_lately(row: Position, config: ExitConfig, *, as_of: datetime) -> bool:
    tried = DomainEvent.objects.filter(
        kind=ATTEMPTED,
        subject=f"position:{row.pk}",
        happened_at__gt=as_of - timedelta(seconds=config.retry_after_s),
    )
    return tried.exists()


def _is_being_sold(row: Position) -> bool:
    """Whether a sale of it waits or is on its way: there is one at a time."""
    here = {"mode": row.mode, "wallet": row.wallet, "outcome": row.outcome_id, "side": Side.SELL}
    return (
        TradeIntent.objects.filter(**here, status__in=TradeIntent.OPEN).exists()
        or Order.objects.filter(**here, status__in=IN_FLIGHT).exists()
    )


def _strategy(row: Position) -> str:
    """The strategy that bought it: its halts count for the exit too."""
    bought = TradeIntent.objects.filter(
        mode=row.mode, wallet=row.wallet, outcome=row.outcome_id, side=Side.BUY
    )
    newest = bought.order_by("-created_at").values_list("strategy", flat=True).first()
    return newest or DEFAULT_STRATEGY


def _sellable(row: Position, snapshot: PortfolioSnapshot) -> Decimal:
    """What is ours to sell by the gate's own reading of the books."""
    same = (row.market_id, row.outcome.index)
    return sum((h.sellable for h in snapshot.holdings if (h.market, h.outcome_index) == same), ZERO)


def _keep(row: Position, kept: Kept, found: Given, *, as_of: datetime) -> None:
    """Say once that a position stays although rules give it up."""
    subject = f"position:{row.pk}"
    said = DomainEvent.objects.filter(kind=KEPT, subject=subject, data__contains=f'"{kept.value}"')
    if said.exists():
        return
    data = {"kept": kept.value, "shares": row.shares, "rules": [rule.value for rule in found.why]}
    audit.record(KEPT, actor=ACTOR, subject=subject, data=data, as_of=as_of)
    log.info(KEPT, position_id=row.pk, kept=kept.value, shares=str(row.shares))


def _order(found: Given, sale: Sale, *, strategy: str, as_of: datetime) -> OrderIntent:
    """The sale as the gate wants to see it."""
    row = found.position
    market, epoch = row.market, row.market.epoch_start_at
    end = market.scheduled_end_at
    believed = sale.expected if found.believed is None else found.believed
    return OrderIntent(
        market=market.pk,
        event=market.event_id,
        category=market.category,
        outcome_index=row.outcome.index,
        is_buy=False,
        shares=sale.shares,
        limit_price=sale.limit,
        expected_price=sale.expected,
        best_price=sale.best,
        fee=sale.fee,
        probability=float(believed),
        visible_depth=sale.depth,
        tick=market.tick_size,
        min_shares=market.min_shares,
        book_age_s=(as_of - found.book.observed_at).total_seconds(),
        prediction_age_s=0.0,
        seconds_left=None if end is None else (end - as_of).total_seconds(),
        accepting_orders=candidates.takes_orders(market),
        strategy=strategy,
        asset=market.asset,
        epoch=None if epoch is None else epoch.timestamp(),
        window_s=None if market.window_s is None else float(market.window_s),
        label=market.question,
    )


def _write_down(
    found: Given, order: OrderIntent, decision: RiskDecision, *, as_of: datetime
) -> TradeIntent:
    row = found.position
    before = TradeIntent.objects.filter(
        mode=row.mode, wallet=row.wallet, outcome=row.outcome_id, purpose=TradeIntent.Purpose.EXIT
    )
    wish = wishes.Wish(
        market=row.market,
        outcome=row.outcome,
        key=f"exit:{row.mode}:{row.pk}:{before.count() + 1}",
        mode=row.mode,
        wallet=row.wallet,
        purpose=TradeIntent.Purpose.EXIT,
    )
    intent = wishes.write_down(order, decision, wish, as_of=as_of, actor=ACTOR)
    rule, why = next(iter(found.why.items()))
    TradeIntent.objects.filter(pk=intent.pk).update(reason=f"{rule}: {why}"[:400])
    return intent


def tell_overdue(config: ExitConfig, *, as_of: datetime) -> int:
    """Tell people, once each, of shares held long after their market should have ended."""
    late = Position.objects.filter(
        shares__gt=0,
        market__scheduled_end_at__lte=as_of - timedelta(hours=config.overdue_alert_h),
    ).select_related("market", "outcome")
    return sum(
        audit.alert_once(
            f"position:{row.pk}:overdue",
            text=(
                f"{row.shares} shares of {row.outcome.name} are still held although "
                f"“{row.market.question}” was to end {row.market.scheduled_end_at:%Y-%m-%d %H:%M} "
                "UTC: look up how it resolved, and whether the payout was redeemed"
            ),
            actor=ACTOR,
            as_of=as_of,
            mode=row.mode,
            shares=str(row.shares),
        )
        for row in late
    )
