"""Books are read best first, and what makes no sense is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.core import book as books
from markets.core import wire, wire_clob
from markets.core.wire import NotUnderstood
from tests.markets import wire_payloads as say


def test_a_book_is_turned_best_first() -> None:
    row = wire_clob.book(say.encoded(say.book()))

    assert [x.price for x in row.book.bids] == [Decimal("0.41"), Decimal("0.40")]
    assert [x.price for x in row.book.asks] == [Decimal("0.43"), Decimal("0.44")]
    assert row.tick_size == Decimal("0.01")


def test_prices_without_a_leading_zero_are_read() -> None:
    row = wire_clob.book(say.encoded(say.book(bids=say.levels((".40", "1")))))

    assert row.book.best_bid == Decimal("0.40")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bids": None}, "bids is missing"),
        ({"bids": [["0.4", "5"]]}, "is not a price level"),
        ({"asks": say.levels(("0.5", "-1"))}, "is not an amount"),
        ({"asks": say.levels(("43", "5"))}, "not a price"),
        ({"timestamp": "soon"}, "is not a time"),
        ({"asks": say.levels(("0", "5"))}, "nobody trades at 0"),
        ({"bids": say.levels(("1.0", "5"))}, "nobody trades at 1"),
        ({"bids": say.levels(("0.4", "8589934592"))}, "is not an amount"),
        ({"bids": say.levels(("0.4", "1e400"))}, "is beyond 1e±40"),
        ({"bids": say.levels(("0.4", "inf"))}, "is not a number"),
        ({"bids": say.levels(("0.4", "NaN"))}, "is not a number"),
        ({"tick_size": "0"}, "none of the venue's ticks"),
        ({"tick_size": "1e-9"}, "none of the venue's ticks"),
        ({"tick_size": "1e30"}, "none of the venue's ticks"),
        ({"min_order_size": "-5"}, "is not an amount"),
    ],
)
def test_a_book_that_is_not_understood_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotUnderstood, match=reason):
        wire_clob.book(say.encoded(say.book(**changes)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 800 + b"]" * 800,
        b'[{"asset_id": 1e9999999999999999999}]',
        b"1" * 5000,
    ],
    ids=["empty", "null", "page", "bytes", "open", "deep", "less deep", "huge", "long"],
)
def test_a_reply_that_is_no_list_of_books_is_not_understood(body: bytes) -> None:
    try:
        found, refused = wire_clob.book_list(body)
    except NotUnderstood:
        return
    assert found == ()
    assert refused


def test_a_text_nested_without_end_is_no_array() -> None:
    with pytest.raises(NotUnderstood):
        wire_clob.book(say.encoded(say.book(bids="[" * 100_000)))


def test_a_level_at_the_largest_amount_survives_packing() -> None:
    largest = Decimal(2**33) - Decimal("0.000001")
    row = wire_clob.book(say.encoded(say.book(bids=say.levels(("0.4", str(largest))))))

    assert books.unpack(row.observed_at, books.pack(row.book)) == row.book


def test_one_unreadable_book_does_not_hide_the_others() -> None:
    found, refused = wire_clob.book_list(say.encoded([say.book(1), say.book(2, asks="?")]))

    assert [row.token_id for row in found] == [say.token(1)]
    assert len(refused) == 1
    with pytest.raises(NotUnderstood, match="expected an array"):
        wire_clob.book_list(b"{}")


def test_single_figures_are_read_or_refused() -> None:
    assert wire_clob.number(b'{"mid": "0.505"}', "mid") == Decimal("0.505")
    assert wire_clob.neg_risk(b'{"neg_risk": false}') is False
    assert wire_clob.server_time(b"1790617587") == datetime(2026, 9, 28, 17, 46, 27, tzinfo=UTC)
    for parse, body in (
        (lambda b: wire_clob.number(b, "mid"), b'{"price": "0.5"}'),
        (wire_clob.neg_risk, b'{"neg_risk": "no"}'),
        (wire_clob.server_time, b'"noon"'),
        (wire_clob.markets_page, b"[]"),
    ):
        with pytest.raises(NotUnderstood):
            parse(body)


@given(
    st.integers(1_420_070_400, 4_102_444_799) | st.integers(1_420_070_400_000, 2 * 10**12),
    st.decimals(0, 1, places=6) | st.sampled_from(["0.5", 0, 1, "1e-3"]),
)
def test_price_points_in_bulk_are_what_they_are_one_by_one(at: int, price: Any) -> None:
    body = wire.raw({"history": [{"t": at, "p": price}]}).encode()

    rows = wire_clob.price_rows(body)

    assert rows.points == wire_clob.prices_history(body)
    assert not rows.left_out
