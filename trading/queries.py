"""Reading trading: the funnel, the books of a mode, open positions with their marks."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from config.kernel.units import ZERO
from markets import queries as market_queries
from markets.models import Market
from predictions.models import Horizon, Prediction
from risk import equity, halts
from risk.core.drawdown import Figures
from risk.models import EquityPoint
from trading.books import portfolio as books
from trading.models import Position, Signal, TradeIntent

FunnelRow = tuple[str, str, int]
MARKETS, FORECASTS, ORDERS = "markets", "forecasts", "orders"
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "universe": MARKETS,
        "filtered": MARKETS,
        "predicted": FORECASTS,
        "signalled": FORECASTS,
        "gated": FORECASTS,
        "sized": ORDERS,
        "unapproved": ORDERS,
        "approved": ORDERS,
        "unfilled": ORDERS,
        "filled": ORDERS,
    }
)
"""What each stage of the funnel counts: markets as they stand now, the rest over the span."""

PASSED = "PASSED"  # trading.core.edge.Reason, without its library in the web process


def funnel(*, since: datetime, as_of: datetime) -> list[FunnelRow]:
    """(stage, reason, count) from universe to filled; reasons of one stage come largest first.

    Universe and filter count markets as they stand now. The rest follows the forecasts made in
    (since, as_of] to wherever each stands now, each counted under one reason a stage, so that

        predicted = Σ signalled;  its PASSED = Σ gated + sized;
        sized = Σ unapproved + approved;  approved = Σ unfilled + filled.
    """
    unfinished = Market.objects.filter(closed_at__isnull=True)
    filtered = unfinished.filter(tracked=False).exclude(filter_reason="")
    outcomes = Prediction.objects.filter(horizon=Horizon.OUTCOME)
    predicted = outcomes.filter(as_of__gt=since, as_of__lte=as_of).count()
    signals = Signal.objects.filter(
        as_of__gt=since, prediction__as_of__gt=since, prediction__as_of__lte=as_of
    )
    made = TradeIntent.objects.filter(signal__in=signals)
    approved = made.filter(pk__in=_with_every_yes(made).values("pk"))
    return [
        ("universe", "", unfinished.filter(tracked=True).count()),
        *_ranked("filtered", _counts(filtered, "filter_reason")),
        ("predicted", "", predicted),
        *_ranked("signalled", _compared(signals, predicted)),
        *_ranked("gated", _stopped_at_the_gate(signals)),
        ("sized", "", made.count()),
        *_ranked("unapproved", _unapproved(made, approved)),
        ("approved", "", approved.count()),
        *_ranked("unfilled", _unfilled(approved)),
        ("filled", "", approved.filter(order__filled_shares__gt=0).count()),
    ]


def _ranked(stage: str, counts: Mapping[str, int]) -> list[FunnelRow]:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return [(stage, reason, count) for reason, count in rows if count]


def _counts(rows: QuerySet[Any], column: str) -> Counter[str]:
    """Value of a column → how many rows hold it."""
    return Counter(dict(rows.order_by().values_list(column).annotate(Count("pk"))))


def _compared(signals: QuerySet[Signal], predicted: int) -> Counter[str]:
    """What each forecast was worth against the book; some wait to be compared."""
    counts = _counts(signals, "reason")
    counts["NOT_YET_COMPARED"] = max(predicted - counts.total(), 0)
    return counts


def _stopped_at_the_gate(signals: QuerySet[Signal]) -> Counter[str]:
    """Each passed forecast without an intent under its first reason, in the order of the checks.

    NOT_ASKED: a newer forecast of the market overtook it, or it waits for its turn.
    """
    passed = signals.filter(reason=PASSED, tradeintent__isnull=True)
    counts: Counter[str] = Counter()
    for denials, count in passed.order_by().values_list("decision__denials").annotate(Count("pk")):
        counts[(denials or "NOT_ASKED").split()[0]] += count
    return counts


def _with_every_yes(made: QuerySet[TradeIntent]) -> QuerySet[TradeIntent]:
    """Intents that everybody who had to said yes to: a rule, one person, or two."""
    said = made.annotate(yeses=Count("approval", filter=Q(approval__approved=True)))
    return said.filter(yeses__gt=0, yeses__gte=F("approvals_needed"))


def _unapproved(made: QuerySet[TradeIntent], approved: QuerySet[TradeIntent]) -> Counter[str]:
    """Intents that nobody approved: waiting for a person, rejected, expired."""
    left = made.exclude(pk__in=approved.values("pk"))
    return Counter({f"INTENT_{status}": n for status, n in _counts(left, "status").items()})


def _unfilled(approved: QuerySet[TradeIntent]) -> Counter[str]:
    """Approved intents without a share filled: by the order's status, or the intent's own."""
    left = approved.exclude(order__filled_shares__gt=0)
    ordered = _counts(left.filter(order__isnull=False), "order__status")
    unsent = _counts(left.filter(order__isnull=True), "status")
    by_order = Counter({f"ORDER_{status}": n for status, n in ordered.items()})
    return by_order + Counter({f"INTENT_{status}": n for status, n in unsent.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An open position and what it is worth now; `mark` is None where the book has no mid."""

    position: Position
    mark: Decimal | None
    liquidation: Decimal

    @property
    def gain(self) -> Decimal | None:
        """Unrealised, at the mid, fees paid included."""
        return None if self.mark is None else self.mark - self.position.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """The books of one mode for people; money in dollars."""

    mode: str
    state: str
    figures: Figures
    point: EquityPoint | None
    held: tuple[Held, ...]

    @property
    def equity(self) -> Decimal:
        """Cash + payouts due + marks: the figure of charts, not of risk."""
        marks = sum((p.mark for p in self.figures.positions), ZERO)
        return self.figures.cash + self.figures.redeemable + marks


def portfolio(mode: str, *, as_of: datetime) -> Portfolio:
    """The books of one mode."""
    return Portfolio(
        mode=mode,
        state=halts.state(as_of=as_of, mode=mode),
        figures=books.figures(mode, as_of=as_of),
        point=equity.latest(mode, as_of=as_of),
        held=tuple(open_positions(mode, as_of=as_of)),
    )


def open_positions(mode: str, *, as_of: datetime) -> list[Held]:
    """Open positions, newest first, valued against the latest books."""
    held = (
        Position.objects.filter(mode=mode, shares__gt=0)
        .select_related("outcome", "market__event", "market__fees")
        .order_by("-opened_at", "-id")
    )
    rows = list(held)
    latest = market_queries.latest_books([p.market_id for p in rows], as_of=as_of)
    values = [books.mark_of(p, latest.get(p.market_id)) for p in rows]
    return [
        Held(position=p, mark=value.mid, liquidation=value.liquidation)
        for p, value in zip(rows, values, strict=True)
    ]
