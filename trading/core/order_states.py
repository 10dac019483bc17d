"""The life of an order as a table. Moves are compare-and-set; nothing else changes a status."""

from collections.abc import Mapping

NEXT: Mapping[str, frozenset[str]] = {
    "APPROVED": frozenset({"SIGNED", "SUBMITTING", "CANCELED", "EXPIRED", "REJECTED"}),
    "SIGNED": frozenset({"SUBMITTING", "CANCELED", "EXPIRED", "REJECTED"}),
    "SUBMITTING": frozenset(
        {"OPEN", "FILLED", "CANCELED", "EXPIRED", "REJECTED", "UNKNOWN", "SIGNED"}
    ),
    # The world is late, not wrong: reconciliation may find any ending.
    "UNKNOWN": frozenset({"OPEN", "FILLED", "CANCELED", "EXPIRED", "REJECTED", "SUBMITTING"}),
    "OPEN": frozenset({"FILLED", "CANCELED", "EXPIRED", "UNKNOWN"}),
    # A fill may arrive after a cancel.
    "CANCELED": frozenset({"FILLED"}),
    "EXPIRED": frozenset({"FILLED"}),
    "FILLED": frozenset(),
    "REJECTED": frozenset(),
}
"""Status → statuses that may follow; SUBMITTING → SIGNED only on proof that nothing was sent."""

IN_FLIGHT = ("APPROVED", "SIGNED", "SUBMITTING", "UNKNOWN", "OPEN")
"""Statuses in which an order may still cost money: its reservation stays."""

TERMINAL = tuple(status for status in NEXT if status not in IN_FLIGHT)


def sources(target: str) -> list[str]:
    """Statuses from which an order may become `target`.

    >>> sources("EXPIRED")
    ['APPROVED', 'SIGNED', 'SUBMITTING', 'UNKNOWN', 'OPEN']
    """
    return [status for status, targets in NEXT.items() if target in targets]
