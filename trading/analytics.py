"""How trading went in one mode and period: a flat number of reads, whatever there is to count."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, ExpressionWrapper, F, FloatField, Q, Sum

from risk.models import EquityPoint
from trading import at_risk
from trading.books import facts, portfolio
from trading.core import analytics
from trading.core.analytics import Floats, Record, Scores, Trips
from trading.core.settlement import payout
from trading.models import Account, Approval, Position, Side, TradeIntent, Transfer
from trading.settings import ApprovalSettings
from trading.watching import success

ENOUGH_DAYS = 20
"""Daily returns from which a Sharpe ratio says anything."""
ROLLING_DAYS = 30
NO_ASSET = "—"
SUMMARY = ("fills", "orders", "filled", "refused", "expired", "success", "waiting", "equity_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Dollars after fees: of what was closed in the period, and of what is held now.

    `redeemable` is the gain on shares whose market has resolved and that are not paid out yet.
    """

    realised: float
    unrealised: float
    redeemable: float
    fees: float
    equity: float
    change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Risk of the equity curve; NaN where there are too few days or points."""

    days: int
    sharpe: float
    sortino: float
    max_drawdown: float
    max_intraday_drawdown: float

    @property
    def is_enough(self) -> bool:
        """Whether there are days enough for a ratio."""
        return self.days >= ENOUGH_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Positions held now on one asset: how many, and which way."""

    up: int
    down: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything of one mode between `since` and `as_of`.

    `orders` are all that the period's wishes led to, `filled` those of them with a share;
    `refused` and `expired` count wishes that people said no to, or let pass. `waiting` is what
    wishes would put at risk that nobody approved yet; `exposure` leaves it out. `equity_at` is
    when the books were marked last.
    """

    mode: str
    since: datetime
    as_of: datetime
    fills: int
    orders: int
    filled: int
    refused: int
    expired: int
    money: Money
    record: Record
    curve: Curve
    model: Scores
    market: Scores
    by: Mapping[str, Mapping[str, Record]]
    open: Mapping[str, Open]
    rolling: Mapping[str, Record]
    exposure: Mapping[str, float]
    exposure_markets: Mapping[str, float]
    waiting: float
    equity_at: datetime | None
    success: float


def report(mode: str, *, since: datetime, as_of: datetime) -> Report:
    """The figures of `(since, as_of]`; what is held, owed and exposed is that of now."""
    held = _positions(mode, as_of=as_of)
    entries = _entries(mode, as_of=as_of)
    trips = _trips(mode, held, entries, since=since, as_of=as_of)
    told = facts.happened().filter(mode=mode, received_at__gt=since, received_at__lte=as_of)
    counts = told.values_list("order_id", "fee")
    rows = list(counts)
    model, market = _forecasts(entries, since=since)
    curve, change, equity, equity_at = _curve(mode, since=since, as_of=as_of)
    total, categories, markets, waiting = at_risk.measured(mode, as_of=as_of)
    filled = {order for order, _ in rows}
    nothing = _came_to_nothing(mode, since=since, as_of=as_of)
    over = ApprovalSettings.objects.current(as_of=as_of).success_over
    fees = sum(float(fee) for _, fee in rows)
    return Report(
        mode=mode,
        since=since,
        as_of=as_of,
        fills=len(rows),
        orders=len(filled) + nothing["unfilled"],
        filled=len(filled),
        refused=nothing["refused"],
        expired=nothing["expired"],
        money=_money(mode, held, trips, fees=fees, change=change, equity=equity, as_of=as_of),
        record=analytics.record(trips),
        curve=curve,
        model=model,
        market=market,
        by={
            "category": analytics.by(trips, trips.category),
            "asset": analytics.by(trips, trips.asset),
            "confidence": analytics.by(trips, analytics.bucket(trips.confidence)),
            "strategy": analytics.by(trips, trips.strategy),
        },
        open=_open(held),
        rolling=_rolling(trips, since=since, as_of=as_of),
        exposure={"total": total, **categories},
        exposure_markets=markets,
        waiting=waiting,
        equity_at=equity_at,
        success=success.of(mode, as_of=as_of, over=over).ratio,
    )


def _came_to_nothing(mode: str, *, since: datetime, as_of: datetime) -> dict[str, int]:
    """Of the wishes of the period: without a share filled, rejected by a person, left to expire."""
    status = TradeIntent.Status
    made = TradeIntent.objects.filter(mode=mode, created_at__gt=since, created_at__lte=as_of)
    noes = Approval.objects.filter(approved=False, user__isnull=False)
    yeses = Count("approval", filter=Q(approval__approved=True))
    empty = Q(order__isnull=False, order__filled_shares=0)
    counts: dict[str, int] = made.annotate(yeses=yeses).aggregate(
        unfilled=Count("pk", filter=empty),
        refused=Count("pk", filter=Q(status=status.REJECTED, pk__in=noes.values("intent"))),
        expired=Count("pk", filter=Q(status=status.EXPIRED, yeses__lt=F("approvals_needed"))),
    )
    return counts


def _positions(mode: str, *, as_of: datetime) -> list[Any]:
    columns = (
        *("outcome_id", "outcome__index", "market__category", "market__asset", "shares", "cost"),
        *("realised", "closed_at", "market__resolution__payout_0"),
    )
    rows = Position.objects.filter(mode=mode, opened_at__lte=as_of).order_by("closed_at", "pk")
    return list(rows.values_list(*columns, named=True))


def _entries(mode: str, *, as_of: datetime) -> list[Any]:
    """Purchases that filled, with the forecast behind each, oldest first."""
    forecast = "signal__prediction__"
    columns = (
        *("outcome_id", "strategy", "created_at", "signal_id", "signal__confidence"),
        *(f"{forecast}probability", f"{forecast}price", "market__resolution__payout_0"),
    )
    rows = TradeIntent.objects.filter(
        mode=mode, side=Side.BUY, order__filled_shares__gt=0, created_at__lte=as_of
    )
    return list(rows.order_by("created_at", "pk").values_list(*columns, named=True))


def _bought(mode: str, outcomes: Iterable[int]) -> dict[int, tuple[float, float]]:
    """Outcome key → shares bought, and dollars paid for them with their fees."""
    dollars = ExpressionWrapper(F("price") * F("shares"), output_field=FloatField())
    rows = (
        facts.happened()
        .filter(mode=mode, order__side=Side.BUY, order__outcome__in=list(outcomes))
        .order_by()
        .values_list("order__outcome")
        .annotate(bought=Sum("shares"), dollars=Sum(dollars), fees=Sum("fee"))
    )
    return {key: (float(n), float(paid) + float(fee)) for key, n, paid, fee in rows}


def _trips(
    mode: str, held: list[Any], entries: list[Any], *, since: datetime, as_of: datetime
) -> Trips:
    """Positions that were closed in the period. One that was opened again counts as one."""
    closed = [
        row for row in held if not row.shares and row.closed_at and since < row.closed_at <= as_of
    ]
    bought = _bought(mode, [row.outcome_id for row in closed])
    first: dict[int, Any] = {}
    for entry in entries:
        first.setdefault(entry.outcome_id, entry)
    opened = [first.get(row.outcome_id) for row in closed]
    shares, paid = (
        np.array([bought.get(row.outcome_id, (np.nan, np.nan)) for row in closed], np.float64)
        .reshape(-1, 2)
        .T
    )
    return Trips(
        closed_at=_floats(row.closed_at.timestamp() for row in closed),
        gained=_floats(row.realised for row in closed),
        paid=paid,
        price=paid / shares,
        confidence=_floats(entry and entry.signal__confidence for entry in opened),
        category=_words(row.market__category or NO_ASSET for row in closed),
        asset=_words(row.market__asset or NO_ASSET for row in closed),
        strategy=_words(entry.strategy if entry else NO_ASSET for entry in opened),
    )


def _floats(values: Iterable[Any]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)


def _words(values: Iterable[str]) -> "np.typing.NDArray[np.str_]":
    return np.array(list(values), dtype=np.str_)


def _forecasts(entries: list[Any], *, since: datetime) -> tuple[Scores, Scores]:
    """Scores of the forecasts that were traded on, and of the prices at the same instants."""
    decided = {
        row.signal_id: row
        for row in entries
        if row.created_at > since
        and row.signal__prediction__price is not None
        and row.market__resolution__payout_0 in (0, 1)
    }.values()
    happened = _floats(row.market__resolution__payout_0 for row in decided)
    model = _floats(row.signal__prediction__probability for row in decided)
    market = _floats(row.signal__prediction__price for row in decided)
    return analytics.scores(model, happened), analytics.scores(market, happened)


def _curve(
    mode: str, *, since: datetime, as_of: datetime
) -> tuple[Curve, float, float, datetime | None]:
    """Ratios and falls, the gain without what was paid in, the last equity and its instant.

    Returns are of cash + payouts due + marks, falls of risk equity, by which halts go.
    """
    points = EquityPoint.objects.filter(mode=mode, observed_at__gt=since, observed_at__lte=as_of)
    columns = ("observed_at", "cash", "redeemable", "open_mark", "risk_equity")
    rows = list(points.order_by("observed_at").values_list(*columns))
    at = _floats(row[0].timestamp() for row in rows)
    equity = _floats(row[1] + row[2] + row[3] for row in rows)
    risk = _floats(row[4] for row in rows)
    flow_at, flow = _flows(mode, since=since, as_of=as_of)
    _, returns = analytics.daily_returns(at, equity, flow_at, flow)
    curve = Curve(
        days=len(returns),
        sharpe=analytics.sharpe(returns),
        sortino=analytics.sortino(returns),
        max_drawdown=analytics.max_drawdown(risk),
        max_intraday_drawdown=analytics.max_intraday_drawdown(at, risk),
    )
    if not len(equity):
        return curve, np.nan, np.nan, None
    paid_in = float(flow[flow_at > at[0]].sum())
    return curve, float(equity[-1] - equity[0]) - paid_in, float(equity[-1]), rows[-1][0]


def _flows(mode: str, *, since: datetime, as_of: datetime) -> tuple[Floats, Floats]:
    """When dollars came from outside (below zero: left), and how many."""
    rows = Transfer.objects.filter(
        Q(debit=Account.EXTERNAL) | Q(credit=Account.EXTERNAL),
        mode=mode,
        posted_at__gt=since,
        posted_at__lte=as_of,
    ).values_list("posted_at", "amount", "debit")
    moved = list(rows)
    return (
        _floats(at.timestamp() for at, _, _ in moved),
        _floats(amount if debit == Account.EXTERNAL else -amount for _, amount, debit in moved),
    )


def _money(
    mode: str,
    held: list[Any],
    trips: Trips,
    *,
    fees: float,
    change: float,
    equity: float,
    as_of: datetime,
) -> Money:
    standing = portfolio.figures(mode, as_of=as_of)
    owed = [row for row in held if row.shares and row.market__resolution__payout_0 is not None]
    due = sum(float(payout(row.shares, _payout_of(row)) - row.cost) for row in owed)
    return Money(
        realised=float(trips.gained.sum()),
        unrealised=float(sum(p.mark - p.cost for p in standing.positions)),
        redeemable=due,
        fees=fees,
        equity=equity,
        change=change,
    )


def _payout_of(row: Any) -> Any:
    first = row.market__resolution__payout_0
    return 1 - first if row.outcome__index else first


def _open(held: list[Any]) -> dict[str, Open]:
    """Asset → positions held: on its outcome 0 (Yes, Up) and on its outcome 1."""
    found: dict[str, list[int]] = {}
    for row in held:
        if row.shares and row.market__resolution__payout_0 is None:
            found.setdefault(row.market__asset or NO_ASSET, [0, 0])[row.outcome__index] += 1
    return {asset: Open(up=up, down=down) for asset, (up, down) in sorted(found.items())}


def _rolling(trips: Trips, *, since: datetime, as_of: datetime) -> dict[str, Record]:
    """Per day of the period, the newest first and thirty at most, the record of seven days."""
    last = as_of.date()
    days = [last - timedelta(days=n) for n in range(min((last - since.date()).days, ROLLING_DAYS))]
    ends = [datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp() for d in days]
    found = analytics.rolling(trips, [end + analytics.DAY_S for end in ends])
    return {day.isoformat(): record for day, record in zip(days, found, strict=True)}


def rows(found: Report) -> list[dict[str, Any]]:
    """The report as flat rows (section, key, figure, value), which any spreadsheet pivots."""
    head = {"mode": found.mode, "since": found.since.isoformat(), "as_of": found.as_of.isoformat()}
    parts: list[tuple[str, str, Mapping[str, Any]]] = [
        ("summary", "", {name: getattr(found, name) for name in SUMMARY}),
        ("money", "", asdict(found.money)),
        ("record", "", asdict(found.record)),
        ("curve", "", asdict(found.curve)),
        ("forecasts", "model", asdict(found.model)),
        ("forecasts", "market price", asdict(found.market)),
        *(("open", asset, asdict(row)) for asset, row in found.open.items()),
        *(("rolling 7 days", day, asdict(row)) for day, row in found.rolling.items()),
        *(("exposure", name, {"dollars": value}) for name, value in found.exposure.items()),
        *(
            ("exposure of market", name, {"dollars": value})
            for name, value in found.exposure_markets.items()
        ),
    ]
    for kind, records in found.by.items():
        parts += [(f"by {kind}", key, asdict(row)) for key, row in records.items()]
    return [
        head | {"section": section, "key": key, "figure": figure, "value": _plain(value)}
        for section, key, figures in parts
        for figure, value in figures.items()
    ]


def _plain(value: Any) -> Any:
    """A number, or nothing where it cannot be said."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
