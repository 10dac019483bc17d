"""Missing windows cover what is missing, each once, and never leave a hole behind them."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from markets.core.windows import Window, missing
from tests.moments import NOW

hours = st.integers(0, 2000)


def at(hour: int):
    return NOW + timedelta(hours=hour)


@given(st.tuples(hours, hours).map(sorted), st.none() | st.tuples(hours, hours).map(sorted), hours)
def test_windows_grow_one_interval_until_all_is_held(wanted, have, longest) -> None:
    since, until = map(at, wanted)
    held = Window(at(have[0]), at(have[1])) if have else None
    span = timedelta(hours=longest + 1)

    found = missing(since=since, until=until, held=held, longest=span)

    grown = held if held and held.since < held.until else None
    for window in found:
        assert timedelta(0) < window.until - window.since <= span
        if grown is None:
            grown = window
            continue
        assert window.since == grown.until or window.until == grown.since
        grown = Window(min(grown.since, window.since), max(grown.until, window.until))
    if since < until:
        assert grown is not None
        assert grown.since <= since
        assert grown.until >= until


def test_nothing_held_is_fetched_newest_first() -> None:
    found = missing(since=at(0), until=at(30), held=None, longest=timedelta(hours=20))

    assert found == [Window(at(10), at(30)), Window(at(0), at(10))]


def test_what_came_after_is_fetched_before_what_came_earlier() -> None:
    held = Window(at(10), at(20))

    found = missing(since=at(0), until=at(30), held=held, longest=timedelta(hours=5))

    edges = [(20, 25), (25, 30), (5, 10), (0, 5)]
    assert found == [Window(at(a), at(b)) for a, b in edges]
