"""Halts: opened once, released once, read uncached, always with a way to end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from config.kernel import locks
from config.kernel.models import DomainEvent
from risk import halts
from risk.models import Halt, TradingState
from tests.factories import NOW, HaltFactory, MarketFactory

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=5)


def stop(kind: str = "MANUAL", **knobs: Any) -> Halt:
    return halts.open_halt(kind, **({"reason": "smoke", "actor": "ann", "as_of": NOW} | knobs))


@pytest.fixture
def state_dir(settings: Any, tmp_path: Path) -> Path:
    settings.ENV = replace(settings.ENV, state_dir=tmp_path)
    return tmp_path


@pytest.fixture
def trail_held(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody holds the audit trail and does not let go; three seconds are long for a test."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer, and no lock beside it")
    import psycopg

    monkeypatch.setattr(locks, "TIMEOUT_MS", 100)
    knobs = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    with psycopg.connect(**knobs, autocommit=True) as somebody:
        somebody.execute("SELECT pg_advisory_lock(%s)", [locks._key(halts.AUDIT_LOCK)])
        yield


@pytest.mark.usefixtures("trail_held")
def test_a_stop_waits_for_nobody_who_holds_the_trail(state_dir: Path) -> None:
    mild = stop(state="REDUCING")
    assert halts.state(as_of=NOW) == TradingState.REDUCING

    strict = stop(as_of=LATER)

    assert halts.standing() == [strict]
    assert halts.state(as_of=LATER) == TradingState.HALTED
    assert stop(state="REDUCING", as_of=LATER) == strict
    mild.refresh_from_db()
    assert mild.release_reason == "replaced by HALTED: smoke"
    assert not DomainEvent.objects.exists()


@pytest.mark.parametrize("reason", ["arr\udceatez", "stop\x00 it"])
def test_no_byte_of_a_reason_keeps_a_stop_away(state_dir: Path, reason: str) -> None:
    halt = stop(reason=reason)

    halt.refresh_from_db()
    assert "?" in halt.reason
    assert halts.state(as_of=NOW) == TradingState.HALTED


@pytest.mark.parametrize("reason", ["", " \t", "\u200b"])
def test_a_reason_that_nobody_can_read_is_none(reason: str) -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        stop(reason=reason)


def test_nothing_is_halted_until_somebody_halts(state_dir: Path) -> None:
    assert halts.state(as_of=NOW) == TradingState.ACTIVE


def test_every_halt_kind_declares_resume_rule() -> None:
    for name, kind in halts.KINDS.items():
        assert kind.resume_rule in Halt.Resume, name
        assert kind.state != TradingState.ACTIVE, name
        assert kind.meaning, name


def test_a_halt_of_an_undeclared_kind_is_refused() -> None:
    with pytest.raises(halts.UnknownKind, match="KINDS"):
        stop("FULL_MOON")


def test_state_and_resume_rule_come_from_the_kind_unless_given() -> None:
    assert (stop("DAILY_LOSS").state, stop("DAILY_LOSS").resume_rule) == (
        "LISTEN_ONLY",
        "NEXT_DAY",
    )
    assert stop("UNKNOWN_ORDERS", state="REDUCING", resume_rule="MANUAL").resume_rule == "MANUAL"


def test_the_strictest_open_halt_decides(state_dir: Path) -> None:
    stop("DAILY_LOSS")
    assert halts.state(as_of=NOW) == TradingState.LISTEN_ONLY

    stop("DRAWDOWN_REDUCE")
    assert halts.state(as_of=NOW) == TradingState.REDUCING

    stop()
    assert halts.state(as_of=NOW) == TradingState.HALTED


@pytest.mark.parametrize(
    ("scope", "key", "asked", "stopped"),
    [
        ("MODE", "PAPER", {"mode": "PAPER"}, True),
        ("MODE", "PAPER", {"mode": "LIVE"}, False),
        ("MODE", "PAPER", {}, False),
        ("STRATEGY", "default", {"mode": "PAPER", "strategy": "default"}, True),
        ("STRATEGY", "default", {"strategy": "other"}, False),
        ("MARKET", "7", {"market": "7"}, True),
        ("MARKET", "7", {"market": "8"}, False),
        ("GLOBAL", "", {"mode": "LIVE", "market": "8"}, True),
    ],
)
def test_a_halt_reaches_as_far_as_its_scope(
    state_dir: Path, scope: str, key: str, asked: dict[str, str], stopped: bool
) -> None:
    MarketFactory(id=7)
    halt = stop(scope=scope, scope_key=key)

    assert (halts.state(as_of=NOW, **asked) == TradingState.HALTED) == stopped
    assert (halts.standing(**asked) == [halt]) == stopped


@pytest.mark.parametrize(("scope", "key"), [("MODE", ""), ("GLOBAL", "PAPER")])
def test_a_scope_and_its_key_belong_together(scope: str, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        stop(scope=scope, scope_key=key)


@pytest.mark.parametrize(
    ("scope", "key", "remedy"),
    [
        ("MODE", "paper", "DEMO, REHEARSAL, PAPER, LIVE"),
        ("MODE", "BACKTEST", "DEMO, REHEARSAL, PAPER, LIVE"),
        ("STRATEGY", "nobody", "default"),
        ("MARKET", "7", "stored market"),
        ("MARKET", "08", "stored market"),
        ("MARKET", "٨", "stored market"),
        ("MARKET", "9" * 101, "stored market"),
    ],
)
def test_a_halt_that_would_stop_nothing_is_refused(scope: str, key: str, remedy: str) -> None:
    MarketFactory(id=8)

    with pytest.raises(ValueError, match=remedy):
        stop(scope=scope, scope_key=key)
    assert not Halt.objects.exists()


def test_the_same_stop_is_opened_once() -> None:
    first = stop(reason="smoke")

    assert stop(reason="more smoke") == first
    assert Halt.objects.get().reason == "smoke"


def test_a_stricter_stop_replaces_the_milder_one() -> None:
    mild = stop(state="LISTEN_ONLY")

    strict = stop(state="HALTED", reason="fire")

    mild.refresh_from_db()
    assert mild.released_at == NOW
    assert "replaced" in mild.release_reason
    assert halts.standing() == [strict]
    assert stop(state="LISTEN_ONLY") == strict


def test_the_database_refuses_a_second_open_halt_of_one_cause() -> None:
    HaltFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        HaltFactory()


@pytest.mark.parametrize("knobs", [{"reason": " "}, {"state": "ACTIVE"}, {"state": "ASLEEP"}])
def test_a_halt_without_reason_or_effect_is_refused(knobs: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - two sentences of ours and one of the enum's
        stop(**knobs)


def test_a_released_halt_no_longer_counts_and_says_who_and_why(state_dir: Path) -> None:
    halt = stop()

    halts.release(halt, actor="bob", reason="it was steam", as_of=LATER)

    halt.refresh_from_db()
    assert (halt.released_by, halt.released_at) == ("bob", LATER)
    assert halts.state(as_of=LATER) == TradingState.ACTIVE


def test_a_halt_that_was_open_then_still_answers_for_then(state_dir: Path) -> None:
    halts.release(stop(), actor="bob", reason="it was steam", as_of=LATER)

    assert halts.state(as_of=NOW + timedelta(minutes=1)) == TradingState.HALTED


def test_a_decision_that_began_before_the_halt_is_stopped_by_it(state_dir: Path) -> None:
    stop(as_of=LATER)

    assert halts.state(as_of=NOW) == TradingState.HALTED


def test_releasing_what_is_not_open_raises() -> None:
    halt = stop()
    halts.release(halt, actor="bob", reason="it was steam", as_of=LATER)

    with pytest.raises(halts.NotOpen, match=r"not open"):
        halts.release(halt, actor="bob", reason="again", as_of=LATER)


def test_releasing_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        halts.release(stop(), actor="bob", reason="", as_of=LATER)


def test_opening_and_releasing_are_audited() -> None:
    halts.release(stop(), actor="bob", reason="it was steam", as_of=LATER)

    trail = DomainEvent.objects.order_by("id").values_list("kind", "actor")
    assert list(trail) == [("halt.opened", "ann"), ("halt.released", "bob")]


def test_a_file_halts_everything(state_dir: Path) -> None:
    (state_dir / "HALT").touch()

    assert halts.state(as_of=NOW) == TradingState.HALTED
    assert "delete it" in halts.switches()[0]


def test_the_environment_halts_everything(settings: Any, tmp_path: Path) -> None:
    settings.ENV = replace(settings.ENV, halt=True, state_dir=tmp_path)

    assert halts.state(as_of=NOW) == TradingState.HALTED
    assert "HALT" in halts.switches()[0]
