"""Resolved position → payout → cash. Runs in every trading state: a halt never keeps money away."""

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import F, Max

from config.kernel import audit, locks
from config.kernel.modes import Mode
from config.kernel.units import ZERO
from markets.models import Resolution
from trading import claims, fills
from trading.core.settlement import payout
from trading.models import Fill, Position, Redemption

log = structlog.get_logger()


def run(*, as_of: datetime) -> int:
    """Pay out every simulated position whose market has resolved; returns how many.

    LIVE positions are left alone: their money comes from the chain, which this version cannot ask.
    """
    due = Position.objects.filter(shares__gt=0, market__resolution__received_at__lte=as_of).exclude(
        mode=Mode.LIVE
    )
    return sum(_redeem(key, as_of=as_of) for key in due.values_list("pk", flat=True))


@transaction.atomic
def _redeem(position_id: int, *, as_of: datetime) -> bool:
    """One position; False where another worker was faster."""
    mode = Position.objects.values_list("mode", flat=True).get(pk=position_id)
    locks.hold(f"portfolio:{mode}")
    position = (
        Position.objects.select_for_update(of=("self",))
        .select_related("outcome")
        .get(pk=position_id)
    )
    if position.shares <= ZERO:
        return False
    resolution = Resolution.objects.get(market_id=position.market_id)
    per_share = resolution.payout_1 if position.outcome.index else resolution.payout_0
    paid = payout(position.shares, per_share)
    wallet, market_id = position.wallet, position.market_id
    at = _after_its_fills(position, as_of=as_of)
    before = Redemption.objects.filter(mode=mode, wallet=wallet, market_id=market_id)
    redemption = Redemption.objects.create(
        mode=mode,
        wallet=wallet,
        market_id=market_id,
        key=f"redeem:{mode}:{wallet}:{market_id}:{before.count() + 1}",
        shares=position.shares,
        payout=paid,
        status=Redemption.Status.PAID,
        created_at=as_of,
        paid_at=at,
    )
    fills.close_cost(
        redemption.key,
        fills.book_cost(position),
        paid,
        position=position,
        kind="payout",
        as_of=at,
    )
    Position.objects.filter(pk=position.pk).update(
        shares=ZERO, cost=ZERO, realised=F("realised") + paid - F("cost"), closed_at=at
    )
    claims.release_if_idle(mode=mode, wallet=wallet, market_id=market_id, as_of=at)
    audit.record(
        "position.redeemed",
        actor="redeem",
        subject=f"position:{position.pk}",
        data={"mode": mode, "market": market_id, "shares": position.shares, "payout": paid},
        as_of=as_of,
    )
    log.info("position.redeemed", position_id=position.pk, payout=str(paid))
    return True


def _after_its_fills(position: Position, *, as_of: datetime) -> datetime:
    """`as_of`, or the newest fill of the position where another worker's clock was ahead."""
    fills_of_it = Fill.objects.filter(
        order__mode=position.mode,
        order__wallet=position.wallet,
        order__outcome_id=position.outcome_id,
    )
    newest: datetime | None = fills_of_it.aggregate(at=Max("received_at"))["at"]
    return as_of if newest is None else max(as_of, newest)
