"""File the two sides of each market; an id belongs to one market for ever."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from config.kernel import vendor
from markets.core.wire import NotUnderstood
from markets.core.wire_catalog import text
from markets.listing_events import Row
from markets.models import Market, Outcome

SIDES = {"market_id": pl.Int64, "index": pl.Int16, "name": pl.String, "asset_id": pl.String}


def store(rows: Sequence[Row], ids: Mapping[str, int]) -> None:
    """File the outcomes of these rows; ids that arrive late are filled in, none is taken away."""
    market_ids = [ids[row.market.id] for row in rows]
    found = Outcome.objects.filter(market_id__in=market_ids)
    known = {
        (market, index): (name, asset)
        for market, index, name, asset in found.values_list(
            "market_id", "index", "name", "asset_id"
        )
    }
    touched = []
    renumbered = set()
    for row in rows:
        market = ids[row.market.id]
        assets: Sequence[str | None] = row.market.asset_ids or (None, None)
        for index, said in enumerate(row.market.outcomes):
            before, name = known.get((market, index)), text(said, 200)
            asset = assets[index] or (before[1] if before else None)
            if before != (name, asset):
                touched.append((market, index, name, asset))
                if before and before[1] and before[1] != asset:
                    renumbered.add(market)
    if renumbered:
        # Two sides that swap their ids would collide while one has moved and the other has not.
        Outcome.objects.filter(market_id__in=renumbered).update(asset_id=None)
        touched = [side for side in touched if side[0] not in renumbered]
        touched += [side for row in rows for side in _sides(row, ids) if side[0] in renumbered]
    if touched:
        frame = pl.DataFrame(touched, schema=SIDES, orient="row")
        vendor.upsert(Outcome, frame, key=["market_id", "index"], update=["name", "asset_id"])


def _sides(row: Row, ids: Mapping[str, int]) -> list[tuple[int, int, str, str | None]]:
    assets: Sequence[str | None] = row.market.asset_ids or (None, None)
    return [
        (ids[row.market.id], index, text(name, 200), assets[index])
        for index, name in enumerate(row.market.outcomes)
    ]


def without_strangers_ids(
    rows: Sequence[Row], refuse: Callable[[Row, str], NotUnderstood]
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
