"""The execution settings: how orders rest, how doubt is settled, when the guard looks around."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from config.kernel.models import VersionedSettings
from trading.core.order_protocol import MAKER, ExecutionConfig

LONGEST_S = 3600


def _seconds(default: float, text: str, *, least: float = 1) -> "models.FloatField[float, float]":
    return models.FloatField(
        default=default,
        validators=[MinValueValidator(least), MaxValueValidator(LONGEST_S)],
        help_text=text,
    )


class ExecutionSettings(VersionedSettings):
    """How orders are sent and rest, how doubt about one is settled, when the guard looks around."""

    STYLES: ClassVar = [
        ("TAKER", "take what is there (FAK)"),
        (MAKER, "rest first (post-only GTD)"),
    ]

    entry_style = models.CharField(max_length=5, choices=STYLES, default="TAKER")
    rest_s = models.PositiveIntegerField(
        default=180,
        # The venue's client refuses a date that is nearer.
        validators=[MinValueValidator(120), MaxValueValidator(LONGEST_S)],
        help_text="a resting entry is cancelled after so many seconds",
    )
    stale_order_s = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(10)],
        help_text="whatever still rests after so many seconds is cancelled",
    )
    cancel_before_end_s = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_S)],
        help_text="resting orders are cancelled so many seconds before their market ends",
    )
    probe_every_s = _seconds(5, "pause between two questions after an order in doubt")
    probes_before_resend = models.PositiveIntegerField(
        default=2,
        validators=[MinValueValidator(2), MaxValueValidator(20)],
        help_text="vain questions before the same bytes are handed in again",
    )
    unknown_hold_s = _seconds(
        120, "an order in doubt that was cancelled is given up after so long without a trace"
    )
    abandoned_after_s = _seconds(60, "a worker that sent and was not heard of so long has died")
    restart_post_only_s = models.PositiveIntegerField(
        default=120,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_S)],
        help_text="seconds for which the venue is post-only after a restart of its engine",
    )
    heartbeat = models.BooleanField(
        default=True, help_text="where orders rest: the venue cancels all when we fall silent"
    )
    heartbeat_every_s = _seconds(5, "between two heartbeats")
    heartbeat_unhealthy_s = _seconds(10, "without an accepted heartbeat no order is sent")
    reconcile_in_doubt_s = _seconds(15, "between two looks at trades while something is open")
    reconcile_all_s = _seconds(60, "between two comparisons of everything with venue and chain")
    reconciled_within_s = _seconds(180, "orders are sent only so long after books and venue agreed")
    redeem_every_s = _seconds(
        5, "between two looks at payouts and chain transactions; in any state"
    )
    longest_wait_s = _seconds(
        900,
        "no answer of a venue, right or wrong, keeps us from sending for longer: then we ask again",
        least=10,
    )
    cancel_wait_s = _seconds(
        10, "so long a cancel waits as the venue asks; what it asks beyond that holds for orders"
    )

    LABELS: ClassVar = {
        "entry_style": ("Entries", "TAKER: fill and kill; MAKER: post-only, then cancelled"),
        "rest_s": ("Entries rest", "seconds; not above the age of stale orders"),
        "stale_order_s": ("Stale after", "seconds; an older resting order is cancelled"),
        "cancel_before_end_s": ("Cancel before the end", "seconds before a market's end"),
        "probe_every_s": ("Probe every", "seconds; an order whose fate is unknown"),
        "probes_before_resend": ("Probes before sending again", "the same bytes, never new ones"),
        "unknown_hold_s": ("Hold the unknown", "seconds of vain probes until it is given up"),
        "abandoned_after_s": ("Abandoned after", "seconds without a word of who sent it"),
        "restart_post_only_s": ("Post-only after a restart", "seconds"),
        "heartbeat": ("Dead-man switch", "used only where orders rest at the venue"),
        "heartbeat_every_s": ("Heartbeat every", "seconds"),
        "heartbeat_unhealthy_s": ("Heartbeat unhealthy after", "seconds; then nothing is sent"),
        "reconcile_in_doubt_s": ("Look at trades every", "seconds, while something is open"),
        "reconcile_all_s": ("Compare everything every", "seconds"),
        "reconciled_within_s": ("Agreed within", "seconds; else nothing is sent"),
        "redeem_every_s": ("Payouts every", "seconds, in any state"),
        "longest_wait_s": ("Wait at most", "seconds, whatever a venue asks for; then ask again"),
        "cancel_wait_s": ("A cancel waits at most", "seconds; it is money at risk"),
    }

    class Meta:
        """One row a version."""

        verbose_name = verbose_name_plural = "execution settings"

    def clean(self) -> None:
        """A resting entry ends before it is stale; a heart may miss one beat, not fewer.

        Books and venue are compared again before their last agreement is too old to send. A cancel
        waits no longer than an order.
        """
        if self.rest_s > self.stale_order_s:
            raise ValidationError({"rest_s": "must not be above the age of stale orders"})
        if self.heartbeat_unhealthy_s <= self.heartbeat_every_s:
            raise ValidationError(
                {"heartbeat_unhealthy_s": "must be above the time between two heartbeats"}
            )
        if self.reconciled_within_s <= self.reconcile_all_s:
            raise ValidationError(
                {"reconciled_within_s": "must be above the time between two comparisons"}
            )
        if self.cancel_wait_s > self.longest_wait_s:
            raise ValidationError({"cancel_wait_s": "must not be above the longest wait"})

    def as_config(self) -> ExecutionConfig:
        """The frozen values."""
        return ExecutionConfig(version=self.version, **self.values())
