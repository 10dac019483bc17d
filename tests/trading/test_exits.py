"""Positions are sold through the gate, one sale at a time, and never beyond what is held."""

import json
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from config.kernel.models import DomainEvent
from risk import halts
from risk.core import checks
from risk.core.contracts import DenialReason
from risk.models import RiskDecision
from tests import factories
from tests.factories import NOW, ahead, revise
from tests.trading.candidates import limits
from tests.trading.world import decided, nobody_answers, paper, traded
from trading.approving import intents
from trading.books import portfolio
from trading.core.order_rules import BreaksRule, sendable
from trading.deciding import exit_reasons, exits
from trading.models import (
    ApprovalSettings,
    Claim,
    ExitSettings,
    IntentGroup,
    Order,
    Position,
    TradeIntent,
    VenueState,
)
from trading.orders import submit
from trading.venue import Rejected

pytestmark = pytest.mark.django_db
SOON = ahead(60)


def sold(at=SOON, refresh=nobody_answers):
    return exits.run(as_of=at, refresh=refresh)


def held_and_then(*, at=SOON, bid=0.60, ask=0.62, probability=None, **changes):
    """A position bought at 0.51, and the market as it is at `at`."""
    market = traded(**changes)
    if bid is not None:
        factories.QuoteFactory(market=market, at=at, bid=bid, ask=ask)
    if probability is not None:
        factories.PredictionFactory(
            market=market, as_of=at, price=(bid + ask) / 2, probability=probability
        )
    return market


def the_exit():
    return TradeIntent.objects.get(purpose="EXIT")


def attempts():
    return [json.loads(e.data) for e in DomainEvent.objects.filter(kind=exits.ATTEMPTED)]


def test_a_position_that_the_forecast_still_values_is_kept():
    held_and_then(probability=0.75)

    assert sold() == 0
    assert attempts() == []


def test_what_bids_pay_more_for_than_the_forecast_says_is_sold():
    held_and_then(probability=0.40)
    position = Position.objects.get()

    assert sold() == 1

    intent = the_exit()
    assert (intent.side, intent.type, intent.status) == ("SELL", "FAK", "APPROVED")
    assert intent.shares == position.shares
    assert intent.limit_price == Decimal("0.60")
    assert intent.reason.startswith("EDGE_GONE: a share brings 0.59")
    assert attempts()[0]["intent"] == str(intent.pk)
    assert Claim.objects.filter(released_at__isnull=True).count() == 1


def test_a_sale_brings_the_proceeds_less_the_fee_and_gives_the_market_back():
    held_and_then(probability=0.40)
    before = portfolio.figures("PAPER", as_of=SOON).cash
    sold()
    submit.run(as_of=SOON, venues=paper())
    market = Position.objects.get().market
    factories.QuoteFactory(market=market, at=ahead(63), bid=0.60, ask=0.62)

    submit.run(as_of=ahead(63), venues=paper())

    position, fill = Position.objects.get(), Order.objects.get(side="SELL").fills.get()
    assert position.shares == 0
    assert (
        portfolio.figures("PAPER", as_of=ahead(63)).cash
        == before + 60 * fill.shares / Decimal(100) - fill.fee
    )
    assert not Claim.objects.filter(released_at__isnull=True).exists()


def test_profit_is_taken_near_the_top():
    held_and_then(bid=0.97, ask=0.98, probability=0.99)

    assert sold() == 1
    assert the_exit().reason.startswith("TAKE_PROFIT")


def test_a_forecast_that_is_only_the_price_sells_nothing():
    market = held_and_then()
    factories.PredictionFactory(
        market=market, as_of=SOON, price=0.4, probability=0.4, source="PRICE"
    )

    assert sold() == 0


def test_an_old_forecast_sells_nothing():
    held_and_then(at=ahead(3600))

    assert sold(at=ahead(3600)) == 0


def test_there_is_one_live_sale_of_a_position():
    held_and_then(probability=0.40)
    sold()
    first = the_exit()
    revise(ExitSettings, retry_after_s=1)

    assert sold(at=ahead(70)) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        TradeIntent.objects.create(
            **{
                name: getattr(first, name)
                for name in (
                    "mode", "wallet", "market", "outcome", "side", "shares", "limit_price",
                    "purpose", "strategy", "fingerprint", "decision", "created_at", "expires_at",
                )
            },
            key="another",
        )  # fmt: skip


def test_a_sale_on_its_way_is_the_only_one():
    held_and_then(probability=0.40)
    sold()
    submit.run(as_of=SOON, venues=paper())
    revise(ExitSettings, retry_after_s=1)
    assert Order.objects.get(side="SELL").status == "OPEN"

    assert sold(at=ahead(70)) == 0


def test_an_attempt_that_came_to_nothing_is_repeated_after_a_while():
    market = held_and_then(probability=0.40)
    sold()
    submit.run(as_of=ahead(121), venues=paper())
    assert the_exit().status == "EXPIRED"
    factories.QuoteFactory(market=market, at=ahead(179), bid=0.60, ask=0.62)

    assert sold(at=ahead(170)) == 0
    assert sold(at=ahead(181)) == 1
    assert TradeIntent.objects.filter(purpose="EXIT").count() == 2


def test_an_old_book_is_fetched_before_anything_is_sold():
    market = held_and_then(at=ahead(10), probability=0.40)
    asked = []

    def refresh(market_ids, as_of):
        asked.append(list(market_ids))
        factories.QuoteFactory(market=market, at=as_of, bid=0.30, ask=0.32)
        return 1

    assert sold(at=ahead(400), refresh=nobody_answers) == 0
    assert sold(at=ahead(400), refresh=refresh) == 0
    assert asked == [[market.pk]]
    assert not TradeIntent.objects.filter(purpose="EXIT").exists()


def test_too_few_shares_to_sell_stay_and_that_is_said_once():
    held_and_then(probability=0.40)
    Position.objects.get().market.__class__.objects.update(min_shares=Decimal(10_000))

    assert sold() == 0
    assert sold(at=ahead(61)) == 0

    (said,) = DomainEvent.objects.filter(kind=exits.KEPT)
    assert json.loads(said.data)["kept"] == "DUST"


def test_a_halt_stops_sales_too_and_the_attempt_is_on_record():
    held_and_then(probability=0.40)
    halts.open_halt("MANUAL", reason="look", actor="ada", as_of=SOON)

    assert sold() == 0
    assert RiskDecision.objects.latest("pk").denials.startswith("HALTED")
    assert attempts()[0]["denials"].startswith("HALTED")


@pytest.mark.parametrize("kind", ["DRAWDOWN_LISTEN", "DRAWDOWN_REDUCE"])
def test_where_only_entries_are_stopped_a_sale_passes(kind):
    held_and_then(probability=0.40)
    halts.open_halt(kind, reason="fell", actor="watch", as_of=SOON)

    assert sold() == 1


def test_nothing_is_sold_while_orders_are_switched_off():
    held_and_then(probability=0.40)
    factories.trading_settings(placing_orders=False)

    assert sold() == 0
    assert attempts() == []


def test_each_rule_can_be_switched_off():
    held_and_then(bid=0.97, ask=0.98, probability=0.40)
    revise(ExitSettings, edge_gone=False, take_profit=False)

    assert sold() == 0


def test_the_legs_of_a_group_are_left_to_it():
    held_and_then(probability=0.40)
    group = IntentGroup.objects.create(
        mode="PAPER", kind="PAIR", leg_risk_budget=1, created_at=NOW, status="COMPLETE"
    )
    TradeIntent.objects.update(group=group)

    assert sold() == 0


def test_whoever_practises_is_asked_about_sales_too():
    held_and_then(probability=0.40)
    revise(ApprovalSettings, ask_in_simulated=True)

    assert sold() == 1
    assert the_exit().status == "PENDING"


@pytest.mark.usefixtures("loose_books")
def test_a_sale_of_a_guarded_ledger_waits_for_a_person_and_the_gate_is_asked_again():
    market = held_and_then(probability=0.40)
    wallet = "0x" + "ab" * 20
    factories.trading_settings(mode="REHEARSAL")
    revise(ApprovalSettings, two_person_above_usd=Decimal(10_000))
    VenueState.objects.create(
        mode="REHEARSAL", wallet=wallet, reconciled_at=SOON, changed_at=SOON, trades_until=SOON
    )
    Position.objects.update(mode="REHEARSAL", wallet=wallet)

    assert sold() == 1
    intent = the_exit()
    assert (intent.status, intent.wallet, intent.approvals_needed) == ("PENDING", wallet, 1)

    factories.QuoteFactory(market=market, at=ahead(70), bid=0.60, ask=0.62)
    said = intents.approve(intent, user=factories.UserFactory(), reason="out", as_of=ahead(71))
    assert said.status == "APPROVED"


def made() -> list[tuple[str, str | None]]:
    """Who wished for something, and which rule said yes at once."""
    rows = DomainEvent.objects.filter(kind="intent.made").order_by("id")
    return [(row.actor, json.loads(row.data)["approved_by"]) for row in rows]


def test_the_audit_trail_says_who_wished_and_which_rule_said_yes():
    held_and_then(probability=0.40)
    sold()

    assert made() == [("decide", "paper rule"), ("exits", "paper rule")]


@pytest.mark.usefixtures("loose_books")
def test_a_guarded_exit_that_needs_nobody_is_approved_by_the_standing_rule():
    held_and_then(probability=0.40)
    wallet = "0x" + "ab" * 20
    factories.trading_settings(mode="REHEARSAL")
    revise(ApprovalSettings, ask_for_exits=False)
    VenueState.objects.create(
        mode="REHEARSAL", wallet=wallet, reconciled_at=SOON, changed_at=SOON, trades_until=SOON
    )
    Position.objects.update(mode="REHEARSAL", wallet=wallet)

    assert sold() == 1

    assert made()[-1] == ("exits", "standing rule")
    assert the_exit().approval_set.get().actor == "standing rule"


def test_position_older_than_market_end_alerts():
    traded(scheduled_end_at=ahead(3600))
    assert alerts() == []

    sold(at=ahead(3600 * 24))
    assert alerts() == []
    sold(at=ahead(3600 * 26))
    sold(at=ahead(3600 * 27))

    (said,) = alerts()
    assert "still held" in said
    assert "Will it happen?" in said


def alerts():
    rows = DomainEvent.objects.filter(kind="alert.raised", subject__endswith=":overdue")
    return [json.loads(row.data)["text"] for row in rows]


def test_sell_without_inventory_raises_in_all_three_engines():
    """All three ask one gate; what signs, the simulated venue and the database refuse too."""
    held_and_then(probability=0.40)
    sold()
    submit.run(as_of=SOON, venues=paper())
    order = Order.objects.get(side="SELL")
    naked = exits_order_of(Position.objects.get())
    nothing = portfolio.snapshot("DEMO", as_of=SOON)
    Position.objects.filter(pk=Position.objects.get().pk).update(shares=order.shares)

    verdict = checks.evaluate(naked, nothing, limits())
    assert DenialReason.NO_INVENTORY in {d.reason for d in verdict.denials}
    with pytest.raises(BreaksRule, match="INVENTORY"):
        sendable(
            side="SELL",
            order_type="FAK",
            post_only=False,
            price=naked.limit_price,
            shares=naked.shares,
            tick=naked.tick,
            min_shares=naked.min_shares,
            held=Decimal(0),
        )
    Order.objects.filter(pk=order.pk).update(shares=order.shares + 1)
    order.refresh_from_db()
    with pytest.raises(Rejected, match="not enough balance"):
        paper()["PAPER"].place(submit.ticket(order), as_of=SOON)
    Order.objects.filter(pk=order.pk).update(shares=order.shares - 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Position.objects.update(shares=-1)


def exits_order_of(position):
    """A sale of the position as the gate sees it."""
    terms = exit_reasons.Terms.current(as_of=SOON)
    (found,) = exit_reasons.given_up([position], terms, as_of=SOON)
    sale = exit_reasons.sale_of(position, position.shares, found.book, terms.limits)
    return exits._order(found, sale, strategy="default", as_of=SOON)


def test_no_reentry_within_cooldown():
    market = held_and_then(probability=0.40)
    sold()
    submit.run(as_of=SOON, venues=paper())
    factories.QuoteFactory(market=market, at=ahead(63), bid=0.60, ask=0.62)
    submit.run(as_of=ahead(63), venues=paper())
    assert Position.objects.get().shares == 0

    for at, bought in ((ahead(3000), 0), (ahead(3800), 1)):
        factories.QuoteFactory(market=market, at=at)
        factories.PredictionFactory(market=market, as_of=at, probability=0.9)
        assert decided(as_of=at) == bought
