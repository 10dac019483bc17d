"""Whether the figures of an order make sense at all: what is unknown or absurd is not traded."""

import math
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any

from config.kernel.units import ONE, ZERO
from risk.core.contracts import Holding, LimitsConfig, OrderIntent, PortfolioSnapshot


def complaints(
    intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> tuple[str, ...]:
    """Every reason why the checks could not compute with these values, in sentences."""
    broken = tuple(_not_numbers(intent, portfolio, limits))
    if broken:
        return (*_unknown(intent), *broken)
    return (*_unknown(intent), *_absurd(intent), *_absurd_books(portfolio))


def _unknown(intent: OrderIntent) -> Iterator[str]:
    rules = (("tick", intent.tick), ("minimum size", intent.min_shares), ("fee", intent.fee))
    yield from (f"the {name} of the market is unknown" for name, value in rules if value is None)


def _not_numbers(
    intent: OrderIntent, portfolio: PortfolioSnapshot, limits: LimitsConfig
) -> Iterator[str]:
    for value in (intent, portfolio, limits, *portfolio.holdings):
        for name in NUMERIC[type(value)]:
            if not _finite(getattr(value, name)):
                yield f"{name.replace('_', ' ')} is not a number"
    ages = (*portfolio.seconds_since_intent.values(), *portfolio.seconds_since_exit.values())
    if not all(map(math.isfinite, ages)):
        yield "the age of an intent or exit is not a number"


def _finite(value: Any) -> bool:
    return value is None or (
        value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
    )


def _absurd(intent: OrderIntent) -> Iterator[str]:
    prices = ("limit_price", "expected_price", "best_price")
    for name in prices:
        if not ZERO < getattr(intent, name) < ONE:
            yield f"{name.replace('_', ' ')} is not between 0 and 1"
    if not intent.shares > 0:
        yield "an order needs a positive number of shares"
    if not 0 <= intent.probability <= 1:
        yield "the probability is not between 0 and 1"
    if intent.outcome_index not in {0, 1}:
        yield "the outcome is neither the first nor the second"
    if intent.visible_depth < 0 or (intent.fee or ZERO) < 0 or (intent.min_shares or ZERO) < 0:
        yield "depth, fee and minimum size are never negative"
    if intent.tick is not None and not ZERO < intent.tick < ONE:
        yield "the tick is not between 0 and 1"


def _absurd_books(portfolio: PortfolioSnapshot) -> Iterator[str]:
    if any(min(h.exposure, h.shares, h.sellable) < 0 for h in portfolio.holdings):
        yield "a holding has a negative size or exposure"
    if portfolio.spent_today < 0 or portfolio.orders_last_hour < 0:
        yield "what was spent and ordered is never negative"


NUMERIC: dict[type, tuple[str, ...]] = {
    kind: tuple(
        f.name
        for f in fields(kind)
        if any(word in str(f.type) for word in ("Decimal", "float")) and "dict" not in str(f.type)
    )
    for kind in (OrderIntent, PortfolioSnapshot, LimitsConfig, Holding)
}
