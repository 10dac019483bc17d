"""The one door to the just-in-time compiler."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def stamp(folder: Path) -> str:
    """SHA-256 over every file in `folder` whose text goes into compiled code."""
    parts = sorted((*folder.glob("kernels*.py"), *folder.glob("schema*.py")))
    return hashlib.sha256(b"\0".join(part.read_bytes() for part in parts)).hexdigest()


STAMP: Final = stamp(Path(__file__).parent)


def njit(function: F) -> F:
    """Compile a kernel: cached on disk, without the interpreter lock, IEEE division.

    Single-threaded on purpose: the results are bit-identical everywhere, and no thread pool has to
    survive the fork of a worker. The disk cache by itself watches only the kernel's own file, but
    kernels call those of other files and freeze columns of the schema: any change there makes it
    stale too.

    It lies in `__pycache__` beside the file, or in NUMBA_CACHE_DIR where that is set: what
    `predictions.apps` does where the former cannot be written.
    """
    try:
        compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder can be written: every process compiles anew
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
    cache = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache is not None:
        cache._source_stamp = (cache._source_stamp, STAMP)  # noqa: SLF001 - no public way exists
    return cast(F, compiled)
