"""Entries that rest, and groups that break, against the engine of a rehearsal."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.exchange.listed import Listed
from tests import factories
from tests.factories import revise
from tests.trading.rehearsal import MODE, Rehearsal, rehearsing
from tests.trading.world import nobody_answers
from trading.arbitrage import groups, opportunities
from trading.books import ledger, portfolio
from trading.deciding import decide, signals
from trading.models import (
    Account,
    ArbitrageSettings,
    ExecutionSettings,
    Fill,
    IntentGroup,
    Order,
    Position,
    TradeIntent,
)

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(120)]


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsing(tmp_path) as made:
        yield made


def reserved(rehearsal: Rehearsal) -> Decimal:
    return ledger.standing(mode=MODE, wallet=rehearsal.venue.wallet)[Account.RESERVED]


def a_resting_entry(rehearsal: Rehearsal) -> tuple[Listed, Order]:
    """Decided, approved by a person, and at the venue."""
    revise(ExecutionSettings, entry_style="MAKER", rest_s=150)
    listed = Listed(rehearsal.happening("talk"), 0)
    market = rehearsal.market(listed)
    rehearsal.quoted(market, listed)
    bids, _asks = rehearsal.book(listed)
    factories.PredictionFactory(
        market=market, as_of=rehearsal.now, probability=min(bids[0][0] + 0.3, 0.97)
    )
    portfolio.mark(MODE, as_of=rehearsal.now)
    signals.find(as_of=rehearsal.now)
    decide.run(as_of=rehearsal.now, refresh=nobody_answers)
    intent = TradeIntent.objects.get()
    assert (intent.type, intent.post_only) == ("GTD", True)
    rehearsal.approved([intent])
    rehearsal.sweep()
    order = Order.objects.get()
    assert order.status == "OPEN", order.reason
    return listed, order


def test_an_entry_rests_is_filled_as_a_maker_and_what_is_left_of_it_goes_with_its_time(rehearsal):
    listed, order = a_resting_entry(rehearsal)
    token, price = listed.tokens[0], str(order.price.normalize())
    taker = rehearsal.somebody()
    taker.faucet(token=token, shares="50")

    taker.place(token, "SELL", price, "6", order_type="FAK")
    rehearsal.sweep(after=6)

    fill = Fill.objects.get()
    assert (fill.price, fill.shares, fill.fee, fill.is_maker) == (order.price, 6, 0, True)
    assert rehearsal.agrees()

    rehearsal.sweep(after=145)
    rehearsal.sweep(after=6)

    order.refresh_from_db()
    assert (order.status, order.filled_shares) in {("EXPIRED", 6), ("CANCELED", 6)}
    assert reserved(rehearsal) == 0
    assert rehearsal.venue.shares([token])[token] == Position.objects.get().shares == 6
    assert not rehearsal.venue.open_orders()
    assert rehearsal.agrees()


def test_an_entry_that_would_cross_by_the_time_it_arrives_takes_nothing(rehearsal):
    revise(ExecutionSettings, entry_style="MAKER", rest_s=150)
    listed = Listed(rehearsal.happening("talk"), 0)
    market = rehearsal.market(listed)
    _bids, asks = rehearsal.book(listed)
    ask = Decimal(str(asks[0][0]))
    intent = factories.IntentFactory(
        mode=MODE,
        wallet=rehearsal.venue.wallet,
        market=market,
        status="APPROVED",
        approvals_needed=0,
        type="GTD",
        post_only=True,
        rest_until=factories.ahead(150),
        limit_price=ask,
        shares=Decimal(10),
    )

    rehearsal.sweep()

    order = Order.objects.get(intent=intent)
    assert (order.status, Fill.objects.count()) == ("REJECTED", 0)
    assert "crosses" in order.reason
    assert rehearsal.agrees()


def test_a_group_that_breaks_at_the_venue_is_sold_again_and_the_books_agree(rehearsal):
    revise(
        ArbitrageSettings,
        trading=True,
        max_sets=Decimal(20),
        leg_risk_budget_usd=Decimal(20),
        min_profit_usd=Decimal("0.1"),
    )
    race = rehearsal.happening("race")
    listed = [Listed(race, child) for child in range(race.markets)]
    event = factories.EventFactory(neg_risk=True, neg_risk_market_id="0x" + "a" * 64)
    markets = [rehearsal.market(each, event) for each in listed]
    asks = [rehearsal.book(each)[1][0][0] for each in listed]
    dearest = max(range(len(asks)), key=asks.__getitem__)
    # One book is told too low: its leg will be killed where the others are filled.
    for place, (market, each) in enumerate(zip(markets, listed, strict=True)):
        lower = round(sum(asks) - 0.95, 2) if place == dearest else 0.0
        rehearsal.quoted(market, each, lower=lower)
    portfolio.mark(MODE, as_of=rehearsal.now)

    assert opportunities.run(as_of=rehearsal.now, refresh=nobody_answers) == 1
    group = IntentGroup.objects.get()
    rehearsal.approved(list(group.intents.all()))
    rehearsal.sweep()
    rehearsal.sweep(after=6)
    legs = {order.market_id: order.status for order in Order.objects.all()}
    assert legs.pop(markets[dearest].pk) in {"CANCELED", "REJECTED"}
    assert set(legs.values()) == {"FILLED"}

    for market, each in zip(markets, listed, strict=True):
        rehearsal.quoted(market, each)
    groups.follow(as_of=rehearsal.now, refresh=nobody_answers)
    group.refresh_from_db()
    assert group.status == "UNWINDING"
    rehearsal.sweep()
    rehearsal.sweep(after=6)
    groups.follow(as_of=rehearsal.now, refresh=nobody_answers)

    group.refresh_from_db()
    assert group.status == "UNWOUND", group.reason
    tokens = [each.tokens[0] for each in listed]
    assert set(rehearsal.venue.shares(tokens).values()) == {Decimal(0)}
    assert not Position.objects.filter(shares__gt=0).exists()
    assert reserved(rehearsal) == 0
    assert rehearsal.agrees()
