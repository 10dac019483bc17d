"""What a person tunes about ingestion: universe, streams, history, spot prices, context."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from markets.core.contracts import (
    ContextConfig,
    HistoryConfig,
    IngestConfig,
    SpotConfig,
    StreamConfig,
)
from markets.core.spot import SOURCES

SHARE = (MinValueValidator(0), MaxValueValidator(1))
FEEDS = """\
https://feeds.bbci.co.uk/news/world/rss.xml
https://feeds.bbci.co.uk/news/business/rss.xml
https://www.federalreserve.gov/feeds/press_all.xml
https://www.coindesk.com/arc/outboundfeeds/rss/
https://www.theguardian.com/world/rss
"""
CALENDARS = """\
https://www.bls.gov/schedule/news_release/bls.ics
https://apps.bea.gov/API/signup/release_dates.json
https://www.federalreserve.gov/json/calendar.json
"""


class IngestSettings(VersionedSettings):
    """Which markets we follow."""

    min_depth_usd = models.FloatField(
        default=500,
        validators=[MinValueValidator(0)],
        help_text="dollars resting near the mid, both sides together",
    )
    depth_within = models.FloatField(
        default=0.02,
        validators=[MinValueValidator(0.001), MaxValueValidator(0.5)],
        help_text="how far from the mid depth counts, dollars a share",
    )
    max_spread = models.FloatField(
        default=0.05, validators=[MinValueValidator(0.001), MaxValueValidator(1)]
    )
    min_seconds_left = models.PositiveIntegerField(
        default=3600,
        help_text="no forecast closer to the scheduled end; up/down markets: see below",
    )
    min_epoch_seconds_left = models.PositiveIntegerField(
        default=20, help_text="up/down markets: no forecast closer to the end of the window"
    )
    max_epoch_lead_s = models.PositiveIntegerField(
        default=900, help_text="up/down markets: followed from so many seconds before the window"
    )
    epoch_assets = models.CharField(
        max_length=200, blank=True, default="btc eth sol xrp", help_text="separated by blanks"
    )
    epoch_windows = models.CharField(
        max_length=100,
        blank=True,
        default="5m 15m 1h 4h 1d",
        help_text="looked up by name, e.g. 5m 15m",
    )
    book_levels = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(5), MaxValueValidator(200)],
        help_text="levels a side kept with each book; totals count all levels",
    )
    outcome_from_days = models.PositiveIntegerField(
        default=7, help_text="markets that end sooner belong to the short universe"
    )
    max_days_left = models.PositiveIntegerField(default=180)
    categories = models.CharField(
        max_length=400, blank=True, default="", help_text="separated by blanks; none = all"
    )
    blacklist = models.TextField(
        blank=True,
        default="",
        help_text="one a line: a slug, an event's slug, tag:…, or words of the question",
    )
    min_listing_share = models.FloatField(
        default=0.8,
        validators=SHARE,
        help_text="a listing that lacks more of the open markets closes nothing",
    )
    max_tracked = models.PositiveIntegerField(default=2000, validators=[MaxValueValidator(5000)])
    max_analysed = models.PositiveIntegerField(
        default=5000,
        validators=[MinValueValidator(1), MaxValueValidator(20_000)],
        help_text="of the markets that pass on paper, so many at most have their books judged",
    )
    stale_after_s = models.PositiveIntegerField(
        default=600, help_text="older books are fetched anew before deciding"
    )
    unclear_after_hours = models.PositiveIntegerField(
        default=72,
        validators=[MinValueValidator(1)],
        help_text="sources that still disagree so long after the end are put before a person",
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "ingest settings"

    def as_config(self) -> IngestConfig:
        """The frozen values."""
        values = self.values()
        for name in ("epoch_assets", "epoch_windows", "categories"):
            values[name] = tuple(values[name].split())
        values["blacklist"] = _lines(self.blacklist)
        return IngestConfig(version=self.version, **values)


class StreamSettings(VersionedSettings):
    """How live books are followed and recorded."""

    enabled = models.BooleanField(default=True, help_text="off = books are polled only")
    tokens_per_connection = models.PositiveIntegerField(
        default=200, validators=[MinValueValidator(1), MaxValueValidator(500)]
    )
    max_tokens = models.PositiveIntegerField(
        default=4000, help_text="followed live; the rest is polled"
    )
    silent_after_s = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(5)], help_text="a silent book is then checked"
    )
    snapshot_within_s = models.PositiveIntegerField(
        default=5, validators=[MinValueValidator(1)], help_text="else it is asked for over REST"
    )
    top_every_s = models.PositiveIntegerField(
        default=10, help_text="a changed top of book is recorded at most so often"
    )
    book_every_s = models.PositiveIntegerField(
        default=60, help_text="a changed book is recorded with its levels at most so often"
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "stream settings"

    def as_config(self) -> StreamConfig:
        """The frozen values."""
        return StreamConfig(version=self.version, **self.values())


class HistorySettings(VersionedSettings):
    """How much of the past is fetched, and how long each table is kept in the database."""

    backfill = models.BooleanField(default=True, help_text="fetch the past of followed markets")
    backfill_days = models.PositiveIntegerField(default=30)
    backfill_fidelity_min = models.PositiveIntegerField(
        default=10, validators=[MinValueValidator(1)], help_text="minutes between two prices"
    )
    archive_first = models.BooleanField(
        default=True, help_text="what leaves the database goes to the archive"
    )
    quotes_days = models.PositiveIntegerField(default=90, validators=[MinValueValidator(2)])
    trades_days = models.PositiveIntegerField(default=30, validators=[MinValueValidator(2)])
    spot_days = models.PositiveIntegerField(default=90, validators=[MinValueValidator(2)])
    news_days = models.PositiveIntegerField(default=180, validators=[MinValueValidator(2)])
    wallet_days = models.PositiveIntegerField(default=365, validators=[MinValueValidator(30)])
    notices_days = models.PositiveIntegerField(default=180, validators=[MinValueValidator(2)])
    raw_days = models.PositiveIntegerField(default=60, validators=[MinValueValidator(2)])
    events_days = models.PositiveIntegerField(
        default=400, help_text="past calendar events and versions of ended markets"
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "history settings"

    def as_config(self) -> HistoryConfig:
        """The frozen values."""
        return HistoryConfig(version=self.version, **self.values())


class SpotSettings(VersionedSettings):
    """Which sources say what a crypto asset costs, and when they are believed."""

    sources = models.CharField(
        max_length=200, default="binance coinbase kraken venue", help_text="separated by blanks"
    )
    assets = models.CharField(
        max_length=200, default="btc eth sol xrp", help_text="separated by blanks"
    )
    stale_after_s = models.PositiveIntegerField(default=30, validators=[MinValueValidator(1)])
    min_sources = models.PositiveIntegerField(
        default=2, validators=[MinValueValidator(1)], help_text="fewer fresh ones = no consensus"
    )
    max_deviation_bps = models.PositiveIntegerField(
        default=50, help_text="a source farther from the median is reported"
    )
    funding = models.BooleanField(default=True, help_text="read perpetual funding rates")

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "spot settings"

    def clean(self) -> None:
        """Refuse names that stand twice, and sources that nobody knows."""
        super().clean()
        trouble = {}
        for name in ("sources", "assets"):
            words = str(getattr(self, name)).split()
            if len(set(words)) < len(words):
                trouble[name] = "Each name once: one named twice would count as one."
        strange = sorted(set(self.sources.split()) - set(SOURCES))
        if strange:
            trouble["sources"] = f"Unknown: {', '.join(strange)}. Known: {', '.join(SOURCES)}."
        if trouble:
            raise ValidationError(trouble)

    def as_config(self) -> SpotConfig:
        """The frozen values."""
        values = self.values()
        for name in ("sources", "assets"):
            # Named twice is one source all the same: two must be needed to agree.
            values[name] = tuple(dict.fromkeys(values[name].split()))
        return SpotConfig(version=self.version, **values)


class ContextSettings(VersionedSettings):
    """News, calendar and wallets: where they are read and what counts as remarkable."""

    news_feeds = models.TextField(blank=True, default=FEEDS, help_text="one address a line")
    news_query = models.CharField(
        max_length=300, blank=True, default="", help_text="NewsAPI; none = its top headlines"
    )
    min_similarity = models.FloatField(default=0.3, validators=SHARE)
    rare_word_share = models.FloatField(
        default=0.02,
        validators=SHARE,
        help_text="a word in more markets than this links nothing by itself",
    )
    max_links = models.PositiveSmallIntegerField(default=10, help_text="markets an item, at most")
    sentiment_backend = models.CharField(
        max_length=40, default="lexicon", help_text="lexicon, or finbert where it is installed"
    )
    embedding_backend = models.CharField(
        max_length=40, default="tfidf", help_text="tfidf, or minilm where it is installed"
    )
    tweets_query = models.CharField(
        max_length=400, blank=True, default="polymarket -is:retweet lang:en"
    )
    subreddits = models.CharField(
        max_length=300, blank=True, default="Polymarket worldnews", help_text="separated by blanks"
    )
    source_down_after = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1)], help_text="failures in a row"
    )
    calendars = models.TextField(blank=True, default=CALENDARS, help_text="one address a line")
    calendar_notice_hours = models.PositiveIntegerField(default=24)
    whale_volume_share = models.FloatField(default=0.05, validators=SHARE)
    whale_usd = models.FloatField(default=25_000, validators=[MinValueValidator(0)])
    large_trade_usd = models.FloatField(default=1_000, validators=[MinValueValidator(0)])
    min_wallet_events = models.PositiveIntegerField(
        default=20, help_text="ended events before a wallet has a score"
    )
    informed_hours = models.PositiveIntegerField(
        default=24, help_text="a large trade so close to the end looks informed"
    )
    max_wallets = models.PositiveIntegerField(default=500, help_text="watched at most")

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "context settings"

    def as_config(self) -> ContextConfig:
        """The frozen values."""
        values = self.values()
        for name in ("news_feeds", "calendars"):
            values[name] = _lines(values[name])
        values["subreddits"] = tuple(values["subreddits"].split())
        return ContextConfig(version=self.version, **values)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
