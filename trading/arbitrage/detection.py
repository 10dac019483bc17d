"""Which bundles pay by the newest quotes; whole books are read only for those.

One read of the markets, one of their quotes and one of the books that matter, however many markets
there are. What is not certain is left out: an event whose prices do not sum to about one may have
outcomes that we do not know.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from config.kernel.units import ONE
from markets import queries as market_queries
from markets.core.book import Book
from markets.models import Market
from predictions.core.coherence import EXHAUSTIVE
from trading.core import arbitrage
from trading.core.arbitrage import Bundle, Kind, Leg
from trading.core.fees import fee_per_share
from trading.core.nested import Question, implications

Floats = NDArray[np.float64]
YES, NO = 0, 1
COLUMNS = (
    *("id", "event_id", "question", "scheduled_end_at", "window_s", "neg_risk_other"),
    *("placeholder", "event__neg_risk", "event__neg_risk_augmented"),
    *("event__neg_risk_market_id", "fees__rate", "fees__exponent", "tick_size", "min_shares"),
    "resolution__payout_0",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A bundle that pays by the best prices, as (market, outcome index); books not yet walked."""

    kind: Kind
    event: int
    legs: tuple[tuple[int, int], ...]
    augmented: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tops:
    """Best prices of n markets and what a share of each side costs with its fee; NaN: unknown."""

    row: dict[int, int]
    bid: Floats
    yes: Floats
    no: Floats
    mid: Floats


def look(*, as_of: datetime, max_legs: int) -> tuple[list[Hit], dict[int, Any]]:
    """Bundles that pay by the best prices, and the rows of all markets looked at, by key."""
    rows = {row.id: row for row in _rows(as_of=as_of)}
    tops = _tops(list(rows.values()), as_of=as_of)
    hits = [
        *_pairs(rows, tops),
        *_exclusive(rows, tops, max_legs=max_legs),
        *_nested(rows, tops),
    ]
    return hits, rows


def bundles(
    hits: Sequence[Hit], rows: dict[int, Any], *, as_of: datetime
) -> Iterator[tuple[Hit, Bundle]]:
    """The hits with their books, where every leg has one."""
    wanted = sorted({market for hit in hits for market, _ in hit.legs})
    books = market_queries.latest_books(wanted, as_of=as_of) if wanted else {}
    for hit in hits:
        if all(market in books for market, _ in hit.legs):
            legs = [_leg(rows[market], side, books[market]) for market, side in hit.legs]
            yield hit, _bundle(hit, legs)


def _rows(*, as_of: datetime) -> Iterable[Any]:
    """Tracked markets that have not ended, and the siblings of those that exclude each other."""
    tracked = Market.objects.filter(tracked=True, received_at__lte=as_of)
    open_now = Q(tracked=True, received_at__lte=as_of) & (
        Q(scheduled_end_at__isnull=True) | Q(scheduled_end_at__gt=as_of)
    )
    siblings = Q(event__neg_risk=True, event_id__in=tracked.values("event_id"))
    found = Market.objects.filter(open_now | siblings).order_by("event_id", "id")
    return found.values_list(*COLUMNS, named=True)


def _tops(rows: Sequence[Any], *, as_of: datetime) -> Tops:
    row = {each.id: n for n, each in enumerate(rows)}
    bid, ask = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    quotes = market_queries.latest_quotes(list(row), as_of=as_of)
    places = [row[market] for market in quotes["market_id"].to_list()]
    bid[places] = quotes["bid"].cast(float).fill_null(np.nan).to_numpy()
    ask[places] = quotes["ask"].cast(float).fill_null(np.nan).to_numpy()
    rate = np.array([_or_nan(each.fees__rate) for each in rows])
    exponent = np.array([_or_nan(each.fees__exponent) for each in rows])
    return Tops(
        row=row,
        bid=bid,
        yes=ask + fee_per_share(ask, rate, exponent),
        no=1 - bid + fee_per_share(1 - bid, rate, exponent),
        mid=(bid + ask) / 2,
    )


def _or_nan(value: Decimal | None) -> float:
    return float("nan") if value is None else float(value)


def _pairs(rows: dict[int, Any], tops: Tops) -> Iterator[Hit]:
    keys = list(rows)
    for place in np.flatnonzero(tops.yes + tops.no < 1).tolist():
        key = keys[place]
        if rows[key].resolution__payout_0 is None:
            legs = ((key, YES), (key, NO))
            yield Hit(kind=Kind.PAIR, event=rows[key].event_id, legs=legs)


def _exclusive(rows: dict[int, Any], tops: Tops, *, max_legs: int) -> Iterator[Hit]:
    keys = list(rows)
    events: dict[int, list[Any]] = {}
    for each in rows.values():
        if each.event__neg_risk and each.event__neg_risk_market_id:
            events.setdefault(each.event_id, []).append(each)
    for event, group in events.items():
        undecided = [each for each in group if each.resolution__payout_0 is None]
        if len(undecided) < 2 or any(each.resolution__payout_0 for each in group):
            continue
        at = np.array([tops.row[each.id] for each in undecided])
        vague = any(
            each.event__neg_risk_augmented or each.neg_risk_other or each.placeholder
            for each in group
        )
        whole = abs(float(tops.mid[at].sum()) - 1) <= EXHAUSTIVE  # NaN: a price is unknown
        if whole and tops.yes[at].sum() < 1:
            legs = tuple((each.id, YES) for each in undecided)
            yield Hit(kind=Kind.EXCLUSIVE_SET, event=event, legs=legs, augmented=vague)
        # Every No that costs less than a dollar adds to the profit: the cheapest come first.
        known = at[np.isfinite(tops.no[at])]
        cheap = known[np.argsort(tops.no[known], kind="stable")][:max_legs]
        if len(cheap) > 1 and tops.no[cheap].sum() < len(cheap) - 1:
            legs = tuple((keys[place], NO) for place in sorted(cheap.tolist()))
            yield Hit(kind=Kind.EXCLUSIVE_NO, event=event, legs=legs, augmented=vague)


def _nested(rows: dict[int, Any], tops: Tops) -> Iterator[Hit]:
    questions = (
        Question(
            market=each.id,
            event=each.event_id,
            text=each.question,
            end=each.scheduled_end_at.timestamp(),
        )
        for each in rows.values()
        if each.event__neg_risk is False
        and each.window_s is None
        and each.scheduled_end_at is not None
        and each.resolution__payout_0 is None
    )
    for found in implications(questions):
        wide, narrow = tops.row[found.wide], tops.row[found.narrow]
        if tops.yes[wide] + tops.no[narrow] < 1:
            legs = ((found.wide, YES), (found.narrow, NO))
            yield Hit(kind=Kind.NESTED, event=found.event, legs=legs)


def _leg(row: Any, side: int, book: Book) -> Leg:
    return Leg(
        market=row.id,
        outcome_index=side,
        book=book.mirrored() if side else book,
        rate=row.fees__rate,
        exponent=row.fees__exponent,
        tick=row.tick_size,
        min_shares=row.min_shares,
    )


def _bundle(hit: Hit, legs: list[Leg]) -> Bundle:
    if hit.kind == Kind.EXCLUSIVE_NO:
        return arbitrage.every_no(hit.event, legs)
    return Bundle(kind=hit.kind, event=hit.event, legs=tuple(legs), floor=ONE)
