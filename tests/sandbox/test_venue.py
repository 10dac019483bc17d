"""The stand-in venue speaks the routes and shapes of the real one, and says so."""

import json
import threading
from collections.abc import Iterator
from io import StringIO

import httpx
import polars as pl
import pytest
from django.core.management import CommandError, call_command

from sandbox import listing
from sandbox.core.families import Kind
from sandbox.core.world import World
from sandbox.server import NotLoopback, serve
from sandbox.venue import StandIn

NOW = 1_795_226_000
VENUE = StandIn(World(7))


def get(path: str, **query: str | list[str]):
    lists = {k: v if isinstance(v, list) else [v] for k, v in query.items()}
    reply = VENUE.get(path, lists, second=NOW)
    assert reply.status == 200, reply
    return reply.body


def all_markets(**query: str) -> list[dict]:
    found, cursor = [], "0"
    while cursor:
        page = get("/gamma/markets/keyset", after_cursor=cursor, limit="20", **query)
        found += page["markets"]
        cursor = page.get("next_cursor", "")
    return found


def test_the_catalogue_pages_through_every_listed_market_once():
    found = all_markets()
    shown = [h for h in World(7).listed(NOW) if h.family.kind is not Kind.EPOCH]
    listed = sum(h.markets for h in shown)

    assert len(found) == len({m["id"] for m in found}) == listed
    assert not any(m["closed"] for m in found)


def test_every_object_says_that_it_is_simulated_and_what_bias_was_planted():
    for market in all_markets():
        assert market["simulated"] is True
        assert "SIMULATED" in market["description"]
        assert "planted bias" in market["description"]
    assert all(e["simulated"] is True for e in get("/gamma/events/keyset")["events"])


def test_lists_are_json_in_a_string_as_gamma_sends_them():
    market = all_markets()[0]

    assert len(json.loads(market["clobTokenIds"])) == 2
    assert json.loads(market["outcomes"]) == ["Yes", "No"]
    assert isinstance(market["volume"], str)


def test_epochs_are_found_by_the_slug_that_the_venue_would_give_them():
    start = NOW - NOW % 60
    event = get(f"/gamma/events/slug/btc-updown-1m-{start}")

    assert event["seriesSlug"] == "btc-up-or-down-1m"
    assert event["eventMetadata"]["priceToBeat"] > 0
    assert event["markets"][0]["cryptoMarketConfig"]["asset"] == "btc"
    assert json.loads(event["markets"][0]["outcomes"]) == ["Up", "Down"]


def test_an_epoch_that_has_not_begun_hides_its_price_to_beat():
    start = NOW - NOW % 60 + 60
    assert "eventMetadata" not in get(f"/gamma/events/slug/btc-updown-1m-{start}")


def test_books_run_from_worst_to_best_in_texts_and_mirror_between_the_tokens():
    market = next(m for m in all_markets() if m["slug"].startswith("sim-match"))
    yes, no = json.loads(market["clobTokenIds"])

    first, second = get("/clob/book", token_id=yes), get("/clob/book", token_id=no)

    assert first["market"] == market["conditionId"]
    assert [float(b["price"]) for b in first["bids"]] == sorted(
        float(b["price"]) for b in first["bids"]
    )
    assert float(first["asks"][-1]["price"]) == min(float(a["price"]) for a in first["asks"])
    assert float(first["bids"][-1]["price"]) + float(second["asks"][-1]["price"]) == pytest.approx(
        1
    )
    assert float(first["bids"][-1]["price"]) == pytest.approx(market["bestBid"])


def test_many_books_come_in_one_post_and_unknown_tokens_are_left_out():
    tokens = [json.loads(m["clobTokenIds"])[0] for m in all_markets()]
    body = json.dumps([{"token_id": t} for t in [*tokens, "12345", "x"]]).encode()

    reply = VENUE.post("/clob/books", body, second=NOW)

    assert [b["asset_id"] for b in reply.body] == tokens


def test_a_post_that_is_no_list_of_tokens_is_refused():
    assert VENUE.post("/clob/books", b"{", second=NOW).status == 400
    too_many = json.dumps([{"token_id": "1"}] * 501).encode()
    assert VENUE.post("/clob/books", too_many, second=NOW).status == 400


def test_a_resolved_market_shows_its_winner_on_both_services_and_has_no_book():
    closed = all_markets(closed="true")[0]
    first, second = json.loads(closed["outcomePrices"])
    clob = get(f"/clob/markets/{closed['conditionId']}")

    assert {first, second} == {"0", "1"}
    assert [t["winner"] for t in clob["tokens"]] == [first == "1", second == "1"]
    assert closed["umaResolutionStatus"] == "resolved"
    token = json.loads(closed["clobTokenIds"])[0]
    assert VENUE.get("/clob/book", {"token_id": [token]}, second=NOW).status == 404


def test_closed_markets_are_hidden_unless_asked_for():
    closed = all_markets(closed="true")[0]["id"]

    assert get("/gamma/markets", id=closed) == []
    assert get("/gamma/markets", id=closed, closed="true")[0]["id"] == closed
    assert get(f"/gamma/markets/{closed}")["closed"] is True


def test_price_history_never_shows_a_point_later_than_now():
    market = next(m for m in all_markets() if m["slug"].startswith("sim-vote"))
    token = json.loads(market["clobTokenIds"])[0]

    rows = get(
        "/clob/prices-history", market=token, startTs="0", endTs=str(NOW + 5000), fidelity="1"
    )["history"]

    assert rows
    assert rows[-1]["t"] <= NOW
    assert all(0 < row["p"] < 1 for row in rows)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gamma/nothing", 404),
        ("/gamma/markets/77", 404),
        ("/gamma/markets/abc", 404),
        ("/gamma/events/abc", 404),
        ("/gamma/events/slug/no-such-slug", 404),
        ("/clob/markets/0xzz", 404),
        ("/clob/book", 400),
    ],
)
def test_what_does_not_exist_is_refused_as_the_venue_refuses_it(path, status):
    assert VENUE.get(path, {}, second=NOW).status == status


def test_series_filter_and_plain_listing():
    events = get("/gamma/events/keyset", series_id="10005")["events"]
    assert {e["seriesSlug"] for e in events} == {"btc-up-or-down-1m"}
    market = get("/gamma/markets", limit="3")
    assert len(market) == 3
    assert get("/gamma/markets", slug=market[1]["slug"])[0]["id"] == market[1]["id"]
    assert get(f"/gamma/events/{market[0]['events'][0]['id']}")["simulated"] is True


@pytest.fixture
def address() -> Iterator[str]:
    server = serve(VENUE, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_server_answers_over_http(address):
    with httpx.Client(base_url=address) as client:
        assert client.get("/clob/time").text.isdigit()
        markets = client.get("/gamma/markets/keyset").json()["markets"]
        tokens = [{"token_id": json.loads(m["clobTokenIds"])[0]} for m in markets]
        assert len(client.post("/clob/books", json=tokens).json()) >= len(markets) - 3
        assert client.get("/nowhere").status_code == 404


def test_the_server_listens_on_this_machine_only():
    with pytest.raises(NotLoopback):
        serve(VENUE, host="0.0.0.0", port=0)


def test_the_past_is_written_in_the_format_of_recorded_history(tmp_path):
    out = StringIO()
    call_command("sandbox", history=tmp_path, hours=0.5, json=True, stdout=out)

    rows = json.loads(out.getvalue())["rows"]
    markets = pl.read_parquet(tmp_path / "markets.parquet")
    prices = pl.read_parquet(tmp_path / "prices.parquet")
    epochs = pl.read_parquet(tmp_path / "updown_epochs.parquet")
    assert rows["markets"] == markets.height > 100
    assert set(prices["market_key"]) <= set(markets["market_key"])
    last = prices.join(markets, on="market_key").filter(pl.col("ts") >= pl.col("end_ts"))
    assert last.is_empty()
    assert epochs["outcome_up"].is_in([0, 1]).all()
    assert json.loads((tmp_path / "simulated.json").read_text())["simulated"] is True


def test_a_port_in_use_gives_one_clear_line(address):
    port = int(address.rsplit(":", 1)[1])
    with pytest.raises(CommandError, match="choose another with --port"):
        call_command("sandbox", port=port)


def test_the_hours_preset_uses_the_venues_own_windows():
    windows = {
        h.family.window_s for h in World(7, "hours").listed(NOW) if h.family.kind is Kind.EPOCH
    }
    assert windows == {300, 900, 3600, 86_400}


def test_up_and_down_series_hide_from_listings_but_not_from_their_slugs():
    start = NOW - NOW % 60
    slugs = [f"{asset}-updown-1m-{start}" for asset in ("btc", "eth")]
    events = get("/gamma/events/keyset", slug=[*slugs, "no-such-slug"])["events"]

    assert not [m for m in all_markets() if "updown" in m["slug"]]
    assert [e["slug"] for e in events] == slugs
    assert get("/gamma/markets", slug=slugs[0])[0]["slug"] == slugs[0]
    over = f"btc-updown-1m-{start - 600}"
    assert get("/gamma/events/keyset", slug=over)["events"] == []
    assert get("/gamma/events/keyset", slug=over, closed="true")["events"][0]["slug"] == over


def test_listings_can_be_bounded_by_the_end():
    def ends(**query: str) -> list[str]:
        return [e["endDate"] for e in get("/gamma/events/keyset", **query)["events"]]

    everything = sorted(ends())
    middle = everything[len(everything) // 2]

    assert sorted(ends(end_date_min=middle) + ends(end_date_max=middle)) == sorted(
        everything + [end for end in everything if end == middle]
    )


def test_a_child_of_a_group_is_found_by_its_slug():
    child = next(m for m in all_markets() if m["slug"].startswith("sim-race"))
    assert get("/gamma/markets", slug=child["slug"])[0]["id"] == child["id"]


def test_the_large_world_lists_thousands_a_page_as_quickly_as_the_small_one():
    large = StandIn(World(7, "large"))
    seen, cursor = [], "0"
    for _ in range(3):
        page = large.get("/gamma/markets/keyset", {"after_cursor": [cursor]}, second=NOW).body
        seen += [m["id"] for m in page["markets"]]
        cursor = page["next_cursor"]

    assert len(set(seen)) == 300
    assert len(listing.markets(large.world, {}, NOW)) > 20_000


def test_the_index_knows_the_same_events_as_the_world():
    world = World(7)
    for family in world.families:
        listed = sorted(h.number for h in world.listed(NOW) if h.family == family)
        closed = sorted(h.number for h in world.resolved(NOW - 900, NOW + 1) if h.family == family)
        assert world.index(family, NOW).tolist() == listed
        assert world.index(family, NOW, closed_for_s=900).tolist() == closed
