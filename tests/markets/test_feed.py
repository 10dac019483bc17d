"""The rules of one connection: keepalive, snapshots, contradictions, silence, changes of plan."""

import json

import numpy as np
import pytest

from markets.core import wire_stream
from markets.core.feed import Feed
from tests.markets import wire_payloads as say
from tests.markets.faulty_channel import RULES, START, TOKENS, Line


def change(line: Line, token: str = "11", ms: int = 0, **values: str) -> bytes:
    row = {"asset_id": token, "price": "0.48", "size": "9", "side": "BUY"}
    tops = {"best_bid": "0.48", "best_ask": "0.52"}
    message = {"event_type": "price_change", "market": say.condition(1)}
    stamp = {"timestamp": str(line.venue.ms + ms)}
    return say.encoded(message | stamp | {"price_changes": [row | tops | values]})


def drained() -> Line:
    line = Line(1)
    line.deliver()
    assert line.feed.usable == len(TOKENS)
    return line


def test_a_line_is_kept_alive_and_a_deaf_one_is_dead() -> None:
    line = drained()
    line.feed.tick(line.now + 10)
    line.feed.tick(line.now + 11)
    assert line.feed.to_send == ["PING"]

    line.feed.receive(b"PONG", line.now + 12)
    line.feed.tick(line.now + 41)
    assert line.feed.dead == ""
    line.feed.tick(line.now + 43)

    assert line.feed.dead == "no PONG for 30 s"


def test_pauses_between_attempts_grow_to_half_a_minute_and_are_drawn() -> None:
    feed = Feed(RULES, rng=np.random.default_rng(1))
    pauses = [feed.closed(START) for _ in range(200)]

    assert max(pauses[:3]) < 1.0
    assert 20 < max(pauses) <= 30
    assert len(set(pauses)) == 200


def test_what_is_followed_changes_without_a_new_connection() -> None:
    line = drained()

    line.feed.follow(("11", "99"), line.now)

    frames = [json.loads(frame) for frame in line.feed.to_send]
    said = [(f["operation"], f["assets_ids"]) for f in frames]
    assert said == [("unsubscribe", ["12", "13"]), ("subscribe", ["99"])]
    assert line.feed.usable == 1


def test_a_missing_snapshot_is_asked_for_and_an_old_answer_is_refused() -> None:
    line = Line(1, no_snapshot=1.0)
    line.feed.receive(change(line, ms=500), line.now)
    early = line.venue.row("11")
    line.feed.tick(line.now + 4)
    assert line.feed.to_ask == {}

    line.feed.tick(line.now + 5)
    question = line.feed.to_ask["11"]
    line.feed.fetched(early, question, line.now + 5)
    assert line.feed.usable == 0

    line.venue.ms += 600
    line.feed.fetched(line.venue.row("11"), question, line.now + 6)
    assert line.feed.usable == 1


def test_one_contradiction_is_borne_the_second_in_a_row_is_a_gap() -> None:
    line = drained()

    line.feed.receive(change(line, ms=1, best_bid="0.47"), line.now)
    assert line.feed.usable == 3
    line.feed.receive(change(line, ms=2), line.now)
    line.feed.receive(change(line, ms=3, best_bid="0.47"), line.now)
    assert line.feed.usable == 3
    line.feed.receive(change(line, ms=4, best_bid="0.47"), line.now)

    assert line.feed.usable == 2
    assert list(line.feed.to_ask) == ["11"]


def test_a_crossing_is_borne_for_a_few_messages_only() -> None:
    line = drained()
    crossed = {"price": "0.53", "best_bid": "0.53"}
    for n in range(RULES.tolerated_crossings):
        line.feed.receive(change(line, ms=n, **crossed), line.now)
    assert line.feed.books["11"].is_crossed
    assert line.feed.usable == 3

    line.feed.receive(change(line, ms=9, **crossed), line.now)

    assert line.feed.usable == 2


@pytest.mark.parametrize(
    ("frame", "usable"),
    [
        (b"nonsense", 0),
        (b"\xff\xfe", 0),
        (b"[" * 5000, 0),
        (b'{"event_type": "price_change", "price_changes": [{"asset_id": "12"', 0),
        (b'{"event_type": "mystery", "asset_id": "12"}', 3),
        (b'{"event_type": "last_trade_price", "asset_id": "12"}', 3),
        (b'{"event_type": "book", "asset_id": "12"}', 2),
        (b"5", 3),
        (b"null", 3),
    ],
)
def test_what_cannot_be_read_is_kept_and_breaks_the_books_it_may_be_about(frame, usable) -> None:
    line = drained()

    line.feed.receive(frame, line.now)

    assert len(line.feed.take().refused) == 1
    assert line.feed.usable == usable


@pytest.mark.parametrize("stamp", ["soon", "-5", "99999999999999", "1e400"])
def test_a_stamp_out_of_our_time_is_refused_and_poisons_nothing(stamp) -> None:
    line = drained()

    line.feed.receive(change(line).replace(str(line.venue.ms).encode(), stamp.encode()), line.now)
    line.ask()
    line.answer()

    assert line.feed.take().refused
    assert line.feed.usable == 3


def test_silence_while_rest_moves_is_death_and_silence_of_a_quiet_book_is_not() -> None:
    line = drained()
    quiet = Line(1)
    quiet.deliver()
    line.venue.trade()
    for each in (line, quiet):
        for second in range(1, 90):
            each.feed.receive(b"PONG", each.now + second)
            each.feed.tick(each.now + second)
            for token, question in each.feed.to_ask.items():
                each.feed.fetched(each.venue.row(token), question, each.now + second)
            each.feed.to_ask.clear()

    assert line.feed.silent
    assert "silent while the book of" in line.feed.dead
    assert quiet.feed.dead == ""


def test_new_and_resolved_markets_trades_and_ticks_are_handed_on() -> None:
    line = drained()
    line.say([*line.venue.trade(), *line.venue.finer()])
    line.deliver()
    heard = line.feed.take()

    assert [type(x) for x in (*heard.trades, *heard.ticks)] == [
        wire_stream.Traded,
        wire_stream.TickChanged,
    ]
    assert line.feed.take().messages == 0


def test_an_array_of_messages_is_heard_one_by_one() -> None:
    line = drained()
    line.feed.take()

    line.feed.receive(b"[" + change(line, ms=1) + b"," + change(line, "12", ms=2) + b"]", line.now)

    assert line.feed.take().messages == 2
    assert [line.feed.books[t].top()[1] for t in ("11", "12")] == [9, 9]


@pytest.mark.parametrize(
    "values",
    [{"price": "1e999999"}, {"price": "1e999990"}, {"size": "1e27"}, {"transaction_hash": "\0"}],
    ids=str,
)
def test_a_trade_beyond_measure_is_kept_raw_and_costs_nothing_else(values: dict[str, str]) -> None:
    line = drained()
    trade = {"event_type": "last_trade_price", "market": say.condition(1), "asset_id": "11"}
    good = {"price": "0.5", "size": "9", "side": "BUY", "timestamp": str(line.venue.ms)}

    line.feed.receive(say.encoded(trade | good), line.now)
    line.feed.receive(say.encoded(trade | good | values), line.now)

    heard = line.feed.take()
    assert (len(heard.trades), len(heard.refused)) == (1, 1)
    assert line.feed.usable == len(TOKENS)


@pytest.mark.parametrize("price", ["1e999999", "1e999990", "1_0"])
def test_a_change_beyond_measure_breaks_only_its_own_book(price: str) -> None:
    line = drained()

    line.feed.receive(change(line, price=price), line.now)

    assert len(line.feed.take().refused) == 1
    assert line.feed.usable == len(TOKENS) - 1
