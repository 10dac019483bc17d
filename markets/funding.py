"""Record what holders of perpetual futures pay each other; the funding guard reads it."""

from datetime import datetime

import polars as pl
import structlog

from config.kernel import vendor
from config.kernel.clocks import Clock, given
from markets import polling, spot_prices
from markets.adapters import binance
from markets.adapters.binance import BinanceFutures
from markets.adapters.exchange import SourceOff
from markets.adapters.fetch import FetchFailed
from markets.adapters.http import NotThere, SimulatedVenue, VenueRefused, VenueUnreachable
from markets.core.wire_exchanges import Funding
from markets.models import ContextSettings, FundingRate, SpotSettings

log = structlog.get_logger()
STATE_KEY = "funding:binance"
NO_SUCH_PAIR = 400


def record(
    *, as_of: datetime, clock: Clock | None = None, source: BinanceFutures | None = None
) -> int:
    """Append the rate of each asset that has a perpetual; returns rows added.

    Nothing is asked where the spot settings say so, and in a demo without a stand-in.
    """
    config = SpotSettings.objects.current(as_of=as_of).as_config()
    if not config.funding:
        log.info("funding.off", reason="the spot settings say so")
        return 0
    try:
        futures = source or binance.connect_futures()
    except (SourceOff, SimulatedVenue) as why:
        log.info("funding.off", reason=str(why))
        return 0
    down_after = ContextSettings.objects.current(as_of=as_of).source_down_after
    now, added = given(clock, as_of), 0
    name = "funding rates of binance"
    with polling.asking(STATE_KEY, name=name, down_after=down_after, now=now) as state:
        found = _ask(futures, config.assets)
        added = _store(found, received_at=now())
        state.items = len(found)
    log.info("funding.recorded", added=added)
    return added


def _ask(futures: BinanceFutures, assets: tuple[str, ...]) -> dict[str, tuple[Funding, int]]:
    """Rate and period of each asset; raises `FetchFailed` where the source gives none."""
    found = {}
    try:
        periods = futures.periods(assets)
        for asset in assets:
            try:
                found[asset] = (futures.funding(asset), periods[asset])
            except VenueRefused as refusal:
                if not isinstance(refusal, NotThere) and refusal.status != NO_SUCH_PAIR:
                    raise
                log.info("funding.not_listed", asset=asset)
    except (VenueUnreachable, VenueRefused) as trouble:
        raise FetchFailed(str(trouble)) from trouble
    return found


def _store(found: dict[str, tuple[Funding, int]], *, received_at: datetime) -> int:
    if not found:
        return 0
    frame = pl.DataFrame(
        {
            "asset": list(found),
            "source": [binance.NAME] * len(found),
            # Never later than its arrival, as with spot prices.
            "observed_at": [min(f.observed_at, received_at) for f, _ in found.values()],
            "received_at": [received_at] * len(found),
            "rate": [float(f.rate) for f, _ in found.values()],
            "period_s": [period for _, period in found.values()],
        },
        schema_overrides={"observed_at": spot_prices.TIME, "received_at": spot_prices.TIME},
    )
    return vendor.append(FundingRate, frame)
