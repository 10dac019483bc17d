"""The market channel tells the same story as the books, and misbehaves on command only."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from markets.core import wire_stream
from sandbox.core import names, tape
from sandbox.core.faults import Faults, UnknownFault, parse
from sandbox.core.ladder import tick_changes
from sandbox.core.world import World
from sandbox.server import NotLoopback
from sandbox.sockets import Sockets, open_sockets
from sandbox.venue import StandIn

NOON = 1_795_226_000
WORLD = World(7)


class Clock:
    def __init__(self) -> None:
        self.second = NOON

    def __call__(self) -> float:
        return float(self.second)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sockets(clock) -> Iterator[Sockets]:
    sockets = open_sockets(WORLD, clock=clock, every_s=None)
    yield sockets
    sockets.close()


@pytest.fixture
def line(sockets) -> Iterator[ClientConnection]:
    with connect(sockets.market_url, close_timeout=1) as connection:
        yield connection


def tokens_of(kind: str = "", second: int = NOON) -> list[str]:
    """Tokens of what is listed and stays so for two minutes."""
    return [
        names.token_id(h, child, outcome)
        for h in WORLD.listed(second)
        if kind in h.family.name and h.closed_at > second + 120
        for child in range(h.markets)
        for outcome in (0, 1)
    ]


def subscribe(line: ClientConnection, tokens: list[str], *, extras: bool = False) -> None:
    frame = {"assets_ids": tokens, "type": "market", "custom_feature_enabled": extras}
    line.send(json.dumps(frame))


def heard(line: ClientConnection) -> list[str]:
    """All frames up to now: the answer to a PING comes after them."""
    line.send("PING")
    return list(iter(line.recv, "PONG"))


def messages(frames: list[str]) -> list[wire_stream.Message]:
    found = []
    for frame in frames:
        read, refused = wire_stream.messages(frame.encode())
        assert not refused
        found += read
    return found


class Books:
    """The plainest local book: totals by price, as the messages say them."""

    def __init__(self) -> None:
        self.levels: dict[str, dict[str, dict[Decimal, Decimal]]] = {}

    def hear(self, frames: list[str]) -> None:
        for frame in frames:
            value = json.loads(frame)
            for message in value if isinstance(value, list) else [value]:
                self.apply(message)

    def apply(self, message: dict) -> None:
        if message["event_type"] == "book":
            self.levels[message["asset_id"]] = sides(message)
        for change in message.get("price_changes", ()):
            book = self.levels.get(change["asset_id"])
            if book is None:
                continue
            side = book[change["side"]]
            side.pop(Decimal(change["price"]), None)
            if Decimal(change["size"]):
                side[Decimal(change["price"])] = Decimal(change["size"])
            best = max(book["BUY"], default=Decimal(0)), min(book["SELL"], default=Decimal(1))
            assert best == (Decimal(change["best_bid"]), Decimal(change["best_ask"]))


def sides(book: dict) -> dict[str, dict[Decimal, Decimal]]:
    return {
        side: {Decimal(level["price"]): Decimal(level["size"]) for level in book[key]}
        for side, key in (("BUY", "bids"), ("SELL", "asks"))
    }


def rest(tokens: list[str], second: int) -> dict[str, dict]:
    body = json.dumps([{"token_id": token} for token in tokens]).encode()
    reply = StandIn(WORLD).post("/clob/books", body, second=second)
    return {book["asset_id"]: sides(book) for book in reply.body}


def test_at_every_quiet_moment_the_streams_books_are_those_of_rest(sockets, line, clock):
    tokens, books = tokens_of(), Books()
    subscribe(line, tokens)

    for _ in range(90):
        books.hear(heard(line))
        assert books.levels == rest(tokens, clock.second)
        clock.second += 1
        sockets.step()


def test_a_leap_over_many_seconds_ends_at_the_same_books(sockets, line, clock):
    tokens, books = tokens_of("vote"), Books()
    subscribe(line, tokens)
    books.hear(heard(line))
    clock.second += 90
    sockets.step()

    books.hear(heard(line))

    assert books.levels == rest(tokens, clock.second)


def test_every_kind_of_message_is_one_that_we_read(sockets, line, clock):
    subscribe(line, tokens_of(second=NOON - 60), extras=True)
    found = Counter()
    for _ in range(60):
        clock.second += 4
        sockets.step()
        found.update(type(m) for m in messages(heard(line)))

    assert set(found) == {wire_stream.BookRow, *wire_stream.KINDS.values()}


def test_without_custom_features_there_are_none(sockets, line, clock):
    subscribe(line, tokens_of())
    heard(line)
    clock.second += 300
    sockets.step()

    kinds = {type(m) for m in messages(heard(line))}

    assert wire_stream.PriceChange in kinds
    assert not kinds & {
        wire_stream.NewMarket,
        wire_stream.MarketResolved,
        wire_stream.TopOfBook,
    }


def test_trades_are_those_of_the_tape_at_prices_inside_the_book(sockets, line, clock):
    happening = next(h for h in WORLD.listed(NOON) if h.ends_at > NOON + 120)
    subscribe(line, [names.token_id(happening, 0, outcome) for outcome in (0, 1)])
    heard(line)
    clock.second += 120
    sockets.step()

    said = [m for m in messages(heard(line)) if isinstance(m, wire_stream.Traded)]

    assert [m.transaction_hash for m in said] == [
        t.transaction_hash for t in tape.until(happening, 0, clock.second) if t.second > NOON
    ]
    assert said


def test_later_operations_add_and_remove_tokens(sockets, line, clock):
    first, second = tokens_of("vote")[:2], tokens_of("match")[:2]
    subscribe(line, first)
    assert len(messages(heard(line))) == 2

    line.send(json.dumps({"operation": "subscribe", "assets_ids": second}))
    assert {m.token_id for m in messages(heard(line))} == set(second)

    line.send(json.dumps({"operation": "unsubscribe", "assets_ids": first + second}))
    heard(line)
    clock.second += 60
    sockets.step()
    assert heard(line) == []


def test_unknown_tokens_and_nonsense_do_no_harm(line):
    for frame in ("{", "[]", '{"assets_ids": 7}', '{"assets_ids": [7]}'):
        line.send(frame)
    subscribe(line, ["12345", "x", *tokens_of("vote")[:1]])

    frames = heard(line)

    assert frames[:4] == ["INVALID OPERATION"] * 4
    assert len(messages(frames[4:])) == 1


def test_lost_frames_never_come(sockets, line, clock):
    subscribe(line, tokens_of())
    heard(line)
    sockets.disturb(Faults(loss=1.0))
    clock.second += 5
    sockets.step()

    assert heard(line) == []


def test_a_share_of_frames_is_doubled_the_same_ones_each_time(clock):
    def story() -> list[str]:
        clock.second = NOON
        here = open_sockets(WORLD, clock=clock, every_s=None)
        here.disturb(Faults(duplication=0.3, loss=0.2))
        with connect(here.market_url) as line:
            subscribe(line, tokens_of())
            frames = heard(line)
            for _ in range(5):
                clock.second += 1
                here.step()
            frames += heard(line)
        here.close()
        return frames

    first, second = story(), story()

    assert first == second
    assert len(first) > len(set(first))


def test_reordered_frames_come_after_newer_ones(sockets, line, clock):
    subscribe(line, tokens_of("vote"))
    heard(line)
    sockets.disturb(Faults(reordering=0.5))
    for _ in range(6):
        clock.second += 1
        sockets.step()

    times = [json.loads(frame)["timestamp"] for frame in heard(line)]

    assert times != sorted(times)


def test_delayed_frames_come_in_order_and_all_at_once_when_the_fault_ends(sockets, line, clock):
    tokens, books = tokens_of("vote"), Books()
    subscribe(line, tokens)
    books.hear(heard(line))
    sockets.disturb(Faults(delay_steps=3))
    for _ in range(3):
        clock.second += 5
        sockets.step()
    assert heard(line) == []

    sockets.disturb(Faults())
    clock.second += 1
    sockets.step()
    books.hear(heard(line))

    assert books.levels == rest(tokens, clock.second)


def test_a_silent_venue_still_answers_pings_and_a_deaf_one_does_not(sockets, line, clock):
    sockets.disturb(Faults(silent=True))
    subscribe(line, tokens_of())
    clock.second += 5
    sockets.step()
    assert heard(line) == []

    sockets.disturb(Faults(silent=True, deaf=True))
    line.send("PING")
    with pytest.raises(TimeoutError):
        line.recv(timeout=0.2)


def test_cut_connections_end_without_a_farewell(sockets, line):
    subscribe(line, tokens_of())
    heard(line)

    assert sockets.cut() == 1

    with pytest.raises(ConnectionClosed) as ended:
        line.recv(timeout=5)
    assert ended.value.rcvd is None
    assert sockets.connections == 0


def test_new_connections_are_refused_on_command(sockets):
    sockets.disturb(Faults(refusing=True))
    with pytest.raises(InvalidStatus, match="503"):
        connect(sockets.market_url)


def test_without_first_books_only_changes_come(sockets, line, clock):
    sockets.disturb(Faults(no_snapshot=True))
    subscribe(line, tokens_of("vote"))
    assert heard(line) == []

    clock.second += 1
    sockets.step()
    assert wire_stream.PriceChange in {type(m) for m in messages(heard(line))}


def test_a_stale_first_book_is_of_an_earlier_second(sockets, line):
    token = tokens_of("vote", NOON - 60)[0]
    sockets.disturb(Faults(stale_s=30))
    subscribe(line, [token])

    (book,) = json.loads(heard(line)[0])

    assert book["timestamp"] == str((NOON - 30) * 1000)
    assert sides(book) == rest([token], NOON - 30)[token]


def test_a_crossed_first_book_bids_more_than_it_asks(sockets, line):
    sockets.disturb(Faults(crossed=True))
    subscribe(line, tokens_of("vote")[:1])

    (book,) = json.loads(heard(line)[0])

    assert Decimal(book["bids"][-1]["price"]) > Decimal(book["asks"][-1]["price"])


@pytest.mark.parametrize("fault", ["malformed", "half"])
def test_broken_frames_are_no_json(sockets, line, clock, fault):
    subscribe(line, tokens_of("vote"))
    heard(line)
    sockets.disturb(Faults(**{fault: 1.0}))
    clock.second += 5
    sockets.step()

    frames = heard(line)

    assert frames
    for frame in frames:
        with pytest.raises(ValueError, match=r"\w"):
            json.loads(frame)


def test_a_tick_change_is_announced_before_the_prices_on_the_new_grid(sockets, line, clock):
    happening, child, at = next(
        (h, 0, at) for h in WORLD.listed(NOON) for at in tick_changes(h, 0) if NOON < at < h.ends_at
    )
    clock.second = at - 1
    sockets.step()
    subscribe(line, [names.token_id(happening, child, 0)])
    heard(line)
    clock.second = at
    sockets.step()

    first, second = messages(heard(line))[:2]

    assert isinstance(first, wire_stream.TickChanged)
    assert {first.old_tick, first.new_tick} == {Decimal("0.01"), Decimal("0.001")}
    assert isinstance(second, wire_stream.PriceChange)


def test_the_port_steps_by_itself_when_asked_to(clock):
    sockets = open_sockets(WORLD, clock=clock, every_s=0.01)
    with connect(sockets.market_url) as line:
        subscribe(line, tokens_of("vote"))
        line.recv(timeout=5)
        clock.second += 5
        assert json.loads(line.recv(timeout=5))["timestamp"] == str(clock.second * 1000)
    sockets.close()


def test_other_paths_and_other_machines_are_refused(sockets, clock):
    with pytest.raises(InvalidStatus, match="404"):
        connect(sockets.market_url.replace("market", "nothing"))
    with pytest.raises(NotLoopback):
        open_sockets(WORLD, host="0.0.0.0", clock=clock)


def test_faults_are_read_by_name_and_nonsense_is_named():
    assert parse({"loss": 0.5, "silent": True, "stale_s": 3}) == Faults(
        loss=0.5, silent=True, stale_s=3
    )
    for wrong in ([], {"lost": 1}, {"loss": "x"}, {"silent": 1}, {"loss": True}):
        with pytest.raises(UnknownFault, match=r"\w"):
            parse(wrong)
