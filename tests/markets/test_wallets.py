"""Wallets: large trades once, losses included, cohorts from what was known then."""

from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from markets import wallet_trades, wallets
from markets.adapters import http
from markets.adapters.data_api import DataApi
from markets.models import (
    CohortMood,
    ContextSettings,
    Notice,
    Wallet,
    WalletResult,
    WalletScore,
    WalletTrade,
)
from tests import factories as make
from tests.markets import wire_payloads as say
from tests.moments import NOW, ago, ahead
from tests.revised import revise

pytestmark = pytest.mark.django_db
URL = "https://data.example"
DAY = 86_400


def trade(market: Any, wallet: str, dollars: float, **more: Any) -> dict[str, Any]:
    price = more.pop("price", 0.5)
    outcome = more.pop("outcome", 0)
    return {
        "proxy_wallet": wallet,
        "side": "BUY",
        "token_id": market.outcomes.get(index=outcome).asset_id,
        "condition_id": market.condition_id,
        "size": dollars / price,
        "price": price,
        "timestamp": int(more.pop("at", ago(60)).timestamp()),
        "transaction_hash": "0xfeed",
        "outcome_index": outcome,
    } | more


def position(wallet: str, number: int, pnl: float, status: str) -> dict[str, Any]:
    return {
        "proxy_wallet": wallet,
        "token_id": str(1000 + number),
        "condition_id": f"0x{number:064x}",
        "current_size": 0.0,
        "avg_price": 0.5,
        "current_price": 0.0,
        "current_value": 0.0,
        "total_size": 200.0,
        "realized_pnl": 0.0,
        "total_pnl": pnl,
        "status": status,
        "redeemable": status != "CLOSED",
        "mergeable": False,
        "outcome": "Yes",
        "outcome_index": 0,
        "event_slug": f"event-{number}",
        "last_event_at": int(ago(DAY).timestamp()),
    }


def service(rows: dict[str, list[dict[str, Any]]]) -> DataApi:
    """A data service: rows per path, or per path and status."""

    def answer(request: httpx.Request) -> httpx.Response:
        status = request.url.params.get("status", "")
        found = rows.get(f"{request.url.path} {status}".strip(), [])
        body = {"data": found, "pagination": {"has_more": False}}
        return httpx.Response(200, content=say.encoded(body))

    return DataApi(URL, transport=httpx.MockTransport(answer), attempts=1)


def market(**more: Any) -> Any:
    return make.MarketFactory(**{"volume": 100_000.0, "scheduled_end_at": ahead(DAY), **more})


def test_large_trades_are_kept_once_with_who_made_them() -> None:
    one = market()
    rows = [trade(one, "0xAA", 30_000), trade(one, "0xBB", 2_000), trade(one, "0xCC", 10)]
    venue = service({"/v2/trades": rows})

    first = wallet_trades.follow(as_of=NOW, venue=venue)
    again = wallet_trades.follow(as_of=NOW, venue=venue)

    kept = {t.wallet_id: t for t in WalletTrade.objects.all()}
    assert (first["kept"], first["whales"], again["kept"]) == (2, 1, 0)
    assert set(kept) == {"0xaa", "0xbb"}
    assert kept["0xaa"].is_whale
    assert not kept["0xbb"].is_whale
    assert kept["0xbb"].volume_share == pytest.approx(0.02)
    assert Wallet.objects.filter(watched=True).count() == 2
    (notice,) = Notice.objects.filter(kind=Notice.Kind.WHALE_TRADE)
    assert notice.market_id == one.pk
    assert "$30,000" in notice.text


def test_a_whale_is_also_who_trades_a_share_of_the_volume_and_unknown_volume_is_no_zero() -> None:
    small, unknown = market(volume=20_000.0), market(volume=None)
    rows = [trade(small, "0xaa", 1_500), trade(unknown, "0xbb", 1_500)]

    wallet_trades.follow(as_of=NOW, venue=service({"/v2/trades": rows}))

    kept = {t.wallet_id: t for t in WalletTrade.objects.all()}
    assert kept["0xaa"].is_whale
    assert not kept["0xbb"].is_whale
    assert kept["0xbb"].volume_share is None


def test_a_taker_and_a_maker_of_one_match_are_two_wallets_trades() -> None:
    one = market()
    taker, maker = trade(one, "0xaa", 2_000), trade(one, "0xbb", 2_000)

    wallet_trades.follow(as_of=NOW, venue=service({"/v2/trades": [taker, maker]}))

    assert WalletTrade.objects.count() == 2


def test_one_silence_is_counted_and_keeps_nothing_half() -> None:
    market()
    broken = DataApi(URL, transport=httpx.MockTransport(lambda _r: httpx.Response(502)), attempts=1)

    counts = wallet_trades.follow(as_of=NOW, venue=broken)

    assert counts["failed"] == 1
    assert not WalletTrade.objects.exists()


def test_the_third_silence_in_a_row_ends_the_look() -> None:
    for _ in range(41):
        market()
    asked: list[httpx.Request] = []

    def silent(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(502)

    broken = DataApi(URL, transport=httpx.MockTransport(silent), attempts=1)

    with pytest.raises(http.VenueUnreachable):
        wallet_trades.follow(as_of=NOW, venue=broken)
    assert len(asked) == 3


def followed(wallet: str) -> None:
    Wallet.objects.create(
        address=wallet, watched=True, first_seen_at=ago(DAY), last_seen_at=ago(60)
    )


def test_lost_positions_are_read_beside_the_closed_ones() -> None:
    followed("0xaa")
    venue = service(
        {
            "/v2/positions CLOSED": [position("0xaa", 1, 50.0, "CLOSED")],
            "/v2/positions REDEEMABLE_LOST": [position("0xaa", 2, -100.0, "REDEEMABLE")],
        }
    )

    counts = wallets.refresh_results(as_of=NOW, venue=venue)
    wallets.refresh_results(as_of=NOW, venue=venue)

    assert counts["added"] == 2
    pnl = dict(WalletResult.objects.values_list("event_key", "realized_pnl"))
    assert pnl == {"event-1": 50.0, "event-2": -100.0}
    assert WalletResult.objects.get(event_key="event-2").cost == pytest.approx(100.0)


def test_a_result_that_changed_is_not_seen_in_the_past() -> None:
    record_of("0xaa", events=25, pnl=40.0)
    known = wallets.score(as_of=NOW)
    changed = [position("0xaa", 1, -500.0, "CLOSED") | {"token_id": "1700"}]

    wallets.refresh_results(as_of=ahead(3600), venue=service({"/v2/positions CLOSED": changed}))

    assert known == 1
    assert WalletResult.objects.get(token_id="1700").received_at == ahead(3600)
    assert wallets.score(as_of=ahead(60)) == 1
    before, after = WalletScore.objects.order_by("as_of")
    assert (before.events, after.events) == (25, 24)
    assert after.pnl < before.pnl


def test_a_wallet_is_asked_again_only_after_its_pause_and_only_so_many_are_watched() -> None:
    revise(ContextSettings, max_wallets=1)
    followed("0xaa")
    Wallet.objects.create(
        address="0xbb", watched=True, first_seen_at=ago(DAY), last_seen_at=ago(DAY)
    )

    first = wallets.refresh_results(as_of=NOW, venue=service({}))
    again = wallets.refresh_results(as_of=NOW + timedelta(hours=1), venue=service({}))

    assert (first["wallets"], again["wallets"]) == (1, 0)
    assert list(Wallet.objects.filter(watched=True).values_list("address", flat=True)) == ["0xaa"]


def record_of(wallet: str, *, events: int, pnl: float) -> None:
    followed(wallet)
    WalletResult.objects.bulk_create(
        WalletResult(
            wallet_id=wallet, token_id=f"{int(wallet, 16)}{n}", condition_id="0x1",
            event_key=f"e{n}", status="CLOSED", average_price=0.5, cost=100.0,
            realized_pnl=pnl + n % 3, received_at=ago(DAY),
        )
        for n in range(events)
    )  # fmt: skip


def test_scores_say_who_has_enough_and_who_is_skilled() -> None:
    record_of("0xaa", events=30, pnl=40.0)
    record_of("0xbb", events=3, pnl=90.0)

    written = wallets.score(as_of=NOW)
    again = wallets.score(as_of=NOW)

    assert (written, again) == (2, 0)
    best, *rest = wallets.top(category="", limit=5, as_of=NOW)
    assert (best.wallet_id, best.skilled, best.events, rest) == ("0xaa", True, 30, [])
    assert not WalletScore.objects.get(wallet_id="0xbb").enough
    assert wallets.top(category="", limit=5, as_of=ago(1)) == []


def test_the_mood_of_the_skilled_is_known_only_where_enough_of_them_traded() -> None:
    felt, silent = market(), market()
    for n, outcome in enumerate((0, 0, 1)):
        record_of(f"0x{n}", events=30, pnl=40.0)
        rows = [trade(felt, f"0x{n}", 4_000, outcome=outcome), trade(silent, "0x0", 4_000)]
        wallet_trades.follow(as_of=NOW, venue=service({"/v2/trades": rows}))
    wallets.score(as_of=NOW)

    written = [wallets.feel(as_of=at) for at in (NOW, ahead(60))]

    found = wallets.moods([felt.pk, silent.pk], cohort=wallets.SKILLED, as_of=NOW)
    assert found[0] == pytest.approx(1 / 3)
    assert np.isnan(found[1])
    assert np.isnan(wallets.moods([felt.pk], cohort=wallets.SKILLED, as_of=ago(1))).all()
    assert CohortMood.objects.get().wallets == 3
    assert written == [1, 0], "an unchanged mood is not written again"


def test_an_informed_wallet_that_trades_again_is_told_loudly() -> None:
    record_of("0xaa", events=2, pnl=1.0)
    for _ in range(8):
        over = market(tracked=False)
        make.ResolutionFactory(market=over, payout_0=1, payout_1=0, received_at=ago(7200))
        WalletTrade.objects.create(
            trade_key=f"k{over.pk}", wallet_id="0xaa", market=over, outcome_index=0, side="BUY",
            price=0.3, shares=10_000, dollars=3_000, seconds_left=60.0,
            observed_at=ago(DAY), received_at=ago(DAY),
        )  # fmt: skip
    wallets.score(as_of=ago(3600))

    one = market()
    wallet_trades.follow(as_of=NOW, venue=service({"/v2/trades": [trade(one, "0xaa", 2_000)]}))

    (notice,) = Notice.objects.filter(kind=Notice.Kind.INFORMED_WALLET)
    assert notice.severity == Notice.Severity.WARNING
    assert notice.subject == "0xaa"


def test_the_biggest_holders_become_known() -> None:
    one = market()
    rows = [
        {
            "token_id": one.outcomes.get(index=0).asset_id,
            "holders": [
                {
                    "proxy_wallet": f"0xH{n}",
                    "token_id": one.outcomes.get(index=0).asset_id,
                    "amount": 10.0,
                    "outcome_index": 0,
                }
                for n in range(3)
            ],
        }
    ]

    met = wallets.discover(as_of=NOW, venue=service({"/v2/holders": rows}))

    assert met == 3
    assert Wallet.objects.filter(address="0xh1", watched=True).exists()
