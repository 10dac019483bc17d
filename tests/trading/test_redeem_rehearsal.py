"""Redemption in a rehearsal: the guard's code, unchanged, over the sandbox's chain."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from markets.models import Market
from sandbox.core import names
from sandbox.core.world import Happening, World
from sandbox.exchange.desk import Exchange
from sandbox.venue import StandIn
from tests import factories
from tests.support import invariants
from tests.support.local_chain import key
from trading.adapters.chain import Chain, WouldRevert
from trading.books import claims, fills, ledger
from trading.core.redemption import Condition, redeem_call
from trading.models import Account, ChainTransaction, Redemption
from trading.redeeming import redeem_guarded
from trading.redeeming.transactions import OwnSender
from trading.settings import ChainSettings
from trading.venue import Execution, NonceUsed

pytestmark = pytest.mark.django_db
WORLD = World(7)
SECOND = 1_790_000_200
SIGNER = key(7)
WALLET = SIGNER.address
MODE = "REHEARSAL"


class Rehearsal:
    """An exchange in this process whose clock the test moves."""

    def __init__(self) -> None:
        self.exchange = Exchange(WORLD)
        self.venue = StandIn(WORLD, self.exchange)
        self.second = SECOND
        self.happening = next(
            h for h in WORLD.listed(SECOND) if h.family.name == "match" and h.payouts(0)[0] == 1
        )
        self.chain = self.reader()
        self.sender = OwnSender(network=self.chain, signer=SIGNER, mode=MODE, wallet=WALLET)

    def reader(self) -> Chain:
        return Chain(
            "http://127.0.0.1:1/rpc", wallet=WALLET, transport=httpx.MockTransport(self.answer)
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        said = self.venue.post(request.url.path, request.content, second=self.second)
        return httpx.Response(said.status, json=said.body)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.second, UTC)

    def market(self) -> Market:
        condition = self.condition()
        market = factories.MarketFactory(condition_id=condition.condition_id, outcomes=())
        for index, name in enumerate(("Yes", "No")):
            market.outcomes.create(index=index, name=name, asset_id=condition.token_ids[index])
        return market

    def condition(self) -> Condition:
        found: Happening = self.happening
        tokens = (names.token_id(found, 0, 0), names.token_id(found, 0, 1))
        return Condition(condition_id=names.condition_id(found, 0), token_ids=tokens)

    def bought(self, market: Market) -> None:
        token = self.condition().token_ids[0]
        self.exchange.give(WALLET, dollars=960_000_000, now=self.second)
        self.exchange.give(WALLET, token=token, shares=100_000_000, now=self.second)
        intent = factories.IntentFactory(
            mode=MODE, wallet=WALLET, market=market, status="EXECUTED", limit_price=Decimal("0.40")
        )
        order = factories.OrderFactory(intent=intent, wallet=WALLET, status="FILLED")
        claims.take(intent, as_of=self.now)
        ledger.post(
            "deposit",
            debit=Account.EXTERNAL,
            credit=Account.CASH,
            amount=Decimal(1000),
            kind="deposit",
            mode=MODE,
            wallet=WALLET,
            as_of=self.now,
        )
        trade: dict[str, Any] = {"price": Decimal("0.40"), "shares": Decimal(100)}
        told = Execution(trade_id="1", fee=Decimal(0), observed_at=self.now, **trade)
        fills.record(order, told, as_of=self.now)

    def resolved(self, market: Market) -> None:
        self.second = int(self.happening.settled_at) + 10
        factories.ResolutionFactory(market=market, resolved_at=self.now)

    def turn(self) -> redeem_guarded.Turn:
        return redeem_guarded.run(MODE, WALLET, self.chain, self.sender, as_of=self.now)

    def cash(self) -> Decimal:
        later = self.now + timedelta(days=1)
        return ledger.balance(Account.CASH, mode=MODE, wallet=WALLET, as_of=later)


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    ChainSettings.objects.create(
        version=1,
        reason="short",
        created_at=datetime.fromtimestamp(0, UTC),
        confirmations=2,
    )
    made = Rehearsal()
    yield made
    made.exchange.close()
    invariants.check_everything()


def test_a_rehearsal_redeems_what_it_won(rehearsal):
    market = rehearsal.market()
    rehearsal.bought(market)
    assert rehearsal.chain.cash() == 960
    rehearsal.resolved(market)

    assert rehearsal.turn().sent == 1
    rehearsal.second += 2
    rehearsal.turn()
    assert rehearsal.cash() == 960
    rehearsal.second += 2

    assert rehearsal.turn().paid == 1
    assert rehearsal.cash() == 1060 == rehearsal.chain.cash()
    assert ChainTransaction.objects.get().status == "CONFIRMED"
    assert rehearsal.exchange.cash(WALLET) == 1_060_000_000


def test_the_sandbox_redeems_first_and_it_is_booked_once(rehearsal):
    market = rehearsal.market()
    rehearsal.bought(market)
    rehearsal.resolved(market)
    rehearsal.exchange.redeem(WALLET, rehearsal.condition().condition_id, now=rehearsal.second)
    rehearsal.second += 10

    assert rehearsal.turn().paid == 1
    assert rehearsal.turn().paid == 0
    assert rehearsal.cash() == 1060
    assert Redemption.objects.get().reason == "redeemed by the venue"
    assert not ChainTransaction.objects.exists()


def test_a_sandbox_that_restarts_finds_in_its_journal_what_the_bytes_did(rehearsal):
    market = rehearsal.market()
    rehearsal.bought(market)
    rehearsal.resolved(market)
    rehearsal.turn()

    from sandbox import node

    del node._ledgers[rehearsal.exchange]
    rehearsal.second += 4
    rehearsal.turn()
    rehearsal.second += 6
    rehearsal.turn()

    assert rehearsal.cash() == 1060
    assert Redemption.objects.get().status == "PAID"


def test_the_sandbox_refuses_what_a_chain_refuses(rehearsal):
    market = rehearsal.market()
    rehearsal.bought(market)
    call = redeem_call(rehearsal.condition(), held=[0])

    with pytest.raises(WouldRevert, match="result for condition not received yet"):
        rehearsal.chain.gas(call)
    rehearsal.resolved(market)
    rehearsal.sender.start("one", call, as_of=rehearsal.now)
    rehearsal.chain.send(ChainTransaction.objects.get().raw)
    ChainTransaction.objects.all().delete()

    from trading.core.transactions import Fees

    again = rehearsal.sender._store(
        "two", call, nonce=0, gas=1, fees=Fees(max_fee=9, priority_fee=1), as_of=rehearsal.now
    )
    with pytest.raises(NonceUsed):
        rehearsal.chain.send(again.raw)
    assert rehearsal.chain.nonce() == 1
    assert rehearsal.chain.market_fees() == (30 * 10**9, 30 * 10**9)
    ledger.post(
        "redeemed by hand",
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=Decimal(100),
        kind="deposit",
        mode=MODE,
        wallet=WALLET,
        as_of=rehearsal.now,
    )
