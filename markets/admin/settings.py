"""The settings of ingestion, to change."""

from typing import ClassVar

from django.contrib import admin

from config.kernel.admin import SettingsAdmin
from markets.models import (
    ContextSettings,
    HistorySettings,
    IngestSettings,
    SpotSettings,
    StreamSettings,
)


@admin.register(IngestSettings)
class IngestSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "min_depth_usd": ("Smallest depth", "dollars resting near the mid, both sides together"),
        "depth_within": ("Depth counts within", "dollars a share from the mid"),
        "max_spread": ("Widest spread", "best ask − best bid, dollars a share"),
        "min_seconds_left": (
            "Time left",
            "seconds to the scheduled end; up/down markets: see below",
        ),
        "min_epoch_seconds_left": (
            "Time left, up/down markets",
            "seconds to the end of the window",
        ),
        "max_epoch_lead_s": ("Followed before the window", "seconds; up/down markets"),
        "epoch_assets": ("Assets of up/down markets", "separated by blanks, e.g. btc eth"),
        "epoch_windows": ("Windows of up/down markets", "separated by blanks, e.g. 5m 15m 4h"),
        "book_levels": ("Levels kept", "count a side with each book; totals count all levels"),
        "max_days_left": ("Farthest end", "days from now"),
        "min_listing_share": ("Listing believed from", "share of the known open markets, 0 to 1"),
        "max_tracked": ("Markets followed", "count, at most"),
        "max_analysed": ("Books judged", "count, at most, of those that pass on paper"),
        "unclear_after_hours": (
            "A person decides after",
            "hours since the end, where the sources still disagree",
        ),
        "stale_after_s": (
            "Prices are old after",
            "seconds; older books are fetched anew before deciding",
        ),
        "outcome_from_days": ("Outcome universe from", "days left; sooner is the short universe"),
        "categories": ("Categories followed", "separated by blanks; none = all"),
        "blacklist": ("Never followed", "one a line: a slug, tag:…, or words of the question"),
    }


@admin.register(StreamSettings)
class StreamSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "enabled": ("Follow books live", "off: books are polled only"),
        "tokens_per_connection": ("Books a connection", "count, 500 at most"),
        "max_tokens": ("Books followed live", "count, at most; the rest is polled"),
        "silent_after_s": ("Silent after", "seconds without a message; then the book is checked"),
        "snapshot_within_s": ("Snapshot within", "seconds; then it is asked for over REST"),
        "top_every_s": ("Best prices recorded every", "seconds, at most, and only when changed"),
        "book_every_s": ("Levels recorded every", "seconds, at most, and only when changed"),
    }


@admin.register(HistorySettings)
class HistorySettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "backfill": ("Fetch the past", "of the markets that are followed"),
        "backfill_days": ("How far back", "days"),
        "backfill_fidelity_min": ("Distance of fetched prices", "minutes"),
        "archive_first": ("Archive what leaves", "off: it is deleted for good"),
        "quotes_days": ("Prices kept for", "days in the database"),
        "trades_days": ("Public trades kept for", "days in the database"),
        "spot_days": ("Spot prices kept for", "days in the database"),
        "news_days": ("News kept for", "days in the database"),
        "wallet_days": ("Wallets' trades and scores kept for", "days in the database"),
        "notices_days": ("Notices kept for", "days in the database"),
        "raw_days": ("Unreadable messages kept for", "days after they were seen last"),
        "events_days": ("Past calendar and versions kept for", "days in the database"),
    }


@admin.register(SpotSettings)
class SpotSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "sources": ("Sources", "separated by blanks: binance coinbase kraken venue"),
        "assets": ("Assets", "separated by blanks, e.g. btc eth"),
        "stale_after_s": ("A price is old after", "seconds; then its source does not count"),
        "min_sources": ("Sources needed", "count of fresh ones; fewer = no consensus"),
        "max_deviation_bps": ("Largest deviation", "hundredths of a percent from the median"),
        "funding": ("Read funding rates", "of perpetual futures, for the funding guard"),
    }


@admin.register(ContextSettings)
class ContextSettingsAdmin(SettingsAdmin):
    LABELS: ClassVar = {
        "news_feeds": ("News feeds", "RSS or Atom, one address a line"),
        "news_query": ("NewsAPI query", "words; none = its top headlines"),
        "min_similarity": ("Linked from", "similarity of headline and market, 0 to 1"),
        "rare_word_share": ("A rare word", "is in at most this share of the markets, 0 to 1"),
        "max_links": ("Links an item", "markets, at most"),
        "sentiment_backend": ("Sentiment read by", "lexicon, or finbert where it is installed"),
        "embedding_backend": ("Likeness read by", "tfidf, or minilm where it is installed"),
        "tweets_query": ("Tweets", "a search as the service writes it; needs TWITTER_TOKEN"),
        "subreddits": ("Subreddits", "separated by blanks; needs REDDIT_ID and REDDIT_SECRET"),
        "source_down_after": ("A source is down after", "failures in a row"),
        "calendars": ("Release calendars", "iCalendar or JSON, one address a line"),
        "calendar_notice_hours": ("Announced ahead", "hours before a scheduled event"),
        "whale_volume_share": ("Whale from", "share of the market's volume, 0 to 1"),
        "whale_usd": ("Whale from", "dollars, whatever the share"),
        "large_trade_usd": ("Large trade from", "dollars; smaller ones are not judged"),
        "min_wallet_events": ("Events for a score", "count of ended events, at least"),
        "informed_hours": ("Close to the end", "hours; large trades within look informed"),
        "max_wallets": ("Wallets watched", "count, at most"),
    }
