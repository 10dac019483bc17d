"""Places between two commits where a process may die; the crash harness makes each of them real.

Nothing happens here outside that harness: no setting and no variable arms a point.
"""

import os
import signal

AFTER_CLAIM = "after_claim"
AFTER_SIGN = "after_sign"
AFTER_SIGNED = "after_signed"
AFTER_SUBMITTING = "after_submitting"
AFTER_POST = "after_post"
AFTER_UNKNOWN = "after_unknown"
WHILE_BOOKING = "while_booking"
AFTER_PROBE = "after_probe"
BEFORE_RESEND = "before_resend"
AFTER_CANCEL_ASKED = "after_cancel_asked"
AFTER_CANCEL = "after_cancel"
BEFORE_GIVING_UP = "before_giving_up"

POINTS = (
    AFTER_CLAIM,
    AFTER_SIGN,
    AFTER_SIGNED,
    AFTER_SUBMITTING,
    AFTER_POST,
    AFTER_UNKNOWN,
    WHILE_BOOKING,
    AFTER_PROBE,
    BEFORE_RESEND,
    AFTER_CANCEL_ASKED,
    AFTER_CANCEL,
    BEFORE_GIVING_UP,
)
"""Every named point, in the order of the protocol."""

_armed: set[str] = set()


def arm(point: str) -> None:
    """Die at this point, from now on; `ValueError` for one that is not declared."""
    if point not in POINTS:
        raise ValueError(f"{point} is no crash point; choose of {', '.join(POINTS)}")
    _armed.add(point)


def reach(point: str) -> None:
    """Go on, unless this point was armed: then die as a process dies whose power is cut."""
    if point in _armed:
        os.kill(os.getpid(), signal.SIGKILL)
