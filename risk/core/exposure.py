"""What can be lost at worst: per market, event, category, and in all."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from config.kernel.units import ZERO
from risk.core.contracts import Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Worst-case losses in dollars.

    Markets, categories and the total are plain sums of what was paid; an event is credited with
    what it must pay back where its outcomes exclude each other.
    """

    total: Decimal = ZERO
    markets: dict[int, Decimal] = field(default_factory=dict)
    events: dict[int, Decimal] = field(default_factory=dict)
    categories: dict[str, Decimal] = field(default_factory=dict)


def measure(holdings: Iterable[Holding]) -> Exposure:
    """Exposure of all holdings, by where it would hurt."""
    markets: dict[int, Decimal] = defaultdict(Decimal)
    categories: dict[str, Decimal] = defaultdict(Decimal)
    by_event: dict[int, list[Holding]] = defaultdict(list)
    for held in holdings:
        markets[held.market] += held.exposure
        categories[held.category] += held.exposure
        by_event[held.event].append(held)
    return Exposure(
        total=sum(markets.values(), ZERO),
        markets=dict(markets),
        events={event: worst_loss(held) for event, held in by_event.items()},
        categories=dict(categories),
    )


def worst_loss(holdings: Iterable[Holding]) -> Decimal:
    """Largest loss over the ways one event can end, in dollars, at least 0.

    Exclusive outcomes: one of the held markets wins, or none does, or the event is void and every
    share pays half. Only shares that are ours now (`sellable`) pay back; an unfilled order never
    hedges. Where outcomes do not exclude each other, everything is lost at once.
    """
    held = tuple(holdings)
    paid = sum((h.exposure for h in held), ZERO)
    if not all(h.exclusive for h in held):
        return paid
    winners: set[int | None] = {None, *(h.market for h in held)}
    void = sum((h.sellable for h in held), ZERO) / 2
    return max(ZERO, paid - void, *(paid - _payout(held, winner) for winner in winners))


def _payout(holdings: tuple[Holding, ...], winner: int | None) -> Decimal:
    """Dollars that sure shares pay when `winner` is the market that ends at its outcome 0."""
    return sum(
        (h.sellable for h in holdings if (h.market == winner) == (h.outcome_index == 0)), ZERO
    )
