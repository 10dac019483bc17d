"""The whole life of a position on a chain, in one reading."""

from datetime import timedelta
from decimal import Decimal

import pytest

from config.kernel.models import DomainEvent
from tests.chain.world import LATER, WALLET, a_world
from tests.support import invariants
from tests.support.local_chain import DOLLAR, LocalChain
from trading.core.redemption import redeem_call
from trading.core.transactions import bumped
from trading.models import ChainTransaction, Claim, Position, Redemption

pytestmark = pytest.mark.django_db


def test_split_trade_resolve_redeem_reorganise_drop_replace(  # noqa: PLR0915 - one whole life
    chain: LocalChain,
):
    world = a_world(chain)
    market = world.market()
    condition = world.numbers[market.pk][1]
    yes, no = condition.token_ids

    # A maker splits a hundred dollars into a hundred of each outcome and sells us the one.
    world.bought(market, shares=100)
    with chain.acting_as(WALLET):
        chain.do(WALLET, chain.collateral.transfer(chain.accounts[5], 40 * DOLLAR))
    assert chain.shares(WALLET, yes) == 100 * DOLLAR
    assert chain.shares(chain.accounts[5], no) == 100 * DOLLAR
    assert world.cash() == 960

    # The oracle reports; the redemption is signed, stored and sent, and mined.
    world.resolved(market)
    chain.hold_blocks()
    world.turn()
    chain.mine(1)
    world.turn()
    mined = ChainTransaction.objects.get()
    assert mined.status == "MINED"
    assert chain.dollars(WALLET) == 1060 * DOLLAR

    # Two blocks are taken back before the third confirms: the money is gone again, unbooked.
    chain.reorganise(1)
    chain.drop(mined.transaction_hash)
    assert chain.dollars(WALLET) == 960 * DOLLAR
    world.turn()
    assert Redemption.objects.get().status == "SENT"
    assert world.cash() == 960
    assert DomainEvent.objects.filter(kind="transaction.reorganised").count() == 1

    # The same bytes are on their way again; the network drops them; they are handed in again.
    assert chain.ask("eth_getTransactionByHash", mined.transaction_hash) is not None
    chain.drop(mined.transaction_hash)
    world.turn()
    assert chain.ask("eth_getTransactionByHash", mined.transaction_hash) is not None

    # No block takes them: a tenth more on both fees, under the same nonce.
    later = LATER + timedelta(minutes=2)
    world.turn(at=later)
    old, new = ChainTransaction.objects.order_by("pk")
    assert (old.status, new.status, new.nonce) == ("REPLACED", "SENT", old.nonce)
    assert new.max_fee >= bumped(old.max_fee)
    assert new.priority_fee >= bumped(old.priority_fee)

    # Mined, confirmed, and only now booked, to the millionth of a dollar.
    chain.mine(1)
    world.turn(at=later)
    assert world.cash() == 960
    chain.mine(2)
    world.turn(at=later)
    assert world.cash() == Decimal("1060.000000") == world.reader.cash()
    paid = Redemption.objects.get()
    assert (paid.status, paid.payout, paid.transaction_hash) == ("PAID", 100, new.transaction_hash)
    assert Position.objects.get().shares == 0
    assert Claim.objects.get().released_at == later

    # A second redemption succeeds and pays nothing; ours are over, so none is sent.
    chain.resume_blocks()
    world.turns(2, at=later + timedelta(hours=1))
    assert ChainTransaction.objects.count() == 2
    call = redeem_call(condition, held=[0])
    with chain.acting_as(WALLET):
        again = {"from": WALLET, "to": call.target, "data": call.data}
        chain.ask("eth_sendTransaction", again)
    chain.mine(1)
    assert chain.dollars(WALLET) == 1060 * DOLLAR
    invariants.check_everything()
