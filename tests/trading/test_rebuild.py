"""What fills and payouts say, whatever the order in which clocks say it."""

from decimal import Decimal

import pytest

from tests import factories
from tests.factories import NOW, ahead
from tests.trading.world import LATER, a_market_worth_buying, decided, paper, traded
from trading.books import ledger, portfolio, rebuild
from trading.models import Account, Fill, Order, Position, Redemption
from trading.orders import submit
from trading.redeeming import redeem
from trading.watching import watch

pytestmark = pytest.mark.django_db


def bought_in_two_trades():
    """Bought with more trades than payouts: their row numbers do not tell the order."""
    return traded(after={"book": ([(0.45, 1000)], [(0.50, 20), (0.51, 5000)])})


def cash():
    return ledger.standing(mode="PAPER")[Account.CASH]


def test_a_payout_at_the_instant_of_the_fill_comes_after_it():
    market = bought_in_two_trades()
    factories.ResolutionFactory(market=market, resolved_at=LATER)

    redeem.run(as_of=LATER)

    assert Fill.objects.count() > 1
    assert rebuild.positions(apply=False, as_of=ahead(3)) == []
    assert watch.run(as_of=ahead(3)) == []


def test_writing_the_facts_pays_nothing_twice():
    market = bought_in_two_trades()
    factories.ResolutionFactory(market=market, resolved_at=LATER)
    redeem.run(as_of=LATER)
    before = cash()

    rebuild.positions(apply=True, as_of=ahead(5))

    assert redeem.run(as_of=ahead(6)) == 0
    assert cash() == before


@pytest.mark.usefixtures("loose_books")
def test_shares_are_not_given_back_where_their_market_has_paid():
    market = traded()
    factories.ResolutionFactory(market=market, resolved_at=ahead(3))
    redeem.run(as_of=ahead(3))
    Redemption.objects.update(shares=Decimal(1))

    found = rebuild.positions(apply=True, as_of=ahead(5))

    assert "shares" in {difference.column for difference in found}
    assert Position.objects.get().shares == 0
    assert redeem.run(as_of=ahead(6)) == 0


@pytest.mark.usefixtures("loose_books")
def test_a_payout_that_no_fill_explains_is_named():
    market = traded()
    shares = Position.objects.get().shares
    factories.ResolutionFactory(market=market, resolved_at=ahead(3))
    redeem.run(as_of=ahead(3))
    Redemption.objects.update(shares=shares + 1)

    found = {d.column: d for d in rebuild.positions(apply=False, as_of=ahead(5))}

    assert found["redeemed"].stored == shares + 1
    assert found["redeemed"].computed == shares
    assert [halt.kind for halt in watch.run(as_of=ahead(5))] == ["LEDGER_MISMATCH"]


def test_a_payout_by_an_older_clock_empties_the_ledger_of_its_cost():
    market = traded()
    cost = Position.objects.get().cost
    factories.ResolutionFactory(market=market, resolved_at=ahead(1))

    redeem.run(as_of=ahead(1))

    accounts = ledger.standing(mode="PAPER")
    worth = Redemption.objects.get().payout
    assert Redemption.objects.get().paid_at >= LATER
    assert accounts[Account.POSITIONS] == 0
    assert Position.objects.get().realised == worth - cost
    assert cash() == Decimal(10_000) - cost + worth
    fees = Position.objects.get().fees
    assert portfolio.mark("PAPER", as_of=ahead(9)).realised == worth - (cost - fees)
    assert rebuild.positions(apply=False, as_of=ahead(9)) == []


@pytest.mark.usefixtures("loose_books")
def test_a_cost_that_stays_in_the_ledger_halts():
    market = traded()
    held = ledger.standing(mode="PAPER")[Account.POSITIONS]
    factories.TransferFactory(
        market=market, debit=Account.CASH, credit=Account.POSITIONS, amount=Decimal(7)
    )

    (found,) = rebuild.positions(apply=False, as_of=LATER)

    assert (found.column, found.stored, found.computed) == ("booked for the market", held + 7, held)
    assert [halt.kind for halt in watch.run(as_of=LATER)] == ["LEDGER_MISMATCH"]


def test_an_order_that_bought_nothing_leaves_nothing_to_explain():
    a_market_worth_buying()
    decided()
    submit.run(as_of=NOW, venues=paper())

    assert Order.objects.get().status == "OPEN"
    assert rebuild.positions(apply=False, as_of=LATER) == []
