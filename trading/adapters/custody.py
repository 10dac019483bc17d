"""Where the key comes from: an encrypted keystore and its passphrase, in files of one's own.

The keystore may hold the wallet owner's key or, better, a session key that can trade and not
withdraw. The key never stands in the environment, the database, a setting or an argument.
"""

import ctypes
import json
import os
import resource
import secrets
import stat
import sys
from pathlib import Path
from typing import Protocol

from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from trading.adapters.signer import BadKey, Signer

KEYSTORE, PASSPHRASE = "keystore.json", "passphrase"
OWN = "own"
"""As a wallet: the key's own address."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PR_SET_DUMPABLE = 4
_QUICK_ROUNDS = 1_000
"""A rehearsal's key is worth nothing, so opening it may be cheap."""


class NoKey(Exception):
    """There is no key to sign with; the message says what is missing."""


class UnsafeKey(Exception):
    """Others could read the key or its passphrase; the message says how to shut them out."""


class Places(Protocol):
    """What custody reads of the environment (`config.env.Env`)."""

    @property
    def state_dir(self) -> Path:
        """Where this installation keeps its files."""
        ...

    @property
    def wallet_address(self) -> str:
        """The wallet that pays; empty for the key's own deposit wallet."""
        ...

    @property
    def live_keystore(self) -> Path | None:
        """The encrypted keystore."""
        ...

    @property
    def live_passphrase_file(self) -> Path | None:
        """The file with its passphrase."""
        ...


def open_signer(env: Places, *, rehearsal: bool = False) -> Signer:
    """Decrypt the key, once; a rehearsal uses a worthless one of its own, never the real one.

    Raises `NoKey` or `UnsafeKey`.
    """
    if rehearsal:
        folder = env.state_dir / "rehearsal"
        rehearsal_keystore(folder)
        # Its own wallet: a rehearsal redeems on the stand-in's chain, where no relayer is.
        return _decrypt(folder / KEYSTORE, folder / PASSPHRASE, wallet=OWN)
    keystore, passphrase = env.live_keystore, env.live_passphrase_file
    if keystore is None or passphrase is None:
        raise NoKey(
            "no key is set: LIVE_KEYSTORE and LIVE_PASSPHRASE_FILE name the encrypted keystore and "
            "the file with its passphrase, on the machine of live_guard alone"
        )
    return _decrypt(keystore, passphrase, wallet=env.wallet_address)


def rehearsal_keystore(folder: Path) -> None:
    """Make a fresh, worthless key where there is none yet."""
    if (folder / KEYSTORE).exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_keystore(folder, secrets.token_bytes(32), rounds=_QUICK_ROUNDS)


def write_keystore(folder: Path, key: bytes, *, rounds: int | None = None) -> None:
    """Encrypt a key under a new passphrase; both files are for their owner alone.

    `rounds` weakens the encryption, for keys that are worth nothing.
    """
    word = secrets.token_urlsafe(32)
    options = {"kdf": "scrypt"} if rounds is None else {"kdf": "pbkdf2", "iterations": rounds}
    body = create_keyfile_json(key, word.encode(), **options)  # type: ignore[arg-type] # it wants bytes
    # The passphrase first: a keystore without one would count as made and never open.
    _write(folder / PASSPHRASE, word)
    _write(folder / KEYSTORE, json.dumps(body))


def harden() -> bool:
    """No core dump of this process and no debugger on it; False where the system lacks either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def _decrypt(keystore: Path, passphrase: Path, *, wallet: str = "") -> Signer:
    body, word = _private_text(keystore), _private_text(passphrase).strip()
    try:
        key = decode_keyfile_json(json.loads(body), word.encode())  # type: ignore[arg-type] # ditto
    except (ValueError, KeyError, TypeError):
        # Never with the cause: its text may repeat what was in the file.
        raise NoKey(
            f"{keystore} does not open with the passphrase in {passphrase}; check both"
        ) from None
    try:
        return Signer(key, wallet=Signer(key).address if wallet == OWN else wallet)
    except BadKey:
        raise NoKey(f"what {keystore} holds is no key; make it anew") from None
    except ValueError:
        # What stands there may be a key by mistake: it is not repeated either.
        raise NoKey(
            "WALLET_ADDRESS is no wallet; set it to the address that pays, or leave it empty"
        ) from None


def _private_text(path: Path) -> str:
    """The text of a file that is ours and that nobody else can read."""
    try:
        with path.open(encoding="utf-8") as opened:
            state = os.fstat(opened.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_mode & OTHERS:
                raise UnsafeKey(f"others may read {path}; run `chmod 600 {path}`")
            if state.st_uid not in (os.geteuid(), 0):
                raise UnsafeKey(f"{path} belongs to another user; `chown` it to this one")
            return opened.read()
    except FileNotFoundError:
        raise NoKey(
            f"there is no file {path}; check LIVE_KEYSTORE and LIVE_PASSPHRASE_FILE"
        ) from None
    except (OSError, UnicodeDecodeError) as failure:
        raise NoKey(f"{path} cannot be read: {type(failure).__name__}") from None


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        os.fchmod(opened.fileno(), 0o600)
        opened.write(text)
