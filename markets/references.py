"""Estimate the price to beat of windows that began, until the venue tells it a minute later.

An estimate helps a forecast and settles nothing: it lives in columns of its own, says where it is
from, and the official price takes its place as soon as it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from config.kernel.clocks import Clock, given
from markets import spot, spot_prices
from markets.adapters import binance
from markets.adapters.binance import Binance
from markets.adapters.exchange import SourceOff
from markets.adapters.http import SimulatedVenue, VenueRefused, VenueUnreachable
from markets.core import epoch_rules
from markets.core.epoch_rules import Basis, Rule
from markets.core.wire import NotUnderstood
from markets.core.wire_exchanges import Bar
from markets.models import Market, Origin, SpotTick

log = structlog.get_logger()

LABEL = "ESTIMATE: "
HOUR_OPEN = "open of the Binance 1 h candle"
NOON_CLOSE = "close of the Binance noon minute"
TWAP_SOURCES: Mapping[int, str] = {60: "venue_twap_60"}
# The stream ticks once a second; a neighbouring second is still this boundary's price.
AT_BOUNDARY = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A price in dollars and where it is from, in words."""

    price: float
    source: str


def estimate(*, as_of: datetime, clock: Clock | None = None, bars: Binance | None = None) -> int:
    """Give an estimate to every running window without a price to beat; returns how many got one.

    Where no source has the price yet the market is left as it is, and the next run tries again.
    """
    now, done = given(clock, as_of), 0
    candles = _Candles(bars)
    for market in _waiting(as_of):
        found = _estimate(market, candles, as_of=as_of)
        if found is None:
            continue
        # The official price may have come meanwhile; then there is nothing left to estimate.
        done += Market.objects.filter(
            pk=market.pk, reference_price__isnull=True, reference_estimate__isnull=True
        ).update(
            reference_estimate=found.price,
            reference_source=(LABEL + found.source)[:60],
            reference_estimated_at=now(),
        )
    log.info("references.estimated", markets=done)
    return done


def _waiting(as_of: datetime) -> list[Market]:
    running = Market.objects.filter(
        closed_at__isnull=True,
        scheduled_end_at__gt=as_of,
        epoch_start_at__lte=as_of,
        window_s__isnull=False,
        reference_price__isnull=True,
        reference_estimate__isnull=True,
        origin__in=[Origin.VENUE, Origin.SANDBOX],
    )
    return list(running.exclude(asset="").order_by("scheduled_end_at", "id"))


def _estimate(market: Market, candles: "_Candles", *, as_of: datetime) -> Estimate | None:
    start, end, window_s = market.epoch_start_at, market.scheduled_end_at, market.window_s
    assert start is not None  # noqa: S101 - the query asks for it
    assert end is not None  # noqa: S101 - the query asks for it
    assert window_s is not None  # noqa: S101 - the query asks for it
    rule = epoch_rules.resolution_rule(window_s, as_of=start)
    if rule is None:
        return None
    if rule.basis is Basis.HOUR_OPEN:
        bar = candles.at(market.asset, "1h", opens_at=start)
        return None if bar is None else Estimate(price=float(bar.open), source=HOUR_OPEN)
    if rule.basis is Basis.NOON_CLOSE:
        noon = epoch_rules.start_noon(end)
        bar = candles.at(market.asset, "1m", opens_at=noon) if as_of >= noon + MINUTE else None
        return None if bar is None else Estimate(price=float(bar.close), source=NOON_CLOSE)
    return _from_streams(market.asset, rule, start, as_of=as_of)


def _from_streams(asset: str, rule: Rule, start: datetime, *, as_of: datetime) -> Estimate | None:
    """The venue's own tick of the boundary second, else what the exchanges said by then."""
    source = TWAP_SOURCES.get(rule.twap_s, "") if rule.twap_s else spot.VENUE
    near = SpotTick.objects.filter(
        asset=asset,
        source=source,
        interval_s=0,
        observed_at__gte=start - AT_BOUNDARY,
        observed_at__lte=start + AT_BOUNDARY,
        received_at__lte=as_of,
    )
    ticks = list(near.values_list("observed_at", "close"))
    if ticks:
        _, price = min(ticks, key=lambda tick: abs(tick[0] - start))
        mean = f"{rule.twap_s} s mean" if rule.twap_s else "price"
        return Estimate(price=price, source=f"the venue's {mean} at the start")
    found = spot_prices.spot(asset, as_of=start)
    if found.price is None:
        return None
    return Estimate(price=found.price, source=f"spot of {len(found.used)} sources at the start")


class _Candles:
    """Candles by asset, length and start, each asked for once a run."""

    def __init__(self, source: Binance | None) -> None:
        self._source = source
        self._known: dict[tuple[str, str, datetime], Bar | None] = {}

    def at(self, asset: str, interval: str, *, opens_at: datetime) -> Bar | None:
        """The candle that opens at exactly this time, or None where it cannot be had."""
        key = asset, interval, opens_at
        if key not in self._known:
            self._known[key] = self._ask(asset, interval, opens_at)
        return self._known[key]

    def _ask(self, asset: str, interval: str, opens_at: datetime) -> Bar | None:
        try:
            source = self._source = self._source or binance.connect()
            bars = source.bars(asset, interval, since=opens_at)
        except (SourceOff, SimulatedVenue) as why:
            log.info("candle.off", asset=asset, reason=str(why))
            return None
        except (VenueUnreachable, VenueRefused, NotUnderstood) as trouble:
            log.warning("candle.not_had", asset=asset, interval=interval, reason=str(trouble))
            return None
        return next((bar for bar in bars if bar.opens_at == opens_at), None)
