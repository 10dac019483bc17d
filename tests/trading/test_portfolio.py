"""The books as the gate needs them: what is carried through a turn is what a new reading finds."""

import contextlib
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import transaction

from risk.core.contracts import PortfolioSnapshot
from risk.models import RiskDecision, RiskLimits
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.trading.world import a_market_worth_buying, books_are_open, nobody_answers, traded
from trading.books import ledger, portfolio
from trading.deciding import candidates, decide, exit_reasons, signals
from trading.models import Account, Position, TradeIntent

pytestmark = pytest.mark.django_db


def sorted_out(books: PortfolioSnapshot) -> PortfolioSnapshot:
    """Holdings in one order: the database gives them in any."""
    return replace(books, holdings=tuple(sorted(books.holdings, key=repr)))


def several_markets() -> None:
    """Held, good, better, hopeless, and two that exclude each other on one epoch."""
    traded()
    for probability in (0.62, 0.8, 0.5, 0.3):
        a_market_worth_buying(probability=probability)
    first = a_market_worth_buying(make=factories.EpochMarketFactory)
    a_market_worth_buying(make=factories.EpochMarketFactory, event=first.event)
    a_market_worth_buying(min_shares=Decimal(100_000))


def answers() -> list[tuple[object, ...]]:
    """What was said to every market, and what was wished for in the end."""
    said = RiskDecision.objects.order_by("market_id", "id")
    wishes = TradeIntent.objects.order_by("market_id", "created_at")
    return [
        *said.values_list("market_id", "approved_shares", "denials"),
        *wishes.values_list("market_id", "outcome__index", "shares", "limit_price"),
    ]


class Undone(Exception):
    """Takes back what a turn wrote."""


def test_what_is_carried_is_what_a_new_reading_finds(monkeypatch):
    several_markets()
    signals.find(as_of=NOW)
    seen = []
    carried = portfolio.Carried.now

    def compared(self, **question):
        books = carried(self, **question)
        fresh = portfolio.snapshot(
            self.mode,
            as_of=self.as_of,
            strategy=question["strategy"],
            market_id=question["market_id"],
        )
        seen.append(sorted_out(books) == sorted_out(fresh))
        return books

    monkeypatch.setattr(portfolio.Carried, "now", compared)

    assert decide.run(as_of=NOW, refresh=nobody_answers) == 4
    assert len(seen) >= 6
    assert all(seen)


def test_a_turn_decides_as_if_each_signal_were_decided_alone():
    several_markets()
    signals.find(as_of=NOW)
    limits = RiskLimits.objects.current(as_of=NOW).as_config()
    waiting = decide.Turn(limits, as_of=NOW).ranked(decide.waiting(limits, as_of=NOW))
    found = candidates.gather(waiting, as_of=NOW)
    assert len(waiting) >= 6

    with contextlib.suppress(Undone), transaction.atomic():
        decide.run(as_of=NOW, refresh=nobody_answers)
        together = answers()
        raise Undone
    for signal in waiting:
        decide.Turn(limits, as_of=NOW).decide(signal, found.get(signal.pk))

    assert answers() == together


def test_money_that_somebody_else_moves_is_noticed_between_two_decisions():
    books_are_open()
    market = a_market_worth_buying()
    carried = portfolio.Carried("PAPER", as_of=NOW)
    question = {"strategy": "default", "market_id": market.pk, "placing_orders": True}
    before = carried.now(**question)

    ledger.post(
        "elsewhere",
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=Decimal(9_000),
        kind="deposit",
        mode="PAPER",
        as_of=NOW,
    )

    assert before.cash == Decimal(10_000)
    assert carried.now(**question).cash == Decimal(19_000)


@pytest.mark.parametrize("state", ["LISTEN_ONLY", "REDUCING", "HALTED"])
def test_a_halt_is_never_carried(state):
    books_are_open()
    market = a_market_worth_buying()
    carried = portfolio.Carried("PAPER", as_of=NOW)
    question = {"strategy": "default", "market_id": market.pk, "placing_orders": True}
    assert carried.now(**question).state == "ACTIVE"

    factories.HaltFactory(state=state)

    assert carried.now(**question).state == state
    assert carried.now(**question | {"placing_orders": False}).placing_orders is False


@pytest.mark.usefixtures("loose_books")
def test_shares_promised_to_a_sale_cannot_be_sold_again():
    traded()
    held = Position.objects.get()
    sale = factories.IntentFactory(
        market=held.market, outcome=held.outcome, side="SELL", shares=Decimal(10), purpose="EXIT"
    )

    (holding,) = portfolio.snapshot("PAPER", as_of=NOW).holdings
    (alone,) = portfolio.snapshot("PAPER", as_of=NOW, without=sale.pk).holdings

    assert holding.shares == held.shares
    assert holding.sellable == held.shares - 10
    assert alone.sellable == held.shares


@pytest.mark.usefixtures("loose_books")
def test_a_resting_sale_promises_what_is_not_sold_yet():
    traded()
    held = Position.objects.get()
    sale = factories.IntentFactory(
        market=held.market, outcome=held.outcome, side="SELL", shares=Decimal(10), status="EXECUTED"
    )
    factories.OrderFactory(
        intent=sale, status="OPEN", shares=Decimal(10), filled_shares=Decimal(4), reserved=0
    )

    (holding,) = portfolio.snapshot("PAPER", as_of=NOW).holdings

    assert holding.sellable == held.shares - 6


def test_the_age_of_live_books_is_that_of_their_last_comparison():
    books_are_open("LIVE", as_of=ago(5))

    assert portfolio.snapshot("LIVE", as_of=NOW).equity_age_s == portfolio.NEVER_MARKED_S
    assert portfolio.wallet("LIVE") == portfolio.wallet("PAPER") == "main"


@pytest.mark.usefixtures("loose_books")
class TestWalletsTakingTurns:
    """First one key, then another, then the first again: the books are the opened wallet's."""

    A, B = "0xaa", "0xbb"

    @pytest.fixture(autouse=True)
    def both_hold_something(self):
        for wallet, dollars, shares in ((self.A, 500, 10), (self.B, 70, 30)):
            ledger.post(
                f"deposit:{wallet}",
                debit=Account.EXTERNAL,
                credit=Account.CASH,
                amount=Decimal(dollars),
                kind="deposit",
                mode="LIVE",
                wallet=wallet,
                as_of=NOW,
            )
            factories.PositionFactory(mode="LIVE", wallet=wallet, shares=Decimal(shares))
            factories.IntentFactory(mode="LIVE", wallet=wallet, shares=Decimal(shares + 1))
            intent = factories.IntentFactory(mode="LIVE", wallet=wallet, status="EXECUTED")
            factories.OrderFactory(
                intent=intent, wallet=wallet, status="OPEN", shares=Decimal(shares + 2)
            )

    def test_going_back_to_an_earlier_wallet_is_going_back(self):
        for seconds, wallet in enumerate((self.A, self.B, self.A)):
            portfolio.choose("LIVE", wallet, as_of=ahead(seconds))
            assert portfolio.wallet("LIVE") == wallet

    def test_cash_and_holdings_are_of_one_wallet(self):
        portfolio.choose("LIVE", self.B, as_of=NOW)
        portfolio.choose("LIVE", self.A, as_of=ahead(1))

        now = portfolio.figures("LIVE", as_of=ahead(2))
        held = portfolio.snapshot("LIVE", as_of=ahead(2)).holdings

        assert (now.cash, len(now.positions)) == (500, 1)
        assert sorted(holding.shares for holding in held) == [10, 11, 12]

    def test_what_another_wallet_holds_is_not_for_sale(self):
        portfolio.choose("LIVE", self.A, as_of=NOW)

        assert {row.wallet for row in exit_reasons.sellable("LIVE")} == {self.A}
