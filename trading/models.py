"""What we do: signal → intent → order → fill → position → redemption, and the ledger beneath."""

import uuid
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from config.kernel.models import AppendOnly
from config.kernel.modes import Mode, mode_is_stored
from markets.models import Market, Outcome
from predictions.models import Prediction
from risk.models import RiskDecision
from trading.settings import TradingSettings  # noqa: F401 - a table is looked for in models

MAIN_WALLET = "main"


def dollars(**options: Any) -> "models.DecimalField[Any, Any]":
    """A column of dollars or shares on the grid of 1e-6."""
    return models.DecimalField(max_digits=20, decimal_places=6, **options)


class Side(models.TextChoices):
    """Buy or sell an outcome's shares; SELL only from inventory."""

    BUY = "BUY"
    SELL = "SELL"


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

    OPEN = (Status.PENDING, Status.APPROVED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    mode = models.CharField(max_length=8, choices=Mode)
    wallet = models.CharField(max_length=44, default=MAIN_WALLET)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome = models.ForeignKey(Outcome, on_delete=models.PROTECT)
    side = models.CharField(max_length=4, choices=Side)
    shares = dollars()
    limit_price = models.DecimalField(max_digits=7, decimal_places=6)
    strategy = models.CharField(max_length=40)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    fingerprint = models.CharField(max_length=64)
    key = models.CharField(
        max_length=120, unique=True, help_text="idempotency key, e.g. decide:{prediction}:{mode}"
    )
    signal = models.ForeignKey(Signal, null=True, blank=True, on_delete=models.PROTECT)
    decision = models.ForeignKey(RiskDecision, on_delete=models.PROTECT)
    net_edge = models.FloatField(null=True, help_text="when it was made")
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

    def __str__(self) -> str:
        return f"{'approved' if self.approved else 'rejected'} by {self.actor}"


class Claim(models.Model):
    """The right to act on a market: held once per (mode, wallet, market) and per epoch."""

    mode = models.CharField(max_length=8, choices=Mode)
    wallet = models.CharField(max_length=44, default=MAIN_WALLET)
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


class Order(models.Model):
    """One instruction to a venue. Its status moves by compare-and-set (`core/order_states.py`)."""

    class Status(models.TextChoices):
        """In-flight: SUBMITTING, UNKNOWN, OPEN; the rest is terminal."""

        APPROVED = "APPROVED"
        SUBMITTING = "SUBMITTING"
        UNKNOWN = "UNKNOWN"
        OPEN = "OPEN"
        FILLED = "FILLED"
        CANCELED = "CANCELED"
        EXPIRED = "EXPIRED"
        REJECTED = "REJECTED"

    class Type(models.TextChoices):
        """Time in force."""

        GTC = "GTC"
        GTD = "GTD"
        FOK = "FOK"
        FAK = "FAK"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    intent = models.OneToOneField(TradeIntent, on_delete=models.PROTECT)
    mode = models.CharField(max_length=8, choices=Mode)
    wallet = models.CharField(max_length=44, default=MAIN_WALLET)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome = models.ForeignKey(Outcome, on_delete=models.PROTECT)
    side = models.CharField(max_length=4, choices=Side)
    type = models.CharField(max_length=4, choices=Type, default=Type.FAK)
    price = models.DecimalField(max_digits=7, decimal_places=6)
    shares = dollars()
    filled_shares = dollars(default=Decimal(0))
    status = models.CharField(max_length=10, choices=Status, default=Status.APPROVED)
    reserved = dollars(default=Decimal(0), help_text="cash held until the order's fate is proved")
    venue_order_id = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001 - unique where known
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
                condition=Q(status__in=["APPROVED", "SUBMITTING", "UNKNOWN", "OPEN"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.shares} @ {self.price} ({self.status})"


class Fill(AppendOnly):
    """One execution, each venue trade once."""

    key = models.CharField(max_length=200, unique=True, help_text="fill:{mode}:{trade}:{order}")
    mode = models.CharField(max_length=8, choices=Mode)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    price = models.DecimalField(max_digits=7, decimal_places=6)
    shares = dollars()
    fee = dollars()
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


class Position(models.Model):
    """Shares held of one outcome: a projection of fills and redemptions, written by those only."""

    mode = models.CharField(max_length=8, choices=Mode)
    wallet = models.CharField(max_length=44, default=MAIN_WALLET)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome = models.ForeignKey(Outcome, on_delete=models.PROTECT)
    shares = dollars()
    cost = dollars(help_text="paid for the shares held, fees included")
    realised = dollars(default=Decimal(0), help_text="proceeds and payouts − their cost")
    fees = dollars(default=Decimal(0))
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One row per holding; nothing is ever sold that is not held."""

        constraints = [
            mode_is_stored("position_mode_is_stored"),
            models.UniqueConstraint(
                name="position_once_per_outcome", fields=["mode", "wallet", "outcome"]
            ),
            models.CheckConstraint(name="position_is_never_short", condition=Q(shares__gte=0)),
        ]
        indexes = [models.Index(name="position_open", fields=["market"], condition=Q(shares__gt=0))]

    def __str__(self) -> str:
        return f"{self.shares} of {self.outcome_id}"


class Redemption(models.Model):
    """Turning a resolved position into cash; done only when the money arrived."""

    class Status(models.TextChoices):
        """Where it stands."""

        PENDING = "PENDING"
        PAID = "PAID"

    key = models.CharField(
        max_length=200, unique=True, help_text="redeem:{mode}:{wallet}:{market}:{n}"
    )
    mode = models.CharField(max_length=8, choices=Mode)
    wallet = models.CharField(max_length=44, default=MAIN_WALLET)
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    shares = dollars()
    payout = dollars()
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    created_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Belongs to one ledger."""

        constraints = [mode_is_stored("redemption_mode_is_stored")]

    def __str__(self) -> str:
        return f"{self.payout} for {self.shares} ({self.status})"


class Account(models.TextChoices):
    """The accounts of the ledger. Deposits come from EXTERNAL; losses lie on REALISED."""

    CASH = "CASH", "Cash, free"
    RESERVED = "RESERVED", "Cash, reserved for orders"
    POSITIONS = "POSITIONS", "Cost of open positions"
    FEES = "FEES", "Fees paid"
    REALISED = "REALISED", "Realised profit and loss"
    EXTERNAL = "EXTERNAL", "Outside"


class Transfer(AppendOnly):
    """One balanced move of dollars: `amount` leaves `debit` and arrives at `credit`."""

    key = models.CharField(max_length=200, unique=True)
    mode = models.CharField(max_length=8, choices=Mode)
    wallet = models.CharField(max_length=44, default=MAIN_WALLET)
    debit = models.CharField(max_length=10, choices=Account)
    credit = models.CharField(max_length=10, choices=Account)
    amount = dollars()
    kind = models.CharField(
        max_length=30, help_text="deposit, reserve, release, buy, sell, fee, payout, loss …"
    )
    market = models.ForeignKey(Market, null=True, blank=True, on_delete=models.PROTECT)
    posted_at = models.DateTimeField()

    class Meta:
        """An unbalanced booking cannot be written."""

        constraints = [
            mode_is_stored("transfer_mode_is_stored"),
            models.CheckConstraint(name="transfer_amount_is_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="transfer_moves_between_two_accounts", condition=~Q(debit=F("credit"))
            ),
        ]
        indexes = [models.Index(name="transfer_by_account", fields=["mode", "wallet", "posted_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.debit} → {self.credit}"
