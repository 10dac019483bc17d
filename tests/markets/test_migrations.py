"""A database filled by the first version moves forward with everything in it, and back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from markets.models import HistorySettings, Market, PublicTrade, SpotTick
from tests.markets.own_database import instead_of_the_suites, moved
from tests.moments import NOW, ago

FIRST = ("markets", "0002_facts_are_final")


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


@pytest.mark.django_db
def test_a_filled_first_version_keeps_its_rows_and_its_settings() -> None:
    with instead_of_the_suites():
        fill(moved(FIRST))
        moved(*MigrationExecutor(connection).loader.graph.leaf_nodes("markets"))

        assert sorted(PublicTrade.objects.values_list("trade_key", "shares")) == [
            (f"k{n}", n + 1.0) for n in range(5)
        ]
        assert SpotTick.objects.get().close == 9.5
        assert HistorySettings.objects.newest().quotes_days == 365
        market = Market.objects.get()
        assert market.result_asked_at == market.resolution.received_at

        first = moved(FIRST)
        assert first.get_model("markets", "PublicTrade").objects.count() == 5
        assert first.get_model("markets", "IngestSettings").objects.get().retention_days == 365
