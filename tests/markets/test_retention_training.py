"""Prices that left the database teach what they taught before, each market once."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.conf import LazySettings

from config.kernel import vendor
from markets import archive, ended_markets, history, queries, retention
from markets.adapters.history_frames import QUOTES
from markets.core.series import Context
from markets.history import History
from markets.models import Market, Origin, Quote, QuoteKind, Resolution
from mlops import labels, train
from mlops.core.contracts import LearningConfig
from mlops.models import LearningSettings
from predictions.core import features
from tests.factories import MarketFactory, PredictionFactory, ResolutionFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
END = datetime(2026, 4, 10, 7, 30, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")


@pytest.fixture(autouse=True)
def own_archive(tmp_path: Path, settings: LazySettings) -> None:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path)


def config() -> LearningConfig:
    return LearningSettings.objects.current(as_of=NOW).as_config()


def followed(**known: Any) -> Market:
    """A market quoted for two days, with an hour of prices that were fetched afterwards."""
    columns = {"origin": Origin.VENUE, "opens_at": END - timedelta(days=2)}
    market = MarketFactory(**columns | {"scheduled_end_at": END, "closed_at": END} | known)
    books = [END - timedelta(minutes=5 * n) for n in range(1, 500)]
    fetched = [END - timedelta(hours=47) + timedelta(minutes=n) for n in range(60)]
    frame = pl.DataFrame(
        {
            "observed_at": pl.Series(books + fetched, dtype=TIME),
            "received_at": pl.Series(books + [END] * len(fetched), dtype=TIME),
            "kind": [int(QuoteKind.BOOK)] * len(books) + [int(QuoteKind.HISTORY_1M)] * 60,
            "price": np.linspace(0.3, 0.6, len(books) + 60),
        }
    )
    vendor.append(Quote, frame.with_columns(market_id=pl.lit(market.pk, pl.Int64)))
    return market


def resolved(market: Market, payout: int = 1) -> Resolution:
    return ResolutionFactory(
        market=market, payout_0=payout, resolved_at=END, received_at=END + timedelta(hours=1)
    )


def one_price(key: str) -> pl.DataFrame:
    """One fetched price as the archive keeps it."""
    at = END - timedelta(hours=47)
    row = {"market_key": key, "observed_at": at, "received_at": at, "kind": 3, "price": 0.7}
    return pl.DataFrame([row], schema=QUOTES | {"levels": pl.Binary})


def of_database() -> History:
    """What the database holds, read naively."""

    def rows() -> Iterator[dict[str, Any]]:
        for q in Quote.objects.select_related("market"):
            at = q.observed_at if q.kind in queries.FETCHED_LATER else q.received_at
            figures = {name: getattr(q, name) for name in list(QUOTES)[3:]}
            key = ended_markets.key(q.market)
            yield {"market_key": key, "observed_at": q.observed_at, "received_at": at} | figures

    quotes = pl.DataFrame(list(rows()), schema=QUOTES)
    markets = ended_markets.described(list(Market.objects.order_by("pk")))
    return history.assemble(markets, [quotes.lazy()], since=None, until=NOW, digest="")


def same(left: Any, right: Any) -> bool:
    values = [(getattr(left, f.name), getattr(right, f.name)) for f in fields(left)]
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in values[:-1])


def test_a_market_whose_prices_left_gives_the_training_examples_that_it_gave() -> None:
    for payout in (1, 0):
        resolved(followed(), payout)
    before = labels.examples(of_database(), until=NOW, config=config())

    retention.run(as_of=NOW)

    kept = archive.load(until=NOW)
    # The naive reading knows prices only: what surrounds the markets is compared elsewhere.
    alone = replace(kept, context=Context.nothing(kept.series.markets))
    after = labels.examples(alone, until=NOW, config=config())
    assert not Quote.objects.exists()
    assert before.rows > 10
    assert before.sources == after.sources == ("venue",)
    assert same(before, after)


def test_a_market_that_resolves_after_its_prices_left_teaches_from_then_on() -> None:
    market = followed()
    retention.run(as_of=NOW)
    assert labels.examples(archive.load(until=NOW), until=NOW, config=config()).rows == 0

    resolved(market, payout=0)
    retention.run(as_of=NOW)

    assert archive.load(until=NOW).markets["payout"].to_list() == [0.0]
    assert labels.examples(archive.load(until=NOW), until=NOW, config=config()).rows > 0


def test_the_backfill_and_retention_write_one_dataset_and_no_price_twice() -> None:
    market = followed()
    resolved(market)
    archive.write("quotes", one_price(ended_markets.key(market)), dataset="venue")

    retention.run(as_of=NOW)

    known = archive.load(until=NOW)
    assert len(known.markets) == 1
    assert len(known.series.price) == 499 + 60


def test_simulated_prices_mark_the_archive() -> None:
    resolved(followed(origin=Origin.SANDBOX))

    retention.run(as_of=NOW)

    assert archive.load(until=NOW).simulated


def test_a_market_known_from_an_import_and_from_the_venue_counts_once() -> None:
    market = followed(condition_id="0x" + "1" * 64)
    resolved(market)
    imported = ended_markets.described([market]).with_columns(
        market_key=pl.lit("import-1"), dataset=pl.lit("stocks_weekly")
    )
    archive.write("markets", imported, dataset="stocks_weekly")
    archive.write("quotes", one_price("import-1"), dataset="stocks_weekly")
    retention.run(as_of=NOW)

    answered = archive.load(until=NOW)
    assert answered.markets["market_key"].to_list() == ["import-1"]

    archive.write(
        "markets", imported.with_columns(payout=pl.lit(None, pl.Float64)), dataset="stocks_weekly"
    )
    assert archive.load(until=NOW).markets["dataset"].to_list() == ["venue"]


def test_a_market_that_we_forecast_teaches_by_its_stored_vectors_alone() -> None:
    ours, other = followed(), followed()
    for market in (ours, other):
        resolved(market)
    PredictionFactory(
        market=ours,
        as_of=END - timedelta(hours=5),
        price=0.4,
        schema_hash=features.SCHEMA_HASH,
        vector=np.full(len(features.FEATURES), 7.0).astype("<f8").tobytes(),
    )
    retention.run(as_of=NOW)

    found = train.gather(until=None, as_of=NOW, config=config(), history=None)

    live = found.source == found.sources.index("live")
    assert live.sum() == 1
    assert found.x[live][0, 0] == 7.0
    archived = archive.load(until=NOW, leave_out=labels.forecast_names(as_of=NOW))
    assert archived.markets["market_key"].to_list() == [ended_markets.key(other)]
    assert (~live).sum() == labels.examples(archived, until=NOW, config=config()).rows > 0
