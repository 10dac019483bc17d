"""The whole life of a position on a chain, in one reading."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from config.kernel.models import DomainEvent
from markets.models import Market
from tests.chain.world import LATER, WALLET, World, a_world
from tests.support import invariants
from tests.support.local_chain import DOLLAR, LocalChain
from trading.core.redemption import redeem_call
from trading.core.transactions import bumped
from trading.models import ChainTransaction, Claim, Position, Redemption

pytestmark = pytest.mark.django_db


@dataclass
class Life:
    """One position on a chain, from its purchase to its payout; each chapter is a method."""

    world: World
    market: Market

    @property
    def chain(self) -> LocalChain:
        return self.world.chain

    def bought(self) -> None:
        """A maker splits a hundred dollars into a hundred of each outcome and sells us the one."""
        yes, no = self.world.numbers[self.market.pk][1].token_ids
        maker = self.chain.accounts[5]
        self.world.bought(self.market, shares=100)
        with self.chain.acting_as(WALLET):
            self.chain.do(WALLET, self.chain.collateral.transfer(maker, 40 * DOLLAR))
        assert self.chain.shares(WALLET, yes) == 100 * DOLLAR
        assert self.chain.shares(maker, no) == 100 * DOLLAR
        assert self.world.cash() == 960

    def redeemed(self) -> ChainTransaction:
        """The oracle reports; the redemption is signed, stored and sent, and mined."""
        self.world.resolved(self.market)
        self.chain.hold_blocks()
        self.world.turn()
        self.chain.mine(1)
        self.world.turn()
        mined = ChainTransaction.objects.get()
        assert mined.status == "MINED"
        assert self.chain.dollars(WALLET) == 1060 * DOLLAR
        return mined

    def reorganised(self, mined: ChainTransaction) -> None:
        """Two blocks are taken back before the third confirms: the money is gone, unbooked."""
        self.chain.reorganise(1)
        self.chain.drop(mined.transaction_hash)
        assert self.chain.dollars(WALLET) == 960 * DOLLAR
        self.world.turn()
        assert Redemption.objects.get().status == "SENT"
        assert self.world.cash() == 960
        assert DomainEvent.objects.filter(kind="transaction.reorganised").count() == 1

    def dropped(self, mined: ChainTransaction) -> None:
        """The same bytes are on their way; the network drops them; they are handed in again."""
        assert self.chain.ask("eth_getTransactionByHash", mined.transaction_hash) is not None
        self.chain.drop(mined.transaction_hash)
        self.world.turn()
        assert self.chain.ask("eth_getTransactionByHash", mined.transaction_hash) is not None

    def replaced(self, *, at: datetime) -> ChainTransaction:
        """No block takes them: a tenth more on both fees, under the same nonce."""
        self.world.turn(at=at)
        old, new = ChainTransaction.objects.order_by("pk")
        assert (old.status, new.status, new.nonce) == ("REPLACED", "SENT", old.nonce)
        assert new.max_fee >= bumped(old.max_fee)
        assert new.priority_fee >= bumped(old.priority_fee)
        return new

    def paid(self, by: ChainTransaction, *, at: datetime) -> None:
        """Mined, confirmed, and only then booked, to the millionth of a dollar."""
        self.chain.mine(1)
        self.world.turn(at=at)
        assert self.world.cash() == 960
        self.chain.mine(2)
        self.world.turn(at=at)
        assert self.world.cash() == Decimal("1060.000000") == self.world.reader.cash()
        row = Redemption.objects.get()
        assert (row.status, row.payout, row.transaction_hash) == ("PAID", 100, by.transaction_hash)
        assert Position.objects.get().shares == 0
        assert Claim.objects.get().released_at == at

    def redeemed_again(self, *, at: datetime) -> None:
        """A second redemption succeeds and pays nothing; ours are over, so none is sent."""
        self.chain.resume_blocks()
        self.world.turns(2, at=at)
        assert ChainTransaction.objects.count() == 2
        call = redeem_call(self.world.numbers[self.market.pk][1], held=[0])
        with self.chain.acting_as(WALLET):
            again = {"from": WALLET, "to": call.target, "data": call.data}
            self.chain.ask("eth_sendTransaction", again)
        self.chain.mine(1)
        assert self.chain.dollars(WALLET) == 1060 * DOLLAR


def test_split_trade_resolve_redeem_reorganise_drop_replace(chain: LocalChain):
    world = a_world(chain)
    life = Life(world=world, market=world.market())
    later = LATER + timedelta(minutes=2)

    life.bought()
    mined = life.redeemed()
    life.reorganised(mined)
    life.dropped(mined)
    newer = life.replaced(at=later)
    life.paid(newer, at=later)
    life.redeemed_again(at=later + timedelta(hours=1))

    invariants.check_everything()
