"""Artefacts are used in a child process before this one parses them: once per installation.

A foreign library may abort its process on a bad text, and no digest says that a file which was
written well can be read here and now. What has been proven is remembered beside the artefacts,
under a name that only the holder of ARTEFACT_HMAC_KEY can form and that changes with the installed
libraries; a parser written in Python needs no proof, for it can only raise.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from predictions import artefacts
from predictions.artefacts import TamperedArtefact, Unproven

log = structlog.get_logger(__name__)

FOLDER: Final = ".proven"
TIMEOUT_S: Final = 120

Artefact = tuple[str, bytes]  # kind and bytes


def prove(found: Sequence[Artefact], *, features: int) -> None:
    """Have the artefacts that were never proven here used by a child process, and remember it.

    Raises `TamperedArtefact` at the first that cannot be used, `Unproven` where no child process
    can be started.
    """
    unproven = [each for each in found if not _is_proven(*each)]
    if not unproven:
        return
    answered, last_words = _asked(unproven, features)
    for kind, blob in unproven[:answered]:
        _remember(kind, blob)
    if answered < len(unproven):
        raise TamperedArtefact(
            f"a child process could not use the {unproven[answered][0]} artefact "
            f"({last_words}); train again"
        )


def _is_proven(kind: str, blob: bytes) -> bool:
    try:
        return _mark(kind, blob).exists()
    except OSError:
        return False


def _remember(kind: str, blob: bytes) -> None:
    """Note the proof; where that cannot be written the next process proves again."""
    mark = _mark(kind, blob)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as cause:
        log.warning("proof.not_noted", folder=str(mark.parent), why=str(cause))


def _asked(found: Sequence[Artefact], features: int) -> tuple[int, str]:
    """How many of the artefacts, from the first, a child could use, and its last words."""
    contents = json.dumps([[kind, len(blob)] for kind, blob in found]).encode()
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and a fixed program
            [sys.executable, "-m", "predictions.core.canary", str(features)],
            input=b"\n".join((contents, b"".join(blob for _, blob in found))),
            capture_output=True,
            cwd=settings.BASE_DIR,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        return len((slow.stdout or b"").splitlines()), f"no answer in {TIMEOUT_S} s"
    except OSError as cause:
        raise Unproven(
            f"no child process could be started to prove it ({cause.strerror}); free memory and "
            "processes, the next forecast tries again"
        ) from cause
    words = done.stderr.decode(errors="replace").strip().splitlines()
    return len(done.stdout.splitlines()), words[-1] if words else f"exit code {done.returncode}"


def _mark(kind: str, blob: bytes) -> Path:
    text = f"proven {kind} {sha256(blob).hexdigest()} {sorted(artefacts.versions().items())}"
    return Path(settings.ENV.artefact_dir) / FOLDER / artefacts.mac(text)
