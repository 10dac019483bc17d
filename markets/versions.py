"""Keep what a market's listing said, and since when, so that the past is judged by its own news."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction

from config.kernel import vendor

SAID = (
    *("question", "description", "category", "protocol", "opens_at", "scheduled_end_at"),
    *("closed_at", "accepting_orders", "tick_size", "min_shares", "neg_risk", "neg_risk_other"),
    *("fees_id", "window_s", "epoch_start_at", "reference_price", "twap_s", "oracle_status"),
)
"""The columns of `MarketVersion` that a market has under the same name."""


def keep(market_ids: Collection[int], *, as_of: datetime) -> int:
    """Append a version of each of these markets that differs from its last; returns how many.

    To be called in the transaction that changed the markets, with the instant of the news. Of two
    changes at one instant the later one is kept. One statement, whatever the number of markets.
    """
    if not market_ids:
        return 0
    condition, ids = vendor.among("m.id", sorted(market_ids))
    names = ", ".join(SAID)
    differs = " OR ".join(f"m.{name} IS DISTINCT FROM v.{name}" for name in SAID)
    replaced = ", ".join(f"{name} = EXCLUDED.{name}" for name in SAID)
    moment = vendor.instant(as_of)
    statement = (
        f"INSERT INTO markets_marketversion (market_id, received_at, {names}) "  # noqa: S608 - constants
        f"SELECT m.id, %s, {', '.join('m.' + name for name in SAID)} "
        "FROM markets_market m LEFT JOIN markets_marketversion v ON v.market_id = m.id "
        "AND v.received_at = (SELECT max(x.received_at) FROM markets_marketversion x "
        "WHERE x.market_id = m.id AND x.received_at <= %s) "
        f"WHERE {condition} AND (v.market_id IS NULL OR {differs}) "
        f"ON CONFLICT (market_id, received_at) DO UPDATE SET {replaced}"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [moment, moment, ids])
        return max(int(cursor.rowcount), 0)
