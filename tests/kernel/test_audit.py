"""The audit trail: one chain, and every way to break it is seen."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from config.kernel import audit, vendor
from config.kernel.models import DomainEvent

pytestmark = pytest.mark.django_db

THEN = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def note(kind: str = "thing.done", **knobs: Any) -> DomainEvent:
    values = {"actor": "ann", "subject": "x", "data": {"n": 1}, "as_of": THEN} | knobs
    return audit.record(kind, **values)


@pytest.fixture
def three() -> list[DomainEvent]:
    return [note(kind) for kind in ("a.done", "b.done", "c.done")]


@pytest.fixture
def tampering() -> None:
    """Lift the triggers, as only an owner of the database could."""
    with connection.cursor() as cursor:
        for statement in vendor.changeable_sql(connection.vendor, "kernel_domainevent"):
            cursor.execute(statement)


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_an_empty_trail_is_intact() -> None:
    assert audit.first_broken() is None


def test_each_event_carries_the_seal_of_the_one_before(three: list[DomainEvent]) -> None:
    assert three[0].previous_hash == audit.GENESIS
    assert [e.previous_hash for e in three[1:]] == [e.hash for e in three[:-1]]
    assert audit.first_broken() is None


def test_the_seal_does_not_depend_on_the_time_zone_or_the_order_of_keys() -> None:
    tokyo = THEN.astimezone(timezone(timedelta(hours=9)))

    event = note(data={"b": 1, "a": 2}, as_of=tokyo)
    stored = DomainEvent.objects.get()

    assert stored.data == '{"a":2,"b":1}'
    assert audit.seal(stored) == event.hash
    assert audit.first_broken() is None


@pytest.mark.parametrize("column", ["kind", "actor", "subject", "data"])
def test_a_changed_word_is_found(three: list[DomainEvent], tampering: None, column: str) -> None:
    sql(f"UPDATE kernel_domainevent SET {column} = %s WHERE id = %s", "forged", three[1].pk)

    assert audit.first_broken() == three[1]


def test_a_changed_time_is_found(three: list[DomainEvent], tampering: None) -> None:
    later = THEN + timedelta(microseconds=1)
    sql("UPDATE kernel_domainevent SET happened_at = %s WHERE id = %s", later, three[2].pk)

    assert audit.first_broken() == three[2]


def test_a_removed_event_is_found_at_its_successor(
    three: list[DomainEvent], tampering: None
) -> None:
    sql("DELETE FROM kernel_domainevent WHERE id = %s", three[1].pk)

    assert audit.first_broken() == three[2]


def test_a_forger_who_seals_anew_is_found_at_the_next_event(
    three: list[DomainEvent], tampering: None
) -> None:
    three[0].actor = "mallory"
    statement = "UPDATE kernel_domainevent SET actor = %s, hash = %s WHERE id = %s"
    sql(statement, "mallory", audit.seal(three[0]), three[0].pk)

    assert audit.first_broken() == three[1]


def test_the_chain_cannot_fork(three: list[DomainEvent]) -> None:
    twin = DomainEvent(
        happened_at=THEN,
        kind="twin.born",
        actor="ann",
        subject="x",
        previous_hash=three[0].hash,
        hash="f" * 64,
    )

    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)


def test_an_event_of_a_rolled_back_change_leaves_no_trace() -> None:
    with transaction.atomic():
        note()
        transaction.set_rollback(True)

    assert not DomainEvent.objects.exists()


def test_an_event_calls_itself_by_kind_and_subject() -> None:
    assert str(note()) == "thing.done x"
