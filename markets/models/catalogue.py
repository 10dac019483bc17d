"""What exists: events, their markets and outcomes, the terms that held, and how they ended."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from config.kernel.models import AppendOnly


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


class Profile(models.TextChoices):
    """The three universes, by what is left until the end."""

    OUTCOME = "OUTCOME", "Outcome (a week to half a year)"
    SHORT = "SHORT", "Short (an hour to a week)"
    EPOCH = "EPOCH", "Epoch (crypto up/down windows)"


class Series(models.Model):
    """A recurring family of events, e.g. BTC up or down every 15 minutes."""

    venue = models.CharField(max_length=40)
    slug = models.CharField(max_length=200)
    title = models.CharField(max_length=300, blank=True, default="")
    recurrence = models.CharField(max_length=20, blank=True, default="")
    venue_key = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="by which its events are asked for",
    )

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
    neg_risk_market_id = models.CharField(
        max_length=66,
        blank=True,
        default="",
        db_default="",
        db_index=True,
        help_text="shared by the markets of which exactly one comes true",
    )
    series = models.ForeignKey(
        Series, null=True, blank=True, on_delete=models.PROTECT, help_text="the first of all_series"
    )
    all_series = models.CharField(
        max_length=1000, blank=True, default="", db_default="", help_text="slugs, separated by |"
    )
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
    description = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="the venue's rules; clarifications change it",
    )
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
    placeholder = models.BooleanField(
        default=False, db_default=False, help_text="an outcome that has no name yet"
    )
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
    twap_s = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="up/down markets: decided on the mean over so many seconds; 0 = on a spot price",
    )
    reference_estimate = models.FloatField(
        null=True,
        blank=True,
        help_text="up/down markets: OUR ESTIMATE of the price to beat until the venue tells it, "
        "dollars; settles nothing",
    )
    reference_source = models.CharField(
        max_length=60, blank=True, default="", db_default="", help_text="where the estimate is from"
    )
    reference_estimated_at = models.DateTimeField(null=True, blank=True)
    oracle_status = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="proposed, disputed, resolved …",
    )
    resolution_source = models.CharField(max_length=500, blank=True, default="", db_default="")
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
    profile = models.CharField(
        max_length=8,
        choices=Profile,
        blank=True,
        default="",
        db_default="",
        help_text="universe whose rules judge it; blank = none fits its time left",
    )
    result_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="when the sources were last asked how it ended"
    )
    result_due_at = models.DateTimeField(
        null=True, blank=True, help_text="when they are asked again; null = never asked, or done"
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
            # how did it end? those to be asked again, and those never asked
            models.Index(
                name="market_result_due",
                fields=["result_due_at"],
                condition=Q(result_due_at__isnull=False),
            ),
            models.Index(
                name="market_result_never_asked",
                fields=["scheduled_end_at", "closed_at"],
                condition=Q(result_asked_at__isnull=True, origin__in=["VENUE", "SANDBOX"]),
            ),
        ]

    def __str__(self) -> str:
        return self.question

    @property
    def is_epoch(self) -> bool:
        """Whether this is a crypto up/down market with a fixed window."""
        return self.window_s is not None


class MarketVersion(models.Model):
    """What a market's listing said from `received_at` on, until the next version.

    Written whenever one of its columns changes, so that the past is judged by what was known then.
    """

    pk = models.CompositePrimaryKey("market_id", "received_at")
    market = models.ForeignKey(
        Market, on_delete=models.CASCADE, db_index=False, related_name="versions"
    )
    received_at = models.DateTimeField()
    question = models.CharField(max_length=1000)
    description = models.TextField(blank=True, default="")
    category = models.CharField(max_length=40, blank=True, default="")
    protocol = models.CharField(max_length=8, choices=Protocol)
    opens_at = models.DateTimeField(null=True)
    scheduled_end_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    accepting_orders = models.BooleanField(null=True)
    tick_size = models.DecimalField(max_digits=7, decimal_places=6, null=True)
    min_shares = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    neg_risk = models.BooleanField(null=True)
    neg_risk_other = models.BooleanField(default=False)
    fees = models.ForeignKey(FeeSchedule, null=True, on_delete=models.PROTECT, related_name="+")
    window_s = models.PositiveIntegerField(null=True)
    epoch_start_at = models.DateTimeField(null=True)
    reference_price = models.FloatField(null=True)
    twap_s = models.PositiveIntegerField(null=True)
    oracle_status = models.CharField(max_length=20, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.market_id} from {self.received_at:%Y-%m-%d %H:%M:%S}"


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

    def payout_of(self, outcome_index: int) -> Decimal:
        """Dollars that a share of this outcome pays."""
        paid: Decimal = self.payout_1 if outcome_index else self.payout_0
        return paid


class ResolutionCase(models.Model):
    """A market that ended in a way no source states clearly: a person decides, with a reason."""

    market = models.OneToOneField(Market, on_delete=models.PROTECT, related_name="resolution_case")
    reason = models.CharField(max_length=400, help_text="why no source settles it")
    evidence = models.TextField(default="[]", help_text="canonical JSON: what each source said")
    opened_at = models.DateTimeField()
    checked_at = models.DateTimeField(help_text="when the sources were asked last")
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(
        max_length=150, blank=True, default="", help_text="a user, or the source that spoke up"
    )
    note = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        """Settling is dated and signed."""

        constraints = [
            models.CheckConstraint(
                name="resolution_case_is_settled_by_somebody",
                condition=Q(settled_at__isnull=True) | ~Q(settled_by=""),
            ),
        ]
        indexes = [
            # the manual queue
            models.Index(
                name="resolution_case_open",
                fields=["opened_at"],
                condition=Q(settled_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.reason
