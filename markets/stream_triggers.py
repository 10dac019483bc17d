"""What the stream hears about other markets: reasons to ask the catalogue or for a result soon."""

import re
from collections.abc import Iterable
from datetime import datetime

import structlog
from django.db import DatabaseError

from markets import filing, resolutions, unknown
from markets.adapters import gamma, http
from markets.core.wire import NotUnderstood, shown
from markets.core.wire_stream import SOURCE, MarketResolved, NewMarket

log = structlog.get_logger()
# So many at most a pass; the timetable finds the rest.
AT_MOST = 20
# A slug becomes part of an address.
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,299}")


def resolved(told: Iterable[MarketResolved], *, as_of: datetime) -> int:
    """Have the sources asked about each soon: the stream's word is no result. How many will be."""
    return resolutions.wake({x.condition_id for x in told}, as_of=as_of)


def listed(told: Iterable[NewMarket], *, as_of: datetime) -> int:
    """File the events of markets that were just listed; returns how many events were read."""
    slugs = _slugs(told, as_of=as_of)
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
        except DatabaseError:
            raise
        except Exception as bug:
            # One market must not end the process that follows all others.
            log.exception("stream.listing_failed", slug=slug)
            reason = f"our reader failed: {bug!r}"
            unknown.keep(f"{SOURCE}.new_market", reason, slug, as_of=as_of, subject=slug)
    if found:
        filing.store(found, filing.SyncReport(), simulated=source.simulated, as_of=as_of)
    return len(found)


def _slugs(told: Iterable[NewMarket], *, as_of: datetime) -> set[str]:
    """The events to ask for; what cannot be asked for is kept raw."""
    slugs = set()
    for one in told:
        slug = str((one.event_message or {}).get("slug") or one.slug)
        if SLUG.fullmatch(slug):
            slugs.add(slug)
        else:
            reason = f"{shown(slug)} is no slug that can be asked for"
            unknown.keep(f"{SOURCE}.new_market", reason, slug, as_of=as_of, subject=one.id)
    return slugs
