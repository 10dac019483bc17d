"""What we may lose: limits, every decision of the gate, halts, the equity curve."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from config.kernel.models import AppendOnly, VersionedSettings
from config.kernel.modes import mode_column, mode_is_stored
from markets.models import Market
from risk.core.contracts import LimitsConfig

FRACTION = [MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))]


class TradingState(models.TextChoices):
    """What is permitted now: the strictest of the open halts. Cancels pass in every state."""

    ACTIVE = "ACTIVE", "Active: trade"
    LISTEN_ONLY = "LISTEN_ONLY", "Listen only: no new entries"
    REDUCING = "REDUCING", "Reducing: only what shrinks exposure"
    HALTED = "HALTED", "Halted: cancels only"


SEVERITY = (
    TradingState.ACTIVE,
    TradingState.LISTEN_ONLY,
    TradingState.REDUCING,
    TradingState.HALTED,
)


class Halt(models.Model):
    """A stop: its reach, its reason, how it may end, who opened and who released it."""

    class Scope(models.TextChoices):
        """What the halt covers."""

        GLOBAL = "GLOBAL", "everything"
        MODE = "MODE", "one mode"
        STRATEGY = "STRATEGY", "one strategy"
        MARKET = "MARKET", "one market"

    class Resume(models.TextChoices):
        """How it may end."""

        MANUAL = "MANUAL", "a person releases it"
        NEXT_DAY = "NEXT_DAY", "by itself at 00:00 UTC"
        WHEN_CLEAR = "WHEN_CLEAR", "by itself when its cause is gone"

    kind = models.CharField(max_length=40, help_text="MANUAL, DRAWDOWN, DAILY_LOSS …")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.GLOBAL)
    scope_key = models.CharField(max_length=100, blank=True, default="")
    state = models.CharField(
        max_length=12, choices=[c for c in TradingState.choices if c[0] != "ACTIVE"]
    )
    reason = models.CharField(max_length=400)
    resume_rule = models.CharField(max_length=12, choices=Resume)
    opened_by = models.CharField(max_length=150)
    opened_at = models.DateTimeField()
    released_by = models.CharField(max_length=150, blank=True, default="")
    released_at = models.DateTimeField(null=True, blank=True)
    release_reason = models.CharField(max_length=400, blank=True, default="")

    class Meta:
        """One open halt per cause and reach."""

        constraints = [
            models.UniqueConstraint(
                name="halt_open_once",
                fields=["kind", "scope", "scope_key"],
                condition=Q(released_at__isnull=True),
            ),
            models.CheckConstraint(name="halt_stops_something", condition=~Q(state="ACTIVE")),
        ]
        indexes = [
            # Every claiming transaction reads the open halts, uncached.
            models.Index(name="halt_open", fields=["scope"], condition=Q(released_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.state} ({self.kind}): {self.reason}"


class RiskDecision(AppendOnly):
    """What the gate said to one intended order: every reason, and every threshold it used.

    `requested_shares` is what was asked of the gate: the wish, or the venue's minimum where the
    wish was smaller.
    """

    market = models.ForeignKey(Market, on_delete=models.PROTECT)
    mode = mode_column()
    decided_at = models.DateTimeField()
    requested_shares = models.DecimalField(max_digits=20, decimal_places=6)
    approved_shares = models.DecimalField(max_digits=20, decimal_places=6)
    denials = models.CharField(
        max_length=400, blank=True, default="", help_text="reason codes, separated by spaces"
    )
    detail = models.TextField(
        default="{}", help_text="JSON: inputs, portfolio figures and limits as they were"
    )
    limits_version = models.PositiveIntegerField()

    class Meta:
        """Belongs to one ledger; never approves more than was asked."""

        constraints = [
            mode_is_stored("risk_decision_mode_is_stored"),
            models.CheckConstraint(
                name="gate_never_enlarges",
                condition=Q(
                    approved_shares__lte=models.F("requested_shares"), approved_shares__gte=0
                ),
            ),
        ]
        indexes = [models.Index(name="risk_decision_by_time", fields=["decided_at"])]

    def __str__(self) -> str:
        return self.denials or f"approved {self.approved_shares}"


class EquityPoint(AppendOnly):
    """A snapshot of the books of one mode.

    Risk equity = cash + redeemable + Σ min(cost, liquidation value) of the open positions.
    """

    mode = mode_column()
    observed_at = models.DateTimeField()
    cash = models.DecimalField(max_digits=20, decimal_places=6, help_text="reservations included")
    reserved = models.DecimalField(max_digits=20, decimal_places=6)
    redeemable = models.DecimalField(max_digits=20, decimal_places=6)
    open_cost = models.DecimalField(max_digits=20, decimal_places=6)
    open_mark = models.DecimalField(max_digits=20, decimal_places=6, help_text="at the mid")
    open_liquidation = models.DecimalField(
        max_digits=20, decimal_places=6, help_text="selling into the visible book"
    )
    risk_equity = models.DecimalField(max_digits=20, decimal_places=6)
    peak = models.DecimalField(max_digits=20, decimal_places=6)
    drawdown = models.FloatField(help_text="fall of risk equity from its peak, 0 to 1")
    realised = models.DecimalField(max_digits=20, decimal_places=6)
    fees = models.DecimalField(max_digits=20, decimal_places=6)

    class Meta:
        """One point per mode and instant."""

        constraints = [
            models.UniqueConstraint(name="equity_point_once", fields=["mode", "observed_at"]),
            mode_is_stored("equity_mode_is_stored"),
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.risk_equity}"


class RiskLimits(VersionedSettings):
    """What we may lose. Fractions are of risk equity."""

    kelly_multiplier = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.25"), validators=FRACTION
    )
    max_market = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.02"), validators=FRACTION
    )
    max_event = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.05"), validators=FRACTION
    )
    max_category = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.10"), validators=FRACTION
    )
    max_total = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.20"), validators=FRACTION
    )
    max_day = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.20"), validators=FRACTION
    )
    max_depth = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.10"),
        validators=FRACTION,
        help_text="fraction of the visible depth",
    )
    max_positions = models.PositiveIntegerField(default=40)
    max_order_usd = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(250))
    max_orders_per_hour = models.PositiveIntegerField(default=20)
    max_slippage_bps = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(100))
    max_edge_eaten = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.30"),
        validators=FRACTION,
        help_text="by walking the book",
    )
    max_book_age_s = models.PositiveIntegerField(default=120)
    max_prediction_age_s = models.PositiveIntegerField(default=600)
    min_seconds_left = models.PositiveIntegerField(
        default=60, help_text="to the scheduled end, where one is known"
    )
    cooldown_s = models.PositiveIntegerField(
        default=120, help_text="between two intents on one market"
    )
    reentry_s = models.PositiveIntegerField(default=3600, help_text="after an exit")
    drawdown_listen = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.10"), validators=FRACTION
    )
    drawdown_reduce = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.15"), validators=FRACTION
    )
    drawdown_halt = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.30"), validators=FRACTION
    )
    daily_loss = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.10"), validators=FRACTION
    )
    max_per_asset = models.PositiveIntegerField(
        default=0, help_text="markets held at once on one asset; 0 for no limit"
    )
    sudden_drop = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.10"),
        validators=FRACTION,
        help_text="fall of risk equity within the window below that halts",
    )
    sudden_drop_s = models.PositiveIntegerField(default=900)
    max_equity_age_s = models.PositiveIntegerField(
        default=1800, help_text="entries wait for a newer snapshot of the books"
    )
    max_consecutive_failures = models.PositiveIntegerField(
        default=3, help_text="orders or decisions failed in a row; one more stops entries"
    )
    max_unknown_orders = models.PositiveIntegerField(
        default=2, help_text="orders of unknown fate; one more stops entries"
    )

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "risk limits"

    def clean(self) -> None:
        """The grades of drawdown are in order, so that a deeper fall never permits more."""
        if self.drawdown_reduce < self.drawdown_listen:
            raise ValidationError({"drawdown_reduce": "must not be below drawdown_listen"})
        if self.drawdown_halt < self.drawdown_reduce:
            raise ValidationError({"drawdown_halt": "must not be below drawdown_reduce"})

    def as_config(self) -> LimitsConfig:
        """The frozen values."""
        return LimitsConfig(version=self.version, **self.values())
