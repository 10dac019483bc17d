"""An order venue that speaks to `exchange_process`: what the real adapter does, in fifty lines."""

import http.client
import json
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from config.kernel import units
from trading.venue import (
    Execution,
    OutcomeUnknown,
    Prepared,
    Receipt,
    Rejected,
    Restricted,
    Ticket,
    Unsent,
)

TIMEOUT_S = 5.0
FEE = Decimal("0.013377")


class HttpVenue:
    """Orders are known by the hash of their bytes; every `prepare` draws a salt anew."""

    def __init__(self, port: int) -> None:
        self.port = port

    def prepare(self, ticket: Ticket, *, as_of: datetime) -> Prepared:
        body = {
            "intent": str(ticket.order_id),
            "salt": secrets.token_hex(8),
            "shares_micro": units.to_micro(ticket.shares),
            "price_micro": units.to_micro(ticket.price),
        }
        text = json.dumps(body)
        return Prepared(venue_order_id=_hash(text), payload=text)

    def place(self, ticket: Ticket, *, as_of: datetime) -> Receipt:
        body = {**json.loads(ticket.payload), "hash": _hash(ticket.payload)}
        code, answer = self._ask("POST", "/order", body)
        text = str(answer.get("error", ""))
        if code == 425:
            raise Restricted("RESTARTING", retry_after_s=0.05, message=text)
        if code == 400 and "Duplicated" not in text:
            raise Rejected(text)
        if code >= 500:
            raise OutcomeUnknown(text)
        return Receipt(venue_order_id=ticket.venue_order_id, status="OPEN")

    def look_up(self, tickets: Sequence[Ticket], *, as_of: datetime) -> dict[UUID, Receipt]:
        names = [ticket.venue_order_id for ticket in tickets]
        code, rows = self._ask("POST", "/orders", {"names": names})
        if code >= 500:
            raise Unsent(f"{code}")
        return {
            ticket.order_id: _receipt(ticket, rows[ticket.venue_order_id], as_of=as_of)
            for ticket in tickets
            if ticket.venue_order_id in rows
        }

    def cancel(self, tickets: Sequence[Ticket], *, as_of: datetime) -> Collection[UUID]:
        for ticket in tickets:
            self._ask("DELETE", f"/order/{ticket.venue_order_id}", None)
        return ()

    def _ask(self, verb: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            line.request(verb, path, body=None if body is None else json.dumps(body))
            reply = line.getresponse()
            return reply.status, json.loads(reply.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as lost:
            raise OutcomeUnknown(repr(lost)) from lost
        finally:
            line.close()


def _hash(text: str) -> str:
    return "0x" + sha256(text.encode()).hexdigest()


def _receipt(ticket: Ticket, row: dict[str, Any], *, as_of: datetime) -> Receipt:
    """Two trades of what was filled, so that a booking can be cut off between them."""
    filled = int(row["filled_micro"])
    parts = [part for part in (filled // 3, filled - filled // 3) if part]
    trades = tuple(
        Execution(
            trade_id=f"{ticket.venue_order_id[:20]}-{number}",
            price=units.from_micro(int(row["price_micro"])),
            shares=units.from_micro(part),
            fee=FEE,
            observed_at=as_of,
        )
        for number, part in enumerate(parts)
    )
    whole = filled == int(row["shares_micro"])
    status = "FILLED" if whole else "CANCELED"
    return Receipt(venue_order_id=ticket.venue_order_id, status=status, executions=trades)
