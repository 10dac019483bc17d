"""Model files: written whole or not at all, proven before a byte of them is parsed."""

import hashlib
import hmac
import json
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from django.conf import settings

LIBRARIES: Final = ("lightgbm", "numba", "numpy", "onnxruntime", "scikit-learn", "xgboost")
BUILDS: Final = {"xgboost": ("xgboost-cpu", "xgboost")}  # one library, packaged twice


class Unservable(Exception):
    """A version cannot be served; the message says why and what to do, and the price takes over."""


class TamperedArtefact(Unservable):
    """A file or manifest is not what was registered."""


class MissingArtefact(TamperedArtefact):
    """A registered file is gone."""


class Unproven(Unservable):
    """Nobody could be asked whether an artefact is usable: it is neither proven nor refuted."""


class NotAGate(Unservable):
    """The version is one expert's, and only a gate's names what belongs together."""


class WrongHorizon(Unservable):
    """The version forecasts something else."""


class SchemaMismatch(Unservable):
    """The version was trained on another list of features."""


class LibraryMismatch(Unservable):
    """The version was trained with other library releases: shadow only until re-validated."""


def write(file: str, blob: bytes) -> str:
    """Store `blob` under ARTEFACT_DIR and return its sha256; readers see all of it or nothing."""
    path = _path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as stream:
            stream.write(blob)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # a full disk must not be filled by what it refused
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashlib.sha256(blob).hexdigest()


def read(file: str, sha256: str) -> bytes:
    """The bytes of a registered file; `TamperedArtefact` where they are gone or not the same."""
    path = _path(file)
    try:
        blob = path.read_bytes()
    except FileNotFoundError as cause:
        raise MissingArtefact(f"{file} is gone; restore it or train again") from cause
    except OSError as cause:
        raise TamperedArtefact(
            f"{file} cannot be read ({cause.strerror}); restore it or train again"
        ) from cause
    if not hmac.compare_digest(hashlib.sha256(blob).hexdigest(), sha256):
        raise TamperedArtefact(f"{file} does not match its sha256; restore it or train again")
    return blob


def exists(file: str) -> bool:
    """Whether a registered file is there, whatever it holds."""
    try:
        return _path(file).exists()
    except OSError:
        return False


def seal(body: dict[str, Any]) -> str:
    """A manifest: canonical JSON with its HMAC under ARTEFACT_HMAC_KEY."""
    text = _canonical(body)
    return _canonical({"body": body, "hmac": mac(text)})


def opened(manifest: str) -> dict[str, Any]:
    """The body of a manifest that this installation sealed; else `TamperedArtefact`."""
    try:
        content = json.loads(manifest)
        body, told = dict(content["body"]), str(content["hmac"])
        own = mac(_canonical(body))
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise TamperedArtefact("the manifest is unreadable; train again") from cause
    # As bytes: text that is not ASCII cannot be compared, nor half of a surrogate pair encoded.
    if not hmac.compare_digest(own.encode(), told.encode(errors="replace")):
        raise TamperedArtefact(
            "the manifest was not sealed with this ARTEFACT_HMAC_KEY; set the key it was "
            "registered with or train again"
        )
    return body


@cache
def versions() -> dict[str, str]:
    """Interpreter and library releases that decide what an artefact computes."""
    return {"python": platform.python_version()} | {
        name: found for name in LIBRARIES if (found := _release(name))
    }


def changed(trained_with: dict[str, str]) -> str:
    """Which library has another major or minor release here than in training; "" for none."""
    here = versions()
    for name, release in trained_with.items():
        if _minor(release) != _minor(here.get(name, "none")):
            return f"trained with {name} {release}, this process has {here.get(name, 'none')}"
    return ""


def minors() -> dict[str, str]:
    """The releases of `versions`, as far as they must agree."""
    return {name: ".".join(_minor(release)) for name, release in versions().items()}


def mac(text: str) -> str:
    """HMAC-SHA256 of a text under ARTEFACT_HMAC_KEY, as hex."""
    return hmac.new(settings.ENV.artefact_hmac_key.encode(), text.encode(), "sha256").hexdigest()


def _minor(release: str) -> list[str]:
    return release.split(".")[:2]


def _release(name: str) -> str:
    for build in BUILDS.get(name, (name,)):
        try:
            return version(build)
        except PackageNotFoundError:
            continue
    return ""


def _path(file: str) -> Path:
    root = Path(settings.ENV.artefact_dir)
    try:
        path = (root / file).resolve()
        inside = path.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as cause:  # links in a circle, a NUL in the name
        raise TamperedArtefact(f"{file!r} leads nowhere; restore it or train again") from cause
    if not inside:
        raise TamperedArtefact(f"{file} points outside ARTEFACT_DIR; train again")
    return path


def _canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
