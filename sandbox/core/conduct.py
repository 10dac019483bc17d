"""How the exchange behaves: its own timings, and everything that can go wrong, on command."""

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from sandbox.core import chance

PLACING = ("POST /order", "POST /orders")


class Fate(Enum):
    """What becomes of one call."""

    WELL = "done and answered"
    BEFORE_500 = "500, and nothing was done"
    LIMITED = "429, and nothing was done"
    ACCEPT_500 = "done, then 500"
    ACCEPT_DROP = "done, then the connection ends without a word"
    ACCEPT_HANG = "done, then silence until the caller gives up"
    ACCEPT_DUPLICATED = "done, answered as if it had been done before"


class UnknownConduct(ValueError):
    """No setting has this name, or it does not take this value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """The venue at its best by default; shares are of all calls that `on` names, in [0, 1].

    Attributes
    ----------
    before_500, limited, accept_500, accept_drop, accept_hang, accept_duplicated
        Shares of calls with that `Fate`; together at most 1. A call that comes again draws again.
    on
        The calls concerned, as "METHOD /path" without the service; a path may be a beginning.
    hang_s, retry_after_s
        How long silence lasts; what 425, 429 and 503 ask for.
    restart_s, post_only_s
        From now on 425 for so long, then so long only post-only orders.
    mode
        "normal", "post_only", "cancel_only" or "disabled", until told otherwise.
    hidden_s, trades_hidden_s
        After this long the reads of orders and of trades know of a new one.
    keeps_closed_s
        How long a finished order can be read; None for ever.
    ghosts
        Share of trades that fail after the match; nothing then moves.
    mined_s, confirmed_s
        After the match: MINED (or RETRYING), then CONFIRMED (or FAILED).
    delay_s
        A marketable order waits so long before it meets anything.
    positions_lag_s
        The data service is so far behind.
    doubled
        Share of trades and order events that are told twice.
    silent_user
        The user channel answers PING and tells nothing.
    kills_as
        HTTP status of a killed FOK or FAK: 400, or 200 with an `errorMsg`.
    buys_spend_dollars
        A FAK or FOK purchase spends its dollars (more shares at a better price), as the venue's.
    heals_s
        What users took from the world's ladder stays taken so long.
    clock_skew_s
        Timestamps of calls may be off so much.
    closed_only, banned
        Addresses of API keys that may only sell; that may do nothing.
    blocked
        The geoblock route says so, and orders are refused with 403.
    """

    before_500: float = 0.0
    limited: float = 0.0
    accept_500: float = 0.0
    accept_drop: float = 0.0
    accept_hang: float = 0.0
    accept_duplicated: float = 0.0
    on: tuple[str, ...] = PLACING
    hang_s: float = 15.0
    retry_after_s: float = 1.0
    restart_s: float = 0.0
    post_only_s: float = 120.0
    mode: str = "normal"
    hidden_s: float = 0.0
    trades_hidden_s: float = 0.0
    keeps_closed_s: float | None = None
    ghosts: float = 0.0
    mined_s: float = 2.0
    confirmed_s: float = 4.0
    delay_s: float = 0.0
    positions_lag_s: float = 0.0
    doubled: float = 0.0
    silent_user: bool = False
    kills_as: int = 400
    buys_spend_dollars: bool = True
    heals_s: float = 30.0
    clock_skew_s: float = 60.0
    closed_only: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()
    blocked: bool = False

    def fate(self, seed: int, call: str, *, luck: tuple[int, ...]) -> Fate:
        """What becomes of a call "METHOD /path"; equal `luck` under an equal seed ends equally."""
        if not any(call.startswith(prefix) for prefix in self.on):
            return Fate.WELL
        left = float(chance.uniform(seed, 91, *luck)[0])
        for fate in list(Fate)[1:]:
            share = getattr(self, fate.name.lower())
            if left < share:
                return fate
            left -= share
        return Fate.WELL

    def is_ghost(self, seed: int, number: int) -> bool:
        """Whether the trade of this number fails."""
        return bool(chance.uniform(seed, 92, number)[0] < self.ghosts)

    def tells_twice(self, seed: int, number: int) -> bool:
        """Whether the row or event of this number is told twice."""
        return bool(chance.uniform(seed, 93, number)[0] < self.doubled)


MODES = ("normal", "post_only", "cancel_only", "disabled")


def parse(said: Any) -> Conduct:
    """Conduct from decoded JSON, the missing parts at their defaults; raises `UnknownConduct`."""
    if not isinstance(said, dict):
        raise UnknownConduct("conduct is an object of names and values")
    known = {field.name: field.default for field in fields(Conduct)}
    found = {}
    for name, value in said.items():
        if name not in known:
            raise UnknownConduct(f"nothing is called {name}; there are {', '.join(sorted(known))}")
        found[name] = _value(name, value, known[name])
    conduct = Conduct(**found)
    if conduct.mode not in MODES:
        raise UnknownConduct(f"mode is one of {', '.join(MODES)}")
    return conduct


def _value(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise UnknownConduct(f"{name} takes a list of texts")
        return tuple(part if name == "on" else part.lower() for part in value)
    if name == "keeps_closed_s" and value is None:
        return None
    fits = isinstance(value, str if isinstance(default, str) else int | float)
    if not fits or isinstance(value, bool) != isinstance(default, bool):
        raise UnknownConduct(f"{name} does not take {value!r}")
    return value


def luck_of(text: str, attempt: int) -> tuple[int, int]:
    """Coordinates of chance for the `attempt`-th call about one order id."""
    return int(text.removeprefix("0x")[:12] or "0", 16), attempt
