"""One form for what the pages list: a name, figures, and a mark that says how well it is."""

from dataclasses import dataclass
from datetime import datetime
from math import isnan

from config.templatetags.figures import age

GOOD, WARN, BAD, NEUTRAL = "good", "warn", "bad", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a compact table; `mark` colours `word`, `note` stands small below the name."""

    name: str
    note: str = ""
    figure: str = ""
    word: str = ""
    mark: str = NEUTRAL
    title: str = ""
    link: str = ""


def ago(then: datetime | None, *, as_of: datetime) -> str:
    """How long ago something was, in words; a moment to come says so.

    >>> from datetime import UTC, datetime, timedelta
    >>> now = datetime(2026, 11, 20, tzinfo=UTC)
    >>> ago(now - timedelta(seconds=61), as_of=now), ago(None, as_of=now)
    ('61 s ago', 'never')
    """
    if then is None:
        return "never"
    seconds = (as_of - then).total_seconds()
    return f"{age(seconds)} ago" if seconds >= 0 else f"in {age(-seconds)}"


def known(value: float | None) -> float | None:
    """NaN, which stands for unknown in arrays, as the None that pages show as a dash.

    >>> known(float("nan")), known(0.5)
    (None, 0.5)
    """
    return None if value is None or isnan(value) else value


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "market"), counted(1200, "market")
    ('1 market', '1,200 markets')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
