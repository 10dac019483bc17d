"""Fixtures for every test."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.apps import apps
from django.db import connection

from config.kernel import vendor
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


@pytest.fixture
def fact_triggers(db: Any) -> None:
    """Put the triggers back where an earlier transactional test had lifted them."""
    for table in fact_tables():
        _run(vendor.append_only_sql(connection.vendor, table))
