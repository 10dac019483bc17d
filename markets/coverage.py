"""How much of each market's past we hold: one interval a market and kind, which only grows.

A market that cannot be read is passed over for a pause that doubles with every failure in a row.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import transaction

from markets.models import Backfill

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=2), timedelta(days=1)


class Gap(ValueError):
    """The new interval does not touch the one that we hold: what lies between would be lost."""


def held(market_ids: Collection[int], kind: Backfill.Kind) -> Mapping[int, Backfill]:
    """What we hold of these markets, by market."""
    rows = Backfill.objects.filter(market_id__in=list(market_ids), kind=kind)
    return {row.market_id: row for row in rows}


def is_due(row: Backfill | None, *, as_of: datetime) -> bool:
    """Whether the pause after the last failure is over."""
    if row is None or not row.failures:
        return True
    doubled: int = 2 ** min(row.failures - 1, 20)
    return as_of - row.updated_at >= min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


@transaction.atomic
def extend(
    market_id: int,
    kind: Backfill.Kind,
    *,
    since: datetime,
    until: datetime,
    rows: int,
    as_of: datetime,
    anew: bool = False,
) -> Backfill:
    """Say that we hold [since, until) too, with so many rows more; in the rows' own transaction.

    `anew` forgets what was held before. Raises `Gap` where the interval does not touch what we
    hold. A success ends the row of failures.
    """
    row = _locked(market_id, kind)
    if row is None:
        return Backfill.objects.create(
            market_id=market_id,
            kind=kind,
            wanted_from=since,
            covered_from=since,
            covered_until=until,
            rows=rows,
            updated_at=as_of,
        )
    holds_nothing = anew or row.covered_from == row.covered_until
    if not holds_nothing and (since > row.covered_until or until < row.covered_from):
        raise Gap(
            f"{row} is held from {row.covered_from} to {row.covered_until}, "
            f"which {since} to {until} does not touch"
        )
    row.covered_from = since if holds_nothing else min(row.covered_from, since)
    row.covered_until = until if holds_nothing else max(row.covered_until, until)
    row.wanted_from = min(row.wanted_from, since)
    row.rows += rows
    row.failures, row.error, row.updated_at = 0, "", as_of
    row.save()
    return row


@transaction.atomic
def fail(market_id: int, kind: Backfill.Kind, error: str, *, as_of: datetime) -> None:
    """Note that the market could not be read; it is asked again after a growing pause."""
    row = _locked(market_id, kind) or Backfill(
        market_id=market_id,
        kind=kind,
        wanted_from=as_of,
        covered_from=as_of,
        covered_until=as_of,
    )
    row.failures += 1
    row.error, row.updated_at = error[:400], as_of
    row.save()


def _locked(market_id: int, kind: Backfill.Kind) -> Backfill | None:
    rows = Backfill.objects.select_for_update(of=("self",))
    return rows.filter(market_id=market_id, kind=kind).first()
