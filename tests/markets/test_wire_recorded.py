"""Every recorded message of the venue is understood, or refused for a listed reason."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from markets.core import (
    wire,
    wire_clob,
    wire_data,
    wire_gamma,
    wire_orders,
    wire_spot,
    wire_stream,
)
from markets.core.wire import NotUnderstood

pytestmark = pytest.mark.history

Parse = Callable[[bytes], Any]
HTTP = "nautilus/rust_test_data/"
PAGES = "nautilus/py_http_responses/"
SOCKET = "nautilus/py_ws_messages/"
LIVE = "live_2026_09_10/"
V2 = "py_sdk_data_v2/"


def body(value: Any) -> bytes:
    return wire.raw(value).encode()


def market_stream(frame: bytes) -> Any:
    found, refused = wire_stream.messages(frame)
    if refused:
        raise refused[0]
    return found


def user_stream(frame: bytes) -> Any:
    return wire_orders.user_message(wire.decode(frame, source="test"))


def rows_of(kind: Any) -> Parse:
    return lambda text: wire_data.rows(kind, text).rows


def number(name: str) -> Parse:
    return lambda text: wire_clob.number(text, name)


def every(parse: Parse) -> Parse:
    return lambda text: [parse(body(item)) for item in wire.decode(text, source="test")]


def part(*path: str, parse: Parse) -> Parse:
    """Parse what lies under a path of a file that bundles several replies."""

    def apply(text: bytes) -> Any:
        value = wire.decode(text, source="test")
        for name in path:
            value = value[name]
        return parse(body(value))

    return apply


def all_of(*parsers: Parse) -> Parse:
    return lambda text: [parse(text) for parse in parsers]


def no_refusals(parse: Parse) -> Parse:
    """For pages: a row that was refused fails the page."""

    def apply(text: bytes) -> Any:
        page = parse(text)
        pages = page if isinstance(page, tuple) else (page,)
        for one in pages:
            if getattr(one, "refused", ()):
                raise one.refused[0]
        return page

    return apply


def chain_fills(text: bytes) -> Any:
    value = wire.decode(text, source="test")
    samples = [value[k]["order_filled"] for k in ("taker_tx", "maker_tx", "two_fills_one_tx")]
    return [wire.read_all(wire_orders.ChainFill, rows, source="chain") for rows in samples]


def pagination_errors(text: bytes) -> Any:
    replies = wire.decode(text, source="test")["response"].values()
    return [wire_data.refusal(body(reply["body"])) for reply in replies]


def activity_by_type(text: bytes) -> Any:
    kinds = wire.decode(text, source="test")["response"].values()
    return [wire_data.rows(wire_data.Activity, body(rows)) for rows in kinds]


def misc_open(text: bytes) -> Any:
    said = wire.decode(text, source="test")["response"]
    return [
        wire_clob.number(body(said["GET /price?side=BUY"]), "price"),
        wire_clob.number(body(said["GET /price?side=SELL"]), "price"),
        wire_clob.number(body(said["GET /midpoint"]), "mid"),
        wire_clob.number(body(said["GET /spread"]), "spread"),
        wire_clob.last_trade(body(said["GET /last-trade-price"])),
        wire_clob.number(body(said["GET /tick-size"]), "minimum_tick_size"),
        wire_clob.neg_risk(body(said["GET /neg-risk"])),
        wire_clob.number(body(said["GET /fee-rate"]), "base_fee"),
    ]


def samples(parse: Parse) -> Parse:
    return lambda text: [
        parse(body(item)) for item in wire.decode(text, source="test")["samples"].values()
    ]


def order_replies(text: bytes) -> Any:
    said = wire.decode(text, source="test")
    replies = [
        wire_orders.reply(body(item))
        for name in said
        if name.startswith("http_200")
        for item in said[name]
    ]
    errors = [
        wire_orders.error(body(item))
        for name in ("http_400_error_key", "http_500_error_key")
        for item in said[name]
    ]
    return replies, errors, wire_orders.error(body(said["heartbeat_mismatch_400"]))


def vectors(text: bytes) -> Any:
    """Plain data for the signing tests: ids are hashes of 32 bytes."""
    said = json.loads(text)
    assert all(len(order["order_id"]) == 66 for order in said["orders"])
    return said


def polybolt(text: bytes) -> Any:
    return [wire_spot.polybolt_from(item) for item in wire.decode(text, source="test")]


def history_points(text: bytes) -> Any:
    return wire_clob.prices_history(text)


response = "response"
gamma_event = no_refusals(wire_gamma.event)
gamma_events = no_refusals(wire_gamma.events)
UNDERSTOOD: dict[str, Parse] = {
    "generated/order_error_messages.json": order_replies,
    "generated/signing_and_id_vectors.json": vectors,
    LIVE + "chain_orderfilled_samples.json": chain_fills,
    LIVE + "clob_market_resolved.json": part(response, parse=wire_clob.market),
    LIVE + "clob_market_ws.json": samples(market_stream),
    LIVE + "clob_misc_open.json": misc_open,
    LIVE + "clob_prices_history.json": part(response, parse=history_points),
    LIVE + "data_pagination_errors.json": pagination_errors,
    LIVE + "data_v1_activity_by_type.json": activity_by_type,
    LIVE + "data_v1_positions.json": part(response, parse=rows_of(wire_data.Position)),
    LIVE + "data_v1_trades.json": part(response, parse=rows_of(wire_data.PublicTrade)),
    LIVE + "data_v2_activity_page.json": part(response, parse=rows_of(wire_data.Activity)),
    LIVE + "data_v2_trades_page.json": part(response, parse=rows_of(wire_data.PublicTrade)),
    LIVE + "gamma_event_btc_15m_resolved.json": part(response, parse=gamma_event),
    LIVE + "gamma_event_btc_hourly_resolved.json": part(response, parse=gamma_event),
    LIVE + "rtds_crypto_prices.json": samples(wire_spot.rtds),
    PAGES + "book.json": wire_clob.book,
    PAGES + "market.json": wire_clob.market,
    PAGES + "trades.json": rows_of(wire_data.PublicTrade),
    SOCKET + "book.json": market_stream,
    SOCKET + "last_trade_price.json": market_stream,
    SOCKET + "order_cancel.json": user_stream,
    SOCKET + "order_placement.json": user_stream,
    SOCKET + "price_change_v2.json": market_stream,
    SOCKET + "tick_size_change.json": market_stream,
    SOCKET + "trades.json": wire_orders.trade,
    SOCKET + "user_trade1.json": user_stream,
    SOCKET + "user_trade2.json": user_stream,
    SOCKET + "user_trade3.json": user_stream,
    SOCKET + "user_trade4.json": user_stream,
    HTTP + "clob_book_response.json": wire_clob.book,
    HTTP + "clob_fee_rate_response_nonzero.json": number("base_fee"),
    HTTP + "clob_fee_rate_response_zero.json": number("base_fee"),
    HTTP + "clob_market_closed_binary_accepting_false.json": wire_clob.market,
    HTTP + "clob_market_closed_binary_accepting_true.json": wire_clob.market,
    HTTP + "data_api_trades_response.json": rows_of(wire_data.PublicTrade),
    HTTP + "gamma_event.json": gamma_events,
    HTTP + "gamma_market.json": wire_gamma.market,
    HTTP + "gamma_market_closed_binary_accepting_false.json": wire_gamma.market,
    HTTP + "gamma_market_closed_binary_accepting_true.json": wire_gamma.market,
    HTTP + "gamma_market_closed_nonbinary_legacy.json": wire_gamma.market,
    HTTP + "gamma_market_closed_zero_zero_legacy.json": wire_gamma.market,
    HTTP + "gamma_market_sports_market_map_handicap.json": wire_gamma.market,
    HTTP + "gamma_market_sports_market_money_line.json": wire_gamma.market,
    HTTP + "gamma_tags.json": wire_gamma.tags,
    HTTP + "http_balance_allowance_collateral.json": wire_orders.balance,
    HTTP + "http_balance_allowance_no_allowance.json": wire_orders.balance,
    HTTP + "http_batch_cancel_response.json": wire_orders.cancel,
    HTTP + "http_cancel_response_failed.json": wire_orders.cancel,
    HTTP + "http_cancel_response_ok.json": wire_orders.cancel,
    HTTP + "http_open_order.json": wire_orders.order,
    HTTP + "http_open_order_sell_fok.json": wire_orders.order,
    HTTP + "http_open_orders_page.json": lambda t: wire_orders.page(wire_orders.OpenOrder, t),
    HTTP + "http_order_response_error_500.json": wire_orders.error,
    HTTP + "http_order_response_failed.json": wire_orders.reply,
    HTTP + "http_order_response_ok.json": wire_orders.reply,
    HTTP + "http_signed_order.json": lambda t: wire.read(
        wire_orders.SignedOrder, wire.decode(t, source="test"), source="test"
    ),
    HTTP + "http_trade_report.json": wire_orders.trade,
    HTTP + "http_trades_page.json": lambda t: wire_orders.page(wire_orders.AccountTrade, t),
    HTTP + "rtds_crypto_prices_subscribe.json": wire_spot.rtds,
    HTTP + "rtds_crypto_prices_update.json": wire_spot.rtds,
    HTTP + "rtds_equity_prices_subscribe.json": wire_spot.rtds,
    HTTP + "rtds_equity_prices_update.json": wire_spot.rtds,
    HTTP + "search_response.json": no_refusals(wire_gamma.search),
    HTTP + "ws_market_best_bid_ask_msg.json": market_stream,
    HTTP + "ws_market_book_msg.json": market_stream,
    HTTP + "ws_market_last_trade_msg.json": market_stream,
    HTTP + "ws_market_new_market_msg.json": market_stream,
    HTTP + "ws_market_price_change_msg.json": market_stream,
    HTTP + "ws_market_resolved_msg.json": market_stream,
    HTTP + "ws_market_tick_size_msg.json": market_stream,
    HTTP + "ws_user_order_cancellation.json": user_stream,
    HTTP + "ws_user_order_fok_killed.json": user_stream,
    HTTP + "ws_user_order_matched.json": user_stream,
    HTTP + "ws_user_order_msg.json": user_stream,
    HTTP + "ws_user_order_placement.json": user_stream,
    HTTP + "ws_user_order_update.json": user_stream,
    HTTP + "ws_user_order_venue_cancel.json": user_stream,
    HTTP + "ws_user_trade.json": user_stream,
    HTTP + "ws_user_trade_msg.json": user_stream,
    V2 + "activity.json": rows_of(wire_data.Activity),
    V2 + "holders.json": rows_of(wire_data.Holders),
    V2 + "positions.json": rows_of(wire_data.Position),
    V2 + "prices-history.json": history_points,
    V2 + "resolutions.json": rows_of(wire_data.OracleState),
    V2 + "trades.json": rows_of(wire_data.PublicTrade),
    V2 + "value.json": wire_data.worth,
    "ts_sdk_polybolt/staging_excerpt.json": polybolt,
}
# File → how it is read, and why that is refused.
REFUSED: dict[str, tuple[Parse, str]] = {
    PAGES + "event.json": (gamma_event, "id is missing"),
    PAGES + "events_list.json": (gamma_events, "id is missing"),
    PAGES + "market_slug.json": (wire_gamma.market, "outcomes is missing"),
    PAGES + "markets_list.json": (wire_gamma.markets, "id is missing"),
    PAGES + "markets.json": (no_refusals(wire_clob.markets_page), "expected two different ids"),
    SOCKET + "price_change.json": (market_stream, "the obsolete form"),
    HTTP + "data_api_positions_response.json": (
        rows_of(wire_data.Position),
        "is not a condition id",
    ),
    HTTP + "ws_book_snapshot.json": (market_stream, "event_type None is unknown"),
    HTTP + "ws_last_trade.json": (market_stream, "event_type None is unknown"),
    HTTP + "ws_quotes.json": (market_stream, "event_type None is unknown"),
    HTTP + "ws_tick_size_change.json": (market_stream, "event_type None is unknown"),
}


@pytest.fixture
def folder() -> Path:
    history = settings.ENV.history_dir
    found = history / "reference" / "payloads" if history else None
    if found is None or not found.is_dir():
        pytest.skip("set HISTORY_DIR to the folder that holds reference/payloads")
    return found


def recordings(folder: Path) -> Iterator[str]:
    return (p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*.json")))


def test_every_recording_is_listed_once(folder: Path) -> None:
    assert set(recordings(folder)) == {*UNDERSTOOD, *REFUSED}
    assert not UNDERSTOOD.keys() & REFUSED.keys()


def test_every_listed_recording_is_understood(folder: Path) -> None:
    problems = {}
    for name, parse in UNDERSTOOD.items():
        try:
            found = parse((folder / name).read_bytes())
        except NotUnderstood as wrong:
            problems[name] = str(wrong)
        else:
            assert found not in (None, (), []), name

    assert not problems


def test_the_others_are_refused_for_the_listed_reason(folder: Path) -> None:
    for name, (parse, reason) in REFUSED.items():
        with pytest.raises(NotUnderstood, match=reason):
            parse((folder / name).read_bytes())


def test_all_but_one_market_of_the_oldest_page_are_understood(folder: Path) -> None:
    page = wire_clob.markets_page((folder / PAGES / "markets.json").read_bytes())

    assert (len(page.markets), len(page.refused), page.next_cursor) == (99, 1, "MTAw")
