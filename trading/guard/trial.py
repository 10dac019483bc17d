"""A round trip of about a dollar: bought at the ask, sold at the bid, every step and cent told.

It shows that key, wallet, allowances, hash, settlement and fees are as we believe, with money that
may be lost. It runs before a wallet's books begin: beside them its trades would be differences.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import structlog
from django.db.models import Q

from config.kernel import audit
from config.kernel.units import ONE, ZERO, floor_to
from markets.core.book import Book
from markets.models import Market, Outcome
from trading import fee_terms
from trading.core.fees import taker_fee
from trading.core.rules import MARKETABLE_MINIMUM, SIZE_STEP
from trading.models import Order, Transfer
from trading.venue import (
    Execution,
    FeeUnknown,
    GuardedVenue,
    OutcomeUnknown,
    Receipt,
    Ticket,
    VenueFailure,
)

log = structlog.get_logger()
PATIENCE = timedelta(seconds=90)
"""Acknowledgements were seen to take forty seconds; a trade is settled soon after."""
PAUSE_S = 1.0
TICKS_AWAY = 2
"""The book may move so far between the question and the order."""
CENT = Decimal("0.01")
SETTLED = ("MINED", "CONFIRMED")
ENDED = ("FILLED", "CANCELED", "EXPIRED")

Say = Callable[[str], None]


class NotNow(Exception):
    """The round trip is not made; the message says why and what to do."""


class Stuck(Exception):
    """It was begun and its end is not known; the message says what to look for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What would be bought, and what it would cost to come back."""

    market: Market
    outcome: Outcome
    shares: Decimal
    ask: Decimal
    bid: Decimal
    fee_rate: Decimal
    fee_exponent: Decimal

    @property
    def tick(self) -> Decimal:
        """The market's price grid."""
        return self.market.tick_size or CENT

    @property
    def limit(self) -> Decimal:
        """Dollars a share to pay at most."""
        return min(self.ask + TICKS_AWAY * self.tick, ONE - self.tick)

    @property
    def floor(self) -> Decimal:
        """Dollars a share to take at least, on the way back."""
        return max(self.bid - TICKS_AWAY * self.tick, self.tick)

    @property
    def price(self) -> Decimal:
        """Dollars for the shares at most, before fees."""
        return self.shares * self.limit

    @property
    def fees(self) -> Decimal:
        """Dollars in fees, there and back."""
        return sum(
            (
                taker_fee(self.shares, price, rate=self.fee_rate, exponent=self.fee_exponent)
                for price in (self.ask, self.bid)
            ),
            ZERO,
        )

    @property
    def cost(self) -> Decimal:
        """Dollars that the round trip costs when the book stays as it is."""
        return self.shares * (self.ask - self.bid) + self.fees

    @property
    def phrase(self) -> str:
        """What a person types to say yes."""
        return f"BUY {self.shares} FOR {self.price:.2f}"


def refuse_beside_books(mode: str, wallet: str) -> None:
    """Raise `NotNow` where this wallet's books have begun."""
    begun = Order.objects.filter(mode=mode, wallet=wallet).exists()
    if begun or Transfer.objects.filter(mode=mode, wallet=wallet).exists():
        raise NotNow(
            f"the books of {wallet} have begun: a purchase beside them would be a difference that "
            "nothing explains; orders of the guard prove the same, look at those"
        )


def offer(outcome: Outcome, book: Book, *, most_usd: Decimal) -> Offer:
    """The smallest purchase that the venue takes; raises `NotNow` where it costs too much."""
    market, ask, bid = outcome.market, book.best_ask, book.best_bid
    if ask is None or bid is None:
        raise NotNow(f"{outcome} has no offer on both sides now; name another market")
    fees = fee_terms.of(market)
    if market.tick_size is None or market.min_shares is None or fees.rate is None:
        raise NotNow(f"the rules of {market} are not known; run `manage.py sync_catalogue`")
    least = (MARKETABLE_MINIMUM / ask).to_integral_value(ROUND_CEILING)
    shares = max(market.min_shares, least)
    found = Offer(
        market=market, outcome=outcome, shares=shares, ask=ask, bid=bid,
        fee_rate=fees.rate, fee_exponent=fees.exponent,
    )  # fmt: skip
    if found.price > most_usd:
        raise NotNow(f"the smallest purchase costs ${found.price:.2f}, more than ${most_usd}")
    return found


def candidates() -> list[Outcome]:
    """Outcomes of open markets whose rules are known, the most traded first."""
    rows = Outcome.objects.filter(
        ~Q(asset_id=None),
        market__accepting_orders=True,
        market__closed_at=None,
        market__window_s=None,
        market__tick_size__isnull=False,
        market__min_shares__isnull=False,
        market__fees__isnull=False,
    )
    return list(rows.select_related("market__fees").order_by("-market__volume", "index")[:20])


@dataclass(slots=True, kw_only=True)
class RoundTrip:
    """One trial; `say` tells each step, `clock` and `pause` are the edge's."""

    venue: GuardedVenue
    mode: str
    wallet: str
    say: Say
    clock: Callable[[], datetime]
    pause: Callable[[float], None]
    expected: Decimal = ZERO
    """Cash that the trades so far leave in the wallet."""
    held: Decimal = ZERO
    """Shares that the trades so far leave there."""

    def run(self, wish: Offer, *, hold: bool) -> str:
        """Buy, and sell back unless `hold`; returns the summary.

        Raises `Stuck` where an end cannot be learned or what was bought is still held, or a refusal
        of `trading.venue` before anything was bought.
        """
        try:
            return self._run(wish, hold=hold)
        except (Stuck, VenueFailure, FeeUnknown) as failure:
            if self.held < SIZE_STEP:
                raise
            raise Stuck(
                f"{failure}; as far as is known {self.held} shares of {wish.outcome} are held: "
                "look at the venue's own pages and sell them there"
            ) from failure

    def _run(self, wish: Offer, *, hold: bool) -> str:
        before = self.expected = self.venue.cash()
        self.say(f"cash before: ${before:.6f}")
        bought = self._trade(wish, is_buy=True, price=wish.limit, shares=wish.shares)
        if bought <= ZERO:
            return self._told("nothing was bought: somebody was faster; it cost nothing")
        self._wait_for_shares(wish, bought)
        if hold:
            return self._told(f"bought {bought} shares and kept them")
        whole = floor_to(bought, SIZE_STEP)
        sold = self._trade(wish, is_buy=False, price=wish.floor, shares=whole)
        after = self._wait_for_cash()
        left = bought - sold
        summary = f"round trip: bought {bought}, sold {sold} shares, cost ${before - after:.6f}"
        return self._told(summary + (f", {left} shares left" if left >= SIZE_STEP else ""))

    def _told(self, summary: str) -> str:
        self.say(summary)
        return summary

    def _trade(self, wish: Offer, *, is_buy: bool, price: Decimal, shares: Decimal) -> Decimal:
        """Write down, hand in, follow to the end; returns the shares that changed hands."""
        now = self.clock()
        ticket = Ticket(
            order_id=uuid.uuid4(), market_id=wish.market.pk, outcome_index=wish.outcome.index,
            is_buy=is_buy, price=price, shares=shares, fee_rate=wish.fee_rate,
            fee_exponent=wish.fee_exponent, submitted_at=now, expires_at=now + PATIENCE,
            type="FAK", token_id=wish.outcome.asset_id or "",
            condition_id=wish.market.condition_id or "", tick=wish.market.tick_size,
            neg_risk=bool(wish.market.neg_risk), protocol=str(wish.market.protocol),
        )  # fmt: skip
        made = self.venue.prepare(ticket, as_of=now)
        ticket = replace(ticket, venue_order_id=made.venue_order_id, payload=made.payload)
        verb = "buy" if is_buy else "sell"
        audit.record(
            "trial.order_signed", actor="moneydoctor", subject=f"wallet:{self.wallet}",
            data={"mode": self.mode, "order": made.venue_order_id, "payload": made.payload},
            as_of=now,
        )  # fmt: skip
        self.say(f"{verb} {shares} at {price}: signed as {made.venue_order_id}, written down")
        receipt = self._placed(ticket)
        receipt = self._followed(ticket, receipt)
        parts = [part for part in receipt.executions if part.status != "FAILED"]
        done = sum((part.shares for part in parts), ZERO)
        self.held += done if is_buy else -done
        for part in receipt.executions:
            self._tell(part)
        moved = sum((part.price * part.shares for part in parts), ZERO)
        fees = sum((part.fee_paid() for part in parts), ZERO)
        self.expected += (-moved if is_buy else moved) - fees
        return done

    def _placed(self, ticket: Ticket) -> Receipt | None:
        try:
            receipt = self.venue.place(ticket, as_of=self.clock())
        except OutcomeUnknown as doubt:
            self.say(f"no clear answer ({doubt}); it is looked up, and never sent anew")
            return None
        self.say(f"the venue answered: {receipt.status} {receipt.reason}".rstrip())
        return receipt

    def _followed(self, ticket: Ticket, receipt: Receipt | None) -> Receipt:
        """Ask until the order ended and its trades are on the chain, or patience is over."""
        end = self.clock() + PATIENCE
        if receipt is not None and receipt.status == "CANCELED":
            return receipt
        while self.clock() < end:
            try:
                found = self.venue.look_up([ticket], as_of=self.clock()).get(ticket.order_id)
            except VenueFailure as failure:
                found = None
                self._unheard(failure)
            if found is not None and _is_over(found):
                return found
            self.pause(PAUSE_S)
        raise Stuck(
            f"the fate of {ticket.venue_order_id} is not known after {PATIENCE.seconds} s; look "
            "at the venue's own pages for it before anything else is tried"
        )

    def _tell(self, part: Execution) -> None:
        self.say(
            f"  {part.shares} at {part.price}, fee ${part.fee_paid():.5f}, {part.status.lower()}"
            + (f", {part.transaction_hash}" if part.transaction_hash else "")
        )

    def _unheard(self, failure: VenueFailure) -> None:
        """A question that failed proves nothing and may be asked again."""
        self.say(f"  not told now ({failure}); it is asked again")

    def _read(
        self, ask: Callable[[], Decimal], *, enough: Callable[[Decimal], bool]
    ) -> Decimal | None:
        """What is told once it is enough, or at last; None where nobody tells."""
        told, end = None, self.clock() + PATIENCE
        while True:
            try:
                told = ask()
            except VenueFailure as failure:
                self._unheard(failure)
            if (told is not None and enough(told)) or self.clock() >= end:
                return told
            self.pause(PAUSE_S)

    def _wait_for_shares(self, wish: Offer, bought: Decimal) -> None:
        token = wish.outcome.asset_id or ""
        there = self._read(
            lambda: self.venue.shares([token]).get(token, ZERO), enough=lambda x: x >= bought
        )
        if there is None or there < bought:
            seen = "nobody tells what is in the wallet" if there is None else f"it has {there}"
            raise Stuck(
                f"{bought} shares were bought and not found in the wallet within "
                f"{PATIENCE.seconds} s ({seen})"
            )
        self.say(f"{bought} shares are in the wallet")

    def _wait_for_cash(self) -> Decimal:
        """Cash once it is what the trades leave; a difference that stays is told."""
        cash = self._read(self.venue.cash, enough=lambda x: abs(x - self.expected) < CENT)
        if cash is None:
            raise Stuck(
                f"the trades leave ${self.expected:.6f}; nobody told within {PATIENCE.seconds} s "
                "what the wallet has"
            )
        self.say(f"cash after: ${cash:.6f}")
        if abs(cash - self.expected) >= CENT:
            raise Stuck(f"the trades leave ${self.expected:.6f}, the wallet has ${cash:.6f}")
        return cash


def _is_over(receipt: Receipt) -> bool:
    """Ended, and every trade of it settled or failed for good."""
    settled = all(part.status in (*SETTLED, "FAILED") for part in receipt.executions)
    return receipt.status in ENDED and settled
