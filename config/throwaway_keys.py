"""Keys of a development installation: random, made once, readable by this user alone."""

import contextlib
import json
import os
import secrets
from dataclasses import replace
from pathlib import Path

from config.env import Env

FILE = "development-keys.json"
PREFIX = "development-only-"


def instead(env: Env) -> Env:
    """`env` with this installation's own random keys where none was given.

    A key that everybody knows would let anybody sign in or sign a model.
    """
    if _given(env.secret_key) and _given(env.artefact_hmac_key):
        return env
    kept = _kept(env.state_dir / FILE)
    return replace(
        env,
        secret_key=_given(env.secret_key) or kept["secret_key"],
        artefact_hmac_key=_given(env.artefact_hmac_key) or kept["artefact_hmac_key"],
    )


def _given(key: str) -> str:
    return "" if key.startswith(PREFIX) else key


def _kept(path: Path) -> dict[str, str]:
    """The keys in the file, made first where it is missing; of two makers the first wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = {name: secrets.token_urlsafe(48) for name in ("secret_key", "artefact_hmac_key")}
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(fresh))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    keys: dict[str, str] = json.loads(path.read_text())
    return keys
