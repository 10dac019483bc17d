"""The broker of the zero-install start: a folder of messages, each of which appears whole."""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Kombu's folder channel, whose messages can be read before they are written to the end."""

    # The two classes above it do not agree on the name of the message either.
    def _put(self, queue: str, payload: Any, **_options: Any) -> None:  # type: ignore[override]
        """Write under another name, then rename: a worker sees the whole message or none.

        A half-written one would end the worker with a decoding error.
        """
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        draft = folder / f".{name}.part"
        try:
            draft.write_bytes(dumps(payload).encode())
            draft.replace(folder / name)
        except OSError as failure:
            raise ChannelError(f"cannot add {name} to {folder}: {failure}") from failure


class Transport(filesystem.Transport):
    """Reached as `filesystem://`, like the one it mends."""

    Channel = Channel


def register() -> None:
    """Serve `filesystem://` from here; the library reads this table when it first connects."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
