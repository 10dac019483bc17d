"""A notice is told once."""

import pytest

from markets import notices
from markets.models import Notice
from tests.moments import NOW

pytestmark = pytest.mark.django_db


def test_the_same_happening_is_noted_once_whoever_tells_it_again() -> None:
    first = notices.note(Notice.Kind.SOURCE_DOWN, "kraken:1", "kraken is silent", as_of=NOW)
    again = notices.note(Notice.Kind.SOURCE_DOWN, "kraken:1", "still silent", as_of=NOW)
    other = notices.note(Notice.Kind.SPOT_DISAGREES, "kraken:1", "kraken is far off", as_of=NOW)

    assert (first, again, other) == (True, False, True)
    assert set(Notice.objects.values_list("text", flat=True)) == {
        "kraken is silent",
        "kraken is far off",
    }
