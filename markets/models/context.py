"""What surrounds the markets: news, the calendar, and the wallets that trade."""

from django.db import models
from django.db.models import Q

from markets.models.catalogue import Market


class NewsItem(models.Model):
    """One headline or post. Sentiment and embedding are null until a backend has read it."""

    class Kind(models.TextChoices):
        """Where people speak."""

        NEWS = "NEWS", "News"
        TWITTER = "TWITTER", "Twitter"
        REDDIT = "REDDIT", "Reddit"

    digest = models.CharField(max_length=64, primary_key=True, help_text="of source and address")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.NEWS)
    source = models.CharField(max_length=80, help_text="NewsAPI, or the feed's name")
    publisher = models.CharField(max_length=120, blank=True, default="")
    url = models.CharField(max_length=1000)
    title = models.CharField(max_length=500)
    summary = models.TextField(blank=True, default="")
    published_at = models.DateTimeField()
    undated = models.BooleanField(
        default=False, help_text="no readable date came with it; published_at is when we got it"
    )
    received_at = models.DateTimeField(db_index=True)
    sentiment = models.FloatField(null=True, help_text="-1 … 1; null = not read, never zero")
    sentiment_backend = models.CharField(max_length=40, blank=True, default="")
    embedding = models.BinaryField(null=True, help_text="float32, length by backend")
    embedding_backend = models.CharField(max_length=40, blank=True, default="")
    simulated = models.BooleanField(default=False)

    class Meta:
        """A sentiment lies in its range."""

        constraints = [
            models.CheckConstraint(
                name="news_sentiment_is_bounded",
                condition=Q(sentiment__isnull=True) | Q(sentiment__gte=-1, sentiment__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class NewsLink(models.Model):
    """A headline is about a market, as far as their words agree."""

    item = models.ForeignKey(NewsItem, on_delete=models.CASCADE, related_name="links")
    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="news")
    similarity = models.FloatField(help_text="cosine, 0 … 1")
    backend = models.CharField(max_length=40)
    received_at = models.DateTimeField()

    class Meta:
        """One link a pair."""

        constraints = [
            models.UniqueConstraint(name="news_linked_once", fields=["item", "market"]),
        ]
        indexes = [models.Index(name="news_of_market", fields=["market", "received_at"])]

    def __str__(self) -> str:
        return f"{self.item_id} ~ {self.market_id}"


class CalendarEvent(models.Model):
    """A scheduled release or meeting from an official source."""

    class Importance(models.IntegerChoices):
        """How much markets usually care."""

        LOW = 1, "low"
        MEDIUM = 2, "medium"
        HIGH = 3, "high"

    source = models.CharField(max_length=60)
    source_key = models.CharField(max_length=200)
    kind = models.CharField(max_length=30, help_text="CPI, PAYROLLS, FOMC …")
    title = models.CharField(max_length=300)
    country = models.CharField(max_length=2, default="US")
    scheduled_at = models.DateTimeField(db_index=True)
    all_day = models.BooleanField(default=False, help_text="no time of day was published")
    importance = models.PositiveSmallIntegerField(choices=Importance)
    cancelled = models.BooleanField(default=False)
    received_at = models.DateTimeField()

    class Meta:
        """Once per source."""

        constraints = [
            models.UniqueConstraint(name="calendar_event_once", fields=["source", "source_key"]),
        ]

    def __str__(self) -> str:
        return self.title


class EventImpact(models.Model):
    """A scheduled event bears on a market."""

    calendar_event = models.ForeignKey(
        CalendarEvent, on_delete=models.CASCADE, related_name="impacts"
    )
    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="calendar")
    strength = models.FloatField(help_text="0 … 1, from shared words and importance")
    why = models.CharField(max_length=300)
    received_at = models.DateTimeField()

    class Meta:
        """Once per pair."""

        constraints = [
            models.UniqueConstraint(name="event_impact_once", fields=["calendar_event", "market"]),
        ]

    def __str__(self) -> str:
        return f"{self.calendar_event_id} → {self.market_id}"


class Wallet(models.Model):
    """An address that trades, with what we last asked about it."""

    address = models.CharField(max_length=44, primary_key=True)
    name = models.CharField(max_length=120, blank=True, default="")
    watched = models.BooleanField(default=False, help_text="its closed positions are followed")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Asked in turn, the longest waiting first."""

        indexes = [
            models.Index(name="wallet_due", fields=["checked_at"], condition=Q(watched=True))
        ]

    def __str__(self) -> str:
        return self.name or self.address


class WalletTrade(models.Model):
    """A large trade of a wallet, judged when we learned of it; outlives the public trades."""

    trade_key = models.CharField(max_length=40, primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.CASCADE, related_name="trades")
    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="wallet_trades")
    outcome_index = models.PositiveSmallIntegerField()
    side = models.CharField(max_length=4)
    price = models.FloatField()
    shares = models.FloatField()
    dollars = models.FloatField()
    volume_share = models.FloatField(
        null=True, help_text="of the market's volume by then; null = volume unknown"
    )
    is_whale = models.BooleanField(default=False)
    seconds_left = models.FloatField(null=True, help_text="to the scheduled end; null = none known")
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        """Read per wallet and per market, by time."""

        indexes = [
            models.Index(name="wallet_trade_by_wallet", fields=["wallet", "observed_at"]),
            models.Index(name="wallet_trade_by_market", fields=["market", "observed_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.wallet_id} {self.side} {self.dollars:.0f}"


class WalletResult(models.Model):
    """How a position of a wallet ended: closed, or held to a loss. The lost ones count."""

    pk = models.CompositePrimaryKey("wallet_id", "token_id")
    wallet = models.ForeignKey(
        Wallet, on_delete=models.CASCADE, related_name="results", db_index=False
    )
    token_id = models.CharField(max_length=80)
    condition_id = models.CharField(max_length=66)
    event_key = models.CharField(max_length=300, help_text="clusters: one event counts once")
    category = models.CharField(max_length=40, blank=True, default="")
    status = models.CharField(max_length=16, help_text="CLOSED or REDEEMABLE_LOST …")
    average_price = models.FloatField()
    cost = models.FloatField(help_text="dollars, fees included")
    realized_pnl = models.FloatField(help_text="dollars")
    ended_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.wallet_id} {self.realized_pnl:.2f}"


class WalletScore(models.Model):
    """A wallet's skill in one category at one time; shown only with enough resolved events."""

    pk = models.CompositePrimaryKey("wallet_id", "category", "as_of")
    wallet = models.ForeignKey(
        Wallet, on_delete=models.CASCADE, related_name="scores", db_index=False
    )
    category = models.CharField(max_length=40, blank=True, default="", help_text="blank = all")
    as_of = models.DateTimeField()
    events = models.PositiveIntegerField(help_text="ended events in the sample")
    enough = models.BooleanField(help_text="whether the sample reaches the minimum")
    skilled = models.BooleanField(
        default=False, help_text="whether skill above zero survives the test over all wallets"
    )
    skill = models.FloatField(help_text="return on cost, shrunk towards zero by sample size")
    skill_low = models.FloatField(help_text="lower end of its 90 % interval")
    skill_high = models.FloatField()
    informed = models.FloatField(
        null=True, help_text="0 … 1: early, large, right before the end; null = too few"
    )
    pnl = models.FloatField(help_text="dollars")

    class Meta:
        """The newest scores of a category, best first."""

        indexes = [models.Index(name="wallet_score_by_category", fields=["category", "as_of"])]

    def __str__(self) -> str:
        return f"{self.wallet_id} {self.category} {self.skill:+.3f}"


class CohortMood(models.Model):
    """Which way a cohort of wallets leans on a market: −1 all against outcome 0, +1 all for it."""

    pk = models.CompositePrimaryKey("market_id", "cohort", "as_of")
    market = models.ForeignKey(Market, on_delete=models.CASCADE, db_index=False)
    cohort = models.CharField(max_length=20, help_text="SKILLED, WHALES …")
    as_of = models.DateTimeField()
    mood = models.FloatField()
    wallets = models.PositiveIntegerField()
    dollars = models.FloatField()

    class Meta:
        """A mood lies in its range."""

        constraints = [
            models.CheckConstraint(name="mood_is_bounded", condition=Q(mood__gte=-1, mood__lte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.market_id} {self.mood:+.2f}"
