"""Which positions the exit rules give up, by the newest books and forecasts on record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, OuterRef

from config.kernel.units import ONE, decimal
from markets import queries as market_queries
from markets.core.book import Book
from predictions import queries as prediction_queries
from predictions.models import Prediction, Source
from risk.core.contracts import LimitsConfig
from risk.core.kelly import shrink
from risk.models import RiskLimits
from trading import fee_terms
from trading.books import portfolio
from trading.core import exits as rules
from trading.core.contracts import TradingConfig
from trading.core.exits import ExitConfig, Held, Kept, MarketRules, Rule, Sale
from trading.deciding import candidates
from trading.models import ExitSettings, IntentGroup, Position, TradeIntent, TradingSettings

SILENT = (Source.PRICE, Source.NEUTRAL)
"""Forecasts that say nothing beyond the price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All settings of one turn."""

    exits: ExitConfig
    trading: TradingConfig
    limits: LimitsConfig

    @classmethod
    def current(cls, *, as_of: datetime) -> "Terms":
        """The versions in force; the switches uncached."""
        now = TradingSettings.objects.newest()
        dated = TradingSettings.objects.current(as_of=as_of).as_config()
        return cls(
            exits=ExitSettings.objects.current(as_of=as_of).as_config(),
            trading=replace(dated, mode=now.mode, placing_orders=now.placing_orders),
            limits=RiskLimits.objects.current(as_of=as_of).as_config(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A position that rules give up: against which book, why, and what is believed of it."""

    position: Position
    book: Book
    why: dict[Rule, str]
    believed: Decimal | None

    def is_fresh(self, limits: LimitsConfig, *, as_of: datetime) -> bool:
        """Whether the gate would decide on this book."""
        return 0 <= (as_of - self.book.observed_at).total_seconds() <= limits.max_book_age_s


def sellable(mode: str) -> list[Position]:
    """Positions that could be sold now: the wallet's, of markets that trade, no legs of a group."""
    here = {"mode": OuterRef("mode"), "wallet": OuterRef("wallet")}
    over = (IntentGroup.Status.UNWOUND, IntentGroup.Status.FAILED)
    leg = TradeIntent.objects.filter(
        **here, market=OuterRef("market"), group__isnull=False
    ).exclude(group__status__in=over)
    rows = Position.objects.filter(
        ~Exists(leg),
        mode=mode,
        wallet=portfolio.wallet(mode),
        shares__gt=0,
        market__resolution__isnull=True,
    ).select_related("outcome", "market__event", "market__fees")
    return [row for row in rows.order_by("pk") if candidates.takes_orders(row.market)]


def given_up(positions: Sequence[Position], terms: Terms, *, as_of: datetime) -> list[Given]:
    """Those that a rule speaks against, by the newest books and forecasts on record."""
    ids = [row.market_id for row in positions]
    books = market_queries.latest_books(ids, as_of=as_of) if ids else {}
    forecasts = prediction_queries.latest(ids, as_of=as_of) if ids else {}
    found = []
    for row in positions:
        if (book := books.get(row.market_id)) is None:
            continue
        side = book.mirrored() if row.outcome.index else book
        believed = _believed(row, forecasts.get(row.market_id), terms, as_of=as_of)
        held = _held(row, side, believed, terms, as_of=as_of)
        if why := rules.reasons(held, terms.exits):
            found.append(Given(position=row, book=side, why=why, believed=believed))
    return found


def _believed(
    row: Position, forecast: Prediction | None, terms: Terms, *, as_of: datetime
) -> Decimal | None:
    """What sizing would believe of the outcome held; None without a forecast that counts now."""
    if forecast is None or forecast.price is None or forecast.source in SILENT:
        return None
    if (as_of - forecast.as_of).total_seconds() > terms.limits.max_prediction_age_s:
        return None
    first = decimal(
        shrink(
            forecast.probability,
            forecast.price,
            sigma=forecast.sigma,
            prior_sigma=terms.trading.prior_sigma,
        )
    )
    return ONE - first if row.outcome.index else first


def _held(
    row: Position, side: Book, believed: Decimal | None, terms: Terms, *, as_of: datetime
) -> Held:
    found = sale_of(row, row.shares, side, terms.limits)
    end = row.market.scheduled_end_at
    return Held(
        entry=row.cost / row.shares,
        net=found.net if isinstance(found, Sale) else None,
        spread=side.spread,
        believed=believed,
        held_s=(as_of - row.opened_at).total_seconds(),
        seconds_left=None if end is None else (end - as_of).total_seconds(),
    )


def sale_of(row: Position, shares: Decimal, side: Book, limits: LimitsConfig) -> Sale | Kept:
    """How `shares` of a position would be sold into a book of its outcome, or why not."""
    return rules.sale(shares, side, rules_of(row), max_slippage_bps=limits.max_slippage_bps)


def rules_of(row: Position) -> MarketRules:
    """What the position's market demands of an order."""
    market = row.market
    fees = fee_terms.of(market)
    return MarketRules(
        tick=market.tick_size,
        min_shares=market.min_shares,
        fee_rate=fees.rate,
        fee_exponent=fees.exponent,
    )
