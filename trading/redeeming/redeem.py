"""Resolved position → payout → cash. Runs in every trading state: a halt never keeps money away.

Simulated payouts are booked here at once; those of a wallet on the chain are carried out by
`redeem_guarded`, and booked here when their money has arrived. A share is sold or redeemed, never
both: the payout waits for a sale that is on its way.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import QuerySet

from config.kernel import audit, locks
from config.kernel.modes import SIMULATED
from config.kernel.units import ZERO
from markets.models import Resolution
from trading.books import fills, positions
from trading.core.order_states import IN_FLIGHT
from trading.core.settlement import payout as payout_of
from trading.models import Order, Position, Redemption, Side

log = structlog.get_logger()
ACTOR = "redeem"
OPEN = (Redemption.Status.PENDING, Redemption.Status.SENT)


def run(*, as_of: datetime) -> int:
    """Pay out every simulated position whose market has resolved; returns how many.

    Others are left alone: their money comes from the chain, which `live_guard` asks.
    """
    due = Position.objects.filter(
        shares__gt=0, market__resolution__received_at__lte=as_of, mode__in=SIMULATED
    )
    return sum(_redeem(key, as_of=as_of) for key in due.values_list("pk", flat=True))


@transaction.atomic
def _redeem(position_id: int, *, as_of: datetime) -> bool:
    """One position; False where another worker was faster, or where it is being sold."""
    position = _locked(position_id)
    if position.shares <= ZERO or _is_being_sold(position):
        return False
    resolution = Resolution.objects.get(market_id=position.market_id)
    per_share = resolution.payout_1 if position.outcome.index else resolution.payout_0
    dollars = payout_of(position.shares, per_share)
    return book(position, shares=position.shares, dollars=dollars, as_of=as_of)


def by_venue(position: Position, *, payout: Decimal, as_of: datetime) -> bool:
    """Book what the venue redeemed before us, once; False where the position is empty already.

    Call it inside a transaction, under the portfolio's lock, with proof that the money arrived.
    """
    if position.shares <= ZERO:
        return False
    reason = "redeemed by the venue"
    return book(position, shares=position.shares, dollars=payout, reason=reason, as_of=as_of)


def book(
    position: Position,
    *,
    shares: Decimal,
    dollars: Decimal,
    as_of: datetime,
    transaction_hash: str = "",
    reason: str = "",
) -> bool:
    """Turn shares of a locked position into dollars that are there; ends its open redemption."""
    row = open_row(position, as_of=as_of)
    Redemption.objects.filter(pk=row.pk).update(
        status=Redemption.Status.PAID,
        shares=shares,
        payout=dollars,
        paid_at=positions.after(position, as_of=as_of),
        transaction_hash=transaction_hash,
        reason=reason,
        next_attempt_at=None,
    )
    row.refresh_from_db()
    fills.pay_out(position, row, as_of=as_of)
    figures = {"mode": position.mode, "market": position.market_id}
    audit.record(
        "position.redeemed",
        actor=ACTOR,
        subject=f"position:{position.pk}",
        data=figures | {"shares": shares, "payout": dollars},
        as_of=as_of,
    )
    log.info("position.redeemed", position_id=position.pk, payout=str(dollars))
    return True


def sales(mode: str, wallet: str) -> QuerySet[Order]:
    """Orders of a wallet that may still give shares away, from their claim to their end."""
    return Order.objects.filter(mode=mode, wallet=wallet, side=Side.SELL, status__in=IN_FLIGHT)


def _is_being_sold(position: Position) -> bool:
    """Call it under the portfolio's lock: a sale is claimed under the same one."""
    found = sales(position.mode, position.wallet).filter(outcome_id=position.outcome_id)
    return bool(found.exists())


def _locked(position_id: int) -> Position:
    """The row as it stands, under the lock of its portfolio."""
    mode = Position.objects.values_list("mode", flat=True).get(pk=position_id)
    locks.hold(f"portfolio:{mode}")
    rows = Position.objects.select_for_update(of=("self",)).select_related("outcome")
    found: Position = rows.get(pk=position_id)
    return found


def open_row(position: Position, *, as_of: datetime) -> Redemption:
    """The redemption of a position that is not finished; a new one where there is none."""
    owner = {"mode": position.mode, "wallet": position.wallet, "market_id": position.market_id}
    rows = Redemption.objects.filter(**owner)
    standing: Redemption | None = rows.filter(
        outcome_id=position.outcome_id, status__in=OPEN
    ).first()
    if standing is not None:
        return standing
    key = f"redeem:{position.mode}:{position.wallet}:{position.market_id}:{rows.count() + 1}"
    return Redemption.objects.create(
        **owner,
        outcome_id=position.outcome_id,
        key=key,
        shares=position.shares,
        payout=ZERO,
        created_at=as_of,
    )


@transaction.atomic(durable=True)
def note_sent(
    amounts: Sequence[tuple[Position, Decimal, Decimal]],
    *,
    look_again_at: datetime,
    as_of: datetime,
) -> list[Redemption]:
    """Write down that these positions are about to be redeemed: shares and payout of each.

    Returns nothing, and writes nothing, where a sale of one of them was claimed meanwhile.
    """
    held = [_locked(position.pk) for position, _shares, _dollars in amounts]
    if any(_is_being_sold(position) for position in held):
        return []
    rows = []
    for position, (_read, shares, dollars) in zip(held, amounts, strict=True):
        row = open_row(position, as_of=as_of)
        Redemption.objects.filter(pk=row.pk).update(
            status=Redemption.Status.SENT,
            shares=shares,
            payout=dollars,
            next_attempt_at=look_again_at,
        )
        row.refresh_from_db()
        rows.append(row)
    return rows


@transaction.atomic(durable=True)
def put_off(
    held: Sequence[Position], *, reason: str, until: datetime, as_of: datetime
) -> list[Redemption]:
    """Count a vain attempt at redeeming these positions; each is due again at `until`."""
    rows = []
    for position in held:
        row = open_row(_locked(position.pk), as_of=as_of)
        Redemption.objects.filter(pk=row.pk).update(
            status=Redemption.Status.PENDING,
            attempts=row.attempts + 1,
            reason=reason[:400],
            next_attempt_at=until,
        )
        row.refresh_from_db()
        rows.append(row)
    log.warning("redemption.put_off", reason=reason, positions=[p.pk for p in held])
    return rows


def make_due(rows: Sequence[Redemption]) -> None:
    """Nothing was sent for these after all: they are due at once, and it was no attempt."""
    keys = [row.pk for row in rows]
    sent = Redemption.objects.filter(pk__in=keys, status=Redemption.Status.SENT)
    sent.update(status=Redemption.Status.PENDING, next_attempt_at=None)


def give_up(row: Redemption, *, reason: str) -> None:
    """Nothing is left to redeem."""
    Redemption.objects.filter(pk=row.pk, status__in=OPEN).update(
        status=Redemption.Status.FAILED, reason=reason, next_attempt_at=None
    )


@transaction.atomic(durable=True)
def write_off(held: Position, *, as_of: datetime) -> bool:
    """Close a holding that pays nothing; False where it is empty already, or is being sold."""
    position = _locked(held.pk)
    if position.shares <= ZERO or _is_being_sold(position):
        return False
    return book(position, shares=position.shares, dollars=ZERO, reason="it lost", as_of=as_of)


@transaction.atomic(durable=True)
def found_paid(held: Position, *, dollars: Decimal, transaction_hash: str, as_of: datetime) -> bool:
    """Book what somebody else redeemed for us; False where the holding changed since."""
    position = _locked(held.pk)
    if position.shares != held.shares:
        return False
    return book(
        position,
        shares=position.shares,
        dollars=dollars,
        transaction_hash=transaction_hash,
        reason="redeemed by the venue",
        as_of=as_of,
    )


@transaction.atomic(durable=True)
def pay(
    amounts: Sequence[tuple[Redemption, Decimal]],
    *,
    dust: Decimal,
    transaction_hash: str = "",
    reason: str = "",
    as_of: datetime,
) -> int:
    """Book dollars that arrived for open redemptions, all of them or none; returns how many.

    Shares that arrived after the redemption was sent stay held; less than `dust` does not.
    """
    booked = 0
    for row, dollars in amounts:
        held = Position.objects.get(mode=row.mode, wallet=row.wallet, outcome=row.outcome)
        position = _locked(held.pk)
        if position.shares <= ZERO or not Redemption.objects.filter(pk=row.pk, status__in=OPEN):
            give_up(row, reason="nothing is held any more")
            continue
        left = position.shares - row.shares
        shares = row.shares if left >= dust else position.shares
        book(
            position,
            shares=shares,
            dollars=dollars,
            transaction_hash=transaction_hash,
            reason=reason,
            as_of=as_of,
        )
        booked += 1
    return booked
