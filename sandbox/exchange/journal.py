"""Facts of the exchange, one JSON line each, so that a restarted sandbox knows them again."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson


class Journal:
    """An append-only file; a torn last line, as a kill leaves it, is dropped on reading."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def read(self) -> Iterator[dict[str, Any]]:
        """The facts so far, oldest first; opens the file for more."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._path.read_bytes() if self._path.exists() else b""
        kept = whole[: whole.rfind(b"\n") + 1]
        for line in kept.splitlines():
            yield orjson.loads(line)
        self._file = self._path.open("r+b" if whole else "wb")
        self._file.seek(len(kept))
        self._file.truncate()

    def write(self, fact: dict[str, Any]) -> None:
        """Add one fact; it is with the system when this returns."""
        if self._file is not None:
            self._file.write(orjson.dumps(fact) + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
