"""The right to act on a market: taken with an intent, released when nothing is left there."""

from datetime import datetime

from trading.core.order_states import IN_FLIGHT
from trading.models import Claim, Order, Position, TradeIntent


def take(intent: TradeIntent, *, as_of: datetime) -> Claim:
    """Claim the intent's market, and its asset's epoch where it has one.

    Raises `django.db.IntegrityError` where it is held; call it inside a savepoint.
    """
    market = intent.market
    epoch = market.epoch_start_at if market.is_epoch and market.asset else None
    return Claim.objects.create(
        mode=intent.mode,
        wallet=intent.wallet,
        market=market,
        outcome_index=intent.outcome.index,
        asset=market.asset if epoch else "",
        epoch_start_at=epoch,
        taken_at=as_of,
    )


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
