"""A database filled by the first version moves forward with everything that was in it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config.kernel import vendor
from markets.models import HistorySettings, Market, PublicTrade, SpotTick
from tests.moments import NOW, ago

FIRST = ("markets", "0002_facts_are_final")


def moved(*target: tuple[str, str]) -> Any:
    """The models as they were after this migration."""
    executor = MigrationExecutor(connection)
    executor.migrate(list(target))
    return MigrationExecutor(connection).loader.project_state(list(target)).apps


def fill(apps: Any) -> None:
    event = apps.get_model("markets", "Event").objects.create(
        venue="polymarket", venue_key="e", received_at=NOW
    )
    market = apps.get_model("markets", "Market").objects.create(
        venue="polymarket", venue_key="m", event=event, question="?", received_at=NOW
    )
    apps.get_model("markets", "Resolution").objects.create(
        market=market, payout_0=1, payout_1=0, source="x", resolved_at=ago(60), received_at=NOW
    )
    apps.get_model("markets", "PublicTrade").objects.bulk_create(
        apps.get_model("markets", "PublicTrade")(
            trade_key=f"k{n}", market=market, observed_at=NOW - timedelta(days=20 * n),
            received_at=NOW, side="BUY", price=0.5, shares=n + 1,
        )
        for n in range(5)
    )  # fmt: skip
    apps.get_model("markets", "SpotTick").objects.create(
        asset="btc", source="x", interval_s=60, observed_at=NOW, close=9.5
    )
    apps.get_model("markets", "IngestSettings").objects.create(
        version=1, created_at=ago(60), reason="more", retention_days=365
    )


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_filled_first_version_keeps_its_rows_and_its_settings() -> None:
    # Of all apps: what stands on these tables goes back with them, and must come forward too.
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        fill(moved(FIRST))
    finally:
        moved(*latest)

    assert sorted(PublicTrade.objects.values_list("trade_key", "shares")) == [
        (f"k{n}", n + 1.0) for n in range(5)
    ]
    assert SpotTick.objects.get().close == 9.5
    assert HistorySettings.objects.newest().quotes_days == 365
    market = Market.objects.get()
    assert market.result_asked_at == market.resolution.received_at
    forget_the_fact()


def forget_the_fact() -> None:
    """Facts refuse deletion, and the next test wants none."""
    table = "markets_resolution"
    with connection.cursor() as cursor:
        for statement in vendor.changeable_sql(connection.vendor, table):
            cursor.execute(statement)
        cursor.execute(f"DELETE FROM {table}")
        for statement in vendor.append_only_sql(connection.vendor, table):
            cursor.execute(statement)
