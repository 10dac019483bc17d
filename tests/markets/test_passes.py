"""A pass over the listing that fails is told once, and its success is what counts as fresh."""

import pytest

from markets import passes
from markets.adapters import http
from markets.models import Notice
from tests.moments import NOW, ago

pytestmark = pytest.mark.django_db


def fail(times: int) -> None:
    for _ in range(times):
        with pytest.raises(http.VenueUnreachable), passes.passing("catalogue", now=lambda: NOW):
            raise http.VenueUnreachable("no reply")


def test_an_outage_is_told_once_and_shown_until_it_is_over() -> None:
    with passes.passing("catalogue", now=lambda: ago(60)):
        pass
    before = passes.trouble(as_of=NOW)

    fail(5)

    state = passes.state("catalogue")
    assert before == ""
    assert state is not None
    assert (state.failures, state.answered_at) == (5, ago(60))
    assert "could not be read since 2026-11-20 11:59 UTC" in passes.trouble(as_of=NOW)
    (notice,) = Notice.objects.all()
    assert notice.severity == Notice.Severity.WARNING

    with passes.passing("catalogue", now=lambda: NOW):
        pass
    assert passes.trouble(as_of=NOW) == ""


def test_our_own_mistakes_are_not_the_venues() -> None:
    with pytest.raises(ZeroDivisionError), passes.passing("epochs", now=lambda: NOW):
        _ = 1 / 0

    assert passes.trouble(as_of=NOW) == ""
