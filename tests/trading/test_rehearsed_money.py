"""A small machine of money over the rehearsal's engine: after each step all three tellings agree.

Books, engine and chain: whatever we buy, sell, let rest, are given by others or take back. The
venue rounds each trade to the millionth of a dollar, so cash may differ by as many until all is
settled; then by nothing.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from markets.models import Market
from sandbox.exchange.listed import Listed
from tests import factories
from tests.factories import revise
from tests.sandbox.trader import Trader
from tests.trading.rehearsal import MODE, Rehearsal, rehearsing
from trading.books import claims, inventory, ledger, portfolio
from trading.core.order_states import IN_FLIGHT
from trading.models import Account, Claim, ExecutionSettings, Fill, Order, Position, TradeIntent
from trading.orders import cancel

STEPS = 25
TICK, MICRO = Decimal("0.01"), Decimal("0.000001")


class Life:
    """One wallet in one market with a wide spread, and somebody else in it."""

    def __init__(self, rehearsal: Rehearsal, dice: random.Random) -> None:
        self.rehearsal, self.dice = rehearsal, dice
        self.listed = Listed(rehearsal.happening("talk"), 0)
        self.market: Market = rehearsal.market(self.listed)
        self.token = self.listed.tokens[0]
        self.other: Trader = rehearsal.somebody()
        self.other.faucet(token=self.token, shares="1000")
        self.steps: tuple[Callable[[], None], ...] = (
            self.buy, self.rest, self.rest, self.sell, self.meet, self.meet, self.take_back,
            self.wait,
        )  # fmt: skip

    def step(self) -> None:
        self.dice.choice(self.steps)()
        self.rehearsal.sweep(after=6)

    def best(self) -> tuple[Decimal, Decimal]:
        return self.other.best(self.token)

    def buy(self) -> None:
        self._wish("BUY", price=self.best()[1], type="FAK")

    def rest(self) -> None:
        price = self.best()[0] + TICK * self.dice.randint(0, 2)
        self._wish("BUY", price=price, type="GTC", post_only=True)

    def sell(self) -> None:
        held = Position.objects.filter(shares__gte=5).first()
        if held is not None and (free := inventory.free(MODE)[held.pk]) >= 5:
            self._wish("SELL", price=self.best()[0], type="FAK", shares=free.quantize(TICK))

    def meet(self) -> None:
        """Somebody sells to one of our resting orders, or to whoever stands before it."""
        resting = Order.objects.filter(status="OPEN", type="GTC").order_by("-price").first()
        if resting is not None:
            price, shares = str(resting.price.normalize()), str(self.dice.randint(5, 20))
            self.other.post(self.token, "SELL", price, shares, order_type="FAK")

    def take_back(self) -> None:
        venue, now = self.rehearsal.venue, self.rehearsal.now
        cancel.everything(MODE, venue, reason="a wish", now=lambda: now)

    def wait(self) -> None:
        self.rehearsal.clock.wait(self.dice.randint(1, 10))

    def _wish(
        self, side: str, *, price: Decimal, shares: Decimal | None = None, **how: Any
    ) -> None:
        now = self.rehearsal.now
        intent: TradeIntent = factories.IntentFactory(
            mode=MODE,
            wallet=self.rehearsal.venue.wallet,
            market=self.market,
            side=side,
            purpose="ENTRY" if side == "BUY" else "EXIT",
            status="APPROVED",
            approvals_needed=0,
            limit_price=price,
            shares=shares or Decimal(self.dice.randint(5, 30)),
            created_at=now,
            expires_at=now + timedelta(seconds=60),
            **how,
        )
        if side == "SELL":
            return
        if not Claim.objects.filter(market=self.market, released_at=None).exists():
            claims.take(intent, as_of=now)
        ledger.post(
            portfolio.reserve_key(intent.pk),
            debit=Account.CASH,
            credit=Account.RESERVED,
            amount=intent.shares * price + 1,
            kind="reserve",
            mode=MODE,
            wallet=intent.wallet,
            market_id=self.market.pk,
            as_of=now,
        )


@pytest.mark.timeout(120)
@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2])
def test_books_engine_and_chain_agree_after_every_step(tmp_path: Path, seed: int):
    revise(ExecutionSettings, stale_order_s=60, rest_s=60)
    with rehearsing(tmp_path) as rehearsal:
        life = Life(rehearsal, random.Random(seed))
        for number in range(STEPS):
            life.step()
            rounding = MICRO * Fill.objects.count()
            assert rehearsal.agrees(within=rounding), f"seed {seed}, step {number}"

        life.take_back()
        rehearsal.sweep(after=6)
        # What the venue rounded is booked once nothing else can explain it.
        rehearsal.sweep(after=130)
        assert not Order.objects.filter(status__in=IN_FLIGHT).exists()
        assert rehearsal.agrees()
        accounts = ledger.standing(mode=MODE, wallet=rehearsal.venue.wallet)
        assert accounts[Account.RESERVED] == 0
    assert {fill.is_maker for fill in Fill.objects.all()} == {True, False}
    assert {fill.order.side for fill in Fill.objects.all()} == {"BUY", "SELL"}
