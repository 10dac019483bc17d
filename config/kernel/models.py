"""Abstract bases (append-only facts, versioned settings) and the tables shared by all apps."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any, ClassVar, NoReturn, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q


class FactIsFinal(TypeError):
    """Somebody tried to change or delete a fact; correct it with a new row instead."""


class FactQuerySet(models.QuerySet[Any]):
    """A queryset of facts: read and add, nothing else."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse: facts have no update path."""
        raise FactIsFinal(
            f"{self.model.__name__} rows are facts and are never updated; add a correcting row"
        )

    def delete(self) -> NoReturn:
        """Refuse: facts have no delete path."""
        raise FactIsFinal(
            f"{self.model.__name__} rows are facts and are never deleted; add a correcting row"
        )


class AppendOnly(models.Model):
    """A fact. The database refuses changes too: see `vendor.refuse_changes` in the migrations."""

    objects: ClassVar[Any] = FactQuerySet.as_manager()

    class Meta:
        """No table of its own."""

        abstract = True


class SettingsManager(models.Manager[Any]):
    """Finds the version of a settings table that was in force."""

    def current(self, *, as_of: datetime) -> Any:
        """The newest version created at or before `as_of`; the defaults where none was saved."""
        row = self.filter(created_at__lte=as_of).order_by("-version").first()
        return (
            row
            if row is not None
            else self.model(version=0, created_at=as_of, reason="built-in defaults")
        )

    def newest(self) -> Any:
        """The version saved last, whatever its stamp says; the defaults where none was saved.

        Switches are read here: what a person turned off must not wait for a clock or a cycle.
        """
        row = self.order_by("-version").first()
        return row if row is not None else self.model(version=0, reason="built-in defaults")


MONTH_S, TEN_YEARS = 31 * 86_400, 3_660
LONGEST_SPANS = {
    "_s": MONTH_S,
    "seconds_left": MONTH_S,
    "_ms": 60_000,
    "_h": 366 * 24,
    "days": TEN_YEARS,
    "days_left": TEN_YEARS,
}
"""Ending of a setting's name → the largest sensible value: a month, a minute, a year, ten years."""


def _longest(name: str) -> int | None:
    return next((most for end, most in LONGEST_SPANS.items() if name.endswith(end)), None)


def _out_of_bounds(name: str, value: Any) -> str:
    """What is wrong with a number, or an empty text; what is no number is not judged here."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    if not isfinite(value):
        return "must be a finite number"
    if value < 0:
        return "must not be negative"
    longest = _longest(name)
    return f"must be at most {longest}" if longest is not None and value > longest else ""


class VersionedSettings(models.Model):
    """Settings whose every change is a new row: who, when, why.

    Subclasses declare columns with defaults and bounds, and `as_config()` that returns a frozen
    dataclass; code passes that dataclass down and decision rows keep `version`.
    """

    version = models.PositiveIntegerField(unique=True, editable=False)
    created_at = models.DateTimeField(editable=False, db_index=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, editable=False
    )
    reason = models.CharField(max_length=400)

    objects: ClassVar[SettingsManager] = SettingsManager()
    NOT_COPIED: ClassVar[frozenset[str]] = frozenset(
        {"id", "version", "created_at", "author", "reason"}
    )

    class Meta:
        """No table of its own."""

        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} v{self.version}"

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Beside each column's own bounds: numbers are finite, not negative, and spans sensible."""
        super().clean_fields(exclude)
        wrong = {
            name: why
            for name, value in self.values().items()
            if name not in (exclude or ()) and (why := _out_of_bounds(name, value))
        }
        if wrong:
            raise ValidationError(wrong)

    def values(self) -> dict[str, Any]:
        """The tunable columns, by name."""
        return {
            f.name: getattr(self, f.name)
            for f in self._meta.concrete_fields
            if f.name not in self.NOT_COPIED
        }

    def bounded(self) -> dict[str, Any]:
        """The values, none above what its column allows or a span may be."""
        return {name: self._at_most(name, value) for name, value in self.values().items()}

    def _at_most(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        limits = [
            check.limit_value
            for check in self._meta.get_field(name).validators  # type: ignore[union-attr]
            if isinstance(check, MaxValueValidator)
        ]
        span = _longest(name)
        return min([value, *limits, *([] if span is None else [span])])

    def changed_from(self, before: Self) -> dict[str, tuple[Any, Any]]:
        """Column → (before, after) for every tunable column that differs."""
        old = before.values()
        return {
            name: (old[name], value) for name, value in self.values().items() if value != old[name]
        }


class DomainEvent(AppendOnly):
    """One thing that happened, in order, each row sealed with the hash of the one before."""

    happened_at = models.DateTimeField(db_index=True)
    kind = models.CharField(
        max_length=80, db_index=True, help_text="noun.verb_past, e.g. halt.opened"
    )
    actor = models.CharField(max_length=150, help_text="user name, or the process that acted")
    subject = models.CharField(max_length=200, help_text="what it happened to, e.g. market:42")
    data = models.TextField(default="{}", help_text="canonical JSON")
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        """One successor per event: a fork of the chain cannot be written."""

        constraints = [
            models.UniqueConstraint(name="event_has_one_successor", fields=["previous_hash"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class Heartbeat(models.Model):
    """When a component last proved that it is alive."""

    component = models.CharField(max_length=60, primary_key=True)
    beat_at = models.DateTimeField()
    period_s = models.PositiveIntegerField(
        help_text="a beat is due every so many seconds; late after two of them"
    )
    note = models.CharField(max_length=200, blank=True, default="")

    def __str__(self) -> str:
        return self.component

    # One missed beat may be a restart; after two periods somebody should look.
    LATE_AFTER_PERIODS: ClassVar[int] = 2

    def is_late(self, *, as_of: datetime) -> bool:
        """Whether more than two periods passed without a beat."""
        return (as_of - self.beat_at).total_seconds() > self.LATE_AFTER_PERIODS * self.period_s


class Job(models.Model):
    """A piece of long work: visible, resumable, never run twice at once under one name."""

    class Status(models.TextChoices):
        """Where the work stands."""

        RUNNING = "RUNNING"
        DONE = "DONE"
        FAILED = "FAILED"
        CANCELLED = "CANCELLED"

    kind = models.CharField(max_length=60, db_index=True)
    key = models.CharField(
        max_length=200, help_text="what it works on; unique among running jobs of a kind"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(
        help_text="last sign of progress; a silent job may be taken over"
    )
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    checkpoint = models.TextField(default="", blank=True, help_text="where to resume")
    result = models.TextField(default="", blank=True, help_text="JSON for people and tests")
    error = models.TextField(default="", blank=True)

    class Meta:
        """Single flight is a rule of the database."""

        constraints = [
            models.UniqueConstraint(
                name="job_runs_once_at_a_time",
                fields=["kind", "key"],
                condition=Q(status="RUNNING"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
