"""The watch: what halts, what ends by itself, what never does."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from config.kernel.models import DomainEvent
from markets import notices
from markets.models import Notice
from risk import equity, halts, watch
from risk.core.drawdown import Figures
from risk.models import Halt, TradingState
from tests.factories import NOW, HaltFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def state_dir(settings: Any, tmp_path: Path) -> None:
    settings.ENV = replace(settings.ENV, state_dir=tmp_path, mode="PAPER", halt=False)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def mark(cash: int, minutes: float, mode: str = "PAPER") -> None:
    figures = Figures(
        cash=Decimal(cash),
        reserved=Decimal(0),
        redeemable=Decimal(0),
        positions=(),
        realised=Decimal(0),
        fees=Decimal(0),
    )
    equity.record(mode, figures, as_of=at(minutes))


def look(minutes: float) -> watch.WatchReport:
    return watch.run(as_of=at(minutes), at_work={"PAPER"})


def kinds() -> set[str]:
    return set(Halt.objects.filter(released_at__isnull=True).values_list("kind", flat=True))


def state(minutes: float, mode: str = "PAPER") -> TradingState:
    return halts.state(as_of=at(minutes), mode=mode)


def slide(to: int) -> None:
    """Fall from 1000 so slowly that neither the day nor the window notices."""
    mark(1000, -3 * 1440)
    mark(to, -2 * 1440)
    mark(to, 0)


@pytest.mark.parametrize(
    ("equity_now", "expected"),
    [
        (901, TradingState.ACTIVE),
        (900, TradingState.LISTEN_ONLY),
        (850, TradingState.REDUCING),
        (700, TradingState.HALTED),
    ],
)
def test_a_drawdown_halts_by_its_grade(equity_now: int, expected: TradingState) -> None:
    slide(equity_now)

    look(0)

    assert state(0) == expected


def test_33pct_fall_halts() -> None:
    slide(670)

    look(0)

    assert state(0) == TradingState.HALTED
    halt = Halt.objects.get(kind="DRAWDOWN_HALT")
    assert "33.00%" in halt.reason
    assert halt.resume_rule == "MANUAL"


def test_a_drawdown_of_one_mode_leaves_the_others_alone() -> None:
    slide(670)
    mark(1000, 0, mode="DEMO")

    look(0)

    assert state(0, mode="DEMO") == TradingState.ACTIVE


def test_looking_twice_opens_nothing_new() -> None:
    slide(850)

    assert len(look(0).opened) == 2
    assert look(1).opened == ()


def test_a_graded_halt_ends_when_equity_recovers() -> None:
    slide(850)
    look(0)

    mark(950, 5)
    report = look(5)

    assert {halt.kind for halt in report.released} == {"DRAWDOWN_LISTEN", "DRAWDOWN_REDUCE"}
    assert state(5) == TradingState.ACTIVE


def test_the_last_grade_never_ends_by_itself() -> None:
    slide(650)
    look(0)

    mark(1000, 5)
    look(5)
    look(3 * 1440)

    assert "DRAWDOWN_HALT" in kinds()


def test_released_too_early_the_last_grade_returns() -> None:
    slide(650)
    look(0)
    halts.release(
        Halt.objects.get(kind="DRAWDOWN_HALT"), actor="ann", reason="impatience", as_of=at(1)
    )

    look(2)

    assert "DRAWDOWN_HALT" in kinds()


def test_after_a_peak_reset_a_released_halt_stays_released() -> None:
    slide(650)
    look(0)
    equity.reset_peak("PAPER", actor="ann", reason="a new start", as_of=at(1))
    halts.release(
        Halt.objects.get(kind="DRAWDOWN_HALT"), actor="ann", reason="a new start", as_of=at(1)
    )

    look(2)

    assert kinds() == set()


def test_a_daily_loss_stops_entries_until_the_next_day() -> None:
    mark(1000, -1440)
    mark(960, -30)
    mark(899, 0)
    look(0)
    assert "DAILY_LOSS" in kinds()

    mark(950, 60)
    look(60)
    assert "DAILY_LOSS" in kinds()

    mark(950, 12 * 60 + 1)
    look(12 * 60 + 1)
    assert "DAILY_LOSS" not in kinds()


def test_a_sudden_drop_halts_until_a_person_looks() -> None:
    mark(2000, -2 * 1440)
    mark(1000, -15)
    mark(899, 0)

    look(0)

    assert "SUDDEN_DROP" in kinds()
    assert halts.KINDS["SUDDEN_DROP"].resume_rule == "MANUAL"


def test_a_sudden_drop_that_a_person_released_is_not_held_against_the_curve_again() -> None:
    mark(1000, -5)
    mark(899, 0)
    look(0)
    for halt in Halt.objects.filter(released_at__isnull=True):
        halts.release(halt, actor="ann", reason="a withdrawal", as_of=at(1))

    mark(899, 2)
    look(2)
    assert "SUDDEN_DROP" not in kinds()

    mark(700, 3)
    look(3)
    assert "SUDDEN_DROP" in kinds()


def test_a_slow_fall_is_no_sudden_drop() -> None:
    slide(899)

    look(0)

    assert "SUDDEN_DROP" not in kinds()


def test_a_gap_in_the_snapshots_stops_entries_until_the_next_one() -> None:
    mark(1000, 0)
    look(31)
    assert state(31) == TradingState.LISTEN_ONLY

    mark(1000, 32)
    look(32)
    assert state(32) == TradingState.ACTIVE


def test_only_the_mode_at_work_owes_snapshots() -> None:
    mark(1000, 0, mode="DEMO")

    assert look(500).opened == ()


def test_an_installation_without_a_curve_is_left_alone() -> None:
    assert look(0) == watch.WatchReport()


def test_a_manual_halt_is_never_released_by_the_watch() -> None:
    mark(1000, 0)
    HaltFactory(scope="MODE", scope_key="PAPER")
    HaltFactory(kind="SNAPSHOT_GAP", scope="MODE", scope_key="PAPER", resume_rule="MANUAL")

    look(1)
    mark(1000, 3 * 1440)
    look(3 * 1440)

    assert kinds() == {"MANUAL", "SNAPSHOT_GAP"}


def test_a_warning_of_ingestion_is_raised_once_and_a_remark_never() -> None:
    for severity in Notice.Severity:
        notices.note(
            Notice.Kind.CONTRACT_DRIFT,
            f"{severity}",
            f"{severity} told",
            as_of=NOW,
            severity=severity,
        )

    raised = [watch.run(as_of=NOW, at_work=()).raised for _ in range(2)]

    assert raised == [1, 0]
    event = DomainEvent.objects.get(kind="alert.raised")
    assert event.subject == "CONTRACT_DRIFT:WARNING"
    assert "WARNING told" in event.data
