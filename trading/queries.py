"""Reading trading: the funnel, the books of a mode, open positions with their marks."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count

from config.kernel.units import ZERO
from markets import queries as market_queries
from markets.models import Market
from predictions.models import Prediction
from risk import equity, halts
from risk.core.drawdown import Figures
from risk.models import EquityPoint, RiskDecision
from trading import portfolio as books
from trading.models import Fill, Position, Signal, TradeIntent

FunnelRow = tuple[str, str, int]


def funnel(*, since: datetime, as_of: datetime) -> list[FunnelRow]:
    """(stage, reason, count) from universe to filled, over rows made in (since, as_of].

    Reasons of one stage come largest first. Universe and filter count markets as they stand now.
    """
    span = {"gt": since, "lte": as_of}

    def within(column: str) -> dict[str, datetime]:
        return {f"{column}__{name}": at for name, at in span.items()}

    unfinished = Market.objects.filter(closed_at__isnull=True)
    filtered = unfinished.filter(tracked=False).exclude(filter_reason="")
    intents = TradeIntent.objects.filter(**within("created_at"))
    orders = intents.filter(order__filled_shares__gt=0)
    return [
        ("universe", "", unfinished.filter(tracked=True).count()),
        *_counted("filtered", filtered.values_list("filter_reason").annotate(Count("pk"))),
        ("predicted", "", Prediction.objects.filter(**within("as_of")).count()),
        *_counted(
            "signalled",
            Signal.objects.filter(**within("as_of")).values_list("reason").annotate(Count("pk")),
        ),
        *_counted("gated", _denials(RiskDecision.objects.filter(**within("decided_at")))),
        ("sized", "", intents.count()),
        *_counted("unsent", _unsent(intents)),
        ("approved", "", intents.filter(approval__approved=True).distinct().count()),
        ("filled", "", orders.count()),
    ]


def _counted(stage: str, counts: object) -> list[FunnelRow]:
    rows = sorted(counts, key=lambda row: (-row[1], row[0]))  # type: ignore[call-overload]
    return [(stage, reason, count) for reason, count in rows]


def _denials(decisions: object) -> list[tuple[str, int]]:
    """Denial code → how many decisions carry it; one decision may carry several."""
    codes: Counter[str] = Counter()
    refused = decisions.filter(approved_shares=0).values_list("denials")  # type: ignore[attr-defined]
    for denials, count in refused.annotate(Count("pk")):
        codes.update(dict.fromkeys(denials.split(), count))
    return list(codes.items())


def _unsent(intents: object) -> list[tuple[str, int]]:
    ends = (TradeIntent.Status.EXPIRED, TradeIntent.Status.REJECTED)
    ended = intents.filter(status__in=ends)  # type: ignore[attr-defined]
    return list(ended.values_list("status").annotate(Count("pk")))


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
    def free_cash(self) -> Decimal:
        """Cash without reservations."""
        return self.figures.cash - self.figures.reserved

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


def recent_fills(mode: str, *, as_of: datetime, limit: int) -> list[Fill]:
    """The newest executions of a mode."""
    rows = Fill.objects.filter(mode=mode, received_at__lte=as_of)
    return list(
        rows.select_related("order__market", "order__outcome").order_by("-received_at", "-id")[
            :limit
        ]
    )
