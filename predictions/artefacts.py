"""Model files: written whole or not at all, proven before a byte of them is parsed."""

import hashlib
import hmac
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from django.conf import settings

LIBRARIES: Final = ("lightgbm", "numpy", "numba")


class Unservable(Exception):
    """A version cannot be served; the message says why and what to do, and the price takes over."""


class TamperedArtefact(Unservable):
    """A file or manifest is not what was registered."""


class NotAGate(Unservable):
    """The version is one expert's, and only a gate's names what belongs together."""


class WrongHorizon(Unservable):
    """The version forecasts something else."""


class SchemaMismatch(Unservable):
    """The version was trained on another list of features."""


class LibraryMismatch(Unservable):
    """The version was trained with other library releases: it needs training again."""


def write(file: str, blob: bytes) -> str:
    """Store `blob` under ARTEFACT_DIR and return its sha256; readers see all of it or nothing."""
    path = _path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as stream:
        stream.write(blob)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashlib.sha256(blob).hexdigest()


def read(file: str, sha256: str) -> bytes:
    """The bytes of a registered file; `TamperedArtefact` where they are gone or not the same."""
    try:
        blob = _path(file).read_bytes()
    except OSError as cause:
        raise TamperedArtefact(
            f"{file} cannot be read ({cause.strerror}); restore it or train again"
        ) from cause
    if not hmac.compare_digest(hashlib.sha256(blob).hexdigest(), sha256):
        raise TamperedArtefact(f"{file} does not match its sha256; restore it or train again")
    return blob


def seal(body: dict[str, Any]) -> str:
    """A manifest: canonical JSON with its HMAC under ARTEFACT_HMAC_KEY."""
    text = _canonical(body)
    return _canonical({"body": body, "hmac": _mac(text)})


def opened(manifest: str) -> dict[str, Any]:
    """The body of a manifest that this installation sealed; else `TamperedArtefact`."""
    try:
        content = json.loads(manifest)
        body, mac = dict(content["body"]), str(content["hmac"])
    except (ValueError, KeyError, TypeError) as cause:
        raise TamperedArtefact("the manifest is unreadable; train again") from cause
    if not hmac.compare_digest(_mac(_canonical(body)), mac):
        raise TamperedArtefact(
            "the manifest was not sealed with this ARTEFACT_HMAC_KEY; set the key it was "
            "registered with or train again"
        )
    return body


def versions() -> dict[str, str]:
    """Interpreter and library releases that decide what an artefact computes."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def require_same_minor(trained_with: dict[str, str]) -> None:
    """Refuse an artefact of another major or minor release: `LibraryMismatch`."""
    here = versions()
    for name, release in trained_with.items():
        if release.split(".")[:2] != here.get(name, "none").split(".")[:2]:
            raise LibraryMismatch(
                f"trained with {name} {release}, this process has {here.get(name, 'none')}; "
                "train again"
            )


def try_in_a_child(kind: str, blob: bytes, features: int) -> None:
    """Parse and use an artefact in a process of its own: a bad text may abort its reader."""
    result = subprocess.run(  # noqa: S603 - our own interpreter and a fixed program
        [sys.executable, "-m", "predictions.core.canary", kind, str(features)],
        input=blob,
        capture_output=True,
        cwd=settings.BASE_DIR,
        timeout=60,
        check=False,
    )
    if result.returncode:
        last = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise TamperedArtefact(
            f"a child process could not use the {kind} artefact ({''.join(last)}); train again"
        )


def _path(file: str) -> Path:
    root = Path(settings.ENV.artefact_dir)
    path = (root / file).resolve()
    if not path.is_relative_to(root.resolve()):
        raise TamperedArtefact(f"{file} points outside ARTEFACT_DIR; train again")
    return path


def _canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _mac(text: str) -> str:
    return hmac.new(settings.ENV.artefact_hmac_key.encode(), text.encode(), "sha256").hexdigest()
