"""A replay decides as paper trading does, knows nothing early, and always writes the same bytes."""

import json
from collections.abc import Callable
from dataclasses import replace as changed
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command

from mlops import backtest, labels
from mlops.core import baselines, replay
from mlops.models import Backtest
from predictions.core.contracts import Forecasts
from tests.markets import history_folder as recorded
from tests.trading.candidates import limits, trading_config

HOUR = 3600
START = recorded.NOON - recorded.NOON % HOUR - 40 * HOUR
MARKETS = 12
DATASET = "btc_daily_range"
# What is asked is what a replay plays and tells; its one row is asked about on every database.
replays = pytest.mark.one_database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve markets in four events, a price an hour for two days, every other one ends Yes."""
    rng = np.random.default_rng(3)
    markets, prices = [], []
    for m in range(MARKETS):
        close = START + 30 * HOUR + (m % 4) * HOUR
        known = {"group_key": f"group:{m % 4}", "outcome": m % 2, "closed_ts": close + 600}
        markets.append(recorded.market(f"m{m}", **known, close_ref_ts=close, start_ts=START - HOUR))
        walk = np.clip(0.5 + np.cumsum(rng.normal(0, 0.03, 30)), 0.05, 0.95)
        prices += [
            recorded.price(f"m{m}", START + h * HOUR, price=float(p)) for h, p in enumerate(walk)
        ]
    return recorded.write(tmp_path, markets=markets, prices=prices)


@pytest.fixture
def tape(folder: Path, db: Any) -> tuple[replay.Tape, np.ndarray[Any, Any]]:
    used = backtest.Settings.current(as_of=datetime(2026, 1, 1, tzinfo=UTC))
    history = backtest.histories.load(folder)
    found = labels.decided(history, config=used.learning)
    found = found.take(np.lexsort((found.market, found.as_of)))
    return backtest._tape(history, found), found.price


def play(tape: replay.Tape, forecasts: Forecasts) -> replay.Played:
    return replay.play(
        tape, forecasts, config=trading_config(), limits=limits(), assumed=replay.HISTORY_1
    )


def test_a_belief_trades_and_every_trade_is_settled(tape: tuple[replay.Tape, Any]) -> None:
    played = play(tape[0], baselines.favourite(tape[1]))

    assert len(played.books.closed) > 3
    assert played.books.open == {}
    assert played.gate["APPROVED"] == len(played.books.closed)


def test_the_price_itself_never_trades(tape: tuple[replay.Tape, Any]) -> None:
    price = tape[1]
    same = Forecasts(
        price=price, probability=price, sigma=np.zeros(len(price)),
        source=np.full(len(price), "PRICE"), weights={},
    )  # fmt: skip

    assert play(tape[0], same).books.closed == []


def test_a_second_entry_on_a_market_is_denied_by_the_same_gate(
    tape: tuple[replay.Tape, Any],
) -> None:
    played = play(tape[0], baselines.favourite(tape[1]))

    assert played.gate["ALREADY_HELD"] > 0
    markets = [lot.intent.market for lot in played.books.closed]
    assert len(markets) == len(set(markets))


def test_answers_and_prices_of_the_future_change_no_earlier_trade(
    tape: tuple[replay.Tape, Any],
) -> None:
    whole, price = tape
    cut = float(np.quantile(whole.as_of, 0.6))
    early = whole.as_of < cut
    said = baselines.favourite(price)
    past = changed(
        whole,
        market=whole.market[early], as_of=whole.as_of[early], bid=whole.bid[early],
        ask=whole.ask[early], bid_depth=whole.bid_depth[early], ask_depth=whole.ask_depth[early],
        quote_age_s=whole.quote_age_s[early],
        payout=np.where(whole.answered_at < cut, whole.payout, np.nan),
    )  # fmt: skip
    told = changed(
        said, price=said.price[early], probability=said.probability[early],
        sigma=said.sigma[early], source=said.source[early],
    )  # fmt: skip

    def bought(played: replay.Played) -> list[tuple[float, int, Any]]:
        lots = [*played.books.closed, *played.books.open.values()]
        return sorted((lot.at, lot.intent.market, lot.shares) for lot in lots if lot.at < cut)

    assert bought(play(whole, said)) == bought(play(past, told)) != []


def rows_of_every_table() -> dict[str, int]:
    return {m._meta.label: m._default_manager.count() for m in apps.get_models() if m._meta.managed}


def run(folder: Path, **options: Any) -> tuple[Backtest, dict[str, bytes]]:
    call_command("replay", str(folder), dataset=[DATASET], json=True, stdout=StringIO(), **options)
    stored = Backtest.objects.order_by("-id")[0]
    files = sorted((Path(settings.ENV.state_dir) / stored.folder).iterdir())
    return stored, {file.name: file.read_bytes() for file in files}


@pytest.fixture
def state_dir(tmp_path_factory: pytest.TempPathFactory, settings: Any) -> Callable[[], Path]:
    settings.ENV = changed(settings.ENV, state_dir=tmp_path_factory.mktemp("state"))
    return lambda: Path(settings.ENV.state_dir)


def test_a_replay_leaves_one_backtest_row_and_nothing_else(
    folder: Path, db: Any, state_dir: Any
) -> None:
    before = rows_of_every_table()

    run(folder)

    after = rows_of_every_table()
    assert {k: n - before[k] for k, n in after.items() if n != before[k]} == {"mlops.Backtest": 1}


@replays
def test_the_same_seed_gives_the_same_bytes(folder: Path, db: Any, state_dir: Any) -> None:
    first, second = run(folder, seed=5)[1], run(folder, seed=5)[1]

    assert sorted(first) == ["report.html", "report.json", "report.png"]
    assert first == second


@replays
def test_the_report_names_its_assumptions_and_says_when_events_are_too_few(
    folder: Path, db: Any, state_dir: Any
) -> None:
    files = run(folder)[1]

    page = files["report.html"].decode()
    assert "BACKTEST" in page
    assert "INSUFFICIENT" in page
    assert "history-1" in page
    assert "http" not in page.replace("http://www.w3.org/", "")
    body = json.loads(files["report.json"])
    assert body["summary"]["insufficient"] is True
    assert {s["name"] for s in body["strategies"]} == {
        "model",
        "baseline: favourites",
        "baseline: coin",
    }


def test_a_period_without_decisions_says_how_to_find_some(folder: Path, db: Any) -> None:
    with pytest.raises(CommandError, match="widen --from and --to"):
        call_command("replay", str(folder), "--dataset", DATASET, "--from", "2031-01-01")
