"""Finished pieces of a training on disk, so that a killed one goes on where it stopped.

A folder under STATE_DIR per training, named by everything that decides its bytes; a piece is a file
that begins with the SHA-256 of its content and is written whole or not at all.
"""

import hashlib
import hmac
import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

KEPT = timedelta(days=2)
DIGEST = 32


@dataclass(frozen=True, slots=True)
class Folder:
    """The pieces of one training."""

    path: Path

    def get(self, key: str) -> bytes | None:
        """A finished piece; None where it is missing, cut or changed."""
        try:
            content = (self.path / key).read_bytes()
        except OSError:
            return None
        digest, blob = content[:DIGEST], content[DIGEST:]
        return blob if hmac.compare_digest(_mac(key, blob), digest) else None

    def put(self, key: str, blob: bytes) -> None:
        """Write a piece; a reader sees all of it or nothing."""
        draft = self.path / f".{key}.{os.getpid()}"
        draft.write_bytes(_mac(key, blob) + blob)
        draft.replace(self.path / key)

    def remove(self) -> None:
        """Drop all pieces: the training that they were for has ended."""
        shutil.rmtree(self.path, ignore_errors=True)

    def pieces(self) -> int:
        """How many are finished."""
        return sum(1 for each in self.path.iterdir() if not each.name.startswith("."))


def opened(identity: dict[str, Any], *, as_of: datetime) -> Folder:
    """The folder of a training that is the same in all of `identity`; older ones are removed."""
    name = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    root = _root()
    root.mkdir(parents=True, exist_ok=True)
    oldest = (as_of - KEPT).timestamp()
    for each in root.iterdir():
        if each.name != name and each.stat().st_mtime < oldest:
            shutil.rmtree(each, ignore_errors=True)
            log.info("checkpoint.removed", folder=each.name)
    folder = Folder(root / name)
    folder.path.mkdir(exist_ok=True)
    os.utime(folder.path, (as_of.timestamp(), as_of.timestamp()))
    return folder


def _root() -> Path:
    return Path(settings.ENV.state_dir) / "training"


def _mac(key: str, blob: bytes) -> bytes:
    """A checkpoint is parsed by native libraries: only what we wrote ourselves is read."""
    return hmac.new(settings.ENV.artefact_hmac_key.encode(), key.encode() + blob, "sha256").digest()
