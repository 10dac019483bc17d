"""Each rule of the gate by value: what it denies, what it leaves alone, what it says."""

from decimal import Decimal
from typing import Any

import pytest

from risk.core.caps import CAPS
from risk.core.checks import CHECKS, evaluate
from risk.core.contracts import DenialReason, OrderIntent, PortfolioSnapshot, State, Verdict
from tests.risk.books import held, intent, limits, portfolio, sale

INVENTORY = {"holdings": (held(),)}


def ask(
    order: OrderIntent | None = None, books: PortfolioSnapshot | None = None, **knobs: Any
) -> Verdict:
    return evaluate(order or intent(), books or portfolio(), limits(**knobs))


def reasons(verdict: Verdict) -> set[str]:
    return {denial.reason.value for denial in verdict.denials}


def test_a_sound_order_is_approved_in_full() -> None:
    verdict = ask()

    assert verdict.approved
    assert verdict.approved_shares == 20
    assert verdict.denials == verdict.bound_by == ()


def test_a_sale_of_what_is_held_is_approved() -> None:
    assert ask(sale(), portfolio(**INVENTORY)).approved_shares == 20


@pytest.mark.parametrize(
    ("reason", "order", "books"),
    [
        ("HALTED", {}, {"state": "HALTED"}),
        ("HALTED", {}, {"state": "GONE FISHING"}),
        ("HALTED", {}, {"state": ""}),
        ("LISTEN_ONLY", {}, {"state": "LISTEN_ONLY"}),
        ("REDUCING", {}, {"state": "REDUCING"}),
        ("NOT_PLACING", {}, {"placing_orders": False}),
        ("MARKET_CLOSED", {"accepting_orders": False}, {}),
        ("MARKET_ENDING", {"seconds_left": 59.0}, {}),
        ("MARKET_ENDING", {"seconds_left": -5.0}, {}),
        ("UNKNOWN_RULES", {"tick": None}, {}),
        ("UNKNOWN_RULES", {"min_shares": None}, {}),
        ("UNKNOWN_RULES", {"fee": None}, {}),
        ("STALE_BOOK", {"book_age_s": 121.0}, {}),
        ("STALE_BOOK", {"book_age_s": -1.0}, {}),
        ("STALE_PREDICTION", {"prediction_age_s": 601.0}, {}),
        ("STALE_EQUITY", {}, {"equity_age_s": 1801.0}),
        ("NO_EDGE_LEFT", {"probability": 0.51}, {}),
        ("SLIPPAGE", {"expected_price": Decimal("0.506"), "limit_price": Decimal("0.51")}, {}),
        ("SLIPPAGE", {"expected_price": Decimal("0.504"), "probability": 0.52}, {}),
        ("OFF_TICK", {"limit_price": Decimal("0.505")}, {}),
        ("ALREADY_HELD", {}, INVENTORY),
        ("COOLDOWN", {}, {"seconds_since_intent": {1: 119.0}}),
        ("COOLDOWN", {}, {"seconds_since_exit": {1: 3599.0}}),
        ("ORDER_RATE", {}, {"orders_last_hour": 20}),
        ("DAILY_LOSS", {}, {"risk_equity": Decimal(900)}),
        ("DRAWDOWN", {}, {"peak": Decimal(1112)}),
        ("NO_CASH", {}, {"cash": Decimal(2)}),
    ],
)
def test_a_broken_rule_denies_an_entry_by_name(
    reason: str, order: dict[str, Any], books: dict[str, Any]
) -> None:
    verdict = ask(intent(**order), portfolio(**books))

    assert not verdict.approved
    assert reason in reasons(verdict)
    assert all(denial.message for denial in verdict.denials)


@pytest.mark.parametrize(
    ("order", "books"),
    [
        ({}, {"state": "LISTEN_ONLY"}),
        ({}, {"state": "REDUCING"}),
        ({"prediction_age_s": 9999.0}, {}),
        ({"seconds_left": 1.0}, {}),
        ({"probability": 0.1}, {}),
        ({}, {"orders_last_hour": 99}),
        ({}, {"cash": Decimal(0)}),
        ({}, {"equity_age_s": 9999.0}),
        ({}, {"risk_equity": Decimal(800), "peak": Decimal(1000)}),
        ({}, {"seconds_since_intent": {1: 1.0}}),
    ],
)
def test_what_limits_entries_leaves_a_sale_of_held_shares_alone(
    order: dict[str, Any], books: dict[str, Any]
) -> None:
    assert ask(sale(**order), portfolio(**INVENTORY, **books)).approved_shares == 20


@pytest.mark.parametrize(
    ("reason", "order", "books"),
    [
        ("HALTED", {}, {"state": "HALTED"}),
        ("NOT_PLACING", {}, {"placing_orders": False}),
        ("MARKET_CLOSED", {"accepting_orders": False}, {}),
        ("STALE_BOOK", {"book_age_s": 500.0}, {}),
        ("OFF_TICK", {"limit_price": Decimal("0.505")}, {}),
        ("SLIPPAGE", {"expected_price": Decimal("0.49")}, {}),
        ("DRAWDOWN", {}, {"risk_equity": Decimal(700)}),
    ],
)
def test_some_rules_stop_a_sale_too(
    reason: str, order: dict[str, Any], books: dict[str, Any]
) -> None:
    verdict = ask(sale(**order), portfolio(**INVENTORY, **books))

    assert reasons(verdict) == {reason}


def test_a_sale_without_inventory_is_refused_never_a_short() -> None:
    promised = held(sellable=Decimal(0))
    other_side = held(outcome_index=1)

    for holdings in ((), (promised,), (other_side,)):
        verdict = ask(sale(), portfolio(holdings=holdings))
        messages = [d.message for d in verdict.denials if d.reason == DenialReason.NO_INVENTORY]
        assert messages == ["no share of outcome 0 is held, so none can be sold"]
        assert verdict.approved_shares == 0


def test_a_sale_shrinks_to_what_is_held() -> None:
    verdict = ask(sale(shares=Decimal(50)), portfolio(**INVENTORY))

    assert verdict.approved_shares == 30
    assert verdict.bound_by == (DenialReason.NO_INVENTORY,)


@pytest.mark.parametrize("outcome_index", [0, 1])
def test_opposite_direction_rejected_with_message(outcome_index: int) -> None:
    verdict = ask(intent(outcome_index=outcome_index), portfolio(**INVENTORY))

    messages = [d.message for d in verdict.denials if d.reason == DenialReason.ALREADY_HELD]
    assert messages == ["Already have YES position on Will it rain?"]


def test_one_epoch_of_an_asset_takes_one_position_whatever_the_market() -> None:
    epoch = 1_763_640_000.0
    btc = {"asset": "BTC", "epoch": epoch, "window_s": 900.0}
    down = held(market=7, event=70, outcome_index=1, **btc)

    verdict = ask(intent(**btc), portfolio(holdings=(down,)))

    message = "Already have Down position on BTC 2025-11-20 12:00–12:15 UTC"
    assert [d.message for d in verdict.denials] == [message]
    assert ask(intent(**(btc | {"epoch": epoch + 900})), portfolio(holdings=(down,))).approved
    assert ask(intent(**(btc | {"asset": "ETH"})), portfolio(holdings=(down,))).approved


def test_markets_on_one_asset_without_an_epoch_do_not_exclude_each_other() -> None:
    other = held(market=2, asset="BTC", epoch=None)

    assert ask(intent(asset="BTC", epoch=None), portfolio(holdings=(other,))).approved


def test_a_window_of_unknown_length_is_named_by_its_start() -> None:
    up = held(asset="ETH", epoch=1_763_640_000.0)

    verdict = ask(intent(), portfolio(holdings=(up,)))

    assert verdict.denials[0].message == "Already have Up position on ETH 2025-11-20 12:00 UTC"


def test_positions_are_counted_by_market() -> None:
    two = (held(market=2), held(market=2, outcome_index=1), held(market=3))

    assert ask(books=portfolio(holdings=two), max_positions=3).approved
    assert "POSITION_COUNT" in reasons(ask(books=portfolio(holdings=two), max_positions=2))


def test_one_position_per_asset_can_be_asked_for() -> None:
    other = held(market=2, asset="BTC", epoch=0.0)
    order = intent(asset="BTC", epoch=900.0)

    assert ask(order, portfolio(holdings=(other,))).approved
    assert "ASSET_COUNT" in reasons(ask(order, portfolio(holdings=(other,)), max_per_asset=1))
    assert ask(intent(), portfolio(holdings=(other,)), max_per_asset=1).approved


@pytest.mark.parametrize(
    ("cap", "books", "knobs", "shares"),
    [
        ("MARKET_LIMIT", {}, {"max_market": Decimal("0.005")}, "9.80"),
        ("EVENT_LIMIT", {}, {"max_event": Decimal("0.005")}, "9.80"),
        ("CATEGORY_LIMIT", {}, {"max_category": Decimal("0.005")}, "9.80"),
        ("TOTAL_LIMIT", {}, {"max_total": Decimal("0.005")}, "9.80"),
        ("DAY_LIMIT", {"spent_today": Decimal(195)}, {}, "9.80"),
        ("ORDER_LIMIT", {}, {"max_order_usd": Decimal(5)}, "9.80"),
        ("NO_CASH", {"cash": Decimal(5)}, {}, "9.80"),
        ("DEPTH_LIMIT", {}, {"max_depth": Decimal("0.00098")}, "9.80"),
    ],
)
def test_a_cap_shrinks_the_order_and_is_named(
    cap: str, books: dict[str, Any], knobs: dict[str, Any], shares: str
) -> None:
    verdict = ask(books=portfolio(**books), **knobs)

    assert verdict.approved_shares == Decimal(shares)
    assert [c.value for c in verdict.bound_by] == [cap]


@pytest.mark.parametrize("place", ["event", "category"])
def test_what_is_held_there_already_counts(place: str) -> None:
    elsewhere = {"market": 99, "event": 99, "category": "sports"}
    here = {k: v for k, v in elsewhere.items() if k != place}
    other = held(exposure=Decimal(95), **here)

    verdict = ask(books=portfolio(holdings=(other,)), max_event=Decimal("0.1"))

    assert [c.value for c in verdict.bound_by] == [f"{place.upper()}_LIMIT"]
    assert verdict.approved_shares == Decimal("9.80")


def test_min_size_round_up_within_limit() -> None:
    order = intent(shares=Decimal(3), fee=Decimal("0.03"))

    verdict = ask(order)

    assert verdict.approved_shares == order.wanted == 5


def test_min_size_reject_when_over_limit() -> None:
    verdict = ask(intent(shares=Decimal(3), fee=Decimal("0.03")), max_order_usd=Decimal(2))

    assert reasons(verdict) == {"MIN_SIZE", "ORDER_LIMIT"}


def test_a_sale_below_the_venue_minimum_is_not_sent() -> None:
    crumbs = held(sellable=Decimal(3))

    verdict = ask(sale(shares=Decimal(3)), portfolio(holdings=(crumbs,)))

    assert reasons(verdict) == {"MIN_SIZE", "NO_INVENTORY"}


@pytest.mark.parametrize(
    ("order", "books", "rules"),
    [
        ({"shares": Decimal("NaN")}, {}, {}),
        ({"shares": Decimal(0)}, {}, {}),
        ({"probability": float("nan")}, {}, {}),
        ({"probability": 1.2}, {}, {}),
        ({"limit_price": Decimal(1)}, {}, {}),
        ({"best_price": Decimal(0)}, {}, {}),
        ({"visible_depth": Decimal("Infinity")}, {}, {}),
        ({"visible_depth": Decimal(-1)}, {}, {}),
        ({"fee": Decimal(-1)}, {}, {}),
        ({"tick": Decimal(0)}, {}, {}),
        ({"book_age_s": float("nan")}, {}, {}),
        ({"seconds_left": float("nan")}, {}, {}),
        ({"outcome_index": 2}, {}, {}),
        ({}, {"cash": Decimal("NaN")}, {}),
        ({}, {"peak": Decimal("Infinity")}, {}),
        ({}, {"equity_age_s": float("inf")}, {}),
        ({}, {"spent_today": Decimal(-1)}, {}),
        ({}, {"seconds_since_exit": {2: float("nan")}}, {}),
        ({}, {"holdings": (held(market=2, exposure=Decimal("NaN")),)}, {}),
        ({}, {"holdings": (held(market=2, exposure=Decimal(-1)),)}, {}),
        ({}, {}, {"max_total": Decimal("NaN")}),
    ],
)
def test_what_is_not_a_sensible_number_is_denied(
    order: dict[str, Any], books: dict[str, Any], rules: dict[str, Any]
) -> None:
    verdict = ask(intent(**order), portfolio(**books), **rules)

    assert reasons(verdict) == {"UNKNOWN_RULES"}


def test_live_sizing_without_fresh_balance_refuses() -> None:
    for age_s in (1800.5, 10.0**9):
        assert reasons(ask(books=portfolio(equity_age_s=age_s))) == {"STALE_EQUITY"}


def test_no_reentry_within_cooldown() -> None:
    just = portfolio(seconds_since_exit={1: 3599.0}, seconds_since_intent={1: 9999.0})
    over = portfolio(seconds_since_exit={1: 3600.0}, seconds_since_intent={1: 120.0})
    other_market = portfolio(seconds_since_exit={2: 1.0})

    assert reasons(ask(books=just)) == {"COOLDOWN"}
    assert ask(books=over).approved
    assert ask(books=other_market).approved


@pytest.mark.parametrize(
    "order",
    [
        {"book_age_s": 0.0},
        {"book_age_s": 120.0},
        {"prediction_age_s": 600.0},
        {"seconds_left": 60.0},
        {"expected_price": Decimal("0.505"), "limit_price": Decimal("0.51")},  # 100 bps
        {"expected_price": Decimal("0.503"), "fee": Decimal(0), "probability": 0.51},  # 30 %
        {"limit_price": Decimal("0.01"), "best_price": Decimal("0.01")}
        | {"expected_price": Decimal("0.01"), "fee": Decimal(0)},
        {"limit_price": Decimal("0.99"), "best_price": Decimal("0.99")}
        | {"expected_price": Decimal("0.99"), "fee": Decimal(0), "probability": 1.0},
    ],
)
def test_what_lies_exactly_on_a_limit_is_still_allowed(order: dict[str, Any]) -> None:
    assert ask(intent(**order)).approved


def test_an_unreadable_order_still_hears_of_the_halt() -> None:
    verdict = ask(intent(probability=float("nan")), portfolio(state="HALTED"))

    assert reasons(verdict) == {"HALTED", "UNKNOWN_RULES"}


def test_every_reason_is_returned_at_once() -> None:
    order = intent(accepting_orders=False, book_age_s=999.0, probability=0.2)
    books = portfolio(state="LISTEN_ONLY", placing_orders=False, cash=Decimal(0))

    expected = {"MARKET_CLOSED", "STALE_BOOK", "NO_EDGE_LEFT", "LISTEN_ONLY", "NOT_PLACING"}
    assert expected | {"NO_CASH", "MIN_SIZE"} <= reasons(ask(order, books))


def test_every_reason_of_the_closed_list_has_a_rule() -> None:
    ruled = {c.reason for c in CHECKS} | {c.reason for c in CAPS}

    before = {DenialReason.PURE_MODE}  # said before there is an order to judge
    assert set(DenialReason) == ruled | before | {
        DenialReason.MIN_SIZE,
        DenialReason.UNKNOWN_RULES,
    }


@pytest.mark.parametrize("state", list(State))
def test_only_an_active_state_admits_an_entry(state: State) -> None:
    assert ask(books=portfolio(state=state.value)).approved == (state == State.ACTIVE)


def test_the_cost_of_an_unknown_fee_is_never_guessed() -> None:
    with pytest.raises(ValueError, match="unknown"):
        _ = intent(fee=None).cost


def test_refusals_about_the_book_are_sentences_for_people() -> None:
    gone = ask(intent(visible_depth=Decimal(0)))
    slipped = ask(intent(expected_price=Decimal("0.52"), limit_price=Decimal("0.52")))

    assert "nothing is offered at 0.5 or less any more" in {d.message for d in gone.denials}
    (said,) = (d.message for d in slipped.denials if d.reason == DenialReason.SLIPPAGE)
    assert said.startswith("it would fill at 0.5200 on average, 4.00 % worse than the best price")
