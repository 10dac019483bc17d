"""Timed work on market data."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from markets import (
    backfill,
    calendar,
    catalog,
    contract_check,
    epochs,
    funding,
    news,
    news_reading,
    passes,
    references,
    retention,
    spot,
    trades,
    universe,
    wallet_trades,
    wallets,
)


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=280, time_limit=300
)
def sync_catalogue(**_unknown: Any) -> None:
    """Learn what the venue lists, then choose what to follow."""
    with passes.passing("catalogue", now=timezone.now):
        catalog.sync(as_of=timezone.now())
    universe.refresh(as_of=timezone.now(), clock=timezone.now)


@shared_task(queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=50, time_limit=60)
def sync_epochs(**_unknown: Any) -> None:
    """Learn of the next up/down windows, and of the opening prices of those that began."""
    with passes.passing("epochs", now=timezone.now):
        epochs.sync(as_of=timezone.now())
    universe.refresh(as_of=timezone.now(), clock=timezone.now)


@shared_task(queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=50, time_limit=60)
def refresh_universe(**_unknown: Any) -> None:
    """Choose what to follow; between two catalogue passes markets end and windows begin."""
    universe.refresh(as_of=timezone.now(), clock=timezone.now)


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=110, time_limit=120
)
def collect_trades(**_unknown: Any) -> None:
    """Record what tracked markets traded since the last look."""
    trades.follow(as_of=timezone.now(), clock=timezone.now)


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=100, time_limit=120
)
def check_contracts(**_unknown: Any) -> None:
    """Hold a sample of the venue's messages against their recorded shapes."""
    contract_check.run(as_of=timezone.now())


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=100, time_limit=120
)
def refresh_calendar(**_unknown: Any) -> None:
    """Read the official calendars, link their events to markets, announce what is near."""
    calendar.refresh(as_of=timezone.now(), clock=timezone.now)


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=280, time_limit=300
)
def refresh_news(**_unknown: Any) -> None:
    """Collect headlines and posts, then read them and link them to markets."""
    news.refresh(as_of=timezone.now(), clock=timezone.now)
    news_reading.read(as_of=timezone.now(), clock=timezone.now)


# Long work waits with the learner: the queues that trade must not wait for it.
@shared_task(
    queue="learn", acks_late=True, ignore_result=True, soft_time_limit=3300, time_limit=3420
)
def fetch_history(**_unknown: Any) -> None:
    """Fetch what is missing of the past of tracked markets, where the settings say so."""
    backfill.when_due(as_of=timezone.now(), clock=timezone.now)


@shared_task(queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=8, time_limit=10)
def record_spot(**_unknown: Any) -> None:
    """Ask every source what crypto assets cost."""
    spot.record(as_of=timezone.now(), clock=timezone.now)


@shared_task(queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=50, time_limit=60)
def record_funding(**_unknown: Any) -> None:
    """Ask what holders of perpetual futures pay."""
    funding.record(as_of=timezone.now(), clock=timezone.now)


@shared_task(queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=25, time_limit=30)
def estimate_references(**_unknown: Any) -> None:
    """Estimate the price to beat of windows that began until the venue tells it."""
    references.estimate(as_of=timezone.now(), clock=timezone.now)


# Long work waits with the learner: the queues that trade must not wait for it.
@shared_task(
    queue="learn", acks_late=True, ignore_result=True, soft_time_limit=3300, time_limit=3420
)
def retain(**_unknown: Any) -> None:
    """Let what is older than the settings keep leave, by way of the archive."""
    retention.run(as_of=timezone.now(), clock=timezone.now)


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=280, time_limit=300
)
def follow_wallets(**_unknown: Any) -> None:
    """Keep the newest large trades, then ask how the positions of their wallets ended."""
    wallet_trades.follow(as_of=timezone.now(), clock=timezone.now)
    wallets.refresh_results(as_of=timezone.now(), clock=timezone.now)


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=280, time_limit=300
)
def score_wallets(**_unknown: Any) -> None:
    """Meet the biggest holders, then judge every wallet by how its positions ended."""
    wallets.discover(as_of=timezone.now())
    wallets.score(as_of=timezone.now())


@shared_task(
    queue="ingest", acks_late=True, ignore_result=True, soft_time_limit=100, time_limit=120
)
def feel_moods(**_unknown: Any) -> None:
    """Say how the skilled and the whales lean on each followed market."""
    wallets.feel(as_of=timezone.now())
