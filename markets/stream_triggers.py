"""What the stream hears about other markets: reasons to ask the catalogue or for a result soon."""

from collections.abc import Iterable
from datetime import datetime

import structlog

from markets import filing, resolutions, unknown
from markets.adapters import gamma, http
from markets.core.wire import NotUnderstood
from markets.core.wire_stream import MarketResolved, NewMarket

log = structlog.get_logger()
# So many at most a pass; the timetable finds the rest.
AT_MOST = 20


def resolved(told: Iterable[MarketResolved], *, as_of: datetime) -> int:
    """Have the sources asked about each soon: the stream's word is no result. How many will be."""
    return resolutions.wake({x.condition_id for x in told}, as_of=as_of)


def listed(told: Iterable[NewMarket], *, as_of: datetime) -> int:
    """File the events of markets that were just listed; returns how many events were read."""
    slugs = {str((x.event_message or {}).get("slug") or x.slug) for x in told}
    source = gamma.connect()
    found = []
    for slug in sorted(slugs)[:AT_MOST]:
        try:
            found.append(source.event(slug))
        except http.VenueRefused:
            continue  # not listed yet, or no event of that name
        except http.VenueUnreachable as failure:
            log.info("stream.listing_not_yet", slug=slug, reason=str(failure))
            break
        except NotUnderstood as wrong:
            unknown.refused(wrong, as_of=as_of)
    if found:
        filing.store(found, filing.SyncReport(), simulated=source.simulated, as_of=as_of)
    return len(found)
