"""What the user channel has to tell, in order; every connection reads on from where it stood."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.core import exchange_rows as rows
from sandbox.core.placed import Placed, Trade

KEPT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Event:
    """One message for the owner of one key."""

    number: int
    key: str
    condition: str
    message: dict[str, Any]


@dataclass(slots=True)
class Events:
    """The newest events."""

    count: int = 0
    _kept: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))

    def order(self, order: Placed, kind: str, *, at: float) -> None:
        """An order was placed, changed or ended."""
        self._add(order.key, order.condition, rows.order_event(order, kind, at=at))

    def trade(self, trade: Trade, *, at: float) -> None:
        """A trade has a new status: all its users hear it."""
        for key in sorted({trade.taker_key, *(maker.key for maker in trade.makers)}):
            self._add(key, trade.condition, rows.trade_event(trade, key=key, at=at))

    def after(self, number: int) -> list[Event]:
        """Those that came after the one of this number."""
        found = []
        for event in reversed(self._kept):
            if event.number <= number:
                break
            found.append(event)
        return found[::-1]

    def _add(self, key: str, condition: str, message: dict[str, Any]) -> None:
        self.count += 1
        self._kept.append(Event(self.count, key, condition, message))
