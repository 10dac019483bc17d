"""What we hold and what we own: positions, payouts, the ledger and the chain beneath."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from config.kernel.models import AppendOnly
from config.kernel.modes import mode_column, mode_is_stored
from markets.models import Market, Outcome
from trading.models import columns


class Position(models.Model):
    """Shares held of one outcome: a projection of fills and redemptions, written by those only."""

    mode = mode_column()
    wallet = columns.wallet()
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome = models.ForeignKey(Outcome, on_delete=models.PROTECT)
    shares = columns.dollars()
    cost = columns.dollars(help_text="paid for the shares held, fees included")
    booked = columns.dollars(
        default=Decimal(0), help_text="of their cost, what the ledger holds: without fees"
    )
    realised = columns.dollars(default=Decimal(0), help_text="proceeds and payouts − their cost")
    fees = columns.dollars(default=Decimal(0))
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(
        null=True, blank=True, help_text="no later fact may be dated before this one"
    )

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
        SENT = "SENT", "Sent: the money has not arrived"
        PAID = "PAID"
        FAILED = "FAILED"

    key = models.CharField(
        max_length=200, unique=True, help_text="redeem:{mode}:{wallet}:{market}:{n}"
    )
    mode = mode_column()
    wallet = columns.wallet()
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    outcome = models.ForeignKey(
        Outcome,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="whose shares; empty in rows older than the column",
    )
    shares = columns.dollars()
    payout = columns.dollars()
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    cash_before = columns.dollars(
        null=True, help_text="collateral of the wallet before it was sent"
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=400, blank=True, default="")
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    transaction_hash = models.CharField(
        max_length=66, blank=True, default="", help_text="what brought the money"
    )

    class Meta:
        """Belongs to one ledger; one holding is redeemed by one row at a time."""

        constraints = [
            mode_is_stored("redemption_mode_is_stored"),
            models.UniqueConstraint(
                name="redemption_open_once_per_outcome",
                fields=["mode", "wallet", "outcome"],
                condition=Q(status__in=["PENDING", "SENT"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payout} for {self.shares} ({self.status})"


class Conversion(AppendOnly):
    """Collateral turned into a full set of outcomes, or a full set back into collateral."""

    class Kind(models.TextChoices):
        """Which way."""

        SPLIT = "SPLIT", "Collateral into one share of each outcome"
        MERGE = "MERGE", "One share of each outcome into collateral"

    key = models.CharField(max_length=200, unique=True)
    mode = mode_column()
    wallet = columns.wallet()
    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    kind = models.CharField(max_length=5, choices=Kind)
    shares = columns.dollars(help_text="of each outcome; the same number of dollars")
    transaction_hash = models.CharField(max_length=66, blank=True, default="")
    received_at = models.DateTimeField()

    class Meta:
        """Belongs to one ledger."""

        constraints = [
            mode_is_stored("conversion_mode_is_stored"),
            models.CheckConstraint(name="conversion_is_of_shares", condition=Q(shares__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.shares}"


class ChainTransaction(models.Model):
    """A transaction of ours: stored signed before it is sent, followed until it is final."""

    class Status(models.TextChoices):
        """Where it stands; only CONFIRMED, REVERTED and REPLACED are final."""

        SIGNED = "SIGNED"
        SENT = "SENT"
        MINED = "MINED"
        CONFIRMED = "CONFIRMED"
        REVERTED = "REVERTED"
        REPLACED = "REPLACED"

    class Refusal(models.TextChoices):
        """Why the node does not take it."""

        UNDERPRICED = "UNDERPRICED"
        OTHER = "OTHER"

    mode = mode_column()
    wallet = columns.wallet()
    purpose = models.CharField(max_length=200, help_text="idempotency key of what it does")
    nonce = models.PositiveBigIntegerField()
    target = models.CharField(max_length=42)
    data = models.TextField(help_text="call data, hex")
    gas = models.PositiveBigIntegerField()
    max_fee = models.PositiveBigIntegerField(help_text="wei a gas")
    priority_fee = models.PositiveBigIntegerField(help_text="wei a gas")
    raw = models.TextField(help_text="signed bytes, hex; no secret")
    transaction_hash = models.CharField(max_length=66, unique=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.SIGNED)
    block_number = models.PositiveBigIntegerField(null=True, blank=True)
    block_hash = models.CharField(max_length=66, blank=True, default="")
    signed_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    refusal = models.CharField(
        max_length=11,
        choices=Refusal,
        blank=True,
        default="",
        help_text="how the node refused it last; empty once it was taken",
    )
    reason = models.CharField(
        max_length=400, blank=True, default="", help_text="for people; nothing is decided by it"
    )

    class Meta:
        """A nonce is used by one transaction and those that replace it."""

        constraints = [
            mode_is_stored("chain_transaction_mode_is_stored"),
            models.UniqueConstraint(
                name="chain_transaction_one_alive_per_nonce",
                fields=["mode", "wallet", "nonce"],
                condition=~Q(status="REPLACED"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_hash} ({self.status})"


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
    mode = mode_column()
    wallet = columns.wallet()
    debit = models.CharField(max_length=10, choices=Account)
    credit = models.CharField(max_length=10, choices=Account)
    amount = columns.dollars()
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


class LedgerBalance(models.Model):
    """What the accounts of one ledger hold: a projection of its transfers, moved with each.

    Whole numbers of 1e-6 dollars, which every database adds up exactly. `rebuild` compares it with
    the transfers.
    """

    mode = mode_column()
    wallet = columns.wallet()
    cash = models.BigIntegerField()
    reserved = models.BigIntegerField()
    positions = models.BigIntegerField()
    fees = models.BigIntegerField()
    realised = models.BigIntegerField()
    external = models.BigIntegerField()

    class Meta:
        """One row a ledger; what left one account arrived on another."""

        constraints = [
            mode_is_stored("ledger_balance_mode_is_stored"),
            models.UniqueConstraint(name="ledger_balance_once", fields=["mode", "wallet"]),
            models.CheckConstraint(
                name="ledger_balance_adds_up_to_nothing",
                condition=Q(
                    cash=-F("reserved") - F("positions") - F("fees") - F("realised") - F("external")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.wallet}"
