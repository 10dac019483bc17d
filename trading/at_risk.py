"""What one mode may lose at worst, for people: what waits for their yes stands apart."""

from datetime import datetime
from decimal import Decimal

from config.kernel.units import ZERO
from risk.core import exposure
from trading.books import portfolio
from trading.models import Side, TradeIntent

MOST_MARKETS = 10
NOWHERE = "—"


def measured(
    mode: str, *, as_of: datetime
) -> tuple[float, dict[str, float], dict[str, float], float]:
    """Worst-case loss held: all of it, by category, the largest markets; then what waits.

    Orders on their way and approved intents count. The gate counts what waits for a person too:
    here it stands apart, since nobody may ever approve it.
    """
    holdings = portfolio.snapshot(mode, as_of=as_of).holdings
    held = exposure.measure(holdings)
    waiting = ZERO
    for market, category, dollars in _waiting(mode):
        held.markets[market] -= dollars
        held.categories[category] -= dollars
        waiting += dollars
    labels = {h.market: h.label for h in holdings}
    largest = sorted(held.markets.items(), key=lambda item: -item[1])[:MOST_MARKETS]
    return (
        float(held.total - waiting),
        {n or NOWHERE: float(at_risk) for n, at_risk in sorted(held.categories.items()) if at_risk},
        {labels.get(pk, str(pk)): float(at_risk) for pk, at_risk in largest if at_risk},
        float(waiting),
    )


def _waiting(mode: str) -> list[tuple[int, str, Decimal]]:
    """Market, category and dollars set aside, of each purchase that waits for a person."""
    found = TradeIntent.objects.filter(mode=mode, status=TradeIntent.Status.PENDING, side=Side.BUY)
    rows = list(found.values_list("pk", "market_id", "market__category", "wallet"))
    if not rows:
        return []
    mine, held = portfolio.wallet(mode), portfolio.reservations(row[0] for row in rows)
    return [(at, kind, held.get(pk, ZERO)) for pk, at, kind, wallet in rows if wallet == mine]
