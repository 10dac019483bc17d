"""What people read about trading."""

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command

from risk.models import Halt
from tests import factories
from tests.factories import NOW, ago, ahead
from tests.trading.world import LATER, a_cycle, a_market_worth_buying, decided, paper, traded
from trading import cycle, queries, tasks
from trading.books import rebuild
from trading.core.edge import Reason
from trading.models import Approval, Position
from trading.orders import submit

pytestmark = pytest.mark.django_db


def funnel():
    rows = queries.funnel(since=ago(3600), as_of=ahead(3600))
    return {(stage, reason): count for stage, reason, count in rows}


def test_the_funnel_counts_every_stage_and_reason():
    factories.MarketFactory(tracked=False, filter_reason="THIN")
    a_market_worth_buying(probability=0.5)
    a_market_worth_buying(tick_size=None)
    traded()

    counts = funnel()

    assert counts["universe", ""] == 3
    assert counts["filtered", "THIN"] == 1
    assert counts["predicted", ""] == 3
    assert counts["signalled", "NO_GROSS_EDGE"] == 1
    assert counts["signalled", "PASSED"] == 2
    assert counts["gated", "UNKNOWN_RULES"] == 1
    assert counts["sized", ""] == counts["approved", ""] == counts["filled", ""] == 1


def test_the_funnel_means_by_passed_what_the_signals_say():
    assert Reason.PASSED.value == queries.PASSED


def test_the_funnel_looks_at_its_span_only():
    traded()

    rows = queries.funnel(since=ahead(10), as_of=ahead(20))

    assert all(count == 0 for stage, _, count in rows if stage != "universe")


def adds_up(rows):
    sums, reasons = Counter(), {}
    for stage, reason, count in rows:
        sums[stage] += count
        reasons[stage, reason] = count
    assert sums["predicted"] == sums["signalled"]
    assert reasons.get(("signalled", "PASSED"), 0) == sums["gated"] + sums["sized"]
    assert sums["sized"] == sums["unapproved"] + sums["approved"]
    assert sums["approved"] == sums["unfilled"] + sums["filled"]
    return reasons


@pytest.mark.usefixtures("loose_books")
def test_every_stage_of_the_funnel_is_the_sum_of_what_became_of_it():
    a_market_worth_buying(probability=0.5)
    a_market_worth_buying(tick_size=None)
    traded()
    factories.PredictionFactory(as_of=ago(5))
    factories.SignalFactory(prediction__as_of=ago(5))
    waits = factories.SignalFactory(prediction__as_of=ago(5))
    factories.IntentFactory(signal=waits, market=waits.market, status="PENDING")

    counts = adds_up(queries.funnel(since=ago(3600), as_of=ahead(3600)))

    assert counts["signalled", "NOT_YET_COMPARED"] == 1
    assert counts["gated", "NOT_ASKED"] == 1
    assert counts["unapproved", "INTENT_PENDING"] == 1
    assert counts["filled", ""] == 1


def test_a_decision_with_several_denials_counts_once_under_the_first():
    decision = factories.RiskDecisionFactory(approved_shares=0, denials="ALREADY_HELD COOLDOWN")
    factories.SignalFactory(prediction__as_of=ago(5), decision=decision)

    counts = adds_up(queries.funnel(since=ago(3600), as_of=NOW))

    assert counts["gated", "ALREADY_HELD"] == 1
    assert ("gated", "COOLDOWN") not in counts


@pytest.mark.usefixtures("loose_books")
def test_half_an_approval_is_none():
    signal = factories.SignalFactory(prediction__as_of=ago(5))
    made = factories.IntentFactory(signal=signal, market=signal.market, approvals_needed=2)
    Approval.objects.create(intent=made, approved=True, actor="grace", decided_at=NOW)

    counts = adds_up(queries.funnel(since=ago(3600), as_of=NOW))

    assert counts["unapproved", "INTENT_PENDING"] == 1
    assert counts["approved", ""] == 0


@pytest.mark.usefixtures("loose_books")
@pytest.mark.parametrize(
    ("intent", "order", "reason"),
    [
        ("EXECUTED_DRYRUN", "", "INTENT_EXECUTED_DRYRUN"),
        ("EXPIRED", "", "INTENT_EXPIRED"),
        ("APPROVED", "", "INTENT_APPROVED"),
        ("EXECUTED", "CANCELED", "ORDER_CANCELED"),
        ("EXECUTED", "UNKNOWN", "ORDER_UNKNOWN"),
    ],
)
def test_an_approved_intent_without_a_fill_says_what_became_of_it(intent, order, reason):
    signal = factories.SignalFactory(prediction__as_of=ago(5))
    made = factories.IntentFactory(signal=signal, market=signal.market, status=intent)
    Approval.objects.create(intent=made, approved=True, actor="grace", decided_at=NOW)
    if order:
        factories.OrderFactory(intent=made, status=order)

    assert adds_up(queries.funnel(since=ago(3600), as_of=NOW))["unfilled", reason] == 1


def test_what_was_sized_and_never_sent_says_so():
    a_market_worth_buying()
    decided()

    submit.run(as_of=ahead(60), venues=paper())

    assert funnel()["unfilled", "INTENT_EXPIRED"] == 1


def test_the_portfolio_shows_marks_and_gains():
    traded()
    factories.QuoteFactory(market=Position.objects.get().market, at=ahead(5), bid=0.60, ask=0.62)

    books = queries.portfolio("PAPER", as_of=ahead(6))

    held = books.held[0]
    assert held.mark == held.position.shares * Decimal("0.61")
    assert held.gain == held.mark - held.position.cost > 0
    assert books.equity == 10_000 - held.position.cost + held.mark
    assert books.figures.risk_equity < books.equity
    assert books.state == "ACTIVE"


def test_a_position_without_a_book_has_no_mark_and_cannot_be_sold():
    factories.PositionFactory()

    held = queries.open_positions("PAPER", as_of=NOW)[0]
    Position.objects.update(shares=0, cost=0)

    assert (held.mark, held.gain, held.liquidation) == (None, None, 0)


def run_rebuild(*arguments):
    out = StringIO()
    try:
        call_command("rebuild", *arguments, stdout=out)
    except SystemExit as left:
        return left.code, out.getvalue()
    return 0, out.getvalue()


def test_rebuild_finds_nothing_in_honest_books():
    market = traded()
    factories.ResolutionFactory(market=market, resolved_at=ahead(60))
    a_cycle(ahead(61))

    code, said = run_rebuild()

    assert code == 0
    assert "Every position" in said


def test_rebuild_names_what_was_tampered_with_and_puts_it_right():
    traded()
    honest = Position.objects.get()
    Position.objects.update(shares=1, cost=2)

    code, said = run_rebuild("--json")
    columns = {row["column"] for row in json.loads(said)["differences"]}
    assert code == 1
    assert columns == {"shares", "cost"}

    assert run_rebuild("--apply", "--yes")[0] == 0
    now = Position.objects.get()
    assert (now.shares, now.cost) == (honest.shares, honest.cost)
    assert rebuild.positions(apply=False, as_of=LATER) == []


def test_rebuild_empties_a_position_that_no_fill_ever_opened():
    factories.PositionFactory()

    code, said = run_rebuild("--apply", "--yes")

    assert code == 0
    assert "Written" in said
    assert Position.objects.get().shares == 0


@pytest.mark.parametrize(
    "task",
    [tasks.submit_intents, tasks.redeem, tasks.mark, tasks.watch_risk],
    ids=lambda t: t.name,
)
def test_every_task_may_run_twice_with_words_it_does_not_know(task):
    task(unknown="word")
    task(unknown="word")

    assert task.acks_late
    assert task.queue == "trading"
    assert task.time_limit > task.soft_time_limit


def test_the_mode_of_the_settings_owes_snapshots_whatever_the_environment_says(settings):
    settings.ENV = replace(settings.ENV, mode="PAPER")
    factories.trading_settings(mode="DEMO")
    for mode in ("DEMO", "PAPER"):
        factories.EquityPointFactory(mode=mode, observed_at=ago(10**6))

    tasks.watch_risk()
    assert set(Halt.objects.values_list("kind", "scope_key")) == {("SNAPSHOT_GAP", "DEMO")}


@pytest.mark.usefixtures("loose_books")
def test_every_mode_that_holds_positions_is_at_work():
    factories.PositionFactory(mode="DEMO")

    assert cycle.at_work(as_of=NOW) == {"PAPER", "DEMO"}
