"""A wallet with books and a chain beneath it, told in small steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from markets.models import Market
from tests import factories
from tests.factories import NOW
from tests.support.local_chain import DOLLAR, LocalChain, key
from trading.adapters.chain import Chain, connect
from trading.books import claims, fills, ledger
from trading.core.redemption import Condition
from trading.models import Account, Position
from trading.redeeming import redeem_guarded
from trading.redeeming.transactions import OwnSender
from trading.settings import ChainSettings
from trading.venue import Execution

SIGNER = key(7)
WALLET = SIGNER.address
MODE = "REHEARSAL"
LATER = NOW + timedelta(minutes=5)
CONFIRMATIONS = 3


@dataclass
class World:
    """What the tests move and look at."""

    chain: LocalChain
    reader: Chain
    sender: OwnSender
    numbers: dict[int, tuple[int, Condition]] = field(default_factory=dict)

    def market(self, *, neg_risk: bool = False, v2: bool = False) -> Market:
        """A market of the books whose ids are those of the chain."""
        number = len(self.numbers) + 1
        condition = (
            self.chain.condition_v2(number)
            if v2
            else self.chain.condition(number, neg_risk=neg_risk)
        )
        market = factories.MarketFactory(
            condition_id=condition.condition_id,
            neg_risk=neg_risk,
            protocol=condition.protocol,
            outcomes=(),
        )
        for index, name in enumerate(("Yes", "No")):
            market.outcomes.create(index=index, name=name, asset_id=condition.token_ids[index])
        self.numbers[market.pk] = (number, condition)
        return market

    def bought(
        self, market: Market, *, shares: int = 100, index: int = 0, both: bool = False
    ) -> None:
        """Shares on the chain, and the trade that explains them in the books."""
        for side in (0, 1) if both else (index,):
            self.on_chain(market, shares, index=side)
            self.booked(market, shares=Decimal(shares), index=side)

    def on_chain(self, market: Market, shares: int, *, index: int = 0) -> None:
        """Shares from a maker, as a trade brings them."""
        condition, maker = self.numbers[market.pk][1], self.chain.accounts[5]
        token = condition.token_ids[index]
        if condition.protocol == "v2":
            mint = self.chain.positions.mint(WALLET, int(token), shares * DOLLAR)
            self.chain.do(maker, mint)
            return
        self.chain.pay(maker, shares)
        self.chain.split(maker, condition, shares)
        self.chain.give(maker, WALLET, token, shares * DOLLAR)

    def booked(self, market: Market, *, shares: Decimal, index: int = 0) -> None:
        """A fill at 0.40, in the books alone."""
        intent = factories.IntentFactory(
            mode=MODE,
            wallet=WALLET,
            market=market,
            index=index,
            status="EXECUTED",
            shares=shares,
            limit_price=Decimal("0.40"),
        )
        order = factories.OrderFactory(intent=intent, wallet=WALLET, status="FILLED", shares=shares)
        if not claims_held(market):
            claims.take(intent, as_of=NOW)
        trade = Execution(
            trade_id=f"trade-{order.pk}",
            price=Decimal("0.40"),
            shares=shares,
            fee=Decimal(0),
            observed_at=NOW,
        )
        fills.record(order, trade, as_of=NOW)

    def resolved(
        self, market: Market, pays: tuple[int, int] = (1, 0), *, told: Decimal | None = None
    ) -> None:
        """The oracle reports, and we hear of it."""
        number, condition = self.numbers[market.pk]
        self.chain.resolve(number, pays, condition)
        share = Decimal(pays[0]) / sum(pays) if told is None else told
        factories.ResolutionFactory(market=market, payout_0=share, resolved_at=NOW)

    def turn(self, *, at: datetime = LATER) -> redeem_guarded.Turn:
        return redeem_guarded.run(MODE, WALLET, self.reader, self.sender, as_of=at)

    def turns(self, times: int = 3, *, at: datetime = LATER) -> None:
        """Turns with blocks in between, enough to see a redemption through."""
        for _ in range(times):
            self.turn(at=at)
            self.chain.mine(CONFIRMATIONS)

    def cash(self) -> Decimal:
        """Free cash by the books."""
        return ledger.balance(Account.CASH, mode=MODE, wallet=WALLET, as_of=LATER + timedelta(9))


def claims_held(market: Market) -> bool:
    from trading.models import Claim

    return Claim.objects.filter(mode=MODE, market=market, released_at=None).exists()


def shares_held() -> Sequence[Decimal]:
    return list(Position.objects.order_by("pk").values_list("shares", flat=True))


def a_world(chain: LocalChain, *, deposit: int = 1000, **settings: int) -> World:
    """A funded wallet with a deposit in its books; confirmations are three."""
    ChainSettings.objects.create(
        version=1,
        reason="short",
        created_at=NOW - timedelta(1),
        confirmations=CONFIRMATIONS,
        **settings,
    )
    chain.pay(WALLET, deposit)
    ledger.post(
        f"deposit:{MODE}:{WALLET}:1",
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=Decimal(deposit),
        kind="deposit",
        mode=MODE,
        wallet=WALLET,
        as_of=NOW,
    )
    reader = connect(chain.url, wallet=WALLET)
    sender = OwnSender(network=reader, signer=SIGNER, mode=MODE, wallet=WALLET)
    return World(chain=chain, reader=reader, sender=sender)
