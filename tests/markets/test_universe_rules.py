"""Every rule has a reason, every market at most one; places are shared; figures match the book."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.core import book as books
from markets.core import universe as core
from markets.core import universe_places as limits
from markets.core.contracts import IngestConfig
from markets.models import IngestSettings
from tests.moments import NOW

CONFIG: IngestConfig = IngestSettings(version=0, created_at=NOW).as_config()
GOOD: Mapping[str, Any] = {
    "id": 1,
    "protocol": "v1",
    "accepting": 1,
    "scheduled_end_at": NOW + timedelta(days=30),
    "window_s": None,
    "epoch_start_at": None,
    "placeholder": 0,
    "fees_id": 1,
    "assets": 2,
    "liquidity": 900.0,
    "tracked": 0,
    "filter_reason": "",
    "profile": "",
    "category": "politics",
    "asset": "",
    "slug": "rain-in-may",
    "event_slug": "weather",
    "tags": "weather|europe",
    "question": "Will the Award go to (war) film?",
}
EPOCH = {
    "window_s": 300,
    "epoch_start_at": NOW,
    "scheduled_end_at": NOW + timedelta(seconds=300),
    "asset": "btc",
}


def judged(config: IngestConfig = CONFIG, **changes: Any) -> dict[str, Any]:
    frame = pl.DataFrame([{**GOOD, **changes}], schema=dict(core.CANDIDATES))
    frame = core.prepared(frame, config, as_of=NOW)
    return frame.with_columns(reason=core.first_broken(core.CATALOGUE_RULES, config)).row(
        0, named=True
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"protocol": "unknown", "accepting": 0}, "UNKNOWN_PROTOCOL"),
        ({"accepting": None}, "UNKNOWN_ACCEPTING"),
        ({"accepting": 0}, "NOT_ACCEPTING"),
        ({"assets": 1}, "NO_ASSET_ID"),
        ({"placeholder": 1}, "NEG_RISK_OTHER"),
        ({"fees_id": None}, "NO_FEE_SCHEDULE"),
        ({"scheduled_end_at": None}, "UNKNOWN_END"),
        ({"scheduled_end_at": NOW}, "ENDED"),
        ({"scheduled_end_at": NOW + timedelta(seconds=3599)}, "ENDS_TOO_SOON"),
        ({"scheduled_end_at": NOW + timedelta(seconds=3600)}, ""),
        ({"scheduled_end_at": NOW + timedelta(days=180)}, ""),
        ({"scheduled_end_at": NOW + timedelta(days=180, seconds=1)}, "ENDS_TOO_LATE"),
        ({"liquidity": None}, ""),
        ({**EPOCH, "asset": "doge"}, "ASSET_NOT_FOLLOWED"),
        (EPOCH, ""),
    ],
)
def test_the_first_rule_that_is_broken_is_the_reason(changes: dict[str, Any], reason: str) -> None:
    assert judged(**changes)["reason"] == reason


@pytest.mark.parametrize(
    ("changes", "profile"),
    [
        (EPOCH, "EPOCH"),
        ({"scheduled_end_at": NOW + timedelta(days=6)}, "SHORT"),
        ({"scheduled_end_at": NOW + timedelta(days=7)}, "OUTCOME"),
        ({"scheduled_end_at": NOW + timedelta(days=400)}, "OUTCOME"),
        ({"scheduled_end_at": None}, ""),
    ],
)
def test_a_market_belongs_to_one_profile_by_its_time_left(
    changes: dict[str, Any], profile: str
) -> None:
    assert judged(**changes)["fits"] == profile


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ("rain-in-may", True),
        ("Weather", True),
        ("tag:europe", True),
        ("tag:euro", False),
        ("award", True),
        ("war", True),
        ("aw", False),
        ("the award", True),
        ("(war)", True),
        ("snow", False),
        (".*", False),
        ("", False),
    ],
)
def test_a_line_of_the_blacklist_names_a_slug_a_tag_or_whole_words(line: str, hit: bool) -> None:
    found = judged(replace(CONFIG, blacklist=("something else", line)))

    assert (found["reason"] == "BLACKLISTED") == hit


@pytest.mark.parametrize(
    ("category", "reason"),
    [("politics", ""), ("sports", "CATEGORY_NOT_FOLLOWED"), ("", "UNKNOWN_CATEGORY")],
)
def test_an_unknown_category_is_not_a_wrong_one(category: str, reason: str) -> None:
    config = replace(CONFIG, categories=("politics", "crypto"))

    assert judged(config, category=category)["reason"] == reason
    assert judged(category=category)["reason"] == ""


@given(
    st.dictionaries(st.sampled_from(core.PROFILES), st.integers(0, 50), min_size=1),
    st.integers(0, 120),
)
def test_places_are_all_given_and_nobody_is_crowded_out(wanted: dict[str, int], total: int) -> None:
    shares = limits.places(wanted, total)

    assert sum(shares.values()) == min(total, sum(wanted.values()))
    fair = total // len(wanted)
    assert all(shares[name] >= min(n, fair) for name, n in wanted.items())
    assert all(shares[name] <= n for name, n in wanted.items())


def test_within_a_profile_the_followed_come_first_then_the_deepest() -> None:
    rows = [
        {**GOOD, "id": 1, "liquidity": None},
        {**GOOD, "id": 2, "liquidity": 50.0},
        {**GOOD, "id": 3, "liquidity": 10.0, "tracked": 1},
        {**GOOD, "id": 4, "liquidity": 900.0},
        {**GOOD, **EPOCH, "id": 5, "liquidity": None},
        {**GOOD, **EPOCH, "id": 6, "epoch_start_at": NOW + timedelta(seconds=300)},
    ]
    frame = pl.DataFrame(rows, schema=dict(core.CANDIDATES))
    frame = core.prepared(frame, CONFIG, as_of=NOW)

    four = frame.filter(limits.admitted(frame, 4, by="liquidity"))["id"].to_list()
    three = frame.filter(limits.admitted(frame, 3, by="liquidity"))["id"].to_list()

    assert sorted(four) == [3, 4, 5, 6]
    assert {3, 5} <= set(three)


PRICES = st.integers(1, 99).map(lambda cents: Decimal(cents) / 100)
SIZES = st.integers(1, 10**6).map(lambda n: Decimal(n) / 100)
SIDES = st.lists(st.tuples(PRICES, SIZES), max_size=6, unique_by=lambda level: level[0])


@given(SIDES, SIDES)
def test_figures_of_packed_books_are_those_of_the_book(bids: Any, asks: Any) -> None:
    book = books.build(NOW, bids, asks)
    near = Decimal("0.02")

    spread, depth = limits.book_figures([books.pack(book)], within=0.02)

    if book.mid is None:
        assert np.isnan(spread[0])
    else:
        exact = book.depth_usd("bid", within=near) + book.depth_usd("ask", within=near)
        assert spread[0] == pytest.approx(float(book.spread or 0))
        assert depth[0] == pytest.approx(float(exact))


def test_a_book_that_cannot_be_read_is_no_book() -> None:
    spread, depth = limits.book_figures([None, b"", b"123", b"\0" * 31], within=0.02)

    assert np.isnan(spread).all()
    assert np.isnan(depth).all()
