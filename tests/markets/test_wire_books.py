"""Books are read best first, and results are inferred strictly."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from markets.core import book as books
from markets.core import (
    wire_clob,
    wire_gamma,
    wire_resolution,
)
from markets.core.wire import NotUnderstood
from markets.core.wire_resolution import Result, Unclear
from tests.markets import wire_payloads as say


def read_market(**changes: Any) -> wire_gamma.MarketRow:
    return wire_gamma.market(say.encoded(say.market(**changes)))


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
        ({"bids": say.levels(("0.4", "1e400"))}, "is not an amount"),
        ({"bids": say.levels(("0.4", "inf"))}, "not a finite number"),
        ({"bids": say.levels(("0.4", "NaN"))}, "not a finite number"),
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


def ended(**changes: Any) -> wire_gamma.MarketRow:
    said = {"closed": True, "outcomePrices": '["0", "1"]', "closedTime": "2026-11-20 11:00:00+00"}
    return read_market(**(said | changes))


IDS = (say.token(1), say.token(1, 1))


def test_exact_prices_of_a_closed_market_are_its_result() -> None:
    found = wire_resolution.from_catalogue(ended(), asset_ids=IDS)

    closed_at = datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert found == Result(payout=Decimal(0), source="gamma", resolved_at=closed_at)


def test_flags_that_still_accept_orders_do_not_hide_a_result() -> None:
    assert isinstance(
        wire_resolution.from_catalogue(ended(acceptingOrders=True), asset_ids=IDS), Result
    )


def test_a_fifty_fifty_needs_the_word_resolved() -> None:
    halves = {"outcomePrices": '["0.5", "0.5"]'}

    resolved = wire_resolution.from_catalogue(
        ended(**halves, umaResolutionStatus="resolved"), asset_ids=IDS
    )
    silent = wire_resolution.from_catalogue(ended(**halves), asset_ids=IDS)
    exclusive = wire_resolution.from_catalogue(
        ended(**halves, umaResolutionStatus="resolved", negRisk=True), asset_ids=IDS
    )

    assert isinstance(resolved, Result)
    assert resolved.payout == Decimal("0.5")
    assert isinstance(silent, Unclear)
    assert isinstance(exclusive, Unclear)


def test_prices_near_one_and_zero_of_an_open_market_are_no_result() -> None:
    row = read_market(outcomePrices='["0.9995", "0.0005"]')

    assert wire_resolution.from_catalogue(row, asset_ids=IDS) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"outcomePrices": '["0", "0"]'},
        {"outcomePrices": '["0.999", "0.001"]'},
        {"outcomePrices": None},
        {"umaResolutionStatus": "disputed"},
        {"clobTokenIds": json.dumps(IDS[::-1])},
    ],
)
def test_anything_else_is_unclear(changes: dict[str, Any]) -> None:
    assert isinstance(wire_resolution.from_catalogue(ended(**changes), asset_ids=IDS), Unclear)


def engine(**changes: Any) -> wire_clob.MarketState:
    return wire_clob.market(say.encoded(say.engine_market(**changes)))


def test_the_engine_names_one_winner() -> None:
    found = wire_resolution.from_engine(engine(winner=1), asset_ids=IDS)

    assert found == Result(payout=Decimal(0), source="clob", resolved_at=None)
    assert wire_resolution.from_engine(engine(closed=False), asset_ids=IDS) is None


def test_an_engine_without_winner_or_with_strange_tokens_is_unclear() -> None:
    assert isinstance(wire_resolution.from_engine(engine(winner=None), asset_ids=IDS), Unclear)
    assert isinstance(wire_resolution.from_engine(engine(), asset_ids=("1", "2")), Unclear)


def test_the_engine_may_split_a_market_in_halves() -> None:
    tokens = [{"token_id": t, "outcome": "?", "price": 0.5, "winner": False} for t in IDS]
    found = wire_resolution.from_engine(engine(tokens=tokens, is_50_50_outcome=True), asset_ids=IDS)

    assert isinstance(found, Result)
    assert found.payout == Decimal("0.5")
