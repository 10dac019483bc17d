"""What we asked a venue to do, what was done, and how we stand with it."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import Q

from config.kernel.models import AppendOnly
from config.kernel.modes import mode_column, mode_is_stored
from markets.models import Market, Outcome
from trading.models import columns
from trading.models.columns import Side, TimeInForce
from trading.models.wishes import TradeIntent


class Order(models.Model):
    """One instruction to a venue. Its status moves by compare-and-set (`core/order_states.py`)."""

    class Status(models.TextChoices):
        """In-flight: APPROVED to OPEN; the rest is terminal."""

        APPROVED = "APPROVED"
        SIGNED = "SIGNED"
        SUBMITTING = "SUBMITTING"
        UNKNOWN = "UNKNOWN"
        OPEN = "OPEN"
        FILLED = "FILLED"
        CANCELED = "CANCELED"
        EXPIRED = "EXPIRED"
        REJECTED = "REJECTED"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    intent = models.OneToOneField(TradeIntent, on_delete=models.PROTECT)
    mode = mode_column()
    wallet = columns.wallet()
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome = models.ForeignKey(Outcome, on_delete=models.PROTECT)
    side = models.CharField(max_length=4, choices=Side)
    type = models.CharField(max_length=4, choices=TimeInForce, default=TimeInForce.FAK)
    post_only = models.BooleanField(default=False)
    rest_until = models.DateTimeField(null=True, blank=True)
    price = columns.price()
    shares = columns.dollars()
    filled_shares = columns.dollars(default=Decimal(0))
    status = models.CharField(max_length=10, choices=Status, default=Status.APPROVED)
    reserved = columns.dollars(
        default=Decimal(0), help_text="cash held until the order's fate is proved"
    )
    venue_order_id = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001 - unique where known
    payload = models.TextField(
        blank=True, default="", help_text="the signed order, as it is sent every time; no secret"
    )
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="times it was handed in and not provably refused"
    )
    acknowledged_at = models.DateTimeField(
        null=True, blank=True, help_text="when the venue first said that it has it"
    )
    clean_probes = models.PositiveSmallIntegerField(
        default=0, help_text="times in a row that the venue knew neither the order nor a trade"
    )
    probed_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(
        null=True, blank=True, help_text="a SIGNED order waits until then to be handed in"
    )
    cancel_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was decided that it shall end"
    )
    cancel_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="when the venue was last asked to cancel it"
    )
    cancel_heard_at = models.DateTimeField(
        null=True, blank=True, help_text="when the venue first answered such a request"
    )
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        """What we decide is constrained; what the venue reports is recorded even when absurd."""

        constraints = [
            mode_is_stored("order_mode_is_stored"),
            models.CheckConstraint(
                name="order_price_is_a_probability", condition=Q(price__gt=0, price__lt=1)
            ),
            models.CheckConstraint(name="order_shares_are_positive", condition=Q(shares__gt=0)),
            models.UniqueConstraint(
                name="order_venue_id_once",
                fields=["venue_order_id"],
                condition=Q(venue_order_id__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                name="order_in_flight",
                fields=["created_at"],
                condition=Q(status__in=["APPROVED", "SIGNED", "SUBMITTING", "UNKNOWN", "OPEN"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.shares} @ {self.price} ({self.status})"


class Fill(AppendOnly):
    """One execution, each venue trade once."""

    key = models.CharField(max_length=200, unique=True, help_text="fill:{mode}:{trade}:{order}")
    mode = mode_column()
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    price = columns.price()
    shares = columns.dollars()
    fee = columns.dollars()
    is_maker = models.BooleanField(default=False, help_text="it rested; somebody else took it")
    trade_id = models.CharField(max_length=80, blank=True, default="")
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        """Belongs to one ledger."""

        constraints = [
            mode_is_stored("fill_mode_is_stored"),
            models.CheckConstraint(
                name="fill_shares_are_positive", condition=Q(shares__gt=0, fee__gte=0)
            ),
            models.CheckConstraint(
                name="fill_price_is_a_probability", condition=Q(price__gt=0, price__lt=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shares} @ {self.price}"


class Settlement(AppendOnly):
    """What the chain made of a fill: MATCHED is a promise, CONFIRMED and FAILED are final."""

    class Status(models.TextChoices):
        """The venue's words for the state of a trade."""

        MATCHED = "MATCHED"
        MINED = "MINED"
        RETRYING = "RETRYING"
        CONFIRMED = "CONFIRMED"
        FAILED = "FAILED", "Failed: it never happened"

    fill = models.ForeignKey(Fill, on_delete=models.PROTECT, related_name="settlements")
    status = models.CharField(max_length=9, choices=Status)
    transaction_hash = models.CharField(max_length=66, blank=True, default="")
    received_at = models.DateTimeField()

    class Meta:
        """Each status of a fill is news once; of the two final ones only one can be true."""

        constraints = [
            models.UniqueConstraint(name="settlement_once_per_status", fields=["fill", "status"]),
            models.UniqueConstraint(
                name="settlement_ends_once",
                fields=["fill"],
                condition=Q(status__in=["CONFIRMED", "FAILED"]),
            ),
        ]

    def __str__(self) -> str:
        return self.status


class Discrepancy(AppendOnly):
    """A difference between our books and the venue's or the chain's, as it was found."""

    class Kind(models.TextChoices):
        """What differs."""

        CASH = "CASH"
        POSITION = "POSITION"
        ORDER = "ORDER"
        TRADE = "TRADE"

    mode = mode_column()
    wallet = columns.wallet()
    kind = models.CharField(max_length=8, choices=Kind)
    subject = models.CharField(max_length=120, help_text="token, order hash, trade id or CASH")
    market = models.ForeignKey(Market, null=True, blank=True, on_delete=models.PROTECT)
    ours = columns.dollars()
    theirs = columns.dollars()
    explained = models.BooleanField(help_text="by something that is on its way; else it halts")
    explanation = models.CharField(max_length=400)
    found_at = models.DateTimeField(db_index=True)

    class Meta:
        """Belongs to one ledger."""

        verbose_name_plural = "discrepancies"
        constraints = [mode_is_stored("discrepancy_mode_is_stored")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: ours {self.ours}, theirs {self.theirs}"


class VenueState(models.Model):
    """How one wallet stands with its venue: restrictions, heartbeat, reconciliation."""

    class Restriction(models.TextChoices):
        """What the venue takes at the moment; none of these counts as a failure of ours."""

        NONE = "NONE", "Everything"
        RESTARTING = "RESTARTING", "Nothing: its engine restarts"
        POST_ONLY = "POST_ONLY", "Post-only orders and cancels"
        CANCEL_ONLY = "CANCEL_ONLY", "Cancels"
        DISABLED = "DISABLED", "Nothing: trading is disabled"
        RATE_LIMITED = "RATE_LIMITED", "Nothing: we asked too often"

    mode = mode_column()
    wallet = columns.wallet()
    restriction = models.CharField(max_length=12, choices=Restriction, default=Restriction.NONE)
    restricted_until = models.DateTimeField(null=True, blank=True)
    heartbeat_id = models.CharField(max_length=80, blank=True, default="")
    heartbeat_at = models.DateTimeField(null=True, blank=True, help_text="last one accepted")
    reconciled_at = models.DateTimeField(
        null=True, blank=True, help_text="last time everything agreed or was explained"
    )
    trades_until = models.DateTimeField(
        null=True, blank=True, help_text="the venue's trades are read up to here"
    )
    changed_at = models.DateTimeField()

    class Meta:
        """One row a wallet."""

        constraints = [
            mode_is_stored("venue_state_mode_is_stored"),
            models.UniqueConstraint(name="venue_state_once", fields=["mode", "wallet"]),
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.wallet}: {self.restriction}"
