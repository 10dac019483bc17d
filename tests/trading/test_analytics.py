"""Figures about trading, against numbers computed by hand."""

import csv
import json
import math
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from risk.models import EquityPoint
from tests import factories
from tests.config.wishes import a_wish
from tests.factories import NOW, ago, ahead
from tests.trading.world import traded
from trading import analytics
from trading.core import analytics as core
from trading.models import Approval, Order, Position
from trading.redeeming import redeem

DAY = 86_400.0


def trips(**changes):
    """Four trips of politics: two won 10, two lost 5; 20 dollars each at 0.40."""
    count = 4
    values = {
        "closed_at": np.arange(count) * DAY,
        "gained": np.array([10.0, -5.0, 10.0, -5.0]),
        "paid": np.full(count, 20.0),
        "price": np.array([0.4, 0.4, 0.5, np.nan]),
        "confidence": np.array([0.6, 0.8, np.nan, 1.0]),
        "category": np.full(count, "politics"),
        "asset": np.full(count, "—"),
        "strategy": np.array(["default", "default", "default", "arbitrage"]),
    }
    return core.Trips(**values | changes)


def test_a_record_sets_the_win_rate_beside_the_one_that_the_prices_needed():
    row = core.record(trips())

    assert (row.trips, row.wins, row.rate) == (4, 2, 0.5)
    assert row.implied == pytest.approx(1.3 / 3)
    assert (row.gained, row.paid, row.roi) == (10, 80, 0.125)
    assert row.confidence == pytest.approx(0.8)
    # Wilson for 2 of 4 by hand: 0.5 ± 1.96 / (1 + 3.8415 / 4) × sqrt(0.0625 + 3.8415 / 64).
    assert (row.low, row.high) == pytest.approx((0.15004, 0.84996), abs=1e-5)


def test_nothing_closed_says_nothing():
    row = core.record(trips().take(np.zeros(4, bool)))

    assert row.trips == 0
    assert all(math.isnan(x) for x in (row.rate, row.low, row.implied, row.roi))


def test_breakdowns_name_the_largest_first():
    found = core.by(trips(), trips().strategy)

    assert list(found) == ["default", "arbitrage"]
    assert (found["default"].trips, found["default"].gained) == (3, 15)


def test_a_rolling_week_forgets_what_is_older():
    late = trips(closed_at=np.array([0.0, 1.0, 6.0, 9.0]) * DAY)

    assert [row.trips for row in core.rolling(late, [8 * DAY, 9 * DAY])] == [1, 2]


def test_scores_of_forecasts():
    found = core.scores(np.array([0.8, 0.4]), np.array([1.0, 1.0]))

    assert found.brier == pytest.approx((0.04 + 0.36) / 2)
    assert found.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    assert found.accuracy == 0.5


def test_daily_returns_take_the_last_point_of_a_day_and_no_deposit():
    at = np.array([0.1, 0.9, 1.5, 2.5]) * DAY
    equity = np.array([90.0, 100.0, 160.0, 144.0])
    _, returns = core.daily_returns(at, equity, np.array([1.2 * DAY]), np.array([50.0]))

    assert returns == pytest.approx([0.1, -0.1])


def test_sharpe_and_sortino_by_hand():
    returns = np.array([0.02, -0.01, 0.02, -0.01])

    assert core.sharpe(returns) == pytest.approx(0.005 / math.sqrt(0.0003) * math.sqrt(365))
    assert core.sortino(returns) == pytest.approx(0.005 / math.sqrt(0.00005) * math.sqrt(365))
    assert math.isnan(core.sharpe(np.array([0.01])))


def test_falls_over_days_and_within_one():
    at = np.array([0.1, 0.5, 1.1, 1.5]) * DAY
    equity = np.array([100.0, 90.0, 85.0, 80.0])

    assert core.max_drawdown(equity) == pytest.approx(0.2)
    assert core.max_intraday_drawdown(at, equity) == pytest.approx(0.1)
    assert math.isnan(core.max_drawdown(np.empty(0)))


def a_report(*, at=None, days=30):
    at = at or ahead(7200)
    return analytics.report("PAPER", since=at - timedelta(days=days), as_of=at)


def won():
    """One position bought at 0.51, paid out at 1."""
    market = traded()
    bought = Position.objects.get()
    factories.ResolutionFactory(market=market, resolved_at=ahead(3600))
    return bought


@pytest.mark.django_db
def test_a_position_that_won_is_counted_with_its_forecast():
    bought = won()
    redeem.run(as_of=ahead(3700))

    found = a_report()

    fill = Order.objects.get().fills.get()
    assert (found.fills, found.orders) == (1, 1)
    assert (found.record.trips, found.record.wins) == (1, 1)
    assert found.record.implied == pytest.approx(float(bought.cost / bought.shares))
    assert found.money.realised == pytest.approx(float(bought.shares - bought.cost))
    assert found.money.fees == pytest.approx(float(fill.fee))
    assert (found.model.count, found.model.brier) == (1, pytest.approx(0.09))
    assert found.market.brier == pytest.approx(0.25)
    assert list(found.by["strategy"]) == ["default"]
    assert found.exposure["total"] == 0


@pytest.mark.django_db
def test_what_is_owed_and_not_paid_out_is_told_apart():
    bought = won()

    found = a_report()

    assert found.record.trips == 0
    assert found.money.redeemable == pytest.approx(float(bought.shares - bought.cost))
    assert found.money.unrealised == 0


@pytest.mark.django_db
def test_an_open_position_is_marked_and_at_risk():
    traded(asset="btc", category="crypto")
    held = Position.objects.get()

    found = a_report(at=ahead(10))

    assert found.money.unrealised == pytest.approx(float(held.shares * Decimal("0.5") - held.cost))
    assert found.exposure["crypto"] == pytest.approx(float(held.cost))
    assert (found.open["btc"].up, found.open["btc"].down) == (1, 0)


def a_curve(*equities):
    for n, equity in enumerate(equities):
        figures = dict.fromkeys(
            ("reserved", "redeemable", "open_cost", "open_mark", "open_liquidation", "realised",
             "fees"), 0
        )  # fmt: skip
        EquityPoint.objects.create(
            mode="PAPER",
            observed_at=ago((len(equities) - n) * 86_400),
            cash=equity,
            risk_equity=equity,
            peak=max(equities),
            drawdown=0,
            **figures,
        )


@pytest.mark.django_db
def test_a_short_curve_gives_no_ratio_and_says_so():
    a_curve(100, 110, 99)
    found = a_report(at=NOW)
    out = StringIO()

    assert (found.curve.days, found.curve.is_enough) == (2, False)
    assert found.curve.max_drawdown == pytest.approx(0.1)
    assert found.money.change == -1
    call_command("report", "--days", "20000", "--mode", "PAPER", stdout=out)
    assert "too few days for a ratio: 2 of 20" in out.getvalue()


@pytest.mark.django_db
def test_the_report_goes_to_a_screen_to_json_and_to_a_file(tmp_path):
    won()
    redeem.run(as_of=ahead(3700))
    screen, told, path = StringIO(), StringIO(), tmp_path / "report.csv"

    call_command("report", "--days", "20000", "--mode", "PAPER", stdout=screen)
    call_command("report", "--days", "20000", "--mode", "PAPER", "--json", stdout=told)
    call_command("report", "--days", "20000", "--mode", "PAPER", "--csv", str(path), stdout=told)

    assert "profit after fees" in screen.getvalue()
    rows = list(csv.DictReader(path.open()))
    (wins,) = [r for r in rows if (r["section"], r["figure"]) == ("record", "wins")]
    assert wins["value"] == "1"
    first = json.loads(told.getvalue()[: told.getvalue().rindex("]") + 1])[0]
    assert set(first) == {"mode", "since", "as_of", "section", "key", "figure", "value"}


@pytest.mark.django_db
def test_a_file_that_cannot_be_written_is_said_with_its_remedy(tmp_path):
    with pytest.raises(CommandError, match="name a file that can be written"):
        call_command("report", "--mode", "PAPER", "--csv", str(tmp_path / "no" / "report.csv"))


@pytest.mark.django_db
def test_the_report_costs_the_same_for_any_number_of_positions(django_assert_max_num_queries):
    for _ in range(3):
        traded()
    with django_assert_max_num_queries(40):
        a_report(at=ahead(10))


def said_by_report() -> str:
    out = StringIO()
    call_command("report", "--days", "20000", "--mode", "PAPER", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_orders_that_came_to_nothing_and_wishes_that_people_refused_are_counted():
    traded()
    factories.OrderFactory(status="CANCELED", mode="PAPER", created_at=ahead(1))
    refused = factories.IntentFactory(mode="PAPER", status="REJECTED")
    factories.IntentFactory(mode="PAPER", status="EXPIRED")
    Approval.objects.create(
        intent=refused,
        approved=False,
        user=factories.UserFactory(),
        actor="ada",
        reason="no",
        decided_at=NOW,
    )

    found, told = a_report(), said_by_report()

    assert (found.fills, found.filled, found.orders) == (1, 1, 2)
    assert (found.refused, found.expired) == (1, 1)
    assert "1 of 2 orders filled" in told
    assert "people rejected 1 wish; 1 wish expired without a yes" in told


@pytest.mark.django_db
def test_what_waits_for_a_yes_stands_apart_from_what_is_at_risk():
    wish = a_wish()
    now = wish.created_at + timedelta(seconds=1)

    found = analytics.report("PAPER", since=now - timedelta(days=1), as_of=now)

    assert found.waiting == pytest.approx(199.99566)
    assert found.exposure == {"total": 0}
    assert "waiting for a yes, not at risk yet  $200.00" in said_by_report()


@pytest.mark.django_db
def test_an_equity_of_an_earlier_instant_says_of_when():
    a_curve(100, 110)

    assert f"$110.00 at {ago(86_400):%Y-%m-%d %H:%M:%S} UTC" in said_by_report()
