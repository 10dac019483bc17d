from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from config.kernel import vendor
from markets import archive
from markets.adapters.history_frames import QUOTES
from markets.models import Event, Market, Quote

NOW = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
STORED = {**QUOTES, "levels": pl.Binary}
figures = st.none() | st.floats(allow_nan=False)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(  # noqa: DTZ001 - made aware
    lambda moment: moment.replace(tzinfo=UTC)
)
quotes = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ü|'\""]),
        moments,
        moments,
        st.integers(1, 14),
        *[figures] * 7,
        st.none() | st.binary(max_size=64),
    ),
    max_size=12,
    unique_by=lambda row: (row[0], row[1], row[3]),
)


@pytest.fixture(autouse=True)
def own_archive(tmp_path: Path, settings: LazySettings) -> None:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path)


def rows_of(*rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=STORED, orient="row")


def quote(at: datetime, price: float) -> tuple[object, ...]:
    return ("a", at, at, 1, price, *[None] * 6, None)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=quotes)
@pytest.mark.django_db
def test_rows_that_travel_to_the_archive_and_back_lose_nothing(
    rows: list[tuple[object, ...]], tmp_path: Path
) -> None:
    event, _ = Event.objects.get_or_create(venue="v", venue_key="e", defaults={"received_at": NOW})
    numbers = {
        key: Market.objects.get_or_create(
            venue="v", venue_key=key, defaults={"event": event, "received_at": NOW}
        )[0].pk
        for key in {str(row[0]) for row in rows}
    }
    marked = rows_of(*rows).with_columns(
        pl.col("market_key").replace_strict(numbers, default=None, return_dtype=pl.Int64)
    )
    vendor.append(Quote, marked.rename({"market_key": "market_id"}))
    columns = {"market_id": pl.Int64, **{n: t for n, t in STORED.items() if n != "market_key"}}
    stored = vendor.read("SELECT * FROM markets_quote", [], columns)
    keys = {number: key for key, number in numbers.items()}
    named = stored.with_columns(
        pl.col("market_id").replace_strict(keys, default=None, return_dtype=pl.String)
    ).rename({"market_id": "market_key"})

    archive.write("quotes", named.select(list(STORED)), dataset="live")

    kept = archive.read("quotes", ["live"])
    assert sorted(kept.rows(), key=repr) == sorted(rows, key=repr)
    Quote.objects.all().delete()
    for file in archive.files("quotes"):
        file.unlink()


def test_months_are_files_and_rewriting_them_changes_nothing() -> None:
    rows = rows_of(quote(NOW, 0.1), quote(datetime(2026, 4, 1, tzinfo=UTC), 0.2))

    assert archive.write("quotes", rows, dataset="live") == 2
    assert [f.name for f in archive.files("quotes")] == ["2026-03.parquet", "2026-04.parquet"]
    before = [f.stat().st_mtime_ns for f in archive.files("quotes")]
    assert archive.write("quotes", rows, dataset="live") == 0
    assert [f.stat().st_mtime_ns for f in archive.files("quotes")] == before


def test_later_writes_add_and_correct_rows_of_a_month() -> None:
    archive.write("quotes", rows_of(quote(NOW, 0.1)), dataset="live")
    earlier = NOW.replace(second=1)

    written = archive.write("quotes", rows_of(quote(NOW, 0.3), quote(earlier, 0.2)), dataset="live")

    assert written == 2
    assert archive.read("quotes")["price"].to_list() == [0.2, 0.3]


def test_a_write_that_breaks_off_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    archive.write("quotes", rows_of(quote(NOW, 0.1)), dataset="live")

    def full_disk(self: pl.DataFrame, file: Path, **_options: object) -> None:
        file.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full_disk)
    with pytest.raises(OSError, match="no space"):
        archive.write("quotes", rows_of(quote(NOW, 0.9)), dataset="live")

    assert archive.read("quotes")["price"].to_list() == [0.1]
    assert [f.name for f in archive.files("quotes")[0].parent.iterdir()] == ["2026-03.parquet"]


def test_an_empty_archive_is_an_empty_history() -> None:
    loaded = archive.load()

    assert loaded.series.markets == loaded.facts.markets == len(loaded.markets) == 0


@pytest.mark.parametrize("name", ["", "../elsewhere", ".hidden"])
def test_a_dataset_is_named_by_a_plain_word(name: str) -> None:
    with pytest.raises(ValueError, match="plain word"):
        archive.write("markets", pl.DataFrame({"market_key": ["a"]}), dataset=name)
