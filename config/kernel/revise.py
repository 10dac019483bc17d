"""Save a new version of a settings table, and say so in the audit trail."""

from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction

from config.kernel import audit, locks
from config.kernel.models import VersionedSettings

S = TypeVar("S", bound=VersionedSettings)


class NothingChanged(ValueError):
    """The new version would equal the one in force."""


@transaction.atomic
def settings(
    model: type[S], changes: dict[str, Any], *, author: Any, reason: str, as_of: datetime
) -> S:
    """Insert version n+1 of `model` with `changes` applied to the version in force.

    Raises `NothingChanged` without a difference, `ValueError` without a reason, and
    `ValidationError` where a name is not a setting or a value is out of its bounds.
    """
    if not reason.strip():
        raise ValueError("a change of settings needs a reason; say why in one sentence")
    locks.hold(f"settings:{model._meta.label}")  # noqa: SLF001 - Django's public name for it
    newest = model.objects.order_by("-version").first()
    before: S = newest if newest is not None else model.objects.current(as_of=as_of)
    if unknown := sorted(changes.keys() - before.values().keys()):
        raise ValidationError({name: f"{name} is not a setting" for name in unknown})
    after = model(
        **{**before.values(), **changes},
        version=before.version + 1,
        created_at=as_of,
        reason=reason,
    )
    after.author = author if author is not None and author.is_authenticated else None
    after.full_clean(exclude=["author"])
    difference = after.changed_from(before)
    if not difference and before.version:
        raise NothingChanged(f"{model._meta.verbose_name}: nothing differs from v{before.version}")  # noqa: SLF001 - as above
    after.save(force_insert=True)
    audit.record(
        "settings.revised",
        actor=author.get_username() if after.author else "system",
        subject=f"{model._meta.label}:v{after.version}",  # noqa: SLF001 - as above
        data={
            "reason": reason,
            "changes": {k: [str(a), str(b)] for k, (a, b) in difference.items()},
        },
        as_of=as_of,
    )
    return after
