"""What a person sees who rehearses: nothing is sent without a yes, and every dollar comes back.

The official client speaks to the stand-in exchange over HTTP, on a clock that the test moves.
"""

from datetime import timedelta
from decimal import Decimal

import pytest

from config import cycle
from config.kernel import revise
from config.kernel.locks import LeaderLock
from markets import queries as market_queries
from markets.models import Market, Resolution
from tests import factories
from tests.support import invariants
from tests.support.simulated import Clock, clock
from trading.approving import intents
from trading.books import ledger
from trading.deciding import decide, signals
from trading.guard.rounds import Rounds
from trading.management.commands.live_guard import open_rounds
from trading.models import (
    Account,
    Claim,
    Fill,
    Order,
    Position,
    Redemption,
    Settlement,
    TradeIntent,
    TradingSettings,
)

__all__ = ["clock"]
MODE = "REHEARSAL"


def a_forecast_far_from_the_price(clock: Clock) -> Market:
    """Of a market that ends within minutes, with enough left to trade and a book that says so."""
    soon = Market.objects.filter(
        tracked=True,
        accepting_orders=True,
        scheduled_end_at__gt=clock.now + timedelta(seconds=90),
        fees__isnull=False,
    ).order_by("scheduled_end_at")
    books = market_queries.latest_books([m.pk for m in soon], as_of=clock.now)
    for market in soon:
        book = books.get(market.pk)
        if book is None or book.mid is None or not Decimal("0.3") < book.mid < Decimal("0.7"):
            continue
        factories.PredictionFactory(
            market=market,
            as_of=clock.now,
            price=float(book.mid),
            probability=float(book.mid) + 0.25,
        )
        return market
    raise AssertionError("the simulated world has no market near even")


def rounds_of(clock: Clock) -> Rounds:
    rounds, _close = open_rounds(MODE, LeaderLock("live_guard"), clock=lambda: clock.now)
    rounds.begin()
    return rounds


def cash_of(rounds: Rounds) -> Decimal:
    return ledger.standing(mode=MODE, wallet=rounds.venue.wallet)[Account.CASH]


def go_on(clock: Clock, rounds: Rounds, seconds: int) -> None:
    clock.second += seconds
    rounds.turn()


@pytest.mark.django_db
@pytest.mark.on_sqlite
@pytest.mark.timeout(90)
def test_a_rehearsal_is_approved_by_hand_signed_filled_settled_and_redeemed(clock: Clock) -> None:
    changes = {"mode": MODE, "min_depth_usd": 10}
    revise.settings(TradingSettings, changes, author=None, reason="rehearse", as_of=clock.now)
    cycle.everything(as_of=clock.now)
    rounds = rounds_of(clock)
    go_on(clock, rounds, 1)
    assert cash_of(rounds) == rounds.venue.cash() == rounds.chain.cash() == 10_000

    market = a_forecast_far_from_the_price(clock)
    signals.find(as_of=clock.now)
    decide.run(as_of=clock.now, refresh=lambda *_: 0)
    intent = TradeIntent.objects.get(market=market, mode=MODE)
    assert intent.status == TradeIntent.Status.PENDING
    go_on(clock, rounds, 1)
    assert not Order.objects.exists()

    person = factories.UserFactory(is_superuser=True)
    intents.approve(intent, user=person, reason="as agreed", as_of=clock.now)
    go_on(clock, rounds, 1)
    order = Order.objects.get()
    assert order.venue_order_id in {row["id"] for row in clock.exchange.accepted_orders()}
    for _ in range(5):
        go_on(clock, rounds, 6)
    order.refresh_from_db()
    assert order.status == Order.Status.FILLED, order.reason
    assert Fill.objects.filter(order=order).exists()
    assert Settlement.objects.filter(fill__order=order, status="CONFIRMED").exists()
    invariants.check_everything()

    while not Resolution.objects.filter(market=market).exists():
        clock.second += 60
        cycle.everything(as_of=clock.now)
    for _ in range(20):
        go_on(clock, rounds, 10)
    assert Position.objects.get(market=market, mode=MODE).shares == 0
    assert not Claim.objects.filter(mode=MODE, released_at=None).exists()
    paid = Redemption.objects.get(market=market, mode=MODE)
    assert paid.status == Redemption.Status.PAID
    invariants.check_everything()

    assert cash_of(rounds) == rounds.venue.cash() == rounds.chain.cash() != 10_000
