"""Catalogue rows become columns, or are refused one by one."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from markets.core import (
    wire_catalog,
    wire_epochs,
    wire_gamma,
)
from markets.core.wire import NotUnderstood
from tests.markets import wire_payloads as say

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)


def read_market(**changes: Any) -> wire_gamma.MarketRow:
    return wire_gamma.market(say.encoded(say.market(**changes)))


def test_a_market_has_two_outcomes_and_the_ids_of_its_protocol() -> None:
    row = read_market()

    assert row.outcomes == ("Yes", "No")
    assert row.asset_ids == (say.token(1), say.token(1, 1))
    assert row.volume == Decimal("1234.5")


def test_market_version_v2_uses_position_ids() -> None:
    row = read_market(version="v2", positionIds=[say.token(7), say.token(8)])

    assert row.asset_ids == (say.token(7), say.token(8))


@pytest.mark.parametrize("version", ["v3", None])
def test_an_unknown_version_has_no_asset_ids(version: str | None) -> None:
    row = read_market(version=version)

    listed = wire_catalog.listed(wire_gamma.EventRow(id="1"), row, as_of=AS_OF)
    assert row.asset_ids == ()
    assert listed.protocol == "unknown"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outcomes": '["Yes", "No", "Maybe"]'}, "outcomes: expected two"),
        ({"outcomes": None}, "outcomes is missing"),
        ({"clobTokenIds": '["5", "5"]'}, "expected two different ids"),
        ({"clobTokenIds": "00"}, "clobTokenIds: '00' is not an array"),
        ({"clobTokenIds": '["5", "five"]'}, "clobTokenIds: 'five' is not a token id"),
        ({"id": ""}, "id: '' is not a text of 1 to 200 letters"),
        ({"volume": "a lot"}, "volume.*is not a number"),
        ({"closed": "no"}, "closed: expected true or false"),
        ({"outcomePrices": '["1"]'}, "outcomePrices: expected two"),
    ],
)
def test_a_market_that_is_not_understood_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotUnderstood, match=reason):
        read_market(**changes)


def test_missing_volume_is_unknown_not_zero() -> None:
    row = read_market(volume=None, liquidity=None)

    assert row.volume is None
    assert wire_catalog.listed(wire_gamma.EventRow(id="1"), row, as_of=AS_OF).volume is None


def test_token_ids_may_be_missing_while_a_market_hydrates() -> None:
    assert read_market(clobTokenIds=None).asset_ids == ()
    assert read_market(clobTokenIds="[]").asset_ids == ()


def test_one_unreadable_market_does_not_hide_the_rest_of_its_event() -> None:
    row = wire_gamma.event(
        say.encoded(say.event(markets=[say.market(1), say.market(2, outcomes="?")]))
    )

    assert [m.id for m in row.markets] == ["1"]
    assert [w.source for w in row.refused] == ["gamma.market"]


@pytest.mark.parametrize("where", ["page", "event", "market"])
def test_the_simulated_flag_is_honoured_wherever_it_stands(where: str) -> None:
    flag = {"simulated": True}
    child = say.market(**(flag if where == "market" else {}))
    parent = say.event(markets=[child], **(flag if where == "event" else {}))
    envelope = {"events": [parent], **(flag if where == "page" else {})}

    page = wire_gamma.page(say.encoded(envelope), "events")

    assert page.events[0].markets[0].simulated is True


def test_pages_without_their_list_are_refused() -> None:
    with pytest.raises(NotUnderstood, match="no array 'events'"):
        wire_gamma.page(b'{"markets": []}', "events")
    with pytest.raises(NotUnderstood, match="array of markets"):
        wire_gamma.markets(b"{}")
    with pytest.raises(NotUnderstood, match="array of events"):
        wire_gamma.events(b"{}")
    with pytest.raises(NotUnderstood, match="markets: expected an array"):
        wire_gamma.event(say.encoded(say.event() | {"markets": "none"}))


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        (["esports", "sports"], "esports"),
        (["crypto-prices"], "crypto"),
        (["weather"], "climate"),
        (["gardening"], "other"),
        ([], ""),
    ],
)
def test_the_category_comes_from_the_tags(tags: list[str], word: str) -> None:
    event = wire_gamma.EventRow(
        id="1", tags=tuple(wire_gamma.Tag(id="1", slug=slug) for slug in tags)
    )

    assert wire_catalog.category(event, read_market()) == word


def test_fees_switched_off_are_zero_and_silence_is_unknown() -> None:
    off = wire_catalog.fee_terms(read_market(feesEnabled=False, feeSchedule=None))
    silent = wire_catalog.fee_terms(read_market(feesEnabled=True, feeSchedule=None))

    assert off is not None
    assert off.rate == 0
    assert silent is None


def test_a_closed_market_takes_no_orders_whatever_its_flags_say() -> None:
    assert wire_catalog.accepts_orders(read_market(closed=True)) is False
    assert wire_catalog.accepts_orders(read_market(enableOrderBook=False)) is False
    assert wire_catalog.accepts_orders(read_market()) is True
    assert wire_catalog.accepts_orders(read_market(acceptingOrders=None)) is None


@pytest.mark.parametrize(
    ("slug", "asset", "window_s"),
    [
        ("btc-updown-15m-1790616600", "btc", 900),
        ("eth-updown-4h-1790611200", "eth", 14_400),
        ("bitcoin-up-or-down-september-28-2026-12pm-et", "btc", 3600),
        ("solana-up-or-down-on-september-29-2026", "sol", 86_400),
    ],
)
def test_up_or_down_slugs_name_asset_and_window(slug: str, asset: str, window_s: int) -> None:
    epoch = wire_epochs.from_slug(slug, ends_at=datetime(2026, 9, 28, 17, tzinfo=UTC))

    assert epoch is not None
    assert (epoch.asset, epoch.window_s) == (asset, window_s)


def test_windows_of_minutes_start_where_their_slug_says() -> None:
    epoch = wire_epochs.from_slug("btc-updown-15m-1790616600", ends_at=None)

    assert epoch is not None
    assert epoch.starts_at == datetime(2026, 9, 28, 17, 30, tzinfo=UTC)
    assert epoch.ends_at == datetime(2026, 9, 28, 17, 45, tzinfo=UTC)


@pytest.mark.parametrize("slug", ["rain-1", "btc-updown-15m", "gold-up-or-down-friday"])
def test_other_slugs_name_no_window(slug: str) -> None:
    assert wire_epochs.from_slug(slug, ends_at=AS_OF) is None


def test_the_slugs_around_an_instant_cover_it() -> None:
    start = datetime(2026, 9, 28, 17, 32, tzinfo=UTC)
    until = datetime(2026, 9, 28, 17, 46, tzinfo=UTC)

    found = wire_epochs.slugs("btc", "15m", since=start, until=until)

    assert found == ("btc-updown-15m-1790616600", "btc-updown-15m-1790617500")
