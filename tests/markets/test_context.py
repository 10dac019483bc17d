"""What surrounds markets, live and as recorded."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import LazySettings

from config.kernel.units import decimal
from markets import archive, history, importing, queries
from markets.core import book, levels, wording
from markets.core.book import Level
from markets.core.series import Context
from markets.models import (
    CohortMood,
    Event,
    Market,
    NewsItem,
    NewsLink,
    Origin,
    PublicTrade,
    Quote,
    QuoteKind,
    SpotTick,
)
from tests.markets.history_folder import NOON, epoch, epoch_quote, market, price, write

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def a_market(key: str = "m", **known: Any) -> int:
    event = Event.objects.create(venue="v", venue_key=key, received_at=NOW)
    columns = {"question": "Will it rain?", "received_at": NOW} | known
    return Market.objects.create(venue="v", venue_key=key, event=event, **columns).pk


def context(*ids: int, at: datetime = NOW) -> Context:
    return queries.context(ids, since=at - timedelta(days=2), as_of=at)


def trade(owner: int, key: str, seconds_ago: float, *, lag: float = 0, **known: Any) -> None:
    columns = {"outcome_index": 0, "side": "BUY", "price": 0.4, "shares": 10} | known
    PublicTrade.objects.create(
        trade_key=key,
        market_id=owner,
        observed_at=ago(seconds_ago),
        received_at=ago(seconds_ago - lag),
        **columns,
    )


def arrays(part: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every array of a context, with its path."""
    if is_dataclass(part):
        for field in fields(part):
            yield from arrays(getattr(part, field.name), f"{name}.{field.name}")
    else:
        yield name, np.asarray(part)


def assert_same(one: Context, other: Context) -> None:
    for (name, ours), (_, theirs) in zip(arrays(one), arrays(other), strict=True):
        assert ours.shape == theirs.shape, name
        if ours.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=name)
        else:
            assert ours.tolist() == theirs.tolist(), name


def test_a_trade_is_told_as_of_the_first_outcome_and_its_taker() -> None:
    silent, traded = a_market("a"), a_market("b")
    trade(traded, "1", 40, side="BUY")
    trade(traded, "2", 30, side="SELL")
    trade(traded, "3", 20, side="BUY", outcome_index=1)
    trade(traded, "4", 10, side="SELL", outcome_index=1)
    trade(traded, "5", 5, outcome_index=None)

    trades = context(silent, traded).trades

    assert trades.starts.tolist() == [0, 0, 4]
    assert trades.taker.tolist() == [1, -1, -1, 1]
    np.testing.assert_allclose(trades.price, [0.4, 0.4, 0.6, 0.6])


def test_who_took_an_imported_trade_is_unknown_unless_its_side_says_so() -> None:
    imported = a_market(origin=Origin.IMPORT)
    trade(imported, "1", 30, side="BUY")
    trade(imported, "2", 20, side="MAKER_BUY")
    trade(imported, "3", 10, side="MAKER_BUY", outcome_index=1)

    np.testing.assert_array_equal(context(imported).trades.taker, [np.nan, -1, 1])


def test_nothing_counts_before_we_learned_of_it() -> None:
    owner = a_market(asset="btc")
    trade(owner, "1", 60, lag=30)
    Quote.objects.create(
        market_id=owner,
        observed_at=ago(60),
        received_at=ago(30),
        kind=QuoteKind.BOOK,
        levels=book.pack(a_book()),
    )
    item = NewsItem.objects.create(
        digest="d", source="s", url="u", title="t", published_at=ago(60), received_at=ago(50)
    )
    NewsLink.objects.create(
        item=item, market_id=owner, similarity=1, backend="b", received_at=ago(30)
    )
    CohortMood.objects.create(
        market_id=owner, cohort="WHALES", as_of=ago(30), mood=0.5, wallets=3, dollars=9
    )
    tick("btc", "binance", 60, 100.0, lag=30, interval_s=60)

    for part in ("trades", "books", "news", "moods", "spot"):
        assert len(getattr(context(owner, at=ago(31)), part).known_at) == 0, part
        assert getattr(context(owner, at=ago(30)), part).known_at.tolist() == [
            ago(30).timestamp()
        ], part


def test_of_a_deep_book_the_best_levels_of_each_side_are_read() -> None:
    owner = a_market()
    deep = a_book(9)
    Quote.objects.create(
        market_id=owner,
        observed_at=ago(60),
        received_at=ago(60),
        kind=QuoteKind.BOOK,
        levels=book.pack(deep),
    )

    books = context(owner).books

    for side, told in ((books.bids, deep.bids), (books.asks, deep.asks)):
        expected = [[float(each.price), float(each.shares)] for each in told[:5]]
        np.testing.assert_array_equal(side[0], expected)


def test_a_trade_fetched_for_the_record_stands_where_anybody_could_have_known_of_it() -> None:
    owner = a_market()
    trade(owner, "1", 7200, lag=7100)

    assert len(context(owner, at=ago(101)).trades.known_at) == 0
    assert context(owner).trades.known_at.tolist() == [ago(7140).timestamp()]


def a_book(n: int = 2) -> book.Book:
    rungs = range(n)
    return book.Book(
        observed_at=NOW,
        bids=tuple(Level(price=decimal(0.4 - i / 100), shares=decimal(i + 1)) for i in rungs),
        asks=tuple(Level(price=decimal(0.6 + i / 100), shares=decimal(i + 5)) for i in rungs[1:]),
    )


def test_packed_books_are_read_at_once_and_a_broken_one_hides_no_other() -> None:
    bids, asks = levels.unpack([book.pack(a_book(7)), b"broken", book.pack(a_book(2)), b""])

    assert bids.shape == asks.shape == (4, 5, 2)
    np.testing.assert_allclose(bids[0, :, 1], [1, 2, 3, 4, 5])
    np.testing.assert_allclose(asks[2], [[0.61, 6], *[[np.nan] * 2] * 4])
    assert np.isnan(bids[[1, 3]]).all()


def test_each_cohort_tells_its_newest_mood() -> None:
    owner = a_market()
    for cohort, seconds, mood in (
        ("SKILLED", 500, 0.1),
        ("SKILLED", 400, 0.2),
        ("WHALES", 300, -0.5),
        ("OTHERS", 200, 0.9),
        ("WHALES", 8 * 86400, 0.7),
    ):
        CohortMood.objects.create(
            market_id=owner, cohort=cohort, as_of=ago(seconds), mood=mood, wallets=1, dollars=1
        )

    moods = context(owner).moods

    np.testing.assert_array_equal(moods.skilled, [0.2, np.nan])
    np.testing.assert_array_equal(moods.whales, [np.nan, -0.5])


def tick(
    asset: str, source: str, seconds: float, close: float, *, lag: float = 0, interval_s: int = 0
) -> None:
    SpotTick.objects.create(
        asset=asset,
        source=source,
        interval_s=interval_s,
        observed_at=ago(seconds),
        received_at=ago(seconds - lag),
        close=close,
    )


def test_single_spot_prices_become_their_consensus_when_one_of_them_spoke() -> None:
    btc, eth, none = a_market("b", asset="btc"), a_market("e", asset="eth"), a_market("n")
    tick("btc", "binance", 20, 100.0)
    tick("btc", "kraken", 10, 100.2)  # one source alone is no consensus
    tick("btc", "a stranger", 5, 7.0)

    found = context(eth, none, btc)

    assert found.spot.assets == ("btc", "eth")
    assert found.asset.tolist() == [1, -1, 0]
    assert found.spot.starts.tolist() == [0, 1, 1]
    assert found.spot.known_at.tolist() == [ago(10).timestamp()]
    assert found.spot.price.tolist() == [pytest.approx(100.1)]


def test_a_bar_counts_only_where_nothing_finer_became_known_within_it() -> None:
    owner = a_market(asset="btc")
    tick("btc", "index", 900, 1.0, interval_s=900)
    tick("btc", "index", 0, 2.0, interval_s=900)
    tick("btc", "bars", 600, 3.0, interval_s=60)

    assert context(owner).spot.price.tolist() == [1.0, 3.0]


def test_no_markets_have_no_context() -> None:
    assert_same(context(), replace(Context.nothing(0), wording=wording.project([])))


@pytest.fixture
def folder(tmp_path: Path, settings: LazySettings) -> Path:
    settings.ENV = replace(settings.ENV, archive_dir=tmp_path / "archive")
    source = tmp_path / "recorded"
    source.mkdir()
    books = []
    for after in (250, 700, 1250):
        row: dict[str, Any] = {"ts_ms": NOON * 1000 + after, "epoch_key": "e"}
        for n in range(1, 6):
            row |= {f"bid_px_up_{n}": 0.4 - n / 100, f"bid_sz_up_{n}": 10.0 * n + after}
            row |= {f"ask_px_up_{n}": None if n > 3 else 0.4 + n / 100, f"ask_sz_up_{n}": 7.0}
        books.append(row)
    known = dict.fromkeys(
        ("tx_hash", "order_hash", "wallet", "maker", "taker", "token_id"), "0xsomebody"
    )
    trades = [
        known | {"market_key": "e", "dataset": "d", "ts": NOON + ts, "order_hash": f"0x{i}"} | row
        for i, (ts, row) in enumerate(
            (
                (5, {"outcome": "Up", "side": "BUY", "price": 0.4, "size": 5.0}),
                (7, {"outcome": "No", "side": "MAKER_BUY", "price": 0.7, "size": 9.0}),
                (7, {"outcome": "Yes", "side": "MAKER_SELL", "price": 0.3, "size": 2.0}),
                (8, {"outcome": "Draw", "side": "BUY", "price": 0.3, "size": 2.0}),
            )
        )
    ]
    again = trades[0] | {"order_hash": "0x9", "taker": "0x4bfb41d5aaaa"}
    bar = dict.fromkeys(("open", "high", "low", "volume"), 1.0) | {"asset": "btc"}
    write(
        source,
        markets=[market("a")],
        prices=[price("a", NOON - 120, price=0.1)],
        updown_epochs=[epoch("e"), epoch("f", asset="eth")],
        updown_quotes=[
            epoch_quote("e", NOON * 1000 + after, up_bid=0.39, up_ask=0.41, kind="l2_recorder_1s")
            for after in (250, 1250)
        ],
        books_l2_5=books,
        trades=[*trades, trades[0], again],
        spot_klines=[
            bar | {"exchange": "binance", "interval_s": 60, "ts": NOON - 120, "close": 1.5},
            bar | {"exchange": "chainlink", "interval_s": 1, "ts": NOON - 30, "close": 1.6},
            bar | {"exchange": "cf_benchmarks_rti60s", "interval_s": 900, "ts": NOON, "close": 2.0},
        ],
    )
    return source


def test_recorded_history_its_archive_and_the_tables_tell_the_same(folder: Path) -> None:
    importing.run(
        folder, datasets=(), clock=lambda: NOW, progress=lambda _step, _done, _total: None
    )
    moment = datetime.fromtimestamp(NOON + 60, UTC)

    read = history.load(folder, until=moment)

    keys = read.markets["market_key"].to_list()
    ids = dict(Market.objects.values_list("venue_key", "pk"))
    live = context(*(ids[key] for key in keys), at=moment)
    assert_same(read.context, live)
    assert_same(read.context, archive.load(until=moment).context)
    e = keys.index("e")
    assert np.diff(read.context.books.starts)[e] == 2  # the book between two quotes is kept nowhere
    np.testing.assert_array_equal(read.context.trades.taker, [np.nan, 1, 1])
    np.testing.assert_allclose(read.context.spot.price, [1.5, 1.6])
    assert read.context.spot.known_at.tolist() == [NOON - 60 + 0.5, NOON - 29 + 1.5]
    assert np.array_equal(read.context.wording, wording.project(read.markets["question"].to_list()))


@pytest.mark.parametrize("after", [0.25, 1, 6, 7])
def test_history_until_a_moment_holds_what_the_whole_held_by_then(
    folder: Path, after: float
) -> None:
    moment = datetime.fromtimestamp(NOON + after, UTC)

    whole, cut = history.load(folder).context, history.load(folder, until=moment).context

    for name in ("trades", "books", "spot"):
        known = getattr(whole, name).known_at
        assert sorted(known[known <= moment.timestamp()]) == sorted(getattr(cut, name).known_at)


def test_a_history_given_without_a_context_has_an_empty_one(folder: Path) -> None:
    read = history.load(folder)
    bare = history.History(markets=read.markets, facts=read.facts, series=read.series, digest="-")

    assert_same(bare.context, Context.nothing(len(read.markets)))
