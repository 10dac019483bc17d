"""Fixtures for every test."""

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.apps import apps
from django.db import connection

from config.kernel import locks, vendor
from config.kernel.models import AppendOnly

# A busy machine is not a failure: properties have no clock, only the suite has.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")


def fact_tables() -> list[str]:
    return [m._meta.db_table for m in apps.get_models() if issubclass(m, AppendOnly)]


def _run(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(autouse=True)
def facts_may_be_flushed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Transactional tests empty the tables; SQLite does so with DELETE, which triggers refuse."""
    if "transactional_db" not in request.fixturenames or connection.vendor == "postgresql":
        yield
        return
    request.getfixturevalue("transactional_db")
    for table in fact_tables():
        _run(vendor.append_only_sql(connection.vendor, table))
    yield
    for table in fact_tables():
        _run(vendor.changeable_sql(connection.vendor, table))


@pytest.fixture(autouse=True)
def unfinished_work_is_given_back(django_db_blocker: Any) -> Iterator[None]:
    """A job that a test left running is owned by no process when the next one begins."""
    yield
    with django_db_blocker.unblock():
        locks.give_back_everything()


@pytest.fixture
def fact_triggers(db: Any) -> None:
    """Put the triggers back where an earlier transactional test had lifted them."""
    for table in fact_tables():
        _run(vendor.append_only_sql(connection.vendor, table))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On the second database only what depends on one runs: the rest was proved on the first."""
    if not os.environ.get("DATABASE_TESTS_ONLY"):
        return
    touching = {"db", "transactional_db", "live_server", "django_db_setup"}
    chosen = [
        item
        for item in items
        if not item.get_closest_marker("browser")
        and (
            touching & set(getattr(item, "fixturenames", ()))
            or item.get_closest_marker("django_db")
            or item.get_closest_marker("process")
        )
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen
