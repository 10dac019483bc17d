"""Transactions of a wallet: signed bytes are stored before they are sent, then followed to the end.

Nothing here is undone by a crash: whatever was stored is handed in again with the same bytes, and
only a replacement with higher fees may take the place of a transaction that waits too long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import structlog
from django.db import transaction
from django.db.models import Max, QuerySet

from config.kernel import audit, locks
from trading.core.redemption import Call
from trading.core.signing import POLYGON
from trading.core.transactions import (
    ALIVE,
    NEXT,
    FeeCapReached,
    Fees,
    Patience,
    Seen,
    Step,
    fees_for,
    next_nonce,
    next_step,
    replacement,
)
from trading.core.transactions_wire import Unsigned, hash_of
from trading.models import ChainTransaction
from trading.settings import ChainSettings
from trading.settings.chain import GWEI, ChainConfig
from trading.venue import NonceUsed, OutcomeUnknown, Rejected, Underpriced

log = structlog.get_logger()
ACTOR = "transactions"
Refusal = ChainTransaction.Refusal


class IllegalMove(RuntimeError):
    """The transaction may not go from where it stands to where it was sent."""


class Signer(Protocol):
    """Whoever holds the key; only the guard has one."""

    def digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes: r, s and v, 65 bytes."""
        ...


class Network(Protocol):
    """The part of a chain's node that transactions need."""

    def head(self) -> int:
        """Number of the newest block."""
        ...

    def nonce(self) -> int:
        """The next one, waiting transactions included."""
        ...

    def nonce_at(self, block: int) -> int:
        """How many were mined up to this block."""
        ...

    def market_fees(self) -> tuple[int, int]:
        """Base fee and priority fee, in wei a gas."""
        ...

    def gas(self, call: Call) -> int:
        """What the call would use; raises `Rejected` where it would fail."""
        ...

    def send(self, raw: str) -> None:
        """Hand in signed bytes; raises a failure of `trading.venue`."""
        ...

    def seen(self, hashes: Sequence[str]) -> dict[str, Seen]:
        """What the chain says of each."""
        ...


class Progress(StrEnum):
    """How far something that was started has come."""

    NOTHING = "NOTHING"
    """Proof that nothing was signed for it."""
    UNTOLD = "UNTOLD"
    """Whoever carries it out keeps no record: only the chain can tell."""
    UNDER_WAY = "UNDER_WAY"
    CONFIRMED = "CONFIRMED"
    REVERTED = "REVERTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far, by which transaction, and why not."""

    progress: Progress
    transaction_hash: str = ""
    reason: str = ""


class Sender(Protocol):
    """How calls of one wallet reach the chain. `purpose` is an idempotency key."""

    def room(self, *, as_of: datetime) -> int:
        """How many more may be started now."""
        ...

    def start(self, purpose: str, call: Call, *, as_of: datetime) -> None:
        """Begin, unless it is under way; raises a failure of `trading.venue`."""
        ...

    def follow(self, *, as_of: datetime) -> None:
        """Bring everything that is under way a step further."""
        ...

    def standing(self, purpose: str) -> Standing:
        """What became of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSender(Sender):
    """A wallet that pays its own gas: every transaction is a row that survives us."""

    network: Network
    signer: Signer
    mode: str
    wallet: str

    def room(self, *, as_of: datetime) -> int:
        """None while a transaction was refused: those behind it would wait for its nonce."""
        waiting = self._rows().filter(status__in=("SIGNED", "SENT"))
        if waiting.filter(status="SIGNED").exclude(refusal="").exists():
            return 0
        return max(_config(as_of).in_flight - waiting.count(), 0)

    def start(self, purpose: str, call: Call, *, as_of: datetime) -> None:
        """Sign, store, commit, send. Raises `Rejected` where the call would fail now."""
        if self._alive(purpose):
            return
        config = _config(as_of)
        gas = self.network.gas(call) * (100 + config.gas_margin_percent) // 100
        fees = self._market(config)
        pending = self.network.nonce()
        with transaction.atomic(durable=True):
            locks.hold(f"wallet:{self.mode}:{self.wallet}")
            if self._alive(purpose):
                return
            own = self._rows().aggregate(last=Max("nonce"))["last"]
            nonce = next_nonce(pending, () if own is None else (own,))
            row = self._store(purpose, call, nonce=nonce, gas=gas, fees=fees, as_of=as_of)
        self._hand_in(row, as_of=as_of)

    def standing(self, purpose: str) -> Standing:
        """What the rows say."""
        row = (
            self._rows().filter(purpose=purpose).exclude(status="REPLACED").order_by("-pk").first()
        )
        if row is None:
            return Standing(progress=Progress.NOTHING)
        progress = Progress.UNDER_WAY if row.status in ALIVE else Progress(row.status)
        return Standing(progress=progress, transaction_hash=row.transaction_hash, reason=row.reason)

    def follow(self, *, as_of: datetime) -> None:
        """Ask the chain about every transaction that may still take effect, by nonce."""
        alive = list(self._rows().filter(status__in=ALIVE).order_by("nonce"))
        if not alive:
            return
        nonces = {row.nonce for row in alive}
        older = list(self._rows().filter(status="REPLACED", nonce__in=nonces).order_by("-pk"))
        config = _config(as_of)
        # The head first: a block that comes between the two questions makes nothing look older.
        head = self.network.head()
        seen = self.network.seen([row.transaction_hash for row in [*alive, *older]])
        unseen = any(seen[row.transaction_hash].block_number is None for row in alive)
        settled = self._settled(head - config.confirmations) if unseen else 0
        patience = Patience(
            confirmations=config.confirmations,
            stuck_after=timedelta(seconds=config.stuck_after_s),
        )
        for row in alive:
            current = self._mined_after_all(row, older, seen)
            step = next_step(
                current.status,
                seen[current.transaction_hash],
                age=as_of - (current.sent_at or current.signed_at),
                head=head,
                settled_nonce=settled > current.nonce,
                underpriced=current.refusal == Refusal.UNDERPRICED,
                patience=patience,
            )
            self._take(step, current, seen[current.transaction_hash], config, as_of=as_of)

    def _settled(self, block: int) -> int:
        """Nonces used up for good; zero, which proves nothing, where the node forgot the block."""
        try:
            return self.network.nonce_at(block)
        except Rejected:
            return 0

    def _mined_after_all(
        self, row: ChainTransaction, older: Sequence[ChainTransaction], seen: Mapping[str, Seen]
    ) -> ChainTransaction:
        """The transaction of this nonce that the chain took: maybe one that was replaced."""
        if seen[row.transaction_hash].block_number is not None:
            return row
        for other in older:
            if other.nonce == row.nonce and seen[other.transaction_hash].block_number is not None:
                with transaction.atomic(durable=True):
                    self._move(row, "REPLACED", reason="the one before it was mined")
                    self._move(other, "MINED", reason="")
                return other
        return row

    def _take(
        self, step: Step, row: ChainTransaction, seen: Seen, config: ChainConfig, *, as_of: datetime
    ) -> None:
        place = {"block_number": seen.block_number, "block_hash": seen.block_hash}
        if step is Step.SEND:
            self._hand_in(row, as_of=as_of)
        elif step is Step.REPLACE:
            self._replace(row, config, as_of=as_of)
        elif step is Step.NOTE_MINED:
            self._move(row, "MINED", **place)
        elif step is Step.NOTE_REORGANISED:
            self._forget_block(row, as_of=as_of)
            self._hand_in(row, as_of=as_of)
        elif step is Step.NOTE_SUPERSEDED:
            reason = "its nonce was used by a transaction that is none of ours"
            self._move(row, "REPLACED", finished_at=as_of, reason=reason)
            self._tell(row, f"{row.purpose}: {reason}; find out who else uses this key", as_of)
        elif step in (Step.NOTE_CONFIRMED, Step.NOTE_REVERTED):
            if row.status != "MINED":
                self._move(row, "MINED", **place)
            ended = "CONFIRMED" if step is Step.NOTE_CONFIRMED else "REVERTED"
            reason = "" if seen.succeeded else f"reverted in block {seen.block_number}"
            self._move(row, ended, finished_at=as_of, reason=reason, **place)

    def _forget_block(self, row: ChainTransaction, *, as_of: datetime) -> None:
        audit.record(
            "transaction.reorganised",
            actor=ACTOR,
            subject=f"transaction:{row.transaction_hash}",
            data={"mode": self.mode, "purpose": row.purpose, "block": row.block_number or 0},
            as_of=as_of,
        )
        self._move(row, "SENT", block_number=None, block_hash="")

    def _replace(self, row: ChainTransaction, config: ChainConfig, *, as_of: datetime) -> None:
        """The same call under the same nonce, for a tenth more on both fees."""
        old = Fees(max_fee=row.max_fee, priority_fee=row.priority_fee)
        cap = config.max_fee_gwei * GWEI
        try:
            fees = replacement(old, self._market(config), cap=cap)
        except FeeCapReached as cause:
            self._tell(row, f"{row.purpose} waits for a block: {cause}", as_of)
            self._hand_in(row, as_of=as_of)
            return
        call = Call(target=row.target, data=row.data)
        with transaction.atomic(durable=True):
            locks.hold(f"wallet:{self.mode}:{self.wallet}")
            self._move(row, "REPLACED", finished_at=as_of, reason="waited too long")
            newer = self._store(
                row.purpose, call, nonce=row.nonce, gas=row.gas, fees=fees, as_of=as_of
            )
        self._hand_in(newer, as_of=as_of)

    def _store(
        self, purpose: str, call: Call, *, nonce: int, gas: int, fees: Fees, as_of: datetime
    ) -> ChainTransaction:
        unsigned = Unsigned(
            chain_id=POLYGON,
            nonce=nonce,
            fees=fees,
            gas=gas,
            target=call.target,
            data=call.data,
        )
        raw = unsigned.signed(self.signer.digest(unsigned.digest()))
        return ChainTransaction.objects.create(
            mode=self.mode,
            wallet=self.wallet,
            purpose=purpose,
            nonce=nonce,
            target=call.target,
            data=call.data,
            gas=gas,
            max_fee=fees.max_fee,
            priority_fee=fees.priority_fee,
            raw=f"0x{raw.hex()}",
            transaction_hash=hash_of(raw),
            signed_at=as_of,
        )

    def _hand_in(self, row: ChainTransaction, *, as_of: datetime) -> None:
        """Send the stored bytes. A refusal leaves the row for the next turn, with its reason."""
        try:
            self.network.send(row.raw)
        except OutcomeUnknown as silent:
            log.warning("transaction.unanswered", hash=row.transaction_hash, reason=str(silent))
        except Rejected as refused:
            self._refused(row, refused, as_of=as_of)
            return
        if row.status == "SIGNED":
            self._move(row, "SENT", sent_at=as_of, reason="", refusal="")
            log.info("transaction.sent", hash=row.transaction_hash, purpose=row.purpose)
        elif row.refusal:
            self._move(row, row.status, reason="", refusal="")

    def _refused(self, row: ChainTransaction, refused: Rejected, *, as_of: datetime) -> None:
        if isinstance(refused, NonceUsed):
            # One of this nonce is mined: the next turn finds out which.
            if row.status == "SIGNED":
                self._move(row, "SENT", sent_at=as_of, reason="", refusal="")
            return
        cheap = isinstance(refused, Underpriced)
        ChainTransaction.objects.filter(pk=row.pk).update(
            refusal=Refusal.UNDERPRICED if cheap else Refusal.OTHER, reason=str(refused)[:400]
        )
        if not cheap:
            self._tell(row, f"the chain's node refuses {row.purpose}: {refused}", as_of)

    def _move(self, row: ChainTransaction, to: str, **changes: object) -> None:
        """Compare-and-set; the row in hand follows."""
        sources = [status for status, targets in NEXT.items() if to in targets] + [to]
        moved = ChainTransaction.objects.filter(pk=row.pk, status__in=sources)
        if not moved.update(status=to, **changes):
            raise IllegalMove(
                f"transaction {row.transaction_hash} may not become {to}: somebody else moved it; "
                "read it again"
            )
        row.refresh_from_db()

    def _alive(self, purpose: str) -> bool:
        return self._rows().filter(purpose=purpose, status__in=ALIVE).exists()

    def _rows(self) -> QuerySet[ChainTransaction]:
        return ChainTransaction.objects.filter(mode=self.mode, wallet=self.wallet)

    def _market(self, config: ChainConfig) -> Fees:
        base, tip = self.network.market_fees()
        tip = max(tip, config.min_priority_gwei * GWEI)
        return fees_for(base, tip, cap=config.max_fee_gwei * GWEI)

    def _tell(self, row: ChainTransaction, text: str, as_of: datetime) -> None:
        audit.alert_once(f"transaction:{row.transaction_hash}", text=text, actor=ACTOR, as_of=as_of)


def _config(as_of: datetime) -> ChainConfig:
    config: ChainConfig = ChainSettings.objects.current(as_of=as_of).as_config()
    return config
