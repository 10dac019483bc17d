"""The equity curve and its peak."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from config.kernel.models import DomainEvent
from risk import equity
from risk.core.drawdown import Figures, Marked
from risk.models import EquityPoint
from tests.factories import NOW, EquityPointFactory

pytestmark = pytest.mark.django_db


def figures(cash: int, *positions: Marked) -> Figures:
    return Figures(
        cash=Decimal(cash),
        reserved=Decimal(0),
        redeemable=Decimal(0),
        positions=positions,
        realised=Decimal(0),
        fees=Decimal(0),
    )


def mark(cash: int, minute: int, *positions: Marked) -> EquityPoint:
    return equity.record("PAPER", figures(cash, *positions), as_of=at(minute))


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def test_a_point_holds_the_books_and_the_fall_from_the_peak() -> None:
    mark(1000, 0)
    position = Marked(cost=Decimal(300), mark=Decimal(310), liquidation=Decimal(200))

    point = mark(700, 5, position)

    point.refresh_from_db()
    assert (point.open_cost, point.open_mark, point.open_liquidation) == (300, 310, 200)
    assert (point.risk_equity, point.peak) == (900, 1000)
    assert point.drawdown == pytest.approx(0.1)


def test_mark_to_market_spike_does_not_move_peak() -> None:
    mark(1000, 0)
    moon = Marked(cost=Decimal(100), mark=Decimal(900), liquidation=Decimal(880))

    assert mark(900, 5, moon).peak == 1000
    assert mark(1000, 10).drawdown == 0


def test_marking_twice_at_one_instant_gives_the_first_point() -> None:
    first = mark(1000, 0)

    assert mark(5, 0) == first
    assert EquityPoint.objects.count() == 1


def test_the_curves_of_two_modes_never_mix() -> None:
    mark(1000, 0)

    demo = equity.record("DEMO", replace(figures(10)), as_of=at(1))

    assert demo.peak == 10


def test_peak_reset_requires_reason_and_audit() -> None:
    mark(1000, 0)
    mark(670, 5)

    with pytest.raises(ValueError, match="reason"):
        equity.reset_peak("PAPER", actor="ann", reason=" ", as_of=at(6))
    assert equity.peak("PAPER", as_of=at(6)) == 1000

    equity.reset_peak("PAPER", actor="ann", reason="withdrew 330 dollars", as_of=at(6))

    event = DomainEvent.objects.get()
    assert (event.kind, event.actor, event.subject) == ("peak.reset", "ann", "mode:PAPER")
    assert "withdrew" in event.data
    assert equity.peak("PAPER", as_of=at(6)) == 670
    assert mark(670, 10).drawdown == 0


def test_a_peak_after_a_reset_rises_again() -> None:
    mark(1000, 0)
    mark(500, 1)
    equity.reset_peak("PAPER", actor="ann", reason="a new start", as_of=at(2))
    mark(600, 3)

    assert mark(550, 4).peak == 600


def test_the_fall_since_the_start_survives_a_reset() -> None:
    mark(1000, 0)
    mark(670, 5)

    equity.reset_peak("PAPER", actor="ann", reason="a new start", as_of=at(6))
    mark(670, 10)

    assert equity.drawdown_since_start("PAPER", as_of=at(10)) == Decimal("0.33")


def test_there_is_nothing_to_reset_before_the_first_point() -> None:
    with pytest.raises(equity.NothingToReset, match="mark the books"):
        equity.reset_peak("PAPER", actor="ann", reason="why not", as_of=NOW)


def test_without_points_nothing_is_known() -> None:
    assert equity.latest("PAPER", as_of=NOW) is None
    assert equity.peak("PAPER", as_of=NOW) is None
    assert equity.day_start("PAPER", as_of=NOW) is None
    assert equity.highest_since("PAPER", since=at(-15), as_of=NOW) is None
    assert equity.drawdown_since_start("PAPER", as_of=NOW) == 0


def test_the_day_starts_with_the_last_point_of_the_day_before() -> None:
    EquityPointFactory(observed_at=NOW - timedelta(hours=40), cash=Decimal(800))
    EquityPointFactory(observed_at=NOW - timedelta(hours=13), cash=Decimal(900))
    EquityPointFactory(observed_at=NOW - timedelta(hours=1), cash=Decimal(950))

    assert equity.day_start("PAPER", as_of=NOW) == 900


def test_a_first_day_starts_with_its_first_point() -> None:
    mark(1000, 0)
    mark(900, 5)

    assert equity.day_start("PAPER", as_of=at(5)) == 1000


def test_the_highest_of_a_window_includes_the_point_that_still_held_when_it_began() -> None:
    mark(1000, -20)
    mark(700, 0)

    assert equity.highest_since("PAPER", since=at(-15), as_of=at(0)) == 1000
    assert equity.highest_since("PAPER", since=at(-5), as_of=at(0)) == 700
