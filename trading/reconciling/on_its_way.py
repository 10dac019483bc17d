"""What explains that the chain does not say what the books say: things that are on their way."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Q

from config.kernel.units import ZERO, pay, receive
from trading.books import facts
from trading.core.order_states import IN_FLIGHT
from trading.core.reconcile import ANY, Allowance, bought_at_most
from trading.models import (
    Conversion,
    Fill,
    Order,
    Redemption,
    Side,
)

SETTLES = "a fill settles"
MOVES = "an order is on its way"
PAYS = "a payout is on its way"
CONVERTS = "a set is made or given back"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnItsWay:
    """What may differ: cash, and the shares of each outcome."""

    cash: tuple[Allowance, ...]
    shares: dict[int, tuple[Allowance, ...]]
    """Outcome → what may differ."""


Moves = Iterator[tuple[int | None, Allowance]]
"""Outcome, or None for cash, and what it may differ by."""


def look(mode: str, wallet: str, *, since: datetime) -> OnItsWay:
    """Everything of a wallet that has not arrived, or arrived after `since`."""
    cash: list[Allowance] = []
    shares: dict[int, list[Allowance]] = defaultdict(list)
    for source in (_fills, _orders, _payouts, _conversions):
        for outcome_id, allowance in source(mode, wallet, since):
            (cash if outcome_id is None else shares[outcome_id]).append(allowance)
    return OnItsWay(cash=tuple(cash), shares={k: tuple(v) for k, v in shares.items()})


def _fills(mode: str, wallet: str, since: datetime) -> Moves:
    """Booked here, and perhaps not there yet; one that failed is perhaps not undone there yet."""
    recent = Fill.objects.filter(mode=mode, order__wallet=wallet, received_at__gt=since)
    failed = Fill.objects.filter(
        mode=mode,
        order__wallet=wallet,
        settlements__status="FAILED",
        settlements__received_at__gt=since,
    )
    waiting = facts.unsettled(mode, wallet=wallet)
    undone = {fill.pk: fill for fill in failed.select_related("order")}
    booked = {
        fill.pk: fill
        for query in (recent, waiting)
        for fill in query.select_related("order")
        if fill.pk not in undone
    }
    for fill in booked.values():
        yield from _settles(fill, brings=fill.order.side != Side.BUY)
    for fill in undone.values():
        # Taken out of the books, and perhaps still there: the other way round.
        yield from _settles(fill, brings=fill.order.side == Side.BUY)


def _settles(fill: Fill, *, brings: bool) -> Moves:
    """The outside may have a fill's shares more and its dollars less (`brings`), or reversed."""
    notional = fill.price * fill.shares
    buys = fill.order.side == Side.BUY
    dollars = pay(notional) + fill.fee if buys else receive(notional) - fill.fee
    shares = {"rise" if brings else "fall": fill.shares}
    yield fill.order.outcome_id, Allowance(reason=SETTLES, **shares)
    yield None, Allowance(reason=SETTLES, **{"fall" if brings else "rise": dollars})


def _orders(mode: str, wallet: str, since: datetime) -> Moves:
    """May have been filled a moment ago, or late: the trade is told to us next."""
    alive = Q(status__in=IN_FLIGHT) | Q(finished_at__gt=since)
    found = Order.objects.filter(alive, mode=mode, wallet=wallet).select_related("market")
    spent = _spent(found)
    for order in found:
        left = max(order.shares - order.filled_shares, ZERO)
        if order.side == Side.BUY:
            most = max(order.reserved, pay(order.price * left))
            bought = bought_at_most(
                order_type=order.type,
                price=order.price,
                shares=order.shares,
                filled=order.filled_shares,
                spent=spent.get(order.pk, ZERO),
                tick=order.market.tick_size,
            )
            yield order.outcome_id, Allowance(reason=MOVES, rise=bought)
            yield None, Allowance(reason=MOVES, fall=most)
        else:
            yield order.outcome_id, Allowance(reason=MOVES, fall=left)
            yield None, Allowance(reason=MOVES, rise=left)


def _spent(orders: Iterable[Order]) -> dict[UUID, Decimal]:
    """Order → dollars that its trades have cost so far, fees aside."""
    told = facts.happened().filter(order__in=[order.pk for order in orders])
    spent: dict[UUID, Decimal] = defaultdict(Decimal)
    for order_id, price, shares in told.values_list("order_id", "price", "shares"):
        spent[order_id] += price * shares
    return spent


def _payouts(mode: str, wallet: str, since: datetime) -> Moves:
    here = {"mode": mode, "wallet": wallet}
    status = Redemption.Status
    open_ = Redemption.objects.filter(**here, status__in=(status.PENDING, status.SENT))
    for row in open_:
        for outcome_id in _outcomes(row):
            yield outcome_id, Allowance(reason=PAYS, fall=ANY)
        yield None, Allowance(reason=PAYS, rise=row.payout)
    paid = Redemption.objects.filter(**here, status=status.PAID, paid_at__gt=since)
    for row in paid:
        for outcome_id in _outcomes(row):
            yield outcome_id, Allowance(reason=PAYS, rise=ANY)
        yield None, Allowance(reason=PAYS, fall=row.payout)


def _outcomes(row: Redemption) -> list[int]:
    if row.outcome_id is not None:
        return [row.outcome_id]
    return list(row.market.outcomes.values_list("pk", flat=True))


def _conversions(mode: str, wallet: str, since: datetime) -> Moves:
    here = {"mode": mode, "wallet": wallet}
    for row in Conversion.objects.filter(**here, received_at__gt=since):
        split = row.kind == Conversion.Kind.SPLIT
        for outcome in row.market.outcomes.all():
            yield (
                outcome.pk,
                Allowance(
                    reason=CONVERTS,
                    rise=ZERO if split else row.shares,
                    fall=row.shares if split else ZERO,
                ),
            )
        yield (
            None,
            Allowance(
                reason=CONVERTS,
                rise=row.shares if split else ZERO,
                fall=ZERO if split else row.shares,
            ),
        )
