"""What leaves the database and when: one line a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rows of `model` leave when `at` is more than `days` (a column of the settings) ago.

    `table` names it in reports and in the archive; `archived` is False for what is no fact.
    `of_market` is the way to the market whose origin says whether a row was imported; without a
    market, imported rows are those without a value in `imported_without`.
    """

    table: str
    model: str
    at: str
    days: str
    archived: bool = True
    of_market: str = ""
    imported_without: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks(Policy):
    """A tick table, partitioned by month on PostgreSQL; `span` is read and archived at once."""

    span: timedelta = timedelta(days=1)
    columns: Mapping[str, str]


QUOTES = "quotes"
FLOATS = dict.fromkeys(
    ("price", "bid", "ask", "last", "bid_depth", "ask_depth", "volume_24h"), "float"
)
TICKS: tuple[Ticks, ...] = (
    Ticks(
        table=QUOTES,
        model="Quote",
        at="observed_at",
        days="quotes_days",
        of_market="market",
        span=timedelta(hours=6),
        columns={"observed_at": "time", "received_at": "time", "kind": "small"}
        | FLOATS
        | {"levels": "bytes"},
    ),
    Ticks(
        table="trades",
        model="PublicTrade",
        at="observed_at",
        days="trades_days",
        of_market="market",
        columns={
            "trade_key": "text",
            "outcome_index": "small",
            "observed_at": "time",
            "received_at": "time",
            "side": "text",
            "price": "float",
            "shares": "float",
            "wallet": "text",
            "tx_hash": "text",
        },
    ),
    Ticks(
        table="spot",
        model="SpotTick",
        at="observed_at",
        days="spot_days",
        imported_without="received_at",
        columns={"asset": "text", "source": "text", "interval_s": "whole"}
        | {"observed_at": "time", "received_at": "time"}
        | dict.fromkeys(("close", "open", "high", "low", "volume"), "float"),
    ),
    Ticks(
        table="funding",
        model="FundingRate",
        at="observed_at",
        days="spot_days",
        columns={"asset": "text", "source": "text", "observed_at": "time", "received_at": "time"}
        | {"rate": "float", "period_s": "whole"},
    ),
)
KEYS: Mapping[str, tuple[str, ...]] = {
    QUOTES: ("market_key", "observed_at", "kind"),
    "trades": ("trade_key", "observed_at"),
    "spot": ("asset", "source", "interval_s", "observed_at"),
    "funding": ("asset", "source", "observed_at"),
}
# Links go before what they hang on.
ROWS: tuple[Policy, ...] = (
    Policy(table="news_links", model="NewsLink", at="item__received_at", days="news_days"),
    Policy(table="news", model="NewsItem", at="received_at", days="news_days"),
    Policy(table="wallet_trades", model="WalletTrade", at="observed_at", days="wallet_days"),
    Policy(table="wallet_results", model="WalletResult", at="received_at", days="wallet_days"),
    Policy(table="wallet_scores", model="WalletScore", at="as_of", days="wallet_days"),
    Policy(table="cohort_moods", model="CohortMood", at="as_of", days="wallet_days"),
    Policy(table="notices", model="Notice", at="received_at", days="notices_days"),
    Policy(table="raw_messages", model="RawMessage", at="last_seen_at", days="raw_days"),
    Policy(
        table="event_impacts",
        model="EventImpact",
        at="calendar_event__scheduled_at",
        days="events_days",
    ),
    Policy(table="calendar", model="CalendarEvent", at="scheduled_at", days="events_days"),
    Policy(
        table="market_versions",
        model="MarketVersion",
        at="market__closed_at",
        days="events_days",
        of_market="market",
    ),
    Policy(
        table="fetch_states",
        model="FetchState",
        at="asked_at",
        days="raw_days",
        archived=False,
    ),
)
