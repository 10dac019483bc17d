"""Books that do not add up stop their ledger."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from risk.models import Halt
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.trading.world import LATER, an_intent, paper, traded
from trading.books import portfolio, rebuild
from trading.models import Order, Position, TradeIntent
from trading.orders import submit
from trading.watching import watch

pytestmark = pytest.mark.django_db


def test_honest_books_open_no_halt():
    market = traded()
    an_intent()
    factories.ResolutionFactory(market=market, resolved_at=ahead(3))

    assert watch.run(as_of=LATER) == []


def test_what_was_booked_after_we_began_to_look_is_no_disagreement():
    an_intent()

    assert watch.run(as_of=ago(30)) == []

    submit.run(as_of=NOW, venues=paper())
    factories.QuoteFactory(market=Order.objects.get().market, at=LATER)
    submit.run(as_of=LATER, venues=paper())

    assert watch.run(as_of=ago(30)) == []


def test_what_is_reserved_is_read_at_once_for_all_intents():
    made = [an_intent(), an_intent(probability=0.3)]
    sale = factories.IntentFactory.build(side="SELL", market=None, decision=None, outcome=None)

    with CaptureQueriesContext(connection) as asked:
        found = portfolio.reservations([*(intent.pk for intent in made), sale.pk])

    assert len(asked) == 1
    assert found == {intent.pk: portfolio.reservation(intent.pk) for intent in made}
    assert all(found.values())
    assert portfolio.reservation(sale.pk) == 0
    with CaptureQueriesContext(connection) as few:
        watch.run(as_of=NOW)
    an_intent(probability=0.75)
    with CaptureQueriesContext(connection) as many:
        watch.run(as_of=NOW)
    assert len(many) == len(few)


@pytest.mark.usefixtures("loose_books")
def test_old_closed_positions_are_left_to_the_full_rebuild():
    traded()
    factories.PositionFactory(shares=0, cost=0, realised=5, closed_at=ago(7200))

    assert watch.run(as_of=LATER) == []
    assert rebuild.positions(apply=False, as_of=LATER) != []


@pytest.mark.usefixtures("loose_books")
def test_a_position_that_fills_do_not_explain_halts_its_mode_once():
    traded()
    Position.objects.update(shares=999)

    first, again = watch.run(as_of=LATER), watch.run(as_of=ahead(9))

    assert [halt.kind for halt in first] == ["LEDGER_MISMATCH"]
    assert "999" in first[0].reason
    assert again == first
    assert portfolio.snapshot("PAPER", as_of=ahead(9)).state == "HALTED"
    assert portfolio.snapshot("DEMO", as_of=ahead(9)).state == "ACTIVE"


@pytest.mark.usefixtures("loose_books")
@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (lambda: Order.objects.update(status="UNKNOWN", reserved=5), "is reserved"),
        (lambda: factories.TransferFactory(debit="CASH", credit="FEES", amount=1), "fees booked"),
        (
            lambda: factories.TransferFactory(debit="CASH", credit="EXTERNAL", amount=10**6),
            "below zero",
        ),
        (lambda: TradeIntent.objects.create(**_executed()), "have no order"),
    ],
    ids=["reservation", "fees", "cash", "journal"],
)
def test_every_kind_of_disagreement_is_named(tamper, says):
    traded()
    tamper()

    watch.run(as_of=LATER)

    assert says in Halt.objects.get().reason


def _executed():
    intent = factories.IntentFactory.build(
        market=(market := factories.MarketFactory()),
        outcome=market.outcomes.get(index=0),
        decision=factories.RiskDecisionFactory(market=market),
        status="EXECUTED",
    )
    return {f.name: getattr(intent, f.name) for f in intent._meta.concrete_fields}


def test_a_halt_is_not_opened_for_a_mode_that_never_traded():
    assert watch.run(as_of=NOW) == []
