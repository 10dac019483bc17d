"""How far back forecasts look at what surrounds a market; what lies further back never matters."""

from typing import Final

TRADES_S: Final = 48 * 3600.0
MAX_TRADES: Final = 500
BOOKS_S: Final = 3600.0
MAX_BOOKS: Final = 20
NEWS_S: Final = 7 * 86400.0
MOODS_S: Final = 7 * 86400.0
SPOT_S: Final = 3900.0

LATE_S: Final = 3600.0
"""A public trade that we learned of so much later was fetched for the record, not followed."""
PUBLIC_AFTER_S: Final = 60.0
"""Seconds from a trade until anybody could know of it: where such a one stands."""
