"""What the venue says: events, markets and their outcomes, prices, trades, resolutions."""

from django.db import models
from django.db.models import F, Q

from config.kernel.models import AppendOnly
from markets.settings import IngestSettings as IngestSettings  # noqa: PLC0414 - exported here


class Origin(models.TextChoices):
    """Where a row came from; shown wherever the row is shown."""

    VENUE = "VENUE", "Venue"
    IMPORT = "IMPORT", "Imported history"
    SANDBOX = "SANDBOX", "Simulated"


class Protocol(models.TextChoices):
    """The venue's protocol generation; anything else is not tradable."""

    V1 = "v1", "v1 (CTF)"
    V2 = "v2", "v2 (PositionManager)"
    UNKNOWN = "unknown", "Unknown"


class QuoteKind(models.IntegerChoices):
    """How a price was observed; decides its staleness and whether it was executable."""

    BOOK = 1, "order book snapshot"
    BOOK_TOP = 2, "top of book, on change"
    HISTORY_1M = 3, "venue price history, 1 minute"
    HISTORY_10M = 4, "venue price history, 10 minutes"
    BAR_1H = 5, "hourly bar close"
    FILL = 6, "last fill"
    SNAPSHOT = 7, "catalogue snapshot"
    AVERAGE_WINDOW = 8, "mean over a window placed in hindsight"
    SINGLE = 9, "one logged price"
    CANDLE_1M = 10, "1-minute candle close"
    CANDLE_1M_FAVOURITE = 11, "1-minute candle close, favourite side mapped to Up"
    TRADE_5S = 12, "last trade of recorded wallets per 5 s"
    BID_LIKE_1M = 13, "1-minute closes of both sides, taken as bids"
    HISTORY_POINT = 14, "single price-history point"


class Series(models.Model):
    """A recurring family of events, e.g. BTC up or down every 15 minutes."""

    venue = models.CharField(max_length=40)
    slug = models.CharField(max_length=200)
    title = models.CharField(max_length=300, blank=True, default="")
    recurrence = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        """Unique per venue."""

        verbose_name_plural = "series"
        constraints = [
            models.UniqueConstraint(name="series_once_per_venue", fields=["venue", "slug"])
        ]

    def __str__(self) -> str:
        return self.slug


class Event(models.Model):
    """The venue's question group: the unit of evaluation and of risk clusters."""

    venue = models.CharField(max_length=40)
    venue_key = models.CharField(max_length=200)
    slug = models.CharField(max_length=300, blank=True, default="")
    title = models.CharField(max_length=500, blank=True, default="")
    category = models.CharField(max_length=40, blank=True, default="", db_index=True)
    tags = models.CharField(max_length=2000, blank=True, default="", help_text="separated by |")
    neg_risk = models.BooleanField(
        null=True, help_text="outcomes exclude each other; null = unknown"
    )
    neg_risk_augmented = models.BooleanField(default=False)
    series = models.ForeignKey(Series, null=True, blank=True, on_delete=models.PROTECT)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.VENUE)
    received_at = models.DateTimeField()

    class Meta:
        """Unique per venue."""

        constraints = [
            models.UniqueConstraint(name="event_once_per_venue", fields=["venue", "venue_key"])
        ]

    def __str__(self) -> str:
        return self.title or self.venue_key


class FeeSchedule(models.Model):
    """A taker fee as the venue published it, with the day from which it held.

    fee = shares × rate × (p × (1 − p)) ^ exponent, in dollars; makers pay nothing.
    """

    category = models.CharField(
        max_length=40, blank=True, default="", help_text="set for category tables"
    )
    condition_key = models.CharField(
        max_length=80, blank=True, default="", help_text="set for one market's own schedule"
    )
    rate = models.DecimalField(max_digits=8, decimal_places=6)
    exponent = models.DecimalField(max_digits=4, decimal_places=2, default=1)
    taker_only = models.BooleanField(default=True)
    rebate_rate = models.DecimalField(max_digits=6, decimal_places=4, default=0)
    valid_from = models.DateTimeField()
    source = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        """One schedule per market or category and day."""

        constraints = [
            models.UniqueConstraint(
                name="fee_schedule_once", fields=["category", "condition_key", "valid_from"]
            ),
            models.CheckConstraint(name="fee_rate_is_not_negative", condition=Q(rate__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.rate} from {self.valid_from:%Y-%m-%d}"


class Market(models.Model):
    """One binary question. Prices everywhere are those of outcome 0 (Yes, Up, team A)."""

    venue = models.CharField(max_length=40)
    venue_key = models.CharField(max_length=200)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="markets")
    condition_id = models.CharField(max_length=66, null=True, blank=True)  # noqa: DJ001 - unique where known
    slug = models.CharField(max_length=300, blank=True, default="")
    question = models.CharField(max_length=1000)
    category = models.CharField(max_length=40, blank=True, default="", db_index=True)
    protocol = models.CharField(max_length=8, choices=Protocol, default=Protocol.UNKNOWN)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.VENUE)
    dataset = models.CharField(
        max_length=40, blank=True, default="", db_index=True, help_text="imported history only"
    )
    opens_at = models.DateTimeField(null=True, blank=True)
    scheduled_end_at = models.DateTimeField(
        null=True, blank=True, help_text="null where no end was announced"
    )
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="when trading ended; known in hindsight only"
    )
    accepting_orders = models.BooleanField(null=True)
    tick_size = models.DecimalField(max_digits=7, decimal_places=6, null=True, blank=True)
    min_shares = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    neg_risk = models.BooleanField(null=True)
    neg_risk_other = models.BooleanField(default=False)
    fees = models.ForeignKey(FeeSchedule, null=True, blank=True, on_delete=models.PROTECT)
    asset = models.CharField(
        max_length=12, blank=True, default="", help_text="up/down markets: btc, eth …"
    )
    window_s = models.PositiveIntegerField(
        null=True, blank=True, help_text="up/down markets: length of the epoch"
    )
    epoch_start_at = models.DateTimeField(null=True, blank=True)
    reference_price = models.FloatField(
        null=True, blank=True, help_text="up/down markets: price to beat, dollars"
    )
    volume = models.FloatField(
        null=True, blank=True, help_text="dollars, as last reported; null = unknown, never zero"
    )
    liquidity = models.FloatField(
        null=True, blank=True, help_text="dollars, as last reported; null = unknown"
    )
    tracked = models.BooleanField(
        default=False, help_text="in the universe: quoted and forecast every cycle"
    )
    filter_reason = models.CharField(
        max_length=40, blank=True, default="", help_text="why it is not in the universe"
    )
    received_at = models.DateTimeField(help_text="when we first learned of it")

    class Meta:
        """Unique per venue; condition ids are unique where known."""

        constraints = [
            models.UniqueConstraint(name="market_once_per_venue", fields=["venue", "venue_key"]),
            models.UniqueConstraint(
                name="market_condition_once",
                fields=["condition_id"],
                condition=Q(condition_id__isnull=False),
            ),
        ]
        indexes = [
            # run_cycle and the market list read the universe only.
            models.Index(
                name="market_tracked", fields=["scheduled_end_at"], condition=Q(tracked=True)
            ),
            models.Index(name="market_open_by_end", fields=["closed_at", "scheduled_end_at"]),
        ]

    def __str__(self) -> str:
        return self.question

    @property
    def is_epoch(self) -> bool:
        """Whether this is a crypto up/down market with a fixed window."""
        return self.window_s is not None


class Outcome(models.Model):
    """One side of a market; index 0 is the side whose price is quoted."""

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="outcomes")
    index = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=200)
    asset_id = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001 - unique where known

    class Meta:
        """Two outcomes a market, one asset id once."""

        constraints = [
            models.UniqueConstraint(name="outcome_once_per_market", fields=["market", "index"]),
            models.UniqueConstraint(
                name="outcome_asset_once", fields=["asset_id"], condition=Q(asset_id__isnull=False)
            ),
            models.CheckConstraint(
                name="outcome_is_first_or_second", condition=Q(index__in=[0, 1])
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Quote(models.Model):
    """A price of outcome 0 as observed. A tick table: bulk-written, no admin page, no own key.

    Prices are float64 in [0, 1]: model space; money comes from here only through `units.decimal`.
    Outcome 1 mirrors it: its bid is 1 − ask, its ask 1 − bid (the engine crosses complements).
    """

    pk = models.CompositePrimaryKey("market_id", "observed_at", "kind")
    # Not checked by the database: that halves the rate of bulk writes. Markets are never deleted.
    market = models.ForeignKey(
        Market, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    observed_at = models.DateTimeField()
    kind = models.PositiveSmallIntegerField(choices=QuoteKind)
    received_at = models.DateTimeField()
    price = models.FloatField(
        null=True, help_text="mid of a two-sided, uncrossed book, else the source's mid-like price"
    )
    bid = models.FloatField(null=True)
    ask = models.FloatField(null=True)
    last = models.FloatField(null=True)
    bid_depth = models.FloatField(null=True, help_text="shares on the visible bid levels")
    ask_depth = models.FloatField(null=True, help_text="shares on the visible ask levels")
    volume_24h = models.FloatField(null=True, help_text="dollars")
    levels = models.BinaryField(
        null=True, help_text="float64[2, n, 2]: bids then asks, best first, (price, shares)"
    )

    def __str__(self) -> str:
        return f"{self.market_id} {self.observed_at:%Y-%m-%d %H:%M:%S} {self.price}"


class PublicTrade(models.Model):
    """One trade of anybody, as published. A tick table."""

    trade_key = models.CharField(
        max_length=40, primary_key=True, help_text="digest of the venue's row"
    )
    market = models.ForeignKey(Market, on_delete=models.CASCADE)
    outcome_index = models.PositiveSmallIntegerField(null=True)
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField()
    side = models.CharField(max_length=12)
    price = models.FloatField()
    shares = models.FloatField()
    wallet = models.CharField(max_length=44, blank=True, default="")
    tx_hash = models.CharField(max_length=68, blank=True, default="")

    class Meta:
        """Read per market and time."""

        indexes = [models.Index(name="public_trade_by_market", fields=["market", "observed_at"])]

    def __str__(self) -> str:
        return f"{self.side} {self.shares} @ {self.price}"


class SpotTick(models.Model):
    """A price of a crypto asset from one source. A tick table."""

    pk = models.CompositePrimaryKey("asset", "source", "interval_s", "observed_at")
    asset = models.CharField(max_length=12)
    source = models.CharField(max_length=30)
    interval_s = models.PositiveIntegerField()
    observed_at = models.DateTimeField(help_text="end of the bar: when its close was known")
    close = models.FloatField()
    open = models.FloatField(null=True)
    high = models.FloatField(null=True)
    low = models.FloatField(null=True)
    volume = models.FloatField(null=True)

    def __str__(self) -> str:
        return f"{self.asset} {self.close}"


class Resolution(AppendOnly):
    """How a market ended, once. Payouts are per share of each outcome and sum to one."""

    market = models.OneToOneField(Market, on_delete=models.PROTECT, related_name="resolution")
    payout_0 = models.DecimalField(max_digits=7, decimal_places=6)
    payout_1 = models.DecimalField(max_digits=7, decimal_places=6)
    source = models.CharField(max_length=120, help_text="who said so")
    strength = models.CharField(
        max_length=20, default="official", help_text="official > derived > weak"
    )
    resolved_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        """Payouts of a binary market share one dollar."""

        constraints = [
            models.CheckConstraint(
                name="resolution_pays_one_dollar",
                condition=Q(payout_0=1 - F("payout_1"), payout_0__gte=0, payout_0__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payout_0}/{self.payout_1}"


class RawMessage(models.Model):
    """A venue message that we did not understand: kept raw, counted, shown, never guessed."""

    digest = models.CharField(max_length=64, primary_key=True)
    source = models.CharField(max_length=60)
    reason = models.CharField(max_length=400)
    body = models.TextField()
    seen = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"
