from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from markets import history
from markets.adapters.history_files import SOURCES
from markets.models import QuoteKind
from tests.markets.history_folder import NOON, epoch, epoch_quote, market, price, write


def at(ts: float) -> datetime:
    return datetime.fromtimestamp(ts, UTC)


def of(loaded: history.History, key: str) -> int:
    return loaded.markets["market_key"].to_list().index(key)


def prices_of(loaded: history.History, key: str) -> list[float]:
    i = of(loaded, key)
    return loaded.series.price[loaded.series.starts[i] : loaded.series.starts[i + 1]].tolist()


def test_a_market_and_its_prices_become_one_row_and_one_slice(tmp_path: Path) -> None:
    write(
        tmp_path,
        markets=[market("a"), market("b", outcome=0)],
        prices=[price("b", NOON - 60), price("a", NOON - 120, price=0.1), price("a", NOON - 180)],
    )

    loaded = history.load(tmp_path)

    assert loaded.markets["market_key"].to_list() == ["a", "b"]
    assert loaded.series.starts.tolist() == [0, 2, 3]
    assert prices_of(loaded, "a") == [0.4, 0.1]  # by time, and exactly the decimals
    assert loaded.series.known_at.tolist() == [NOON - 180, NOON - 120, NOON - 60]
    assert loaded.markets["payout"].to_list() == [1.0, 0.0]
    assert loaded.facts.event.tolist() == [0, 0]


def test_an_announced_end_is_a_fact_and_a_hindsight_end_is_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        markets=[market("fixing"), market("sports", dataset="polymarket_us")],
        prices=[price("fixing", NOON - 9), price("sports", NOON - 9, dataset="polymarket_us")],
    )

    loaded = history.load(tmp_path)

    assert loaded.facts.scheduled_end_at[of(loaded, "fixing")] == NOON
    assert np.isnan(loaded.facts.scheduled_end_at[of(loaded, "sports")])
    assert loaded.markets["close_at"].to_list() == [NOON, NOON]
    assert loaded.markets["close_is_scheduled"].to_list() == [True, False]
    assert loaded.facts.exclusive.tolist() == [True, False]


def test_a_label_is_known_when_the_market_closed_not_when_it_ended(tmp_path: Path) -> None:
    write(tmp_path, markets=[market("a")], prices=[price("a", NOON - 9)])

    assert history.load(tmp_path).markets["label_known_at"].to_list() == [NOON + 600]


def test_a_close_within_a_recorder_outage_is_known_only_after_it(tmp_path: Path) -> None:
    us = {"dataset": "polymarket_us"}
    lost = market("lost", close_censored=True, closed_ts=None, **us)
    write(
        tmp_path,
        markets=[lost, market("other", close_ref_ts=NOON + 9999, closed_ts=None, **us)],
        prices=[price("lost", NOON, **us), price("other", NOON + 5000, **us)],
    )

    known = history.load(tmp_path).markets["label_known_at"].to_list()

    assert known == [NOON + 5000, NOON + 9999]


def test_bounding_the_time_erases_what_was_learned_later(tmp_path: Path) -> None:
    write(
        tmp_path,
        markets=[
            market("a"),
            market("later"),
            market("hindsight", dataset="polymarket_us"),
        ],
        prices=[
            price("a", NOON - 300),
            price("a", NOON - 100, price=0.9),
            price("later", NOON - 50),
            price("hindsight", NOON - 300, dataset="polymarket_us"),
        ],
    )

    loaded = history.load(tmp_path, until=at(NOON - 100.5))

    assert loaded.markets["market_key"].to_list() == ["a", "hindsight"]
    assert prices_of(loaded, "a") == [0.4]
    assert loaded.markets["payout"].null_count() == 2
    assert loaded.markets["label_known_at"].null_count() == 2
    assert loaded.markets["close_at"].to_list() == [NOON, None]
    assert loaded.facts.market_id.tolist() == [0, 1]


@hypothesis_settings(max_examples=20, deadline=None)
@given(cut=st.integers(-310, 20))
def test_history_until_a_moment_equals_the_history_that_had_only_been_recorded_by_then(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("history")
    rows = [price("a", NOON + s, price=0.5 + s / 1000) for s in range(-300, 20, 20)]
    recorded = [row for row in rows if row["ts"] <= NOON + cut]
    write(folder, markets=[market("a")], prices=rows)
    bounded = history.load(folder, until=at(NOON + cut))

    write(folder, prices=recorded or [price("stranger", NOON)])
    full = history.load(folder)

    assert bounded.series.price.tolist() == full.series.price.tolist()


def test_a_book_without_two_uncrossed_sides_has_no_price(tmp_path: Path) -> None:
    kind = {"kind": "book_top_2min", "dataset": "polymarket_us"}
    write(
        tmp_path,
        markets=[market("a", dataset="polymarket_us")],
        prices=[
            price("a", NOON - 9, bid=0.3, ask=0.5, **kind),
            price("a", NOON - 8, bid=0.6, ask=0.5, **kind),
            price("a", NOON - 7, bid=None, ask=0.5, **kind),
        ],
    )

    loaded = history.load(tmp_path)

    assert np.isnan(prices_of(loaded, "a")).tolist() == [False, True, True]
    assert loaded.series.ask.tolist() == [0.5, 0.5, 0.5]


def test_epochs_use_complements_bids_and_last_trades_where_nothing_better_exists(
    tmp_path: Path,
) -> None:
    start = NOON * 1000
    write(
        tmp_path,
        updown_epochs=[epoch("k", outcome_up=None)],
        updown_quotes=[
            epoch_quote("k", start + 1, up_bid=0.4, up_ask=0.44),
            epoch_quote("k", start + 2, dn_bid=0.5, dn_ask=0.52),
            epoch_quote("k", start + 3, up_bid=0.47, dn_bid=0.5, kind="ohlc_1m_close_bidlike"),
            epoch_quote("k", start + 4, up_last=0.61, kind="wallet_trade_5s_last"),
            epoch_quote("k", start + 5, up_bid=0.0, up_ask=0.02),
        ],
    )

    loaded = history.load(tmp_path)

    assert prices_of(loaded, "k") == [0.42, 0.49, 0.485, 0.61, 0.01]
    assert loaded.series.bid[:2].tolist() == [0.4, 0.48]
    assert np.isnan(loaded.series.bid[2:]).all()
    assert loaded.series.ask[4] == 0.02
    assert loaded.series.known_at[0] == NOON + 0.001
    assert loaded.markets["payout"].to_list() == [None]
    assert loaded.markets["label_known_at"].to_list() == [NOON + 900 + 120]


def test_epochs_of_one_clock_slot_are_one_event_whatever_the_asset(tmp_path: Path) -> None:
    write(
        tmp_path,
        updown_epochs=[
            epoch("b"),
            epoch("e", asset="eth"),
            epoch("n", start_ts=NOON + 900, end_ts=NOON + 1800),
        ],
        updown_quotes=[epoch_quote("b", NOON * 1000, up_bid=0.4, up_ask=0.5)],
    )

    loaded = history.load(tmp_path)

    assert loaded.facts.event[0] == loaded.facts.event[1] != loaded.facts.event[2]


def test_a_repeated_quote_counts_once_and_the_last_one_wins(tmp_path: Path) -> None:
    write(
        tmp_path,
        markets=[market("a")],
        prices=[price("a", NOON - 9, price=0.2), price("a", NOON - 9, price=0.3)],
    )

    assert prices_of(history.load(tmp_path), "a") == [0.3]


def test_a_missing_column_names_file_column_and_remedy(tmp_path: Path) -> None:
    write(tmp_path, markets=[market("a")], prices=[price("a", NOON)])
    pl.read_parquet(tmp_path / "prices.parquet").drop("bid").write_parquet(
        tmp_path / "prices.parquet"
    )

    with pytest.raises(history.BadHistory, match=r"prices\.parquet, column bid: missing.*export"):
        history.load(tmp_path)


def test_a_column_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    write(tmp_path, markets=[market("a", close_ref_ts="noon")], prices=[price("a", NOON)])

    with pytest.raises(history.BadHistory, match="column close_ref_ts: holds String, expected"):
        history.load(tmp_path)


def test_an_unreadable_file_refuses_the_whole_folder(tmp_path: Path) -> None:
    write(tmp_path, markets=[market("a")])
    (tmp_path / "prices.parquet").write_bytes(b"PAR1 this is not Parquet")

    with pytest.raises(history.BadHistory, match=r"prices\.parquet cannot be read.*fetch"):
        history.load(tmp_path)


def test_prices_without_their_markets_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(history.BadHistory, match="holds none of"):
        history.load(tmp_path)
    write(tmp_path, prices=[price("a", NOON)])

    with pytest.raises(history.BadHistory, match=r"markets\.parquet is missing"):
        history.load(tmp_path)


def test_the_digest_changes_with_content_datasets_and_bounds(tmp_path: Path) -> None:
    write(tmp_path, markets=[market("a")], prices=[price("a", NOON)])
    first = history.load(tmp_path)
    digests = {
        first.digest,
        history.load(tmp_path, datasets=["btc_daily_range"]).digest,
        history.load(tmp_path, until=at(NOON)).digest,
    }
    again = history.load(tmp_path).digest
    write(tmp_path, prices=[price("a", NOON, price=0.9)])

    assert again == first.digest
    assert len(digests | {history.load(tmp_path).digest}) == 4


def test_every_source_says_why_its_lag_holds_and_names_a_kind() -> None:
    assert all(source.why and source.max_age_s > 0 for source in SOURCES.values())
    assert {source.kind for source in SOURCES.values()} <= set(QuoteKind)


@pytest.mark.history
def test_the_recorded_set_loads_whole() -> None:
    folder = settings.ENV.history_dir and settings.ENV.history_dir / "data" / "polymarket"
    if folder is None or not folder.is_dir():
        pytest.skip("HISTORY_DIR names no folder with data/polymarket: recorded history not tested")

    loaded = history.load(folder, datasets=["fomc", "pm_btc15m_l2_feb2026", "elections"])

    price, starts = loaded.series.price, loaded.series.starts
    assert len(loaded.markets) == loaded.series.markets == len(loaded.facts.category)
    assert starts[0] == 0
    assert (np.diff(starts) >= 0).all()
    assert ((price >= 0) & (price <= 1) | np.isnan(price)).all()
    for a, b in pairwise(starts):
        assert (np.diff(loaded.series.known_at[a:b]) >= 0).all()


WEEK = 7 * 86_400
FETCHED = datetime(2026, 7, 25, tzinfo=UTC).timestamp()


def test_a_close_in_a_silence_until_the_end_of_the_record_is_known_when_answers_were_fetched(
    tmp_path: Path,
) -> None:
    silent = int(FETCHED) - 8 * 86_400
    late = int(FETCHED) + 20 * 86_400
    us = {"dataset": "polymarket_us", "close_censored": True, "closed_ts": None}
    kind = {"kind": "book_top_2min", "bid": 0.3, "ask": 0.5, "dataset": "polymarket_us"}
    write(
        tmp_path,
        markets=[market("early", close_ref_ts=silent, **us)],
        prices=[price("early", silent, **kind)],
    )
    early = history.load(tmp_path).markets["label_known_at"].to_list()
    write(
        tmp_path,
        markets=[market("late", close_ref_ts=late, **us)],
        prices=[price("late", late, **kind)],
    )
    known = history.load(tmp_path).markets["label_known_at"].to_list()

    assert early == [FETCHED]
    assert known == [late + WEEK]  # the fetching was earlier than the close: no witness


def test_a_match_is_decided_after_its_start(tmp_path: Path) -> None:
    match = market("m", dataset="cs2_prematch", closed_ts=None)
    write(
        tmp_path,
        markets=[match],
        prices=[price("m", NOON, dataset="cs2_prematch", kind="prematch_single")],
    )

    loaded = history.load(tmp_path)

    assert loaded.markets["close_at"].to_list() == [NOON]
    assert loaded.markets["label_known_at"].to_list() == [NOON + 6 * 3600]


def test_prices_stamped_in_hindsight_are_marked(tmp_path: Path) -> None:
    average = {"kind": "avg_window_one_day", "dataset": "unheard_of"}
    write(
        tmp_path,
        markets=[
            market("election", dataset="elections"),
            market("fixing"),
            market("averaged", dataset="unheard_of"),
        ],
        prices=[price("fixing", NOON - 9), price("averaged", NOON - 9, **average)],
    )

    loaded = history.load(tmp_path)

    marked = dict(loaded.markets.select("market_key", "hindsight").iter_rows())
    assert marked == {"election": True, "fixing": False, "averaged": True}


@pytest.mark.parametrize(
    ("source", "strength", "filed"),
    [
        ("repo outcome == final price side", "official", "price_inferred"),
        ("final_price>=.95/<=.05 (no second source)", "derived", "price_inferred"),
        ("final_price>=.95/<=.05 + close agrees", "derived_verified", "derived_verified"),
        ("venue settlement", "official", "official"),
        (None, "derived", "derived"),
    ],
)
def test_an_answer_read_off_the_price_is_not_a_strong_one(
    tmp_path: Path, source: str | None, strength: str, filed: str
) -> None:
    labels = {"label_source": source, "label_strength": strength}
    epochs = {"outcome_source": source, "outcome_strength": strength}
    write(tmp_path, markets=[market("a", **labels)], updown_epochs=[epoch("e", **epochs)])

    assert history.load(tmp_path).markets["label_strength"].to_list() == [filed, filed]


def test_quotes_that_cannot_be_used_are_counted_and_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        markets=[market("a")],
        prices=[
            price("a", NOON - 9),
            price("a", NOON - 8, kind="astrology"),
            price("a", NOON - 7, kind="astrology"),
            price("stranger", NOON - 6),
        ],
    )

    loaded = history.load(tmp_path)

    assert prices_of(loaded, "a") == [0.4]
    kinds, strangers = loaded.notes
    assert kinds.startswith("prices.parquet: 2 quotes of the unknown kind 'astrology' left out")
    assert strangers.startswith("prices.parquet: 1 quotes of 1 markets that no file describes")
    assert "'stranger'" in strangers


def test_a_misspelt_dataset_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, markets=[market("a")], updown_epochs=[epoch("e")])

    with pytest.raises(history.BadHistory, match=r"no dataset fomcc.*btc_daily_range, kalshi_15m"):
        history.load(tmp_path, datasets=["fomcc", "kalshi_15m"])


def test_a_generated_folder_says_that_it_is_simulated(tmp_path: Path) -> None:
    write(tmp_path, markets=[market("a")])
    recorded = history.load(tmp_path)
    (tmp_path / "simulated.json").write_text('{"simulated": true}')

    assert (recorded.simulated, history.load(tmp_path).simulated) == (False, True)


def test_how_long_a_quote_stays_fresh_depends_on_nothing_that_comes_later(tmp_path: Path) -> None:
    rows = [price("a", NOON - 900, kind="clob_history_1m")]
    later = price("a", NOON - 60, kind="onchain_fill")
    write(tmp_path, markets=[market("a")], prices=rows)
    before = history.load(tmp_path).max_age_s
    write(tmp_path, markets=[market("a")], prices=[*rows, later])
    after = history.load(tmp_path).max_age_s

    assert before is not None
    assert after is not None
    assert (before.tolist(), after.tolist()) == ([900], [900, 86_400])
