"""Old artefacts that nobody can want back: their files go, their rows stay.

Every doubt keeps: while one gate that stays cannot be opened, its members are unknown, and nothing
is deleted.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction

from config.kernel import locks
from mlops.models import ExpertTransition
from predictions import artefacts, registry
from predictions.models import Algorithm, Expert, ExpertState, ModelVersion

log = structlog.get_logger(__name__)

# What a crash or a rolled-back registration left may be a day old before it is swept.
STRAY_AFTER: Final = timedelta(days=1)
ARTEFACT: Final = re.compile(r"\d{5}-[0-9a-f]{16}")
DRAFT: Final = re.compile(r"\.\d{5}-[0-9a-f]{16}\.\d+")


@transaction.atomic
def prune(*, keep: int, as_of: datetime) -> int:
    """Delete the files of versions that were never served and are not among the newest `keep`.

    A version that ever was served, is a challenger, or belongs to a gate's version that is kept,
    keeps its file: a rollback finds all that it needs. Drafts, and artefacts that no row names, go
    a day after they were written. Returns how many files went; none while a gate that is kept
    cannot be opened, e.g. under another ARTEFACT_HMAC_KEY.
    """
    locks.hold(registry.LOCK)
    try:
        kept = _kept(keep)
    except registry.Unservable as refusal:
        log.warning("artefacts.not_pruned", why=str(refusal))
        return 0
    named = set(ModelVersion.objects.values_list("file", flat=True))
    if not named:
        return 0  # the rows may be about to be restored from a backup
    root = Path(settings.ENV.artefact_dir)
    old = [root / file for file in sorted(named - kept)]
    strays = [path for path in _strays(root, as_of=as_of) if _name(root, path) not in named | kept]
    return sum(_gone(root, path) for path in [*old, *strays])


def _kept(keep: int) -> set[str]:
    """Files that stay; `Unservable` where a gate that stays does not tell its members."""
    kept: set[int] = set()
    for slug in Expert.objects.values_list("slug", flat=True):
        newest = ModelVersion.objects.filter(expert_id=slug).order_by("-number")[:keep]
        kept.update(newest.values_list("pk", flat=True))
    for pointer in ("served_id", "challenger_id"):
        kept.update(pk for pk in Expert.objects.values_list(pointer, flat=True) if pk)
    served = ExpertTransition.objects.filter(after=ExpertState.ACTIVE)
    kept.update(pk for pk in served.values_list("version_id", flat=True).distinct() if pk)
    rows = ModelVersion.objects.filter(pk__in=kept)
    files = set(rows.values_list("file", flat=True))
    for manifest in rows.filter(expert__algorithm=Algorithm.GATE).values_list(
        "manifest", flat=True
    ):
        files.update(member["file"] for member in artefacts.opened(manifest)["members"])
    return files


def _strays(root: Path, *, as_of: datetime) -> Iterator[Path]:
    """Drafts and artefacts in the experts' folders that are older than a day."""
    oldest = (as_of - STRAY_AFTER).timestamp()
    for slug in Expert.objects.values_list("slug", flat=True):
        for path in (root / slug).glob("*"):
            ours = ARTEFACT.fullmatch(path.name) or DRAFT.fullmatch(path.name)
            if ours and path.lstat().st_mtime < oldest:
                yield path


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _gone(root: Path, path: Path) -> bool:
    """Whether a file was there, inside the folder, and is deleted."""
    try:
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            return False
        path.unlink()
    except (OSError, RuntimeError) as cause:
        log.warning("artefact.not_pruned", file=str(path), why=str(cause))
        return False
    log.info("artefact.pruned", file=_name(root, path))
    return True
