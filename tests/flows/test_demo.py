"""What a person sees who starts the demo: trades at once, and soon what they paid.

The venue is the simulated one, over HTTP, on a clock that the test moves.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from config import cycle, first_content
from tests.support.simulated import SEED, Clock, clock
from trading import cycle as trading_cycle
from trading.models import Fill, Redemption, Signal
from trading.settings import TradingSettings

__all__ = ["clock"]

# At this hour six hours of past had left the gate so unsure that nothing was worth its spread.
UNLUCKY = datetime(2026, 11, 21, 7, 41, 11, tzinfo=UTC)
FILLS = 10
TRADES_WITHIN_S = 60
PAID_WITHIN_S = 300


@pytest.mark.django_db
@pytest.mark.on_sqlite
@pytest.mark.timeout(90)
def test_a_demo_started_at_an_unlucky_hour_trades_within_a_minute_and_is_paid(clock: Clock) -> None:
    clock.second = int(UNLUCKY.timestamp())
    report = first_content.fill(as_of=clock.now, seed=SEED)
    assert report["training"]["status"] == "SUCCEEDED", report["training"]["error"]
    settings = TradingSettings.objects.current(as_of=clock.now)
    latency = timedelta(milliseconds=settings.paper_latency_ms)

    began = clock.second
    while Fill.objects.count() < FILLS:
        stopped = Counter(Signal.objects.values_list("reason", flat=True))
        assert clock.second < began + TRADES_WITHIN_S, stopped
        clock.second += settings.cycle_s
        cycle.everything(as_of=clock.now)
        trading_cycle.run(as_of=clock.now + latency)

    # Each met a book that was seen after its order's latency, at its limit or better.
    for fill in Fill.objects.select_related("order"):
        assert fill.observed_at >= fill.order.submitted_at + latency
        assert fill.price <= fill.order.price
    while not Redemption.objects.filter(payout__gt=0).exists():
        assert clock.second < began + PAID_WITHIN_S
        clock.second += 30
        cycle.everything(as_of=clock.now)
