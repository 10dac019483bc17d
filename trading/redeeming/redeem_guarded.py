"""Payouts of a wallet on the chain: what is due is sent, and booked when its money arrived.

A turn may be cut off anywhere and repeated: every step is a row before it is an act, a second
redemption of the same shares pays nothing, and only collateral that a final transaction brought
is booked. No halt stops it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

import structlog
from django.db.models import Q, QuerySet

from config.kernel import audit
from config.kernel.units import ZERO
from markets.models import Market
from markets.models import Protocol as MarketProtocol
from trading.core.redemption import (
    V2,
    Condition,
    NotRedeemable,
    back_off,
    contradicts,
    shared_out,
)
from trading.core.settlement import payout as payout_of
from trading.models import Position, Redemption
from trading.redeeming import redeem
from trading.redeeming.holdings import ContractCall, Holding
from trading.redeeming.redeem_proof import Holdings, Proofs
from trading.redeeming.transactions import Progress, Sender, Standing
from trading.settings import ChainSettings, ReconciliationSettings
from trading.settings.chain import ChainConfig
from trading.venue import OutcomeUnknown, Rejected, Unsent

log = structlog.get_logger()
ACTOR = "redeem"
MARKETS_A_READ = 50


@dataclass(slots=True, kw_only=True)
class Turn:
    """What one turn did, in positions."""

    sent: int = 0
    paid: int = 0
    worthless: int = 0
    waiting: int = 0
    put_off: int = 0


def run(mode: str, wallet: str, chain: Holdings, sender: Sender, *, as_of: datetime) -> Turn:
    """Follow what is on its way, book what arrived, send what is due.

    Raises `Unsent` where the chain does not answer; the next turn goes on.
    """
    desk = _Desk(mode=mode, wallet=wallet, chain=chain, sender=sender, as_of=as_of)
    sender.follow(as_of=as_of)
    desk.settle()
    desk.start()
    return desk.turn


@dataclass(kw_only=True)
class _Desk:
    """One turn over one wallet."""

    mode: str
    wallet: str
    chain: Holdings
    sender: Sender
    as_of: datetime

    def __post_init__(self) -> None:
        """Nothing is done yet."""
        self.turn = Turn()
        self.proofs = Proofs(mode=self.mode, wallet=self.wallet, chain=self.chain)

    @cached_property
    def config(self) -> ChainConfig:
        config: ChainConfig = ChainSettings.objects.current(as_of=self.as_of).as_config()
        return config

    @cached_property
    def dust(self) -> Decimal:
        config = ReconciliationSettings.objects.current(as_of=self.as_of).as_config()
        dust: Decimal = config.dust_shares
        return dust

    @cached_property
    def retry(self) -> timedelta:
        return timedelta(seconds=self.config.redeem_retry_s)

    # --- what was sent ---------------------------------------------------------------------

    def settle(self) -> None:
        """Book what final transactions brought; what brought nothing is due again, later."""
        for purpose, rows in self._sent().items():
            standing = self.sender.standing(purpose)
            if standing.progress is Progress.CONFIRMED:
                self._arrived(rows, standing)
            elif standing.progress is Progress.REVERTED:
                self._put_off(_positions_of(rows), standing.reason)
            elif self._never_left(rows, standing.progress):
                redeem.make_due(rows)

    def _sent(self) -> dict[str, list[Redemption]]:
        """Redemptions under way, by the purpose of what was sent for them."""
        rows = Redemption.objects.filter(
            mode=self.mode, wallet=self.wallet, status=Redemption.Status.SENT
        ).select_related("market", "outcome")
        grouped: dict[tuple[int, int], list[Redemption]] = defaultdict(list)
        for row in rows.order_by("market_id", "outcome__index"):
            one_by_one = row.market.protocol == MarketProtocol.V2
            grouped[row.market_id, row.pk if one_by_one else 0].append(row)
        return {_purpose(found[0]): found for found in grouped.values()}

    def _never_left(self, rows: Sequence[Redemption], progress: Progress) -> bool:
        """Proof that nothing was sent, or silence for as long as one waits."""
        if progress is not Progress.UNTOLD:
            return progress is Progress.NOTHING
        return all(r.next_attempt_at is None or r.next_attempt_at <= self.as_of for r in rows)

    def _arrived(self, rows: Sequence[Redemption], standing: Standing) -> None:
        """Book the collateral that the transaction brought, at most what was expected of it."""
        arrived = self.proofs.unbooked(standing.transaction_hash)
        expected = [row.payout for row in rows]
        if arrived <= ZERO:
            reason = f"transaction {standing.transaction_hash} succeeded and paid nothing"
            self._put_off(_positions_of(rows), reason)
            return
        if arrived < sum(expected, ZERO):
            self._tell(rows[0], f"brought {arrived} of {sum(expected, ZERO)} dollars")
        parts = shared_out(min(arrived, sum(expected, ZERO)), expected)
        self.turn.paid += redeem.pay(
            list(zip(rows, parts, strict=True)),
            dust=self.dust,
            transaction_hash=standing.transaction_hash,
            as_of=self.as_of,
        )

    # --- what is due -----------------------------------------------------------------------

    def start(self) -> None:
        """Send what the chain pays for, as far as there is room."""
        keys = list(self._due().values_list("market_id", flat=True).distinct())
        room = self.sender.room(as_of=self.as_of)
        for at in range(0, len(keys), MARKETS_A_READ):
            room = self._chunk(keys[at : at + MARKETS_A_READ], room)
            if room <= 0:
                return

    def _due(self) -> QuerySet[Position]:
        """Positions of resolved markets where no redemption is under way or put off.

        A redemption may burn both outcomes of its market, so a sale of either keeps it back.
        """
        busy = Redemption.objects.filter(
            Q(status=Redemption.Status.SENT)
            | Q(status=Redemption.Status.PENDING, next_attempt_at__gt=self.as_of),
            mode=self.mode,
            wallet=self.wallet,
        ).values("market_id")
        return Position.objects.filter(
            mode=self.mode,
            wallet=self.wallet,
            shares__gt=0,
            market__resolution__received_at__lte=self.as_of,
        ).exclude(
            Q(market_id__in=busy)
            | Q(market_id__in=redeem.sales(self.mode, self.wallet).values("market_id"))
        )

    def _chunk(self, keys: Sequence[int], room: int) -> int:
        """Read what the chain says of these markets at once, then act; returns the room left."""
        by_market: dict[int, list[Position]] = defaultdict(list)
        rows = self._due().filter(market_id__in=keys).order_by("pk")
        related = rows.select_related("outcome", "market__resolution")
        for position in related.prefetch_related("market__outcomes"):
            by_market[position.market_id].append(position)
        conditions = {}
        for key, held in by_market.items():
            try:
                conditions[key] = _condition(held[0].market)
            except NotRedeemable as refused:
                self._put_off(held, str(refused))
        pays = self.chain.payouts(list(conditions.values()))
        tokens = [str(p.outcome.asset_id) for key in conditions for p in by_market[key]]
        shares = self.chain.shares(tokens) if tokens else {}
        attempts = self._attempts([p for key in conditions for p in by_market[key]])
        missing: list[Holding] = []
        calls: list[ContractCall] = []
        for key, condition in conditions.items():
            paid = pays.get(condition.condition_id)
            if paid is None:
                self.turn.waiting += len(by_market[key])
                continue
            found = self._judged(by_market[key], paid, shares, attempts)
            missing += [holding for holding in found if holding.on_chain == ZERO]
            calls += self._calls([h for h in found if h.on_chain > ZERO], condition)
        calls = calls[: max(room, 0)]
        self._send(calls)
        self._redeemed_elsewhere(missing)
        return room - len(calls)

    def _judged(
        self,
        held: Sequence[Position],
        paid: tuple[Decimal, Decimal],
        shares: dict[str, Decimal],
        attempts: dict[int | None, int],
    ) -> list[Holding]:
        """Holdings that pay; worthless ones are closed, contradicted and short ones put off."""
        told = held[0].market.resolution
        if contradicts(paid, (told.payout_0, told.payout_1)):
            reason = (
                f"the chain pays {paid[0]} and {paid[1]}, we were told {told.payout_0} and "
                f"{told.payout_1} by {told.source}; nothing is sent until a person has looked"
            )
            self._put_off(held, reason, tell=True)
            return []
        found = [
            Holding(
                position=position,
                per_share=paid[position.outcome.index],
                on_chain=shares[str(position.outcome.asset_id)],
                attempts=attempts.get(position.outcome_id, 0),
            )
            for position in held
        ]
        for holding in found:
            if holding.per_share == ZERO:
                self._worthless(holding.position)
        return [holding for holding in found if holding.per_share > ZERO]

    def _attempts(self, held: Sequence[Position]) -> dict[int | None, int]:
        rows = Redemption.objects.filter(
            mode=self.mode,
            wallet=self.wallet,
            status__in=redeem.OPEN,
            outcome_id__in=[position.outcome_id for position in held],
        )
        return dict(rows.values_list("outcome_id", "attempts"))

    def _worthless(self, position: Position) -> None:
        """Close a holding that lost: burning its shares would only cost gas."""
        self.turn.worthless += redeem.write_off(position, as_of=self.as_of)

    def _calls(self, found: Sequence[Holding], condition: Condition) -> list[ContractCall]:
        """The calls that redeem holdings of one condition; short ones are put off."""
        if any(self._is_short(holding) for holding in found):
            self._put_off(
                [h.position for h in found],
                "fewer shares are on the chain than in the books: "
                + ", ".join(f"{h.on_chain} of {h.position.shares}" for h in found),
            )
            return []
        ready = sorted(found, key=lambda holding: holding.index)
        groups = [[h] for h in ready] if condition.protocol == V2 else [ready]
        return [ContractCall(condition=condition, group=tuple(group)) for group in groups if group]

    def _is_short(self, holding: Holding) -> bool:
        """Whether shares are still missing; after some waiting what is there is taken."""
        missing = holding.position.shares - holding.on_chain
        return missing >= self.dust and holding.attempts < self.config.redeem_alert_after

    def _send(self, calls: Sequence[ContractCall]) -> None:
        """Note all of them first, in one transaction; then each is an act of its own."""
        noted = redeem.note_sent(
            [[(h.position, h.shares, h.dollars) for h in call.group] for call in calls],
            look_again_at=self.as_of + self.retry,
            as_of=self.as_of,
        )
        for call, rows in zip(calls, noted, strict=True):
            if rows:
                self._send_one(call, rows)
            else:
                self.turn.waiting += len(call.group)

    def _send_one(self, call: ContractCall, rows: Sequence[Redemption]) -> None:
        try:
            self.sender.start(_purpose(rows[0]), call.on_chain(), as_of=self.as_of)
        except Rejected as refused:
            self._put_off([h.position for h in call.group], str(refused))
            return
        except (Unsent, OutcomeUnknown) as silent:
            # The row says SENT: the next turn finds out whether anything was signed for it.
            log.warning("redemption.unanswered", key=rows[0].key, reason=str(silent))
        self.turn.sent += len(call.group)

    def _redeemed_elsewhere(self, missing: Sequence[Holding]) -> None:
        """Book holdings that left the chain with their payout; the others stay open."""
        if not missing:
            return
        since = min(h.position.market.resolution.resolved_at for h in missing)
        left = self.proofs.departed(
            {holding.token for holding in missing},
            since=since,
            config=self.config,
            as_of=self.as_of,
        )
        for holding in missing:
            dollars = payout_of(holding.position.shares, holding.per_share)
            hashes = left.get(holding.token, ())
            brought = next((h for h in hashes if self.proofs.covers(h, dollars)), "")
            if not brought:
                reason = "no shares are on the chain, and no payout that took them is found there"
                self._put_off([holding.position], reason)
                continue
            self.turn.paid += redeem.found_paid(
                holding.position, dollars=dollars, transaction_hash=brought, as_of=self.as_of
            )

    # --- vain attempts ---------------------------------------------------------------------

    def _put_off(self, held: Sequence[Position], reason: str, *, tell: bool = False) -> None:
        """Try again later, and tell people where it has been vain for too long."""
        attempts = 1 + max(self._attempts(held).values(), default=0)
        until = self.as_of + back_off(attempts, first=self.retry)
        rows = redeem.put_off(held, reason=reason, until=until, as_of=self.as_of)
        self.turn.put_off += len(rows)
        for row in rows:
            if tell or row.attempts >= self.config.redeem_alert_after:
                self._tell(row, reason)

    def _tell(self, row: Redemption, what: str) -> None:
        audit.alert_once(
            f"redemption:{row.key}",
            text=f"the payout of market {row.market_id} ({row.key}): {what}",
            actor=ACTOR,
            as_of=self.as_of,
        )


def _purpose(row: Redemption) -> str:
    """The idempotency key of one attempt; what is sent for a market carries its first row's."""
    return f"{row.key}:{row.attempts}"


def _positions_of(rows: Sequence[Redemption]) -> list[Position]:
    return [
        Position.objects.select_related("outcome", "market").get(
            mode=row.mode, wallet=row.wallet, outcome=row.outcome
        )
        for row in rows
    ]


def _condition(market: Market) -> Condition:
    """The market as the chain knows it; raises `NotRedeemable`."""
    tokens = {o.index: str(o.asset_id) for o in market.outcomes.all()}
    if not market.condition_id or set(tokens) != {0, 1}:
        raise NotRedeemable(f"market {market.pk} has no condition id, or not two outcomes")
    return Condition(
        condition_id=market.condition_id,
        token_ids=(tokens[0], tokens[1]),
        protocol=market.protocol,
        neg_risk=bool(market.neg_risk),
    )
