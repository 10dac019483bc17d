"""Intents that wait for a person: what they were worth when made, and what they are worth now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from config.kernel.units import ZERO
from markets import queries as market_queries
from markets.core import book as books
from markets.core.book import Book, Level, Walk
from predictions import queries as prediction_queries
from predictions.models import Horizon, Prediction
from risk import halts
from risk.core.kelly import shrink
from risk.models import Halt, TradingState
from trading import fee_terms
from trading.books import portfolio
from trading.deciding import approvals
from trading.models import Approval, Side, TradeIntent
from trading.settings import TradingSettings

WHERE = {
    Halt.Scope.GLOBAL: "trading",
    Halt.Scope.MODE: "mode ",
    Halt.Scope.STRATEGY: "strategy ",
    Halt.Scope.MARKET: "market ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An intent as it was and as it is; money in dollars, edges in dollars a share after the fee.

    Attributes
    ----------
    cost
        The most it can take from cash, fee included; a sale's proceeds at its limit.
    edge_now
        Newest forecast against the expected fill; None where nobody offers anything up to the
        limit or nothing was forecast. A post-only order fills at its limit, without a fee. Of a
        sale: what a share brings beyond what is believed of it.
    edge_at_limit
        What the gate will judge at a yes: what is believed of a share less the most that it may
        cost. None for what the gate judges otherwise: sales, legs, what was never forecast.
    believed
        The newest forecast, drawn towards the price as far as its own error demands.
    net_now
        What a share of a sale brings now, after the fee.
    price_now, offered, depth
        Average price of what would fill, shares that would at once, and dollars resting up to the
        limit.
    yeses
        Of persons who may still decide.
    stopped
        What halts it, in words; "" where a yes could count. A sale passes all but a full stop.
    book
        Of the market's outcome 0, from which all figures were taken; None without one.
    book_age_s, seconds_left
        Of the newest book (None without one), and until the intent is gone.
    """

    intent: TradeIntent
    cost: Decimal
    edge_then: float | None
    edge_now: float | None
    edge_at_limit: float | None
    believed: float | None
    net_now: float | None
    chance_then: float | None
    chance_now: float | None
    price_now: Decimal | None
    offered: Decimal
    depth: Decimal
    book_age_s: float | None
    seconds_left: float
    yeses: tuple[Approval, ...]
    stopped: str
    book: Book | None

    @property
    def span_s(self) -> float:
        """Seconds that it had in all."""
        return (self.intent.expires_at - self.intent.created_at).total_seconds()

    @property
    def missing(self) -> int:
        """Persons who must still say yes."""
        return max(self.intent.approvals_needed - len(self.yeses), 0)

    @property
    def worse(self) -> bool:
        """Whether it is worth less than when it was made, or nothing."""
        if self.edge_now is None or self.edge_then is None:
            return self.edge_now is None
        return self.edge_now < self.edge_then

    @property
    def sells(self) -> bool:
        """Whether it gives shares up."""
        return self.intent.side == Side.SELL

    @property
    def nothing_there(self) -> bool:
        """Whether nobody stands within the limit, so that nothing would fill."""
        return not self.intent.post_only and self.price_now is None

    @property
    def approvable(self) -> bool:
        """Whether a yes could count now: nothing stops it, and there is something to be had."""
        pays = self.edge_at_limit is None or self.edge_at_limit > 0
        return pays and not self.stopped and not self.nothing_there

    def said_yes(self, user_id: int | None) -> bool:
        """Whether this person approved it before."""
        return any(yes.user_id == user_id for yes in self.yeses)


def pending(*, as_of: datetime) -> QuerySet[TradeIntent]:
    """Intents that a person can still decide, the most urgent first."""
    waiting = TradeIntent.objects.filter(status=TradeIntent.Status.PENDING, expires_at__gt=as_of)
    return waiting.order_by("expires_at", "id")


def queue(*, as_of: datetime) -> list[Waiting]:
    """Everything that waits for a person: what could be approved now, then by the time left."""
    found = looked_at(pending(as_of=as_of), as_of=as_of)
    return sorted(found, key=lambda it: (not it.approvable, it.seconds_left))


def decided(*, limit: int) -> list[TradeIntent]:
    """The newest intents that no longer wait, with their orders."""
    rows = TradeIntent.objects.exclude(status=TradeIntent.Status.PENDING)
    related = rows.select_related("market__event", "outcome", "order")
    return list(related.prefetch_related("approval_set").order_by("-created_at")[:limit])


def looked_at(rows: QuerySet[TradeIntent], *, as_of: datetime) -> list[Waiting]:
    """These intents as they were and as they are."""
    found = list(
        rows.select_related(
            "market__event", "market__fees", "outcome", "signal__prediction", "group"
        ).prefetch_related("approval_set")
    )
    markets = list({intent.market_id for intent in found})
    latest = market_queries.latest_books(markets, as_of=as_of)
    forecasts = _of_sales(found, as_of=as_of) | newest_forecasts(found, as_of=as_of)
    prior_sigma = TradingSettings.objects.current(as_of=as_of).prior_sigma
    held = portfolio.reservations(intent.pk for intent in found)
    switches, halts_now = halts.switches(), list(Halt.objects.filter(released_at__isnull=True))
    return [
        _waiting(
            intent,
            latest.get(intent.market_id),
            forecasts.get(intent.market_id),
            held.get(intent.pk),
            stopped=_stopped(intent, switches, halts_now),
            prior_sigma=prior_sigma,
            as_of=as_of,
        )
        for intent in found
    ]


def newest_forecasts(intents: Sequence[TradeIntent], *, as_of: datetime) -> dict[int, Prediction]:
    """Market key → its newest forecast of the outcome, made since or the one it stands on."""
    known = {i.market_id: i.signal.prediction for i in intents if i.signal is not None}
    oldest = min((intent.created_at for intent in intents), default=as_of)
    since = Prediction.objects.filter(
        market_id__in={intent.market_id for intent in intents},
        horizon=Horizon.OUTCOME,
        as_of__gt=oldest,
        as_of__lte=as_of,
        price__isnull=False,
    ).order_by("as_of")
    return known | {row.market_id: row for row in since.defer("vector", "corrections")}


def _of_sales(intents: Sequence[TradeIntent], *, as_of: datetime) -> dict[int, Prediction]:
    """Market key → the newest forecast of what is to be sold: a sale stands on none of its own."""
    sold = [intent.market_id for intent in intents if intent.side == Side.SELL]
    return prediction_queries.latest(sold, as_of=as_of) if sold else {}


def within(book: Book, intent: TradeIntent) -> tuple[Level, ...]:
    """What the other side of the traded outcome's book offers up to the limit, best first."""
    buys, limit = intent.side == Side.BUY, intent.limit_price
    resting = book.asks if buys else book.bids
    return tuple(x for x in resting if (x.price <= limit if buys else x.price >= limit))


def side_of(book: Book, intent: TradeIntent) -> Book:
    """The book of the outcome that the intent trades, from that of its market's outcome 0."""
    return book.mirrored() if intent.outcome.index == 1 else book


def fee_of(intent: TradeIntent, shares: Decimal, price: Decimal) -> Decimal | None:
    """Dollars that the venue takes from such a taker; None where its schedule is unknown."""
    return fee_terms.of(intent.market).fee(shares, price)


def _waiting(
    intent: TradeIntent,
    book: Book | None,
    forecast: Prediction | None,
    held: Decimal | None,
    *,
    stopped: str,
    prior_sigma: float,
    as_of: datetime,
) -> Waiting:
    side = None if book is None else side_of(book, intent)
    near = () if side is None else within(side, intent)
    fill = None if side is None else _fill(side, intent)
    chance = None if forecast is None else _chance(forecast.probability, intent)
    believed = None if forecast is None else _believed(forecast, intent, prior_sigma)
    return Waiting(
        intent=intent,
        cost=held or intent.shares * intent.limit_price,
        edge_then=intent.net_edge,
        edge_now=_edge(intent, fill, believed if intent.side == Side.SELL else chance),
        edge_at_limit=_edge_at_limit(intent, believed),
        believed=believed,
        net_now=_edge(intent, fill, 0.0) if intent.side == Side.SELL else None,
        chance_then=None if intent.signal is None else intent.signal.probability,
        chance_now=chance,
        price_now=None if fill is None else fill.average,
        offered=ZERO if fill is None else fill.shares,
        depth=sum((x.price * x.shares for x in near), ZERO),
        book_age_s=None if book is None else (as_of - book.observed_at).total_seconds(),
        seconds_left=(intent.expires_at - as_of).total_seconds(),
        yeses=_yeses(intent),
        stopped=stopped,
        book=book,
    )


def _stopped(intent: TradeIntent, switches: Sequence[str], open_now: Sequence[Halt]) -> str:
    """The halts that keep this intent from being approved, in words; "" where none does."""
    keys = {
        Halt.Scope.GLOBAL: "",
        Halt.Scope.MODE: intent.mode,
        Halt.Scope.STRATEGY: intent.strategy,
        Halt.Scope.MARKET: str(intent.market_id),
    }
    binding = [
        f"{WHERE[Halt.Scope(halt.scope)]}{halt.scope_key} is {halt.state}: {halt.reason}"
        for halt in open_now
        if keys[Halt.Scope(halt.scope)] == halt.scope_key
        and (intent.side == Side.BUY or halt.state == TradingState.HALTED)
    ]
    return "; ".join([*switches, *binding])


def _yeses(intent: TradeIntent) -> tuple[Approval, ...]:
    """Of persons who may still say it: those of others count for nothing."""
    said = [a for a in intent.approval_set.all() if a.approved and a.user_id]
    counted = approvals.persons_for(intent) if said else set()
    return tuple(a for a in said if a.user_id in counted)


def _fill(side: Book, intent: TradeIntent) -> Walk:
    buys = intent.side == Side.BUY
    return books.walk(side, buy=buys, shares=intent.shares, limit=intent.limit_price)


def _chance(first: float, intent: TradeIntent) -> float:
    """Of the outcome traded, from that of the market's outcome 0."""
    return float(1 - first if intent.outcome.index == 1 else first)


def _believed(forecast: Prediction, intent: TradeIntent, prior_sigma: float) -> float:
    """What sizing and the gate believe of the outcome traded."""
    price = forecast.probability if forecast.price is None else forecast.price
    first = shrink(forecast.probability, price, sigma=forecast.sigma, prior_sigma=prior_sigma)
    return _chance(first, intent)


def _edge_at_limit(intent: TradeIntent, believed: float | None) -> float | None:
    """What the gate compares with zero: a purchase at the worst price that it may pay."""
    if believed is None or intent.signal is None or intent.side == Side.SELL:
        return None
    fee = fee_of(intent, intent.shares, intent.limit_price)
    if fee is None:
        return None
    return believed - float(intent.limit_price) - float(fee / intent.shares)


def _edge(intent: TradeIntent, fill: Walk | None, chance: float | None) -> float | None:
    if intent.post_only and chance is not None:
        gain = chance - float(intent.limit_price)
        return gain if intent.side == Side.BUY else -gain
    if fill is None or fill.average is None or chance is None:
        return None
    fee = fee_of(intent, fill.shares, fill.average)
    if fee is None:
        return None
    price, each = float(fill.average), float(fee / fill.shares)
    return chance - price - each if intent.side == Side.BUY else price - each - chance
