"""Resolved position → payout → cash. Runs in every trading state: a halt never keeps money away.

Simulated payouts are booked here at once; those of a wallet on the chain are carried out by
`redeem_guarded`, and booked here when their money has arrived. A share is sold or redeemed, never
both: the payout waits for a sale that is on its way.
"""

from collections import defaultdict
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
    per_share = resolution.payout_of(position.outcome.index)
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
    row: Redemption | None = None,
    transaction_hash: str = "",
    reason: str = "",
) -> bool:
    """Turn shares of a locked position into dollars that are there; ends its open redemption.

    That is `row`, where the caller has read it under the lock.
    """
    row = row or open_row(position, as_of=as_of)
    _write(
        row,
        status=Redemption.Status.PAID,
        shares=shares,
        payout=dollars,
        paid_at=positions.after(position, as_of=as_of),
        transaction_hash=transaction_hash,
        reason=reason,
        next_attempt_at=None,
    )
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


def _write(row: Redemption, **values: object) -> None:
    """Change a redemption that nobody else can change now, and the object in hand with it."""
    Redemption.objects.filter(pk=row.pk).update(**values)
    for name, value in values.items():
        setattr(row, name, value)


def open_row(position: Position, *, as_of: datetime) -> Redemption:
    """The redemption of a position that is not finished; a new one where there is none."""
    rows = Redemption.objects.filter(
        mode=position.mode, wallet=position.wallet, market_id=position.market_id
    )
    standing: Redemption | None = rows.filter(
        outcome_id=position.outcome_id, status__in=OPEN
    ).first()
    if standing is not None:
        return standing
    made = _next_row(position, rows.count(), as_of=as_of)
    made.save(force_insert=True)
    return made


def _next_row(position: Position, before: int, *, as_of: datetime) -> Redemption:
    """A redemption to be stored, after so many `before` it in the position's market."""
    ledger = f"{position.mode}:{position.wallet}:{position.market_id}"
    return Redemption(
        mode=position.mode,
        wallet=position.wallet,
        market_id=position.market_id,
        outcome_id=position.outcome_id,
        key=f"redeem:{ledger}:{before + 1}",
        shares=position.shares,
        payout=ZERO,
        created_at=as_of,
    )


Amount = tuple[Position, Decimal, Decimal]
"""A position, its shares that are redeemed, and the dollars which that pays."""


@transaction.atomic(durable=True)
def note_sent(
    groups: Sequence[Sequence[Amount]], *, look_again_at: datetime, as_of: datetime
) -> list[list[Redemption]]:
    """Write down that the positions of each group are about to be redeemed by one call.

    Nothing is written for a group, and its place in the answer is empty, where a sale of one of
    its positions was claimed or filled meanwhile. As many queries for many groups as for one.
    """
    amounts = [amount for group in groups for amount in group]
    if not amounts:
        return []
    asked = amounts[0][0]
    locks.hold(f"portfolio:{asked.mode}")
    keys = [position.pk for position, _shares, _dollars in amounts]
    locked = Position.objects.select_for_update(of=("self",)).filter(pk__in=keys)
    held = dict(locked.order_by("pk").values_list("pk", "shares"))
    outcomes = [position.outcome_id for position, _shares, _dollars in amounts]
    sold = sales(asked.mode, asked.wallet).filter(outcome_id__in=outcomes)
    being_sold = set(sold.values_list("outcome_id", flat=True))
    stay = [
        all(p.outcome_id not in being_sold and held[p.pk] >= shares for p, shares, _ in group)
        for group in groups
    ]
    rows = _noted(
        [amount for group, stays in zip(groups, stay, strict=True) if stays for amount in group],
        look_again_at=look_again_at,
        as_of=as_of,
    )
    return [
        [rows[position.pk] for position, _shares, _dollars in group] if stays else []
        for group, stays in zip(groups, stay, strict=True)
    ]


def _noted(
    amounts: Sequence[Amount], *, look_again_at: datetime, as_of: datetime
) -> dict[int, Redemption]:
    """Position → its redemption, which says SENT from now on; the rows it lacks are made."""
    if not amounts:
        return {}
    owner = {"mode": amounts[0][0].mode, "wallet": amounts[0][0].wallet}
    before: dict[int, list[Redemption]] = defaultdict(list)
    markets = {position.market_id for position, _shares, _dollars in amounts}
    for row in Redemption.objects.filter(**owner, market_id__in=markets):
        before[row.market_id].append(row)
    found: dict[int, Redemption] = {}
    changed: list[Redemption] = []
    made: list[Redemption] = []
    for position, shares, dollars in amounts:
        known = before[position.market_id]
        standing = [r for r in known if r.outcome_id == position.outcome_id and r.status in OPEN]
        row = standing[0] if standing else _next_row(position, len(known), as_of=as_of)
        row.status, row.next_attempt_at = Redemption.Status.SENT, look_again_at
        row.shares, row.payout = shares, dollars
        found[position.pk] = row
        if standing:
            changed.append(row)
        else:
            known.append(row)
            made.append(row)
    Redemption.objects.bulk_update(changed, ["status", "next_attempt_at", "shares", "payout"])
    Redemption.objects.bulk_create(made)
    return found


@transaction.atomic(durable=True)
def put_off(
    held: Sequence[Position], *, reason: str, until: datetime, as_of: datetime
) -> list[Redemption]:
    """Count a vain attempt at redeeming these positions; each is due again at `until`."""
    rows = []
    for position in held:
        row = open_row(_locked(position.pk), as_of=as_of)
        _write(
            row,
            status=Redemption.Status.PENDING,
            attempts=row.attempts + 1,
            reason=reason[:400],
            next_attempt_at=until,
        )
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
    for told, dollars in amounts:
        locks.hold(f"portfolio:{told.mode}")
        position: Position = (
            Position.objects.select_for_update(of=("self",))
            .select_related("outcome")
            .get(mode=told.mode, wallet=told.wallet, outcome=told.outcome_id)
        )
        row = Redemption.objects.filter(pk=told.pk, status__in=OPEN).first()
        if position.shares <= ZERO or row is None:
            give_up(told, reason="nothing is held any more")
            continue
        left = position.shares - row.shares
        shares = row.shares if left >= dust else position.shares
        book(
            position,
            row=row,
            shares=shares,
            dollars=dollars,
            transaction_hash=transaction_hash,
            reason=reason,
            as_of=as_of,
        )
        booked += 1
    return booked
