"""Two writers at once, on the database that lets two write: nothing forks, nothing runs twice."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from config.kernel import audit, jobs
from config.kernel.models import DomainEvent, Job
from risk import halts
from risk.models import Halt
from tests.factories import NOW

pytestmark = [
    pytest.mark.skipif(
        "postgres" not in os.environ.get("DATABASE_URL", ""),
        reason="SQLite has one writer; set DATABASE_URL to a PostgreSQL server to run this",
    ),
    pytest.mark.usefixtures("transactional_db"),
]


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Future[Any]]]:
    """Run a function in another thread, on a connection of its own."""

    def work(function: Callable[..., Any]) -> Any:
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        yield lambda function: pool.submit(work, function)


def somebody_waits() -> bool:
    """Whether another connection to this database waits for a lock that we hold."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def until_somebody_waits(other: Future[Any]) -> None:
    while not somebody_waits():
        assert not other.done(), "the other writer did not wait"


def note(kind: str) -> DomainEvent:
    return audit.record(kind, actor="ann", subject="x", data={}, as_of=NOW)


def test_events_written_at_once_form_one_chain(elsewhere: Any) -> None:
    def write() -> None:
        for _ in range(5):
            note("thing.done")

    for writer in [elsewhere(write) for _ in range(4)]:
        writer.result(timeout=20)

    assert DomainEvent.objects.count() == 20
    assert audit.first_broken() is None


def test_an_event_waits_for_the_change_before_it(elsewhere: Any) -> None:
    with transaction.atomic():
        first = note("first.done")
        other = elsewhere(lambda: note("second.done"))
        until_somebody_waits(other)

    assert other.result(timeout=20).previous_hash == first.hash


def test_of_two_starts_at_the_same_moment_one_runs(elsewhere: Any) -> None:
    with transaction.atomic():
        jobs.start("import", "x", as_of=NOW)
        other = elsewhere(lambda: jobs.start("import", "x", as_of=NOW))
        until_somebody_waits(other)

    with pytest.raises(jobs.AlreadyRunning, match="this moment"):
        other.result(timeout=20)
    assert Job.objects.count() == 1


def test_two_who_halt_for_the_same_cause_share_one_halt(elsewhere: Any) -> None:
    def stop(actor: str) -> Halt:
        return halts.open_halt("MANUAL", reason="fire", actor=actor, as_of=NOW)

    with transaction.atomic():
        first = stop("ann")
        other = elsewhere(lambda: stop("bob"))
        until_somebody_waits(other)

    assert other.result(timeout=20) == first
    assert Halt.objects.count() == 1
