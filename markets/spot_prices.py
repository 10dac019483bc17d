"""What crypto assets cost and cost to hold, as it was known `as_of`; `queries` hands it out."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from config.kernel import vendor
from config.kernel.copy_format import Schema
from markets.core import spot as spots
from markets.core.contracts import SpotConfig
from markets.core.series import Floats
from markets.core.spot import Consensus, FundingNow, Reading, SpotSeries, Ticks
from markets.models import FundingRate, SpotSettings

TIME = pl.Datetime("us", "UTC")
SPOT: Schema = {
    "asset": pl.String,
    "source": pl.String,
    "observed_at": TIME,
    "received_at": TIME,
    "close": pl.Float64,
}
ONE_SPOT = (
    "SELECT * FROM (SELECT asset, source, observed_at, "
    "COALESCE(received_at, observed_at) AS received_at, close FROM markets_spottick "
    "WHERE asset = %s AND source = %s AND interval_s = 0 "
    "AND COALESCE(received_at, observed_at) <= %s ORDER BY observed_at DESC LIMIT 1) AS newest"
)


def spot(asset: str, *, as_of: datetime) -> Consensus:
    """What an asset costs by the sources of the settings, as known at `as_of`; never raises.

    `price` is None where they give no consensus, with the reason.
    """
    config: SpotConfig = SpotSettings.objects.current(as_of=as_of).as_config()
    return _spot_now([asset], config, as_of=as_of)[asset]


def spot_all(assets: Sequence[str], *, as_of: datetime) -> dict[str, Consensus]:
    """`spot` of several assets in one query."""
    config: SpotConfig = SpotSettings.objects.current(as_of=as_of).as_config()
    return _spot_now(assets, config, as_of=as_of)


def _spot_now(
    assets: Sequence[str], config: SpotConfig, *, as_of: datetime
) -> dict[str, Consensus]:
    """One index probe per asset and source, whatever the length of the history."""
    pairs = [(asset, source) for asset in assets for source in config.sources]
    moment = vendor.instant(as_of)
    rows = pl.DataFrame(schema=SPOT)
    if pairs:
        params = [value for pair in pairs for value in (*pair, moment)]
        rows = vendor.read(" UNION ALL ".join([ONE_SPOT] * len(pairs)), params, SPOT)
    readings = {
        (row["asset"], row["source"]): Reading(
            source=row["source"],
            price=row["close"],
            age_s=(as_of - min(row["observed_at"], row["received_at"])).total_seconds(),
        )
        for row in rows.iter_rows(named=True)
    }
    return {
        asset: spots.consensus(
            asset,
            [readings[asset, name] for name in config.sources if (asset, name) in readings],
            config=config,
        )
        for asset in assets
    }


def spot_series(
    assets: Sequence[str], *, since: datetime, as_of: datetime, step_s: int = 60
) -> SpotSeries:
    """The consensus at `since`, `since + step_s` … up to `as_of`, each as known then. One query."""
    config: SpotConfig = SpotSettings.objects.current(as_of=as_of).as_config()
    moments = np.arange(since.timestamp(), as_of.timestamp() + 1e-6, step_s)
    earliest = since - timedelta(seconds=config.stale_after_s)
    marks = ", ".join(["%s"] * len(assets)), ", ".join(["%s"] * len(config.sources))
    rows = vendor.read(
        "SELECT asset, source, observed_at, "  # noqa: S608 - only marks are put in
        "COALESCE(received_at, observed_at) AS received_at, close FROM markets_spottick "
        f"WHERE asset IN ({marks[0] or 'NULL'}) AND source IN ({marks[1] or 'NULL'}) "
        "AND interval_s = 0 AND observed_at >= %s AND observed_at <= %s "
        "AND COALESCE(received_at, observed_at) <= %s",
        [*assets, *config.sources, *map(vendor.instant, (earliest, as_of, as_of))],
        SPOT,
    )
    groups = rows.sort("received_at", "observed_at").partition_by("asset", "source", as_dict=True)
    sources: dict[str, list[Ticks]] = {asset: [] for asset in assets}
    for (asset, _source), part in groups.items():
        sources[str(asset)].append(
            Ticks(
                known_at=_seconds(part["received_at"]),
                held_at=_seconds(part["observed_at"]),
                price=_floats(part["close"]),
            )
        )
    price = [spots.consensus_over_time(sources[a], moments, config=config) for a in assets]
    return SpotSeries(
        assets=tuple(assets),
        moments=moments,
        price=np.array(price, dtype=np.float64).reshape(len(assets), len(moments)),
    )


def funding(asset: str, *, as_of: datetime) -> FundingNow | None:
    """The newest funding rate of an asset's perpetual known at `as_of`; None where unknown."""
    row = (
        FundingRate.objects.filter(asset=asset, received_at__lte=as_of)
        .order_by("-observed_at")
        .first()
    )
    if row is None:
        return None
    return FundingNow(
        rate=row.rate,
        period_s=row.period_s,
        source=row.source,
        age_s=(as_of - min(row.observed_at, row.received_at)).total_seconds(),
    )


def _floats(column: pl.Series) -> Floats:
    return np.ascontiguousarray(column.to_numpy())


def _seconds(column: pl.Series) -> Floats:
    return np.ascontiguousarray(column.to_physical().to_numpy() / 1e6)
