"""What is free to sell: the one answer that the gate, the sender and the simulated venue share."""

from collections import defaultdict
from decimal import Decimal
from uuid import UUID

from config.kernel.units import ZERO
from trading.books import settlements
from trading.core.order_states import IN_FLIGHT
from trading.models import Order, Position, Redemption, Side, TradeIntent


def free(mode: str, *, without: UUID | None = None) -> dict[int, Decimal]:
    """Position → shares held that no other sale promises and that the chain has; never below zero.

    `without` leaves one intent and its order out: the one that asks. Open intents promise what they
    would sell, orders on their way what is not sold yet; what is bought and not settled is ours on
    paper, and cannot be delivered. Of an outcome that is being redeemed nothing is free: the call
    burns what the wallet has when it is mined.
    """
    redeemed = _being_redeemed(mode)
    promised = _promised(mode, without=without)
    unsettled = settlements.settling(mode)
    held = Position.objects.filter(mode=mode, shares__gt=ZERO)
    return {
        pk: ZERO
        if (wallet, outcome) in redeemed
        else max(shares - promised[wallet, outcome] - unsettled.get(pk, ZERO), ZERO)
        for pk, wallet, outcome, shares in held.values_list("pk", "wallet", "outcome_id", "shares")
    }


def free_for(intent: TradeIntent) -> Decimal:
    """Shares that this intent, or the order it became, may sell now."""
    position = Position.objects.filter(
        mode=intent.mode, wallet=intent.wallet, outcome=intent.outcome_id
    ).first()
    if position is None:
        return ZERO
    return free(intent.mode, without=intent.pk).get(position.pk, ZERO)


def _being_redeemed(mode: str) -> set[tuple[str, int | None]]:
    """Wallet and outcome of every redemption that may be carried out at any moment."""
    sent = Redemption.objects.filter(mode=mode, status=Redemption.Status.SENT)
    return set(sent.values_list("wallet", "outcome_id"))


def _promised(mode: str, *, without: UUID | None) -> dict[tuple[str, int], Decimal]:
    """Wallet and outcome → shares that open intents and orders on their way would sell."""
    selling = {"mode": mode, "side": Side.SELL}
    intents = TradeIntent.objects.filter(**selling, status__in=TradeIntent.OPEN)
    orders = Order.objects.filter(**selling, status__in=IN_FLIGHT)
    if without is not None:
        intents, orders = intents.exclude(pk=without), orders.exclude(intent=without)
    found: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for wallet, outcome, shares in intents.values_list("wallet", "outcome_id", "shares"):
        found[wallet, outcome] += shares
    for wallet, outcome, *asked in orders.values_list(
        "wallet", "outcome_id", "shares", "filled_shares"
    ):
        found[wallet, outcome] += max(asked[0] - asked[1], ZERO)
    return found
