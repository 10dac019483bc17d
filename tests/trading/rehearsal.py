"""A rehearsal in one process: our protocol and the real adapter over the sandbox's engine by HTTP.

The engine's clock is the test's, so the world stands still until a test moves it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from config.env import parse
from markets.models import Event, Market
from sandbox.core.conduct import Conduct
from sandbox.core.world import Happening
from sandbox.exchange.listed import Listed
from sandbox.exchange.running import Running, running_exchange
from tests import factories
from tests.factories import NOW
from tests.sandbox.trader import WORLD, Clock, Trader, happening
from trading.adapters import guarded
from trading.adapters.chain import Chain
from trading.adapters.clob import Clob
from trading.books import ledger
from trading.models import Account, TradeIntent, VenueState
from trading.orders import submit
from trading.reconciling import reconcile

MODE = "REHEARSAL"
PIPS, MICRO = 10_000, 1_000_000
# The client signs its calls with the real time, the engine lives in the test's.
AT_ONCE = Conduct(mined_s=0, confirmed_s=0, clock_skew_s=1e12)


@dataclass
class Rehearsal:
    """The engine, the adapter's wallet there and on the chain, and the books that belong to it."""

    up: Running
    venue: Clob
    chain: Chain
    clock: Clock

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now, UTC)

    def somebody(self, secret: int = 2) -> Trader:
        """Another user of the exchange."""
        return Trader(self.up.exchange, self.clock, secret)

    def happening(self, kind: str, *, lasts: int = 280) -> Happening:
        return happening(kind, lasts=lasts, second=int(self.clock.now))

    def market(self, listed: Listed, event: Event | None = None) -> Market:
        """A market of the engine as our catalogue would have it."""
        rate = Decimal(str(listed.fee_rate))
        market = factories.MarketFactory(
            event=event or factories.EventFactory(),
            condition_id=listed.condition,
            neg_risk=listed.is_neg_risk,
            tick_size=Decimal(listed.tick(int(self.clock.now))) / PIPS,
            fees__rate=rate,
            outcomes=(),
        )
        for index, name in enumerate(listed.outcomes):
            market.outcomes.create(index=index, name=name, asset_id=listed.tokens[index])
        return market

    def book(self, listed: Listed) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """What the engine shows of outcome 0: bids and asks, best first."""
        sides = [listed.side(int(self.clock.now), bids=bids) for bids in (True, False)]
        bids, asks = ([(price / PIPS, n / MICRO) for price, n in side] for side in sides)
        return bids, asks

    def quoted(self, market: Market, listed: Listed, *, lower: float = 0.0) -> None:
        """The book is recorded now; all of it may be told lower than it is."""
        bids, asks = (
            [(round(price - lower, 4), shares) for price, shares in side if price > lower]
            for side in self.book(listed)
        )
        factories.QuoteFactory(
            market=market,
            at=self.now,
            bid=bids[0][0],
            ask=asks[0][0],
            bid_depth=bids[0][1],
            ask_depth=asks[0][1],
            book=(bids, asks),
        )

    def approved(self, intents: Sequence[TradeIntent]) -> None:
        """As many persons as are asked say yes."""
        from trading.approving import intents as answers

        for intent in intents:
            intent.refresh_from_db()  # an answer to one leg is for its whole group
            while intent.status == TradeIntent.Status.PENDING:
                user = factories.UserFactory(is_superuser=True)
                answers.approve(intent, user=user, reason="a rehearsal", as_of=self.now)
                intent.refresh_from_db()

    def sweep(self, *, after: float = 0) -> submit.SubmitReport:
        self.clock.wait(after)
        venues: dict[str, Any] = {MODE: self.venue}
        return submit.run(as_of=self.now, venues=venues, modes=(MODE,), clock=lambda: self.now)

    def agrees(self, *, within: Decimal = Decimal(0)) -> bool:
        """Whether books, engine and chain tell the same story, cash to so many dollars."""
        report = reconcile.everything(
            MODE, self.venue.wallet, self.venue, chain=self.chain, as_of=self.now
        )
        accounts = ledger.standing(mode=MODE, wallet=self.venue.wallet)
        ours = accounts[Account.CASH] + accounts[Account.RESERVED]
        return report.clean and abs(ours - self.chain.cash()) <= within


@contextmanager
def rehearsing(folder: Path) -> Iterator[Rehearsal]:
    """A funded wallet whose books know of its money, in a world that stands at `NOW`."""
    clock = Clock(now=NOW.timestamp())
    with running_exchange(WORLD, conduct=AT_ONCE, clock=clock) as up:
        names = {
            "VENUE_CLOB_URL": f"{up.url}/clob", "VENUE_RELAYER_URL": f"{up.url}/relayer",
            "POLYGON_RPC_URL": f"{up.url}/rpc", "VENUE_GAMMA_URL": f"{up.url}/gamma",
            "VENUE_DATA_URL": f"{up.url}/data", "GEOBLOCK_URL": f"{up.url}/geoblock",
            "STATE_DIR": str(folder), "MODE": "DEMO",
        }  # fmt: skip
        venue = guarded.open_venue(MODE, parse(names, debug=True), as_of=NOW, timeout_s=5)
        chain = Chain(f"{up.url}/rpc", wallet=venue.wallet)
        try:
            _open_books(venue)
            yield Rehearsal(up=up, venue=venue, chain=chain, clock=clock)
        finally:
            venue.close()
            chain.close()


def _open_books(venue: Clob) -> None:
    factories.trading_settings(mode=MODE, max_spread=0.15, min_depth_usd=10, depth_within=0.1)
    VenueState.objects.create(
        mode=MODE, wallet=venue.wallet, reconciled_at=NOW, trades_until=NOW, changed_at=NOW
    )
    ledger.post(
        f"deposit:{MODE}:{venue.wallet}:1",
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=venue.cash(),
        kind=ledger.DEPOSIT,
        mode=MODE,
        wallet=venue.wallet,
        as_of=NOW,
    )
