"""The halts as a state machine: any sequence of stops, releases and marks against a small model."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from markets.models import Market
from risk import equity, halts, watch
from risk.core.drawdown import Figures
from risk.models import SEVERITY, Halt, TradingState
from tests.factories import NOW, MarketFactory

pytestmark = pytest.mark.django_db
RUNS = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

reaches = st.sampled_from([("GLOBAL", ""), ("MODE", "PAPER"), ("MODE", "LIVE"), ("MARKET", "7")])
stops = st.tuples(
    st.just("stop"),
    st.sampled_from(["MANUAL", "UNKNOWN_ORDERS"]),
    reaches,
    st.sampled_from(["LISTEN_ONLY", "REDUCING", "HALTED"]),
)
releases = st.tuples(st.just("release"), st.sampled_from(["MANUAL", "UNKNOWN_ORDERS"]), reaches)
switches = st.tuples(st.just("switch"), st.booleans())
histories = st.lists(st.one_of(stops, stops, releases, switches), max_size=10)


@pytest.fixture
def state_dir(settings: Any, tmp_path: Path) -> Path:
    settings.ENV = replace(settings.ENV, state_dir=tmp_path, halt=False, mode="PAPER")
    return tmp_path


def strictest(states: list[str]) -> TradingState:
    return max(map(TradingState, states), key=SEVERITY.index, default=TradingState.ACTIVE)


@RUNS
@given(histories)
def test_the_state_is_always_that_of_the_strictest_stop_that_covers_it(
    state_dir: Path, history: list[Any]
) -> None:
    Halt.objects.all().delete()
    if not Market.objects.filter(pk=7).exists():
        MarketFactory(id=7)
    switch = state_dir / "HALT"
    switch.unlink(missing_ok=True)
    model: dict[tuple[str, tuple[str, str]], str] = {}
    for minute, (verb, *what) in enumerate(history):
        at = NOW + timedelta(minutes=minute)
        if verb == "switch":
            switch.touch() if what[0] else switch.unlink(missing_ok=True)
        elif verb == "stop":
            kind, (scope, key), wanted = what
            halts.open_halt(
                kind,
                state=wanted,
                scope=scope,
                scope_key=key,
                reason="x",
                actor="ann",
                as_of=at,
            )
            before = model.get((kind, (scope, key)), "ACTIVE")
            model[kind, (scope, key)] = strictest([before, wanted])
        elif tuple(what) in model:
            del model[tuple(what)]
            reach = {"kind": what[0], "scope": what[1][0], "scope_key": what[1][1]}
            halt = Halt.objects.get(released_at__isnull=True, **reach)
            halts.release(halt, actor="ann", reason="x", as_of=at)

        for asked in ({"mode": "PAPER"}, {"mode": "LIVE", "market": "7"}, {}):
            covered = {("GLOBAL", ""), *((k.upper(), v) for k, v in asked.items())}
            expected = strictest([s for (_, reach), s in model.items() if reach in covered])
            expected = TradingState.HALTED if switch.exists() else expected
            assert halts.state(as_of=at, **asked) == expected
        assert Halt.objects.filter(released_at__isnull=True).count() == len(model)


@RUNS
@given(st.lists(st.integers(1, 1500), min_size=1, max_size=7))
def test_the_watch_leaves_open_what_the_curve_demands_and_what_only_a_person_may_end(
    state_dir: Path, curve: list[int]
) -> None:
    Halt.objects.all().delete()
    with transaction.atomic():
        peak, halted = 0, False
        for day, cash in enumerate(curve):
            at = NOW + timedelta(days=day)
            figures = Figures(
                cash=Decimal(cash),
                reserved=Decimal(0),
                redeemable=Decimal(0),
                positions=(),
                realised=Decimal(0),
                fees=Decimal(0),
            )
            equity.record("PAPER", figures, as_of=at)

            watch.run(as_of=at, at_work={"PAPER"})

            peak = max(peak, cash)
            fallen = Decimal(peak - cash) / peak
            halted = halted or fallen >= Decimal("0.30")
            still = set(
                Halt.objects.filter(released_at__isnull=True).values_list("kind", flat=True)
            )
            assert ("DRAWDOWN_LISTEN" in still) == (fallen >= Decimal("0.10"))
            assert ("DRAWDOWN_REDUCE" in still) == (fallen >= Decimal("0.15"))
            assert ("DRAWDOWN_HALT" in still) == halted
        # Points are facts: only a rollback makes room for the next example.
        transaction.set_rollback(True)
