"""What was paid and offered: books, trades, spot prices, funding. Tick tables, bulk-written."""

from django.db import models

from markets.models.catalogue import Market


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

    pk = models.CompositePrimaryKey("trade_key", "observed_at")
    trade_key = models.CharField(max_length=40, help_text="digest of the venue's row")
    # Not checked by the database, as with quotes.
    market = models.ForeignKey(
        Market, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    outcome_index = models.PositiveSmallIntegerField(null=True)
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField()
    side = models.CharField(max_length=12, help_text="the taker's")
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
    interval_s = models.PositiveIntegerField(help_text="length of the bar; 0 = a single price")
    observed_at = models.DateTimeField(help_text="end of the bar: when its close was known")
    received_at = models.DateTimeField(null=True, help_text="null = when it was observed")
    close = models.FloatField()
    open = models.FloatField(null=True)
    high = models.FloatField(null=True)
    low = models.FloatField(null=True)
    volume = models.FloatField(null=True)

    def __str__(self) -> str:
        return f"{self.asset} {self.close}"


class FundingRate(models.Model):
    """What holders of a perpetual future pay each other, per asset and source. A tick table."""

    pk = models.CompositePrimaryKey("asset", "source", "observed_at")
    asset = models.CharField(max_length=12)
    source = models.CharField(max_length=30)
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField()
    rate = models.FloatField(help_text="fraction of notional per period; longs pay when positive")
    period_s = models.PositiveIntegerField(default=28_800)

    def __str__(self) -> str:
        return f"{self.asset} {self.rate}"
