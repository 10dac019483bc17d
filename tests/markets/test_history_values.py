import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.conf import LazySettings
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.kernel.models import Job
from markets import archive, history
from markets.adapters import history_files, history_values
from markets.adapters.history_files import BadHistory
from markets.adapters.history_values import BadValue
from markets.models import Event, Market, Origin, Quote, Resolution
from tests.markets.history_folder import NOON, epoch, epoch_quote, market, price, write

FILES = {
    "markets": lambda **known: [market("a"), market("b", **known)],
    "prices": lambda **known: [price("a", NOON - 60), price("a", NOON - 30) | known],
    "updown_epochs": lambda **known: [epoch("d"), epoch("e", **known)],
    "updown_quotes": lambda **known: [epoch_quote("e", NOON * 1000) | known],
    "trades": lambda **known: [trade(**known)],
    "spot_klines": lambda **known: [bar(**known)],
}
CASES: list[tuple[str, str, Any]] = [
    ("prices", "price", float("inf")),
    ("prices", "price", float("nan")),
    ("prices", "bid", -5.0),
    ("prices", "ask", 2.0**100),
    ("prices", "last", 40.0),
    ("prices", "volume24h", -1.0),
    ("prices", "ts", NOON * 1000),
    ("prices", "ts", -NOON),
    ("prices", "ts", None),
    ("prices", "market_key", None),
    ("markets", "market_key", ""),
    ("markets", "market_key", None),
    ("markets", "group_key", None),
    ("markets", "outcome", 7),
    ("markets", "outcome", -1),
    ("markets", "dataset", "../../evil"),
    ("markets", "dataset", "evil\n"),
    ("markets", "dataset", None),
    ("markets", "close_ref_ts", NOON * 1000),
    ("markets", "close_ref_ts", 2**62),
    ("markets", "start_ts", -1),
    ("markets", "volume", float("inf")),
    ("updown_epochs", "window_s", 0),
    ("updown_epochs", "outcome_up", 2),
    ("updown_epochs", "end_ts", NOON * 1000),
    ("updown_epochs", "ref_open", float("nan")),
    ("updown_quotes", "ts_ms", NOON),
    ("updown_quotes", "up_bid_depth", -1.0),
    ("updown_quotes", "dn_ask", 1.5),
    ("trades", "size", float("nan")),
    ("trades", "size", -3.0),
    ("trades", "price", None),
    ("trades", "dataset", "a/b"),
    ("spot_klines", "close", -1.0),
    ("spot_klines", "interval_s", None),
    ("spot_klines", "exchange", ".."),
]


def trade(**known: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("tx_hash", "order_hash", "wallet", "maker", "taker", "token_id"), "0x1")
    row = {"market_key": "a", "dataset": "btc_daily_range", "outcome": "Yes", "side": "BUY"}
    return row | texts | {"ts": NOON - 5, "price": 0.3, "size": 2.0} | known


def bar(**known: Any) -> dict[str, Any]:
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    row = {"asset": "btc", "exchange": "binance", "interval_s": 60, "ts": NOON}
    return row | prices | known


def recorded(folder: Path, file: str = "", **known: Any) -> Path:
    folder.mkdir(exist_ok=True)
    rows = {name: rows(**known) if name == file else rows() for name, rows in FILES.items()}
    return write(folder, **rows)


def checked(path: Path) -> None:
    history_values.check(path, history_files.check(path))


@pytest.fixture
def own_archive(tmp_path: Path, settings: LazySettings) -> Path:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path / "archive")
    return tmp_path / "archive"


def imported(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    call_command("import_history", str(folder), "--json")
    notes: list[str] = json.loads(capsys.readouterr().out)["notes"]
    return notes


@pytest.mark.parametrize(("file", "column", "value"), CASES)
def test_a_value_that_cannot_be_true_is_named_with_its_row_and_remedy(
    tmp_path: Path, file: str, column: str, value: Any
) -> None:
    folder = recorded(tmp_path / "recorded", file, **{column: value})

    with pytest.raises(BadValue, match=rf"{file}\.parquet, column {column}: 1 of") as refused:
        checked(folder)

    told = str(refused.value)
    assert ("e.g. nothing" if value is None else f"e.g. {value!r}"[:12]) in told
    assert f"in row {len(FILES[file]())}; " in told
    with pytest.raises(BadValue):
        history.load(folder)


def test_several_wrong_columns_are_told_at_once(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "recorded", "prices", price=7.0, bid=-1.0)

    with pytest.raises(BadValue, match=r"column price: .*; .*column bid: "):
        checked(folder)


def test_a_column_of_nothing_is_refused_where_something_is_required(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "recorded")
    pl.DataFrame([bar(volume=None), bar(volume=None)]).write_parquet(folder / "spot_klines.parquet")
    checked(folder)

    pl.DataFrame([bar(ts=None), bar(ts=None)]).write_parquet(folder / "spot_klines.parquet")
    with pytest.raises(BadValue, match=r"column ts: 2 of 2 rows hold .* e\.g\. nothing in row 1"):
        checked(folder)


numbers = st.none() | st.floats(width=32) | st.sampled_from([0.0, 1.0, -0.0])


@given(st.lists(numbers, min_size=1, max_size=30))
def test_prices_pass_exactly_when_each_is_unknown_or_a_probability(values: list[Any]) -> None:
    frame = pl.DataFrame({"price": values}, schema={"price": pl.Float32})
    broken = frame.select(history_values.PROBABILITY.broken("price")).to_series().to_list()

    assert broken == [not (v is None or 0 <= v <= 1) for v in values]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30))
def test_moments_pass_exactly_within_the_century(values: list[Any]) -> None:
    frame = pl.DataFrame({"ts": values}, schema={"ts": pl.Int64})
    broken = frame.select(history_values.MOMENT.broken("ts")).to_series().to_list()
    first, last = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

    assert broken == [v is None or not first.timestamp() <= v <= last.timestamp() for v in values]


@given(st.none() | st.text(max_size=50))
def test_a_dataset_that_passes_names_a_folder_and_nothing_else(name: str | None) -> None:
    frame = pl.DataFrame({"dataset": [name]}, schema={"dataset": pl.String})

    if not frame.select(history_values.WORD.broken("dataset")).item():
        assert name is not None
        assert Path(name).name == name
        assert name.isascii()


@pytest.mark.django_db
@pytest.mark.parametrize(("column", "value"), [("outcome", 7), ("dataset", "../../evil")])
def test_nothing_is_written_and_the_command_says_why_in_one_line(
    tmp_path: Path, own_archive: Path, column: str, value: Any
) -> None:
    folder = recorded(tmp_path / "recorded", "markets", **{column: value})

    with pytest.raises(CommandError, match=f"column {column}") as refused:
        call_command("import_history", str(folder), "--json")

    assert refused.value.returncode == 1
    assert "\n" not in str(refused.value)
    assert not Market.objects.exists()
    assert not Job.objects.exists()
    assert not own_archive.exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = recorded(tmp_path_factory.mktemp("whole"))
    unknown = dict.fromkeys(("last", "bid", "ask", "volume24h"), pl.Float32)
    many = [price("a", NOON - n * n, price=n / 300) for n in range(300)]
    pl.DataFrame(many, schema_overrides=unknown).write_parquet(folder / "prices.parquet")
    return folder


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["prices.parquet", "markets.parquet", "updown_epochs.parquet"]),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=400),
)
@example("prices.parquet", 0.4849093321360554, b"]")  # the reader panics instead of refusing
def test_damaged_bytes_are_refused_in_one_sentence_or_harmless(
    whole: Path, file: str, where: float, damage: bytes
) -> None:
    body = whole / file
    content = body.read_bytes()
    start = int(where * len(content))
    refusal = ""
    try:
        body.write_bytes(content[:start] + damage + content[start + len(damage) :])
        known = history.load(whole).series
        assert not (known.price < 0).any()
        assert not (known.price > 1).any()
    except BadHistory as refused:
        refusal = str(refused)
    finally:
        body.write_bytes(content)
    assert "\n" not in refusal


@pytest.mark.django_db
def test_a_column_damaged_behind_a_sound_header_stops_the_import_before_anything_is_written(
    whole: Path, tmp_path: Path, own_archive: Path
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "damaged"))
    body = folder / "prices.parquet"
    content = body.read_bytes()
    body.write_bytes(content[:4] + bytes(400) + content[404:])
    assert history_files.check(folder)

    with pytest.raises(CommandError, match="fetch the files again") as refused:
        call_command("import_history", str(folder), "--json")

    assert refused.value.returncode == 1
    assert not Market.objects.exists()
    assert not own_archive.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("own_archive")
def test_outcome_names_that_are_no_json_are_one_sentence(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "recorded", "markets", outcomes="[Yes")

    with pytest.raises(CommandError, match="cannot be read") as refused:
        call_command("import_history", str(folder), "--json")

    assert refused.value.returncode == 1
    assert not Market.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("own_archive")
def test_a_stored_answer_stands_in_database_and_archive_when_the_record_flips_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded(tmp_path / "recorded")
    assert not any("stored label stands" in note for note in imported(folder, capsys))
    before = archive.read("markets").sort("market_key")

    recorded(folder, "markets", outcome=0)
    notes = imported(folder, capsys)

    assert any("1 markets carry another answer than is stored" in n and "'b'" in n for n in notes)
    assert Resolution.objects.get(market__venue_key="b").payout_0 == 1
    assert archive.read("markets").sort("market_key").equals(before)


@pytest.mark.django_db
@pytest.mark.usefixtures("own_archive")
def test_a_stored_answer_keeps_its_strength_and_an_unknown_one_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recorded(tmp_path / "recorded", "updown_epochs", outcome_up=None)
    imported(folder, capsys)

    recorded(folder, "markets", label_strength="weak")
    notes = imported(folder, capsys)

    rows = {row["market_key"]: row for row in archive.read("markets").to_dicts()}
    assert any("another strength or time" in note and "'b'" in note for note in notes)
    assert rows["b"]["label_strength"] == "official"
    assert rows["e"]["payout"] == Resolution.objects.get(market__venue_key="e").payout_0 == 1


def _listed(key: str, event: str) -> Market:
    known = {"origin": Origin.VENUE, "received_at": datetime(2026, 1, 1, tzinfo=UTC)}
    parent = Event.objects.create(
        venue="polymarket", venue_key=event, title="LIVE", slug="live", category="x", **known
    )
    return Market.objects.create(
        venue="polymarket", venue_key=key, event=parent, question="LIVE", tracked=True, **known
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("own_archive")
@pytest.mark.parametrize(
    ("key", "event", "left_out"), [("a", "other", 1), ("z", "group:1", 2), ("a", "group:1", 2)]
)
def test_rows_of_the_venue_are_never_touched_and_the_summary_counts_what_that_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, event: str, left_out: int
) -> None:
    listed = _listed(key, event)
    market_before = Market.objects.values().get(pk=listed.pk)
    event_before = Event.objects.values().get(pk=listed.event_id)

    notes = imported(recorded(tmp_path / "recorded"), capsys)

    assert Market.objects.values().get(pk=listed.pk) == market_before
    assert Event.objects.values().get(pk=listed.event_id) == event_before
    assert any(f"{left_out} of 4 markets left out" in note and "'a'" in note for note in notes)
    filed = set(Market.objects.filter(origin=Origin.IMPORT).values_list("venue_key", flat=True))
    assert filed == set(archive.read("markets")["market_key"])
    assert len(filed) == 4 - left_out
    assert not Quote.objects.filter(market=listed).exists()


@pytest.mark.history
def test_the_recorded_set_holds_nothing_that_cannot_be_true() -> None:
    root = django_settings.ENV.history_dir
    if root is None or not (Path(root) / "data" / "polymarket").is_dir():
        pytest.skip("no recorded history: set HISTORY_DIR to the folder that holds data/polymarket")
    checked(Path(root) / "data" / "polymarket")
