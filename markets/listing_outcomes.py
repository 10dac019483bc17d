"""File the two sides of each market; an id belongs to one market for ever."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import polars as pl

from config.kernel import vendor
from markets import notices
from markets.core.wire import NotUnderstood, Unreadable
from markets.core.wire_catalog import text
from markets.listing_events import Row
from markets.models import Market, Notice, Outcome

SIDES = {"market_id": pl.Int64, "index": pl.Int16, "name": pl.String, "asset_id": pl.String}
Side = tuple[str, str | None]
"""Name and asset id."""
Refuse = Callable[[Row, str], NotUnderstood]
# A venue that turns every market around at once says so loudly enough in the first ones.
NOTED = 20


def store(
    rows: Sequence[Row], ids: Mapping[str, int], refuse: Refuse, *, as_of: datetime
) -> list[NotUnderstood]:
    """File the outcomes of these rows; ids that arrive late are filled in, none ever moves.

    Rows whose sides are not provably ours are returned as refused and leave a notice; their
    outcomes stay as they were.
    """
    known: dict[int, dict[int, Side]] = {}
    found = Outcome.objects.filter(market_id__in=[ids[row.market.id] for row in rows])
    for market, index, name, asset in found.values_list("market_id", "index", "name", "asset_id"):
        known.setdefault(market, {})[index] = (name, asset)
    touched: list[tuple[int, int, str, str | None]] = []
    refused: list[NotUnderstood] = []
    for row in rows:
        market, before = ids[row.market.id], known.get(ids[row.market.id], {})
        try:
            sides = _placed(before, _told(row))
        except Unreadable as moved:
            if len(refused) < NOTED:
                _note(market, str(moved), as_of=as_of)
            refused.append(refuse(row, str(moved)))
            continue
        touched += [(market, i, *side) for i, side in enumerate(sides) if side != before.get(i)]
    if touched:
        frame = pl.DataFrame(touched, schema=SIDES, orient="row")
        vendor.upsert(Outcome, frame, key=["market_id", "index"], update=["name", "asset_id"])
    return refused


def _told(row: Row) -> list[Side]:
    assets: Sequence[str | None] = row.market.asset_ids or (None, None)
    return [(text(n, 200), asset) for n, asset in zip(row.market.outcomes, assets, strict=True)]


def _placed(before: Mapping[int, Side], told: Sequence[Side]) -> Sequence[Side]:
    """The told sides in our order. Positions, prices and results mean an index: ids settle it.

    Before any id is bound the names settle it. Raises `Unreadable` where sides would move.
    """
    if not before:
        return told
    ours = [before.get(index, ("", None)) for index in (0, 1)]
    names = [name for name, _ in ours]
    turned = told[::-1]
    bound = any(asset for _, asset in ours)
    if bound and not any(asset for _, asset in told):
        if [name for name, _ in told] != names:
            raise Unreadable(f"outcomes: {_shown(told)} without ids, where we hold {_shown(ours)}")
        return ours
    if bound:
        fitting = [order for order in (told, turned) if _same_ids(ours, order)]
    else:
        fitting = [turned if [name for name, _ in turned] == names else told]
    if not fitting:
        raise Unreadable(f"outcomes: the ids of {_shown(ours)} became {_shown(told)}")
    sides = fitting[0]
    crossed = names[0] != names[1] and any(sides[i][0] == names[1 - i] != "" for i in (0, 1))
    if crossed:
        raise Unreadable(f"outcomes: names changed sides, {_shown(ours)} became {_shown(told)}")
    return [(name, asset or was) for (name, asset), (_, was) in zip(sides, ours, strict=True)]


def _same_ids(ours: Sequence[Side], told: Sequence[Side]) -> bool:
    return all(was in (None, now) for (_, was), (_, now) in zip(ours, told, strict=True))


def _shown(sides: Sequence[Side]) -> str:
    return " / ".join(f"{name[:40]} {(asset or 'no id')[-12:]}" for name, asset in sides)


def _note(market: int, reason: str, *, as_of: datetime) -> None:
    notices.note(
        Notice.Kind.CONTRACT_DRIFT,
        f"outcomes:{market}",
        f"The listing turned the sides of a market or gave them other ids; ours stay. {reason}.",
        as_of=as_of,
        subject="gamma.market",
        severity=Notice.Severity.WARNING,
        market_id=market,
    )


def without_strangers_ids(
    rows: Sequence[Row], refuse: Refuse
) -> tuple[list[Row], list[NotUnderstood]]:
    """Rows whose ids are not already those of another market, and the refusals of the others."""
    conditions = {row.market.condition_id for row in rows if row.market.condition_id}
    assets = {asset for row in rows for asset in row.market.asset_ids}
    owners = {
        condition: (owner, key)
        for condition, owner, key in Market.objects.filter(
            condition_id__in=list(conditions)
        ).values_list("condition_id", "venue", "venue_key")
    }
    owners |= {
        asset: (owner, key)
        for asset, owner, key in Outcome.objects.filter(asset_id__in=list(assets)).values_list(
            "asset_id", "market__venue", "market__venue_key"
        )
    }
    kept, refused = [], []
    for row in rows:
        own = (row.venue, row.market.id)
        claimed = [row.market.condition_id, *row.market.asset_ids]
        other = next((i for i in claimed if i and owners.setdefault(i, own) != own), None)
        if other is None:
            kept.append(row)
        else:
            reason = f"the id {other} belongs to market {':'.join(owners[other])}"
            refused.append(refuse(row, reason))
    return kept, refused
