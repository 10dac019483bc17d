"""A network that reaches checked addresses only, and is done by a deadline."""

import time
from collections.abc import Sequence
from typing import Any, Final

import httpcore

CONNECT_S: Final = 5.0


class PinnedNetwork(httpcore.NetworkBackend):
    """Connects to the given addresses whatever the name says; `deadline` is monotonic seconds."""

    def __init__(
        self, network: httpcore.NetworkBackend, found: Sequence[str], deadline: float
    ) -> None:
        self._network = network
        self._found = found
        self._deadline = deadline

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        """Connect to the first address that answers; the name is not asked for again."""
        trouble: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._found:
            try:
                stream = self._network.connect_tcp(
                    address, port, timeout=min(CONNECT_S, _left(self._deadline))
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as cause:
                trouble = cause
            else:
                return _Timed(stream, self._deadline)
        raise trouble


class _Timed(httpcore.NetworkStream):
    """A stream that must be done by a deadline, however slowly it drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See the base class."""
        return self._stream.read(max_bytes, timeout=_left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See the base class."""
        self._stream.write(buffer, timeout=_left(self._deadline))

    def close(self) -> None:
        """See the base class."""
        self._stream.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        """See the base class."""
        kwargs["timeout"] = _left(self._deadline)
        return _Timed(self._stream.start_tls(*args, **kwargs), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """See the base class."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time allowed is over")
    return left
