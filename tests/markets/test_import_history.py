import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from config.kernel import jobs
from config.kernel.models import Job
from markets import archive, history, importing
from markets.core import book
from markets.models import (
    Event,
    Market,
    Origin,
    Outcome,
    PublicTrade,
    Quote,
    QuoteKind,
    Resolution,
    SpotTick,
)
from tests.markets.history_folder import NOON, epoch, epoch_quote, market, price, write

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 1, tzinfo=UTC)
CONDITION = "0x" + "ab" * 32


@pytest.fixture(autouse=True)
def own_archive(tmp_path: Path, settings: LazySettings) -> None:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path / "archive")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "recorded"
    source.mkdir()
    level: dict[str, Any] = {"ts_ms": NOON * 1000 + 250, "epoch_key": "e"}
    for n in range(1, 6):
        level |= {f"bid_px_up_{n}": 0.4 - n / 100, f"bid_sz_up_{n}": 10.0 * n}
        level |= {f"ask_px_up_{n}": 0.4 + n / 100, f"ask_sz_up_{n}": 10.0 * n}
    trade = {
        "market_key": "a",
        "token_id": "1",
        "ts": NOON - 5,
        "outcome": "No",
        "side": "MAKER_BUY",
        "price": 0.3,
        "size": 12.0,
        "maker": "0xmaker",
        "taker": "0xsomebody",
        "wallet": None,
        "tx_hash": "0x1",
        "order_hash": "0x2",
        "dataset": "btc_daily_range",
    }
    bar = {"asset": "btc", "exchange": "binance", "interval_s": 60, "ts": NOON, "close": 1.5}
    bar |= dict.fromkeys(("open", "high", "low", "volume"), 1.0)
    write(
        source,
        markets=[
            market("a", condition_id=CONDITION, token_id_0="11", token_id_1="12"),
            market("b", outcome=0, start_ts=None, dataset="mixed_jan2026", group_key="g2"),
        ],
        prices=[
            price("a", NOON - 120, price=0.1),
            price("a", NOON - 60, price=0.2),
            price("b", NOON - 90, kind="clob_history_10m", dataset="mixed_jan2026"),
        ],
        updown_epochs=[epoch("e"), epoch("unknown", outcome_up=None, asset="eth")],
        updown_quotes=[
            epoch_quote("e", NOON * 1000 + 250, up_bid=0.39, up_ask=0.41, kind="l2_recorder_1s")
        ],
        books_l2_5=[level, level],
        trades=[
            trade,
            trade | {"taker": "0x4bfb41d5aaaa", "order_hash": "0x3"},
        ],
        spot_klines=[bar, bar | {"exchange": "cf_benchmarks_rti60s", "interval_s": 900}],
        weak_markets=[
            {
                k: v
                for k, v in market("w", dataset="polymarket_us_weak").items()
                if k in WEAK_COLUMNS
            }
        ],
        weak_prices=[{"market_key": "w", "ts": NOON - 9, "price": 0.5, "bid": 0.4, "ask": 0.6}],
        labels_only=[{"src": "s", "question": "q", "outcome": 1}],
    )
    return source


WEAK_COLUMNS = [
    "market_key",
    "venue",
    "dataset",
    "slug",
    "group_key",
    "question",
    "category",
    "start_ts",
    "close_ref_ts",
    "volume",
    "outcome",
    "label_source",
    "label_strength",
]


def run(path: Path, datasets: tuple[str, ...] = ()) -> importing.Summary:
    return importing.run(
        path, datasets=datasets, clock=lambda: NOW, progress=lambda _step, _done, _total: None
    )


def at(ts: float) -> datetime:
    return datetime.fromtimestamp(ts, UTC)


def test_markets_arrive_with_their_event_outcomes_and_resolution(folder: Path) -> None:
    run(folder)

    imported = Market.objects.get(venue_key="a")
    assert (imported.origin, imported.tracked, imported.dataset) == (
        Origin.IMPORT,
        False,
        "btc_daily_range",
    )
    assert imported.condition_id == CONDITION
    assert imported.opens_at == imported.received_at == at(NOON - 86_400)
    assert imported.scheduled_end_at == at(NOON)
    assert imported.closed_at == at(NOON + 600)
    assert imported.event.neg_risk is True
    assert list(imported.outcomes.order_by("index").values_list("name", "asset_id")) == [
        ("Yes", "11"),
        ("No", "12"),
    ]
    assert (imported.resolution.payout_0, imported.resolution.resolved_at) == (1, at(NOON))
    assert imported.resolution.received_at == at(NOON + 600)


def test_a_market_without_a_known_opening_was_learned_of_with_its_first_quote(folder: Path) -> None:
    run(folder)

    assert Market.objects.get(venue_key="b").received_at == at(NOON - 90)
    assert Market.objects.get(venue_key="b").scheduled_end_at is None


def test_an_unknown_outcome_gives_no_resolution(folder: Path) -> None:
    run(folder)

    unknown = Market.objects.get(venue_key="unknown")
    assert (unknown.asset, unknown.window_s, unknown.reference_price) == ("eth", 900, 100_000.5)
    assert not Resolution.objects.filter(market=unknown).exists()


def test_quotes_trades_and_spot_prices_become_rows(folder: Path) -> None:
    run(folder)

    quote = Quote.objects.get(market__venue_key="e")
    assert (quote.kind, quote.price) == (QuoteKind.BOOK, 0.4)
    assert quote.observed_at == at(NOON) + timedelta(milliseconds=250)
    levels = book.unpack(quote.observed_at, bytes(quote.levels))
    assert [float(x.price) for x in levels.bids] == [0.39, 0.38, 0.37, 0.36, 0.35]
    assert [float(x.shares) for x in levels.asks] == [10, 20, 30, 40, 50]
    trade = PublicTrade.objects.get()  # the taker's own order repeats the match
    assert (trade.outcome_index, trade.shares, trade.wallet) == (1, 12, "0xmaker")
    half = timedelta(milliseconds=500)
    assert set(SpotTick.objects.values_list("source", "observed_at", "received_at")) == {
        ("binance", at(NOON + 60), at(NOON + 60) + half),
        ("cf_benchmarks_rti60s", at(NOON), at(NOON)),
    }
    assert "received_at" not in archive.read("spot").columns


def test_importing_again_changes_nothing(folder: Path) -> None:
    first = run(folder)
    before = {m: set(m.objects.values_list()) for m in (Event, Market, Outcome, Resolution, Quote)}

    again = run(folder)

    assert first.added["quotes"] == Quote.objects.count() == 5
    assert set(again.added.values()) == set(again.changed.values()) == {0}
    assert set(again.archived.values()) == {0}
    assert {m: set(m.objects.values_list()) for m in before} == before


def test_a_changed_record_changes_only_its_row(folder: Path) -> None:
    run(folder)
    write(
        folder,
        markets=[
            market("a", volume=99.0),
            market("b", outcome=0, start_ts=None, dataset="mixed_jan2026", group_key="g2"),
        ],
    )

    again = run(folder)

    assert (again.added["markets"], again.changed["markets"]) == (0, 1)
    assert Market.objects.get(venue_key="a").volume == 99


def test_ids_that_a_venue_market_holds_already_are_left_to_it(folder: Path) -> None:
    event = Event.objects.create(venue="polymarket", venue_key="77", received_at=NOW)
    live = Market.objects.create(
        venue="polymarket",
        venue_key="770",
        event=event,
        condition_id=CONDITION,
        question="?",
        received_at=NOW,
    )
    Outcome.objects.create(market=live, index=0, name="Yes", asset_id="11")

    run(folder)
    run(folder)

    imported = Market.objects.get(venue_key="a")
    assert imported.condition_id is None
    assert list(imported.outcomes.order_by("index").values_list("asset_id", flat=True)) == [
        None,
        "12",
    ]
    live.refresh_from_db()
    assert (live.condition_id, live.origin) == (CONDITION, Origin.VENUE)


def test_only_the_named_datasets_are_imported(folder: Path) -> None:
    run(folder, ("kalshi_15m",))

    assert set(Market.objects.values_list("dataset", flat=True)) == {"kalshi_15m"}
    assert Quote.objects.count() == 1


def test_the_archive_gives_back_the_history_that_was_imported(folder: Path) -> None:
    run(folder)

    for until in (None, at(NOON - 60), at(NOON + 600)):
        read, kept = history.load(folder, until=until), archive.load(until=until)
        assert kept.markets.equals(read.markets)
        assert kept.facts.category == read.facts.category
        for name in ("starts", "known_at", "price", "bid", "ask", "bid_depth", "volume_24h"):
            ours, theirs = getattr(kept.series, name), getattr(read.series, name)
            assert np.array_equal(ours, theirs, equal_nan=True)
    assert "w" not in archive.load().markets["market_key"]
    weak = archive.load(datasets=["polymarket_us_weak"])
    assert weak.markets["label_strength"].to_list() == ["official"]


def test_an_interrupted_import_resumes_after_its_finished_steps(folder: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(step: str, _done: int, _total: int) -> None:
        if step == "trades.parquet":
            raise Stopped

    with pytest.raises(Stopped):
        importing.run(folder, datasets=(), clock=lambda: NOW, progress=stop)
    assert Job.objects.get().status == Job.Status.FAILED

    again = run(folder)

    assert again.resumed
    assert "quotes" not in again.added
    assert again.added["spot"] == 2
    assert Job.objects.latest("id").status == Job.Status.DONE


def test_other_files_do_not_resume_a_stopped_import(folder: Path) -> None:
    job = jobs.start("import_history", "history", as_of=NOW)
    jobs.advance(job, done=1, as_of=NOW, checkpoint='{"files": "other", "finished": ["catalogue"]}')
    jobs.fail(job, as_of=NOW, error="stopped")

    assert not run(folder).resumed


def test_a_foreign_file_stops_the_import_before_anything_is_written(
    folder: Path, capsys: Any
) -> None:
    pl.DataFrame({"market_key": ["a"]}).write_parquet(folder / "prices.parquet")

    with pytest.raises(CommandError, match=r"prices\.parquet, column") as refused:
        call_command("import_history", str(folder), "--json")

    assert refused.value.returncode == 2
    assert not Market.objects.exists()


def test_a_second_import_at_the_same_time_is_refused(folder: Path) -> None:
    jobs.start("import_history", "history", as_of=datetime.now(UTC))

    with pytest.raises(CommandError, match="has been running") as refused:
        call_command("import_history", str(folder))

    assert refused.value.returncode == 1


def test_the_command_prints_a_table_for_people_and_json_for_machines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_history", str(folder), "--json")
    counts = json.loads(capsys.readouterr().out)
    call_command("import_history", str(folder))
    printed = capsys.readouterr().out

    assert counts["added"]["markets"] == 5
    assert counts["archived"]["labels_only"] == 1
    assert "Imported history" in printed
    assert "labels_only: 1 rows kept in the archive only" in printed


def test_a_simulated_folder_belongs_in_a_demo_and_is_marked_there(
    folder: Path, settings: LazySettings
) -> None:
    (folder / "simulated.json").write_text('{"simulated": true}')

    with pytest.raises(CommandError, match=r"simulated\.json says.*MODE=DEMO") as refused:
        call_command("import_history", str(folder), "--json")
    assert refused.value.returncode == 2
    assert not Market.objects.exists()

    settings.ENV = replace(settings.ENV, mode="DEMO")
    run(folder)
    run(folder)

    assert set(Market.objects.values_list("origin", flat=True)) == {Origin.SANDBOX}
    assert set(Event.objects.values_list("origin", flat=True)) == {Origin.SANDBOX}
    assert Quote.objects.count() == 5
    assert archive.load().simulated
    assert not Market.objects.filter(origin=Origin.IMPORT).exists()


def test_an_import_names_the_quotes_it_could_not_use(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = pl.read_parquet(folder / "prices.parquet")
    odd = prices.head(1).with_columns(kind=pl.lit("astrology"), ts=pl.col("ts") + 1)
    lost = prices.head(1).with_columns(market_key=pl.lit("stranger"))
    pl.concat([prices, odd, lost]).write_parquet(folder / "prices.parquet")

    call_command("import_history", str(folder), "--json")
    notes = json.loads(capsys.readouterr().out)["notes"]
    call_command("import_history", str(folder))
    printed = " ".join(capsys.readouterr().out.split())

    assert any("prices.parquet: 1 quotes of the unknown kind 'astrology'" in n for n in notes)
    assert any("1 quotes of 1 markets that no file describes" in n for n in notes)
    assert "unknown kind 'astrology'" in printed


def test_a_misspelt_dataset_is_refused_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(CommandError, match=r"no dataset kalshi.*kalshi_15m.*labels_only") as no:
        call_command("import_history", str(folder), "--dataset", "kalshi")

    assert no.value.returncode == 2
    run(folder, ("labels_only",))
