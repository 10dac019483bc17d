"""Who has what on the chain: dollars, shares, approvals; what no order has to do with."""

import threading
from pathlib import Path
from typing import Any

from sandbox.core.placed import CASH, COLLATERAL, MICRO
from sandbox.core.signed_orders import NEG_RISK, STANDARD
from sandbox.core.world import World
from sandbox.exchange.journal import Journal
from sandbox.exchange.listed import Listed, Listing
from sandbox.exchange.state import ENOUGH, State

Leg = tuple[str, str, int]


class NotResolved(ValueError):
    """The market has no result yet."""


class OtherWorld(ValueError):
    """The journal tells of another world: none of its tokens exist here."""


class TooLittle(ValueError):
    """The wallet does not have so much."""


class Books:
    """Balances in integers of 1e-6; one lock, and every change is a fact in the journal."""

    def __init__(self, world: World, *, journal: Path | None = None) -> None:
        self.world = world
        self.listing = Listing(world)
        self.lock = threading.RLock()
        self.state = State(world.seed)
        self._journal = Journal(journal)
        for fact in self._journal.read():
            self.state.apply(fact)
        here = f"{world.preset} world of seed {world.seed}"
        if self.state.world not in ("", here):
            raise OtherWorld(
                f"{journal} is of the {self.state.world}, not of the {here}: name another file"
            )
        if not self.state.world:
            self.record(fact="world", world=here)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def record(self, **fact: Any) -> None:
        """Write one fact and let it be so; the only way in which anything changes."""
        self._journal.write(fact)
        self.state.apply(fact)

    def cash(self, wallet: str) -> int:
        """Dollars of a wallet on the chain."""
        return self.shares(wallet, CASH)

    def shares(self, wallet: str, token: str) -> int:
        """Shares of a wallet on the chain."""
        with self.lock:
            found = self.state.wallets.get(wallet.lower())
            return found.assets.get(token, 0) if found else 0

    def balances(self) -> dict[str, dict[str, int]]:
        """Of every wallet what it has on the chain: "cash" and token ids."""
        with self.lock:
            return {
                address: {asset or "cash": n for asset, n in wallet.assets.items() if n}
                for address, wallet in self.state.wallets.items()
            }

    def allowance(self, wallet: str, spender: str) -> int:
        """What a contract may take from a wallet, dollars and shares alike."""
        with self.lock:
            found = self.state.wallets.get(wallet.lower())
            return found.allowances.get(spender.lower(), 0) if found else 0

    def approve(self, wallet: str, spender: str, amount: int) -> None:
        """Let a contract take so much."""
        with self.lock:
            allowances = {spender.lower(): str(amount)}
            self.record(fact="approved", wallet=wallet.lower(), allowances=allowances)

    def approve_all(self, wallet: str) -> None:
        """Let both exchanges take whatever they need."""
        for spender in (STANDARD, NEG_RISK):
            self.approve(wallet, spender, ENOUGH)

    def let_sign(self, wallet: str, signer: str) -> None:
        """Let a session key speak for a deposit wallet."""
        with self.lock:
            self.record(fact="signer", wallet=wallet.lower(), signer=signer.lower())

    def give(
        self, wallet: str, *, dollars: int = 0, token: str = "", shares: int = 0, now: float
    ) -> None:
        """Money and shares from nowhere; shares come with their opposites, which the world gets."""
        legs: list[Leg] = [(wallet, CASH, dollars)]
        if shares:
            market, outcome = self.listing.by_token(token)
            other = market.tokens[1 - outcome]
            legs += [(wallet, token, shares), (COLLATERAL, CASH, shares)]
            legs += [(COLLATERAL, other, shares)]
        entry = {"kind": "DEPOSIT", "cash": dollars, "token": token, "shares": shares}
        self.move(legs, [(wallet, entry)], now)

    def transfer(self, wallet: str, to: str, dollars: int, *, now: float) -> None:
        """Dollars from one wallet to another; raises `TooLittle`."""
        with self.lock:
            self._check(wallet, CASH, dollars)
            entries = [(wallet, {"kind": "WITHDRAWAL", "cash": dollars})]
            entries += [(to, {"kind": "DEPOSIT", "cash": dollars})]
            self.move([(wallet, CASH, -dollars), (to, CASH, dollars)], entries, now)

    def split(self, wallet: str, condition: str, amount: int, *, now: float) -> None:
        """Dollars into as many shares of both sides; raises `TooLittle`."""
        with self.lock:
            self._check(wallet, CASH, amount)
            self._swap_sets(wallet, condition, amount, "SPLIT", now)

    def merge(self, wallet: str, condition: str, amount: int, *, now: float) -> None:
        """Shares of both sides into as many dollars; raises `TooLittle`."""
        with self.lock:
            for token in self.listing.by_condition(condition).tokens:
                self._check(wallet, token, amount)
            self._swap_sets(wallet, condition, -amount, "MERGE", now)

    def redeem(self, wallet: str, condition: str, *, now: float) -> int:
        """Burn all shares of a resolved market for what they pay; a second time pays nothing.

        Raises `NotResolved` before the result is final, `UnknownMarket` for no market.
        """
        market = self.listing.by_condition(condition)
        if now < market.happening.settled_at:
            raise NotResolved(f"condition {condition} has no result yet")
        with self.lock:
            legs, entries = self._redemption(wallet, market)
            paid = sum(change for who, asset, change in legs if (who, asset) == (wallet, CASH))
            if entries:
                self.move(legs, [(wallet, entry) for entry in entries], now)
        return paid

    def _redemption(self, wallet: str, market: Listed) -> tuple[list[Leg], list[dict[str, Any]]]:
        legs: list[Leg] = []
        entries = []
        for token, pays in zip(market.tokens, market.payouts(), strict=True):
            held = self.shares(wallet, token)
            if held <= 0:
                continue
            worth = held * pays // MICRO
            legs += [(wallet, token, -held), (wallet, CASH, worth), (COLLATERAL, CASH, -worth)]
            entry = {"kind": "REDEEM", "token": token, "condition": market.condition}
            # The data service shows losing shares with size 0.
            entries.append({**entry, "shares": held, "cash": worth})
        return legs, entries

    def _swap_sets(self, wallet: str, condition: str, amount: int, kind: str, now: float) -> None:
        first, other = self.listing.by_condition(condition).tokens
        legs = [(wallet, CASH, -amount), (COLLATERAL, CASH, amount)]
        legs += [(wallet, first, amount), (wallet, other, amount)]
        entry = {"kind": kind, "condition": condition, "cash": abs(amount), "shares": abs(amount)}
        self.move(legs, [(wallet, entry)], now)

    def _check(self, wallet: str, asset: str, amount: int) -> None:
        held = self.shares(wallet, asset)
        if amount <= 0 or held < amount:
            raise TooLittle(f"{wallet} has {held}, not {amount}, of {asset or 'cash'}")

    def move(self, legs: list[Leg], entries: list[tuple[str, dict[str, Any]]], now: float) -> None:
        """Book the legs and what the wallets will read of them, as one fact."""
        moved = [(who.lower(), asset, change) for who, asset, change in legs]
        told = [(who.lower(), entry) for who, entry in entries]
        with self.lock:
            self.record(fact="moved", legs=moved, entries=told, at=now)
