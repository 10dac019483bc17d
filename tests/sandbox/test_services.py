"""The stand-in's other services, read by the product's own readers."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import feedparser
import httpx
import icalendar
import pytest
from websockets.sync.client import connect

from markets.adapters import chain
from markets.adapters.data_api import DataApi
from markets.core import wire_clob, wire_spot
from sandbox.core import names, quoted, tape
from sandbox.core.tape import Style, Wallet
from sandbox.core.world import World
from sandbox.sockets import open_sockets
from sandbox.venue import StandIn

NOW = 1_795_226_000
WORLD = World(7)
VENUE = StandIn(WORLD)


def venue_over(transport_second: int = NOW, world: World = WORLD) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        query: dict[str, list[str]] = {}
        for name, value in request.url.params.multi_items():
            query.setdefault(name, []).append(value)
        stand_in = StandIn(world)
        if request.method == "POST":
            reply = stand_in.post(request.url.path, request.content, second=transport_second)
        else:
            reply = stand_in.get(request.url.path, query, second=transport_second)
        return httpx.Response(reply.status, content=json.dumps(reply.body).encode())

    return httpx.MockTransport(answer)


@pytest.fixture
def service() -> DataApi:
    return DataApi("http://127.0.0.1:1/data", transport=venue_over())


def flat(pages) -> list:
    found = []
    for page in pages:
        assert not page.refused
        found += page.rows
    return found


def ended(kind: str = "vote", world: World = WORLD):
    return next(h for h in world.resolved(NOW - 700, NOW - 400) if h.family.name == kind)


def get(path: str, **query: str):
    return VENUE.get(path, {k: [v] for k, v in query.items()}, second=NOW)


def test_trades_of_a_market_are_the_tape_newest_first(service):
    happening = ended()
    rows = flat(service.trades([names.condition_id(happening, 0)], taker_only=True))

    said = [(r.traded_at.timestamp(), float(r.price), float(r.shares)) for r in rows]
    assert said == [(t.second, t.price, t.shares) for t in reversed(tape.tape(happening, 0))]
    assert len({r.transaction_hash for r in rows}) == len(rows) > 5


def test_makers_come_with_takers_only_when_asked_for(service):
    condition = names.condition_id(ended(), 0)

    assert len(flat(service.trades([condition]))) == 2 * len(
        flat(service.trades([condition], taker_only=True))
    )


def test_trades_happen_at_the_best_prices_of_the_book():
    for happening in WORLD.listed(NOW):
        for trade in tape.until(happening, 0, NOW):
            token = names.token_id(happening, 0, trade.outcome)
            reply = VENUE.get("/clob/book", {"token_id": [token]}, second=trade.second)
            side = reply.body["asks" if trade.buys else "bids"]
            assert float(side[-1]["price"]) == pytest.approx(trade.price)
            assert trade.shares <= float(side[-1]["size"])
            last = wire_clob.book_from(reply.body, source="clob").last_trade_price
            assert float(last) == pytest.approx(trade.price)


def test_the_volume_of_the_catalogue_is_what_the_trades_add_up_to(service):
    happening = ended()
    rows = flat(service.trades([names.condition_id(happening, 0)], taker_only=True))
    market = get(f"/gamma/markets/{happening.market_number(0)}").body

    assert float(market["volume"]) == pytest.approx(
        float(sum(r.price * r.shares for r in rows)), abs=0.01
    )


def test_nobody_sells_what_he_does_not_hold():
    for happening in WORLD.resolved(NOW - 1200, NOW):
        held: Counter = Counter()
        for trade in tape.tape(happening, 0):
            held[trade.taker, trade.outcome] += trade.shares * (1 if trade.buys else -1)
            assert held[trade.taker, trade.outcome] > -1e-6


def test_the_skilled_gain_and_the_informed_gain_more_than_noise():
    gain: Counter = Counter()
    spent: Counter = Counter()
    for happening in WORLD.resolved(NOW - 4 * 3600, NOW):
        for child in range(happening.markets):
            for trade in tape.tape(happening, child):
                won = happening.payouts(child)[trade.outcome]
                sign = 1 if trade.buys else -1
                gain[trade.taker.style] += sign * trade.shares * (won - trade.price)
                spent[trade.taker.style] += trade.shares * trade.price
    rate = {style: gain[style] / spent[style] for style in gain}

    assert rate[Style.INFORMED] > 0.05
    assert rate[Style.SKILLED] > rate[Style.NOISE]
    assert rate[Style.SKILLED] > 0


def test_positions_have_every_status_and_lost_ones_stay(service):
    wallet = Wallet(Style.NOISE, 3).address
    found = {s: flat(service.positions(wallet, status=s)) for s in ("OPEN", "CLOSED")}
    lost = flat(service.positions(wallet, status="REDEEMABLE_LOST"))

    assert found["OPEN"]
    assert found["CLOSED"]
    assert lost
    assert all(p.status == "REDEEMABLE" and p.current_price == 0 for p in lost)
    assert all(p.wallet == wallet for p in found["OPEN"])


def test_pages_follow_a_cursor_and_lose_nothing(service):
    wallet = Wallet(Style.MAKER, 0).address
    rows = flat(service.activity(wallet))
    page = get("/data/v2/activity", user=wallet, limit="100").body
    again = [*page["data"]]
    while page["pagination"]["has_more"]:
        cursor = page["pagination"]["next_cursor"]
        page = get("/data/v2/activity", user=wallet, cursor=cursor).body
        again += page["data"]

    assert len(again) == len(rows) > 100


def test_holders_hold_what_their_positions_say(service):
    happening = next(h for h in WORLD.listed(NOW) if len(tape.until(h, 0, NOW)) > 5)
    condition = names.condition_id(happening, 0)
    rows = flat(service.holders([condition]))
    positions = flat(service.positions(condition_ids=[condition], status="OPEN"))

    held = {(h.wallet, h.token_id): h.shares for row in rows for h in row.holders}
    assert held == {(p.wallet, p.token_id): p.shares for p in positions}


def test_refusals_are_those_that_were_recorded():
    deep = get("/data/trades", offset="10001")
    assert deep.status == 400
    assert deep.body == {"error": "max historical trades offset of 10000 exceeded"}
    wallet = Wallet(Style.NOISE, 0).address
    deep = get("/data/activity", user=wallet, offset="5001")
    assert deep.body == {"error": "max historical activity offset of 5000 exceeded"}
    wide = get("/data/v2/activity", user=wallet, limit="1001")
    assert wide.status == 400
    assert wide.body["code"] == "invalid_request"
    assert "limit must be between 0 and 1000" in wide.body["error"]
    for path, query in (
        ("/data/v2/positions", {}),
        ("/data/v2/holders", {}),
        ("/data/v2/resolutions", {}),
        ("/data/v2/tokens", {}),
        ("/data/v2/trades", {"cursor": "?"}),
        ("/data/v2/positions", {"user": wallet, "status": "LOST"}),
    ):
        assert get(path, **query).status == 400


def test_the_old_service_says_the_same_in_its_own_words():
    wallet = Wallet(Style.NOISE, 3).address
    condition = names.condition_id(ended(), 0)
    trades = get("/data/trades", market=condition, takerOnly="false").body

    assert {"proxyWallet", "asset", "conditionId"} <= set(trades[0])
    assert get("/data/positions", user=wallet, redeemable="true").body
    assert get("/data/closed-positions", user=wallet).body
    assert get("/data/activity", user=wallet).body
    assert len(get("/data/holders", market=condition).body) == 2
    assert get("/data/v2/value", user=wallet).body["value"] >= 0


@pytest.mark.parametrize(
    ("family", "payouts"), [("split", (1, 1)), ("void", (0, 0)), ("disputed", None)]
)
def test_odd_endings_agree_between_all_services(family, payouts):
    world = World(7, "odd")
    happening = ended(family, world)
    condition = names.condition_id(happening, 0)
    if payouts is None:
        payouts = tuple(int(part) for part in happening.payouts(0))
    transport = venue_over(world=world)
    node = chain.Chain("http://127.0.0.1:1/rpc", transport=transport)
    service = DataApi("http://127.0.0.1:1/data", transport=transport)

    paid = node.payouts([condition])[condition]
    (state,) = flat(service.resolutions([condition]))
    (token,) = flat(service.tokens([names.token_id(happening, 0, 0)]))
    clob = StandIn(world).get(f"/clob/markets/{condition}", {}, second=NOW).body

    assert paid.numerators == payouts
    assert paid.denominator == sum(payouts)
    assert token.resolved is bool(sum(payouts))
    assert clob["is_50_50_outcome"] is (family == "split")
    assert [t["winner"] for t in clob["tokens"]] == [sum(payouts) == 1 and p == 1 for p in payouts]
    if sum(payouts):
        assert state.status == "resolved"
        assert state.price == Decimal(payouts[0]) / sum(payouts)
        assert token.final_price == state.price
    assert state.was_disputed is (family == "disputed")


def test_a_disputed_market_first_shows_the_wrong_winner_and_pays_nothing():
    world = World(7, "odd")
    happening = ended("disputed", world)
    at = happening.closed_at + 10
    number, condition = happening.market_number(0), names.condition_id(happening, 0)
    market = StandIn(world).get(f"/gamma/markets/{number}", {}, second=at).body
    later = StandIn(world).get(f"/gamma/markets/{number}", {}, second=happening.settled_at).body
    node = chain.Chain("http://127.0.0.1:1/rpc", transport=venue_over(at, world))

    assert market["closed"] is later["closed"] is True
    assert (market["umaResolutionStatus"], later["umaResolutionStatus"]) == ("disputed", "resolved")
    assert json.loads(market["outcomePrices"]) == json.loads(later["outcomePrices"])[::-1]
    assert node.payouts([condition])[condition].denominator == 0


def test_the_node_answers_blocks_and_refuses_the_rest():
    def call(method: str, *params) -> dict:
        said = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return VENUE.post("/rpc", json.dumps(said).encode(), second=NOW).body

    assert int(call("eth_blockNumber")["result"], 16) == NOW // 2
    assert call("eth_chainId")["result"] == "0x89"
    assert call("eth_sendRawTransaction")["error"]["code"] == -32601
    assert "error" in call("eth_call", {"to": "0x00", "data": "0x"})
    assert "error" in call("eth_call", {"to": chain.CONDITIONAL_TOKENS, "data": "0x12345678"})
    assert "error" in VENUE.post("/rpc", b"{", second=NOW).body


def test_exchanges_quote_the_worlds_price_a_few_basis_points_apart():
    ticker = get("/spot/binance/api/v3/ticker/bookTicker", symbols='["BTCUSDT","ETHUSDT"]').body
    coinbase = get("/spot/coinbase/products/BTC-USD/ticker").body
    kraken = get("/spot/kraken/0/public/Ticker", pair="XBTUSD,ETHUSD").body["result"]
    truth = quoted.mid(7, "btc", "chainlink", NOW)

    asked = [ticker[0]["askPrice"], coinbase["ask"], kraken["XXBTZUSD"]["a"][0]]
    bids = [ticker[0]["bidPrice"], coinbase["bid"], kraken["XXBTZUSD"]["b"][0]]
    assert len(set(asked)) == 3
    for bid, ask in zip(bids, asked, strict=True):
        assert float(bid) < float(ask)
        assert float(ask) == pytest.approx(truth, rel=5e-4)


def test_unknown_symbols_get_each_exchanges_own_error():
    assert get("/spot/binance/api/v3/ticker/bookTicker", symbol="X").body["code"] == -1121
    assert get("/spot/coinbase/products/X-USD/ticker").status == 404
    assert get("/spot/kraken/0/public/Ticker", pair="X").body == {
        "error": ["EQuery:Unknown asset pair"]
    }
    assert get("/spot/binance/api/v3/klines", symbol="BTCUSDT", interval="9m").status == 400


def test_candles_join_and_none_is_of_the_future():
    rows = get("/spot/binance/api/v3/klines", symbol="BTCUSDT", interval="1m", limit="30").body
    premium = get("/spot/binance-futures/fapi/v1/premiumIndex", symbol="ETHUSDT").body

    assert len(rows) == 30
    assert all(rows[i][4] == rows[i + 1][1] for i in range(29))
    assert all(float(r[3]) <= float(r[1]) <= float(r[2]) for r in rows)
    assert rows[-1][0] <= NOW * 1000
    assert premium["nextFundingTime"] > NOW * 1000


def test_the_price_socket_says_every_topic_and_agrees_with_the_epochs():
    now = [NOW]
    sockets = open_sockets(WORLD, clock=lambda: now[0], every_s=None)
    topics = ("crypto_prices", "crypto_prices_chainlink", "crypto_prices_twap_sixty")
    with connect(sockets.prices_url) as line:
        asked = [{"topic": topic, "type": "update"} for topic in topics]
        line.send(json.dumps({"action": "subscribe", "subscriptions": asked}))
        line.send("PING")
        history = list(iter(line.recv, "PONG"))
        now[0] += 60
        sockets.step()
        line.send("PING")
        ticks = [t for f in iter(line.recv, "PONG") for t in wire_spot.rtds(f.encode())]
    sockets.close()

    assert len(history) == 6
    assert {t.source for t in ticks} == set(topics)
    epoch = next(h for h in WORLD.listed(NOW + 60) if h.family.asset == "btc")
    begins = datetime.fromtimestamp(epoch.starts_at, UTC)
    said = [t for t in ticks if t.source == topics[1] and t.symbol == "btc/usd"]
    assert len(said) == 60
    assert float(next(t.price for t in said if t.observed_at == begins)) == epoch.reference


def test_news_says_that_it_is_simulated_in_both_forms():
    for path in ("/feeds/news.rss", "/feeds/news.atom"):
        reply = get(path)
        feed = feedparser.parse(reply.body)
        assert not feed.bozo
        assert len(feed.entries) == 20
        assert all(e.title.startswith("[Simulated]") for e in feed.entries)
        assert "SIMULATED" in feed.entries[0].summary


def test_the_calendar_has_past_and_coming_releases_in_both_forms():
    rows = get("/feeds/calendar.json").body["events"]
    calendar = icalendar.Calendar.from_ical(get("/feeds/calendar.ics").body)
    starts = sorted(e.decoded("DTSTART") for e in calendar.walk("VEVENT"))
    now = datetime.fromtimestamp(NOW, UTC)

    assert len(rows) == len(starts) == 8
    assert starts[0] <= now < starts[-1]
    assert [datetime.fromisoformat(r["scheduled_at"]) for r in rows] == starts
