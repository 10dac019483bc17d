"""Which money proves a payout: what a transaction brought the wallet, less what is booked of it."""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from django.db.models import Sum

from config.kernel import units
from config.kernel.units import ZERO, from_micro
from trading.core import abi
from trading.core.redemption import POLYGON, Condition
from trading.models import Redemption
from trading.settings.chain import ChainConfig

BLOCK_S = 2
"""Polygon makes a block every two seconds."""


class Events(Protocol):
    """What a chain tells of transactions that touched one wallet."""

    wallet: str

    def head(self) -> int:
        """Number of the newest block."""
        ...

    def logs(self, transaction_hash: str) -> tuple[abi.Log, ...]:
        """Events of a mined transaction."""
        ...

    def departures(self, *, first: int, last: int) -> list[abi.Log]:
        """Events by which shares left the wallet in these blocks."""
        ...


class Holdings(Events, Protocol):
    """What the chain says of one wallet."""

    def cash(self) -> Decimal:
        """Collateral, in dollars."""
        ...

    def shares(self, token_ids: Sequence[str]) -> dict[str, Decimal]:
        """Shares by token."""
        ...

    def payouts(self, conditions: Sequence[Condition]) -> dict[str, tuple[Decimal, Decimal]]:
        """Dollars a share of both outcomes, by condition; missing = not reported yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """The money of one ledger's wallet."""

    mode: str
    wallet: str
    chain: Events

    def unbooked(self, transaction_hash: str) -> Decimal:
        """Collateral that a transaction moved to the wallet and no redemption has booked yet."""
        return self._less_booked(self.chain.logs(transaction_hash), transaction_hash)

    def covers(self, transaction_hash: str, dollars: Decimal) -> bool:
        """Whether it was a redemption that brought this much more than is booked of it."""
        logs = self.chain.logs(transaction_hash)
        if not abi.pays_out(logs, wallet=self.chain.wallet):
            return False
        return self._less_booked(logs, transaction_hash) >= dollars

    def departed(
        self, tokens: AbstractSet[str], *, since: datetime, config: ChainConfig, as_of: datetime
    ) -> dict[str, list[str]]:
        """Final transactions that took shares of these tokens, the newest first.

        Searched from the newest final block back to `since`, as far as the settings allow.
        """
        last = self.chain.head() - config.confirmations + 1
        span = config.lookup_blocks
        age = int((as_of - since).total_seconds()) // BLOCK_S + span
        oldest = max(last - min(age, span * config.lookup_queries), 0)
        found: dict[str, list[str]] = defaultdict(list)
        while last >= oldest and tokens - found.keys():
            first = max(last - span + 1, oldest)
            for event in reversed(self.chain.departures(first=first, last=last)):
                for token in abi.departed([event], wallet=self.chain.wallet):
                    found[token].append(event.transaction_hash)
            last = first - 1
        return found

    def _less_booked(self, logs: Sequence[abi.Log], transaction_hash: str) -> Decimal:
        micro = abi.received(logs, token=POLYGON.collateral, wallet=self.chain.wallet)
        booked = Redemption.objects.filter(
            mode=self.mode,
            wallet=self.wallet,
            status=Redemption.Status.PAID,
            transaction_hash=transaction_hash,
        ).aggregate(total=Sum("payout"))["total"]
        return from_micro(max(micro, 0)) - units.decimal(booked or ZERO)
