"""What we would like to do: signals, intents, who said yes to them, and the right to act."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from config.kernel.models import AppendOnly
from config.kernel.modes import mode_column, mode_is_stored
from markets.models import Event, Market, Outcome
from predictions.models import Prediction
from risk.models import RiskDecision
from trading.models import columns
from trading.models.columns import Side


class Signal(models.Model):
    """What one forecast was worth against the book, and why it passed or died."""

    prediction = models.OneToOneField(Prediction, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_index=False)
    as_of = models.DateTimeField()
    outcome_index = models.PositiveSmallIntegerField(
        help_text="the better side: 0 = buy Yes/Up, 1 = buy No/Down"
    )
    probability = models.FloatField(help_text="of that side")
    cost = models.FloatField(null=True, help_text="expected fill price of one share, without fee")
    fee = models.FloatField(null=True, help_text="per share")
    gross_edge = models.FloatField(null=True, help_text="probability − cost")
    net_edge = models.FloatField(null=True, help_text="probability − cost − fee")
    confidence = models.FloatField(null=True, help_text="Φ(net edge / σ)")
    strength = models.CharField(
        max_length=6, blank=True, default="", help_text="STRONG, MEDIUM, WEAK by net edge"
    )
    reason = models.CharField(max_length=40, help_text="PASSED, or the first gate that stopped it")
    settings_version = models.PositiveIntegerField()
    decision = models.OneToOneField(
        RiskDecision,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="what the gate said, once it was asked",
    )

    class Meta:
        """The funnel reads by time and reason."""

        indexes = [
            models.Index(name="signal_by_time", fields=["as_of", "reason"]),
            models.Index(name="signal_by_market", fields=["market", "as_of"]),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.net_edge}"


class IntentGroup(models.Model):
    """Orders that are worth something only together; a leg that fails makes the others unwind."""

    class Status(models.TextChoices):
        """Where it stands."""

        WORKING = "WORKING"
        COMPLETE = "COMPLETE"
        UNWINDING = "UNWINDING"
        UNWOUND = "UNWOUND"
        FAILED = "FAILED", "Failed before anything was bought"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    mode = mode_column()
    wallet = columns.wallet()
    kind = models.CharField(max_length=20, help_text="what holds it together, e.g. PAIR")
    status = models.CharField(max_length=9, choices=Status, default=Status.WORKING)
    leg_risk_budget = columns.dollars(help_text="most that unwinding a broken group may cost")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        """Belongs to one ledger."""

        constraints = [mode_is_stored("intent_group_mode_is_stored")]

    def __str__(self) -> str:
        return f"{self.kind} ({self.status})"


class TradeIntent(models.Model):
    """A sized wish on its way to an order; in LIVE a person approves it."""

    class Status(models.TextChoices):
        """Where it stands."""

        PENDING = "PENDING"
        APPROVED = "APPROVED"
        REJECTED = "REJECTED"
        EXPIRED = "EXPIRED"
        EXECUTED = "EXECUTED"
        EXECUTED_DRYRUN = "EXECUTED_DRYRUN", "Executed (dry run)"

    class Purpose(models.TextChoices):
        """Why it was made. Only an ENTRY takes a claim; the others act under one that is held."""

        ENTRY = "ENTRY"
        EXIT = "EXIT"
        LEG = "LEG", "One leg of a group"
        UNWIND = "UNWIND", "Gets out of a group that broke"

    OPEN = (Status.PENDING, Status.APPROVED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    mode = mode_column()
    wallet = columns.wallet()
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome = models.ForeignKey(Outcome, on_delete=models.PROTECT)
    side = models.CharField(max_length=4, choices=Side)
    shares = columns.dollars()
    limit_price = columns.price()
    type = models.CharField(
        max_length=4, choices=columns.TimeInForce, default=columns.TimeInForce.FAK
    )
    post_only = models.BooleanField(default=False, help_text="never takes liquidity; GTC and GTD")
    rest_until = models.DateTimeField(
        null=True, blank=True, help_text="a resting order is cancelled then"
    )
    purpose = models.CharField(max_length=6, choices=Purpose, default=Purpose.ENTRY)
    group = models.ForeignKey(
        IntentGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="intents"
    )
    strategy = models.CharField(max_length=40)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    fingerprint = models.CharField(max_length=64)
    key = models.CharField(
        max_length=120, unique=True, help_text="idempotency key, e.g. decide:{prediction}:{mode}"
    )
    signal = models.ForeignKey(Signal, null=True, blank=True, on_delete=models.PROTECT)
    decision = models.ForeignKey(RiskDecision, on_delete=models.PROTECT)
    net_edge = models.FloatField(null=True, help_text="when it was made")
    approvals_needed = models.PositiveSmallIntegerField(
        default=1, help_text="persons who must say yes before it may be sent"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    reason = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        """What we decide is constrained here; the code comes second."""

        constraints = [
            mode_is_stored("intent_mode_is_stored"),
            models.CheckConstraint(
                name="intent_price_is_a_probability",
                condition=Q(limit_price__gt=0, limit_price__lt=1),
            ),
            models.CheckConstraint(name="intent_shares_are_positive", condition=Q(shares__gt=0)),
            models.UniqueConstraint(
                name="intent_open_once_per_fingerprint",
                fields=["fingerprint"],
                condition=Q(status__in=["PENDING", "APPROVED"]),
            ),
        ]
        indexes = [
            # The sweep looks for open intents every few seconds.
            models.Index(
                name="intent_open",
                fields=["expires_at"],
                condition=Q(status__in=["PENDING", "APPROVED"]),
            ),
            models.Index(name="intent_by_time", fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.shares} @ {self.limit_price} ({self.status})"


class Approval(AppendOnly):
    """A person's (or the paper rule's) yes or no to an intent."""

    intent = models.ForeignKey(TradeIntent, on_delete=models.PROTECT)
    approved = models.BooleanField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=400, blank=True, default="")
    decided_at = models.DateTimeField()

    class Meta:
        """Two yeses are two persons'; a rule is nobody and says it once by itself."""

        constraints = [
            models.UniqueConstraint(
                name="approval_once_per_person",
                fields=["intent", "user"],
                condition=Q(approved=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{'approved' if self.approved else 'rejected'} by {self.actor}"


class Claim(models.Model):
    """The right to act on a market: held once per (mode, wallet, market) and per epoch."""

    mode = mode_column()
    wallet = columns.wallet()
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome_index = models.PositiveSmallIntegerField()
    asset = models.CharField(max_length=12, blank=True, default="")
    epoch_start_at = models.DateTimeField(null=True, blank=True)
    taken_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Two sides or two entries on one market are impossible on any database."""

        constraints = [
            mode_is_stored("claim_mode_is_stored"),
            models.UniqueConstraint(
                name="claim_held_once_per_market",
                fields=["mode", "wallet", "market"],
                condition=Q(released_at__isnull=True),
            ),
            models.UniqueConstraint(
                name="claim_held_once_per_epoch",
                fields=["mode", "wallet", "asset", "epoch_start_at"],
                condition=Q(released_at__isnull=True, epoch_start_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.market_id} {'held' if self.released_at is None else 'released'}"


class Opportunity(AppendOnly):
    """A set of outcomes that paid more than it cost, when it was seen, and what became of it."""

    mode = mode_column()
    kind = models.CharField(max_length=20, help_text="PAIR, EXCLUSIVE_SET, NESTED")
    event = models.ForeignKey(Event, on_delete=models.PROTECT)
    seen_at = models.DateTimeField(db_index=True)
    sets = columns.dollars(help_text="how many the visible depth allows")
    cost = columns.dollars(help_text="of all of them, fees included")
    payout = columns.dollars(help_text="at least, whatever happens")
    net_profit = columns.dollars(help_text="payout − cost; may be below zero")
    reason = models.CharField(max_length=40, help_text="TRADED, or why it was not")
    legs = models.TextField(help_text="JSON: market, outcome, price, shares, fee of each leg")
    group = models.ForeignKey(IntentGroup, null=True, blank=True, on_delete=models.PROTECT)

    class Meta:
        """Belongs to one ledger."""

        verbose_name_plural = "opportunities"
        constraints = [mode_is_stored("opportunity_mode_is_stored")]

    def __str__(self) -> str:
        return f"{self.kind} {self.net_profit} ({self.reason})"
