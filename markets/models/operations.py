"""What ingestion knows of itself: messages not understood, notices, progress, what was fetched."""

from django.db import models
from django.db.models import F, Q

from markets.models.catalogue import Market


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


class Notice(models.Model):
    """Something noteworthy that ingestion saw, once; `risk.watch` makes it heard."""

    class Kind(models.TextChoices):
        """What happened; the page and the alert rules speak these words."""

        CONTRACT_DRIFT = "CONTRACT_DRIFT", "the venue changed a message"
        STUCK_LISTING = "STUCK_LISTING", "a listing repeated itself"
        STREAM_SILENT = "STREAM_SILENT", "a stream went silent"
        SPOT_DISAGREES = "SPOT_DISAGREES", "spot sources disagree"
        SOURCE_DOWN = "SOURCE_DOWN", "a source does not answer"
        RESOLUTION_UNCLEAR = "RESOLUTION_UNCLEAR", "a result needs a person"
        RULES_CHANGED = "RULES_CHANGED", "the rules of a market changed"
        WHALE_TRADE = "WHALE_TRADE", "a very large trade"
        INFORMED_WALLET = "INFORMED_WALLET", "an informed wallet traded"
        EVENT_AHEAD = "EVENT_AHEAD", "a scheduled event is near"

    class Severity(models.TextChoices):
        """Whether somebody should look."""

        INFO = "INFO", "for information"
        WARNING = "WARNING", "somebody should look"

    key = models.CharField(max_length=200, unique=True, help_text="derived: one notice a happening")
    kind = models.CharField(max_length=20, choices=Kind)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.INFO)
    subject = models.CharField(max_length=200, help_text="a field, a wallet, a source …")
    text = models.CharField(max_length=600, help_text="one sentence for a person")
    market = models.ForeignKey(Market, null=True, blank=True, on_delete=models.CASCADE)
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        """Read newest first, per kind."""

        indexes = [models.Index(name="notice_by_kind", fields=["kind", "received_at"])]

    def __str__(self) -> str:
        return self.text


class Backfill(models.Model):
    """How much of a market's past we hold: the interval [covered_from, covered_until)."""

    class Kind(models.TextChoices):
        """Which history."""

        PRICES = "PRICES", "price history"
        TRADES = "TRADES", "public trades"

    pk = models.CompositePrimaryKey("market_id", "kind")
    market = models.ForeignKey(Market, on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    wanted_from = models.DateTimeField(help_text="where the past should begin")
    covered_from = models.DateTimeField()
    covered_until = models.DateTimeField()
    rows = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    error = models.CharField(max_length=400, blank=True, default="")
    updated_at = models.DateTimeField()

    class Meta:
        """An interval runs forwards."""

        constraints = [
            models.CheckConstraint(
                name="backfill_runs_forwards", condition=Q(covered_from__lte=F("covered_until"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.market_id}"


class FetchState(models.Model):
    """What a polled address said last: asked again politely, shown with its age."""

    url = models.CharField(max_length=400, primary_key=True)
    name = models.CharField(max_length=80)
    etag = models.CharField(max_length=300, blank=True, default="")
    last_modified = models.CharField(max_length=80, blank=True, default="")
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    error = models.CharField(max_length=400, blank=True, default="")
    items = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name
