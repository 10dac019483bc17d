"""What we do not understand is kept, counted and never guessed."""

from datetime import UTC, datetime, timedelta

import pytest

from markets import unknown
from markets.core.wire import NotUnderstood
from markets.models import RawMessage

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AS_OF + timedelta(hours=1)


def test_the_same_message_is_counted_not_copied() -> None:
    unknown.keep("socket", "odd", "{}", as_of=AS_OF)
    message = unknown.keep("socket", "odd", "{}", as_of=LATER)

    assert RawMessage.objects.count() == 1
    assert (message.seen, message.first_seen_at, message.last_seen_at) == (2, AS_OF, LATER)


def test_another_source_reason_or_body_is_another_message() -> None:
    for source, reason, body in (
        ("a", "r", "1"),
        ("b", "r", "1"),
        ("a", "s", "1"),
        ("a", "r", "2"),
    ):
        unknown.keep(source, reason, body, as_of=AS_OF)

    assert RawMessage.objects.count() == 4


def test_a_subject_stands_for_its_changing_body() -> None:
    for volume in (1, 2, 3):
        refusal = NotUnderstood("gamma", "outcomes", f'{{"id": "5", "volume": {volume}}}')
        unknown.refused(refusal, as_of=AS_OF)

    message = RawMessage.objects.get()
    assert message.seen == 3
    assert message.body == '{"id": "5", "volume": 1}'


@pytest.mark.parametrize("body", ["<html>", "[1]", '{"no": "id"}'])
def test_a_body_without_an_id_is_its_own_subject(body: str) -> None:
    unknown.refused(NotUnderstood("gamma", "odd", body), as_of=AS_OF)

    assert RawMessage.objects.get().body == body


def test_long_and_strange_bodies_fit() -> None:
    unknown.keep("s" * 99, "r" * 999, "\0" + "x" * 300_000, as_of=AS_OF)

    message = RawMessage.objects.get()
    assert len(message.body) <= unknown.LONGEST_BODY + 1
    assert "\0" not in message.body
