"""The timed work and the command read a venue over the wire: here the stand-in, on this machine."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import stamina
from django.core.management import CommandError, call_command
from django.utils import timezone

from config import tasks as config_tasks
from config.kernel import revise
from markets import quotes, tasks
from markets.adapters import clob_data, gamma
from markets.filing import SyncReport
from markets.management.commands import sync_catalogue
from markets.models import IngestSettings, Market, Origin, Quote, RawMessage, Resolution
from sandbox.core.world import World
from sandbox.server import serve
from sandbox.venue import StandIn

pytestmark = pytest.mark.django_db

SEED = 7


@pytest.fixture
def stand_in(settings: Any) -> Iterator[str]:
    server = serve(StandIn(World(SEED, "demo")), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    settings.ENV = replace(
        settings.ENV,
        mode="DEMO",
        venue_gamma_url=f"{address}/gamma",
        venue_clob_url=f"{address}/clob",
    )
    yield address
    for service in (gamma, clob_data):
        service.connect()._http.client.close()
        service._at.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def minutes_count() -> None:
    """Settings for a world whose markets live for minutes."""
    revise.settings(
        IngestSettings,
        {"min_seconds_left": 1, "min_epoch_seconds_left": 1, "min_depth_usd": 1.0},
        author=None,
        reason="markets of the stand-in live for minutes",
        as_of=timezone.now() - timedelta(hours=1),
    )


def test_the_tasks_follow_the_stand_in_from_listing_to_result(
    stand_in: str, minutes_count: None
) -> None:
    tasks.sync_catalogue(unheard_of="tolerated")
    tasks.sync_epochs()
    tasks.refresh_universe()
    before = Quote.objects.count()
    quotes.refresh(
        list(Market.objects.filter(tracked=True).values_list("pk", flat=True)), as_of=timezone.now()
    )

    assert set(Market.objects.values_list("origin", flat=True)) == {Origin.SANDBOX}
    assert Market.objects.filter(tracked=True).exists()
    assert before > 0
    assert Quote.objects.count() > before
    assert not RawMessage.objects.exists()


def test_results_of_the_stand_in_are_recorded(stand_in: str, minutes_count: None) -> None:
    tasks.sync_catalogue()
    number = next(
        h.market_number(0)
        for h in World(SEED, "demo").resolved(
            int(timezone.now().timestamp()) - 600, int(timezone.now().timestamp())
        )
    )
    source = Market.objects.first()
    assert source is not None
    Market.objects.create(
        venue="sandbox",
        venue_key=str(number),
        event=source.event,
        question="ended before we looked",
        origin=Origin.SANDBOX,
        scheduled_end_at=timezone.now() - timedelta(seconds=5),
        received_at=timezone.now(),
    )

    config_tasks.check_resolutions()

    assert Resolution.objects.filter(market__venue_key=str(number)).exists()


def test_the_command_reports_as_json_and_as_tables(
    stand_in: str, minutes_count: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = StringIO()
    call_command("sync_catalogue", "--json", "--limit", "5", stdout=out)
    report = json.loads(out.getvalue())
    call_command("sync_catalogue")

    assert report["markets"] >= 5
    assert report["complete"] is True
    assert sum(report["universe"].values()) == report["markets"]
    assert "Universe" in capsys.readouterr().out


def test_the_progress_line_counts_and_tells_the_rate() -> None:
    report = SyncReport(events=12, markets=3000, refused=2)

    line = sync_catalogue.progress_line(report, seconds=1.5)

    assert line == "3,000 markets of 12 events, 2 refused · 2,000 a second"
    assert sync_catalogue.progress_line(SyncReport(), seconds=0).endswith("0 a second")


def test_an_unreachable_venue_is_one_sentence_with_its_remedy(settings: Any) -> None:
    settings.ENV = replace(settings.ENV, mode="DEMO", venue_gamma_url="http://127.0.0.1:1/gamma")

    with (
        stamina.set_testing(True, attempts=1),
        pytest.raises(CommandError, match="check VENUE_GAMMA_URL") as failure,
    ):
        call_command("sync_catalogue")
    assert failure.value.returncode == 1


@pytest.mark.parametrize("mode", ["PAPER", "LIVE"])
def test_a_stand_in_is_refused_outside_a_demo(stand_in: str, settings: Any, mode: str) -> None:
    settings.ENV = replace(settings.ENV, mode=mode)

    with pytest.raises(CommandError, match="set MODE=DEMO") as refusal:
        call_command("sync_catalogue")
    assert refusal.value.returncode == 2
    assert not Market.objects.exists()
    settings.ENV = replace(settings.ENV, mode="DEMO")
