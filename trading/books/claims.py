"""The right to act on a market: taken with an intent, released when nothing is left there."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from trading.core.order_states import IN_FLIGHT
from trading.models import Claim, Order, Position, TradeIntent


class AlreadyHeld(IntegrityError):
    """Somebody holds the market, or its asset's epoch."""


def take(intent: TradeIntent, *, as_of: datetime) -> Claim:
    """Claim the intent's market, and its asset's epoch where it has one; else `AlreadyHeld`."""
    market = intent.market
    epoch = market.epoch_start_at if market.is_epoch and market.asset else None
    try:
        with transaction.atomic():
            return Claim.objects.create(
                mode=intent.mode,
                wallet=intent.wallet,
                market=market,
                outcome_index=intent.outcome.index,
                asset=market.asset if epoch else "",
                epoch_start_at=epoch,
                taken_at=as_of,
            )
    except IntegrityError as refused:
        if not _held(intent, epoch):
            raise
        raise AlreadyHeld(
            f"Already have a claim on {market.question}; wait until what holds it has ended"
        ) from refused


def is_held(intent: TradeIntent) -> bool:
    """Whether the intent's market is claimed for its outcome, or for its group of both."""
    here = {"mode": intent.mode, "wallet": intent.wallet, "market_id": intent.market_id}
    held = Claim.objects.filter(**here, released_at__isnull=True)
    if intent.group_id is None:
        held = held.filter(outcome_index=intent.outcome.index)
    return held.exists()


def _held(intent: TradeIntent, epoch: datetime | None) -> bool:
    """Whether a standing claim is in the way of this one."""
    same = Q(market_id=intent.market_id)
    if epoch is not None:
        same |= Q(asset=intent.market.asset, epoch_start_at=epoch)
    held = Claim.objects.filter(mode=intent.mode, wallet=intent.wallet, released_at__isnull=True)
    return held.filter(same).exists()


def release_if_idle(*, mode: str, wallet: str, market_id: int, as_of: datetime) -> bool:
    """Release the market's claim unless an intent, order or position still needs it."""
    here = {"mode": mode, "wallet": wallet, "market_id": market_id}
    busy = (
        TradeIntent.objects.filter(**here, status__in=TradeIntent.OPEN).exists()
        or Order.objects.filter(**here, status__in=IN_FLIGHT).exists()
        # Shares of a resolved market are an unredeemed payout until redemption empties them.
        or Position.objects.filter(**here, shares__gt=0).exists()
    )
    if busy:
        return False
    held = Claim.objects.filter(**here, released_at__isnull=True)
    return bool(held.update(released_at=as_of))
