"""Splits and merges: a dollar is a share of each outcome, and the other way round.

Each side takes half the dollars of a set (`core.holdings.conversion`), so Σ cost is what was paid.
A wallet that holds both sides of a market holds them as a set: only a group may want that, under
the claim that it has. Nothing sends a split or merge, or looks for one: the books could hold it.
"""

from datetime import datetime
from decimal import Decimal
from functools import partial

import structlog
from django.db import transaction

from config.kernel import audit, locks
from config.kernel.units import ZERO
from markets.models import Market
from trading.books import claims, facts, ledger, positions
from trading.models import Account, Claim, Conversion, Position

log = structlog.get_logger()
SIDES = 2


class NotASet(ValueError):
    """The market has not two outcomes, or the wallet has not that many shares of both."""


class Unclaimed(RuntimeError):
    """Nobody holds the market, so nobody may hold both of its sides."""


@transaction.atomic
def record(
    kind: str,
    market: Market,
    shares: Decimal,
    *,
    mode: str,
    wallet: str,
    key: str,
    as_of: datetime,
    transaction_hash: str = "",
) -> Conversion:
    """Book a split or merge that the chain has carried out, once per key.

    `shares` of each outcome is also the number of dollars. Raises `NotASet`, `Unclaimed`, and
    `ledger.KeyReused` where the key belongs to another one.
    """
    locks.hold(f"portfolio:{mode}")
    first: Conversion | None = Conversion.objects.filter(key=key).first()
    if first is not None:
        return _same(first, kind=kind, market=market, shares=shares)
    sides = _sides(market, mode=mode, wallet=wallet, as_of=as_of)
    split = kind == Conversion.Kind.SPLIT
    _check(market, sides, shares, split=split)
    row: Conversion = Conversion.objects.create(
        key=key,
        mode=mode,
        wallet=wallet,
        market=market,
        kind=Conversion.Kind(kind),
        shares=shares,
        transaction_hash=transaction_hash,
        received_at=max(positions.after(side, as_of=as_of) for side in sides),
    )
    if split:
        _split(row, sides)
    else:
        _merge(row, sides)
        claims.release_if_idle(mode=mode, wallet=wallet, market_id=market.pk, as_of=as_of)
    audit.record(
        "set.split" if split else "set.merged",
        actor="conversions",
        subject=f"market:{market.pk}",
        data={"mode": mode, "shares": shares},
        as_of=as_of,
    )
    log.info("conversion.recorded", kind=row.kind, market_id=market.pk, shares=str(shares))
    return row


def _same(first: Conversion, *, kind: str, market: Market, shares: Decimal) -> Conversion:
    if (first.kind, first.market_id, first.shares) != (kind, market.pk, shares):
        raise ledger.KeyReused(
            f"{first.key} was booked as {first} already; derive a key of its own"
        )
    return first


def _sides(market: Market, *, mode: str, wallet: str, as_of: datetime) -> list[Position]:
    """The positions of both outcomes, locked, outcome 0 first."""
    outcomes = list(market.outcomes.order_by("index"))
    if len(outcomes) != SIDES:
        raise NotASet(
            f"market {market.pk} has {len(outcomes)} outcomes, a set has {SIDES}; "
            "convert only markets of two"
        )
    one = partial(positions.of, mode=mode, wallet=wallet, market_id=market.pk, as_of=as_of)
    return [one(outcome_id=outcome.pk) for outcome in outcomes]


def _check(market: Market, sides: list[Position], shares: Decimal, *, split: bool) -> None:
    first = sides[0]
    claimed = Claim.objects.filter(
        mode=first.mode, wallet=first.wallet, market=market, released_at__isnull=True
    )
    if not claimed.exists():
        raise Unclaimed(f"nobody holds market {market.pk}; take its claim with a group first")
    if shares <= ZERO:
        raise NotASet(f"a set of {shares} shares is none; give more than 0")
    least = min(side.shares for side in sides)
    if not split and least < shares:
        raise NotASet(
            f"{shares} sets of market {market.pk} were merged, {least} are held; "
            "reconcile before merging again"
        )


def _split(row: Conversion, sides: list[Position]) -> None:
    ledger.post(
        f"{row.key}:split",
        debit=Account.CASH,
        credit=Account.POSITIONS,
        amount=row.shares,
        kind="split",
        mode=row.mode,
        wallet=row.wallet,
        market_id=row.market_id,
        as_of=row.received_at,
    )
    for index, side in enumerate(sides):
        fact = facts.of_conversion(row, index=index)
        positions.put(side, positions.held(side).after(fact), at=_next(row))


def _merge(row: Conversion, sides: list[Position]) -> None:
    """The set leaves the ledger as one: what one side lost the other may have won."""
    cost = ZERO
    for index, side in enumerate(sides):
        before = positions.held(side)
        now = before.after(facts.of_conversion(row, index=index))
        cost += before.booked - now.booked
        positions.put(side, now, at=_next(row))
    positions.close_cost(
        row.key, cost, row.shares, position=sides[0], kind="merge", as_of=row.received_at
    )


def _next(row: Conversion) -> datetime:
    """A fill is numbered in another table: to come after, it has to be later."""
    return row.received_at + positions.INSTANT
