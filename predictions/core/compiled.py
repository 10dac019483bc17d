"""The one door to the just-in-time compiler."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def njit(function: F) -> F:
    """Compile a kernel: cached on disk, without the interpreter lock, IEEE division.

    Single-threaded on purpose: the results are bit-identical everywhere, and no thread pool has to
    survive the fork of a worker. The disk cache watches only the kernel's own file, so kernels that
    call each other live in one module and take every constant as an argument.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
