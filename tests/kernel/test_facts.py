"""Facts are final: for every fact table, in Python and in the database itself."""

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from config.kernel import audit, vendor
from config.kernel.models import AppendOnly, DomainEvent, FactIsFinal
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fact_triggers")]

FACTS = sorted(
    (m for m in apps.get_models() if issubclass(m, AppendOnly)), key=lambda m: m._meta.label
)
named = pytest.mark.parametrize("model", FACTS, ids=lambda m: m._meta.label)


def trigger_names() -> set[str]:
    """Triggers by `table:event` as the database itself lists them."""
    postgres = (
        "SELECT event_object_table || ':' || event_manipulation FROM information_schema.triggers"
    )
    sqlite = (
        "SELECT tbl_name || ':' || replace(name, tbl_name || '_refuses_', '') "
        "FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(postgres if connection.vendor == "postgresql" else sqlite)
        return {name for (name,) in cursor.fetchall()}


@named
def test_every_fact_table_refuses_update_and_delete_in_the_database(model: type[Any]) -> None:
    table = model._meta.db_table

    assert {f"{table}:UPDATE", f"{table}:DELETE"} <= trigger_names()


def migrated_tables() -> set[str]:
    """The fact tables that the migrations themselves protect."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    tables: set[str] = set()
    for migration in loader.disk_migrations.values():
        for operation in migration.operations:
            code = getattr(operation, "code", None)
            if getattr(code, "__module__", "") == vendor.__name__:
                for cell in code.__closure__ or ():
                    tables.update(cell.cell_contents)
    return tables


def test_the_migrations_protect_every_fact_table() -> None:
    assert {m._meta.db_table for m in FACTS} <= migrated_tables()


@named
def test_every_fact_table_refuses_them_in_python_too(model: type[Any]) -> None:
    with pytest.raises(FactIsFinal, match="never updated"):
        model.objects.update(pk=1)
    with pytest.raises(FactIsFinal, match="never deleted"):
        model.objects.all().delete()


def event() -> DomainEvent:
    return audit.record("a.done", actor="ann", subject="x", data={}, as_of=factories.NOW)


MAKERS: dict[str, Any] = {
    "kernel.DomainEvent": event,
    "markets.Resolution": factories.ResolutionFactory,
    "predictions.Prediction": factories.PredictionFactory,
    "predictions.ModelVersion": factories.ModelVersionFactory,
    "risk.EquityPoint": factories.EquityPointFactory,
    "risk.RiskDecision": factories.RiskDecisionFactory,
    "trading.Signal": factories.SignalFactory,
    "trading.Fill": factories.FillFactory,
    "trading.Transfer": factories.TransferFactory,
}


@pytest.mark.parametrize("label", sorted(set(MAKERS) & {m._meta.label for m in FACTS}))
def test_a_stored_fact_can_neither_be_saved_again_nor_removed(label: str) -> None:
    fact = MAKERS[label]()

    with pytest.raises(IntegrityError, match="facts"), transaction.atomic():
        fact.save(force_update=True)
    with pytest.raises(IntegrityError, match="facts"), transaction.atomic():
        fact.delete()
    table = type(fact)._meta.db_table
    with (
        pytest.raises(IntegrityError, match="facts"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"DELETE FROM {table}")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no INSERT OR REPLACE")
def test_a_fact_cannot_be_replaced_by_another_row_of_its_key() -> None:
    fact = factories.TransferFactory()
    columns = ", ".join(f.column for f in fact._meta.concrete_fields)

    with (
        pytest.raises(IntegrityError, match="facts"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"INSERT OR REPLACE INTO trading_transfer ({columns}) "
            f"SELECT {columns} FROM trading_transfer WHERE id = %s",
            [fact.pk],
        )
