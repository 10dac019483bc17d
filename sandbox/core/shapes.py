"""The world in the venue's own JSON: events and markets, books, price histories, results."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sandbox.core import names, tape
from sandbox.core.families import HOUR_S, LABELS, Kind
from sandbox.core.ladder import Ladder, ladder, tick_size
from sandbox.core.world import Happening

MIN_SHARES = 5
TAGS = {
    "sports": ("Sports", "sports"),
    "politics": ("Politics", "politics"),
    "culture": ("Culture", "pop-culture"),
    "crypto": ("Crypto", "crypto"),
}


def event(happening: Happening, second: int, *, nested: bool = True) -> dict[str, Any]:
    """A Gamma event; `nested` adds its markets."""
    family = happening.family
    closed = second >= happening.closed_at
    label, tag = TAGS[family.category]
    tags = [{"id": str(900 + family.code), "label": label, "slug": tag}]
    body: dict[str, Any] = {
        "id": str(happening.number),
        "ticker": names.slug(happening),
        "slug": names.slug(happening),
        "title": names.title(happening),
        "description": names.notice(happening),
        "startDate": iso(happening.opens_at),
        "endDate": iso(happening.ends_at),
        "active": True,
        "closed": closed,
        "archived": False,
        "negRisk": family.kind is Kind.EXCLUSIVE,
        "enableNegRisk": family.kind is Kind.EXCLUSIVE,
        "negRiskAugmented": False,
        "enableOrderBook": True,
        "volume": sum(_volume(happening, child, second) for child in range(happening.markets)),
        "tags": tags,
        "version": "v1",
        "simulated": True,
    }
    if family.kind is Kind.EPOCH:
        body |= _epoch(happening, second)
        body["tags"] = [{"id": "899", "label": "Up or Down", "slug": "up-or-down"}, *tags]
    if closed:
        body["closedTime"] = iso(happening.closed_at)
    if nested:
        body["markets"] = [
            market(happening, c, second, nested=False) for c in range(happening.markets)
        ]
    return body


def _epoch(happening: Happening, second: int) -> dict[str, Any]:
    family = happening.family
    window, series = LABELS[family.window_s], names.series(family)
    meta: dict[str, float] = {}
    if second >= happening.starts_at:
        meta["priceToBeat"] = happening.reference
    if second >= happening.closed_at:
        meta["finalPrice"] = happening.final
    return {
        "startTime": iso(happening.starts_at),
        "seriesSlug": series,
        "series": [
            {
                "id": str(10_000 + family.code),
                "slug": series,
                "title": series,
                "recurrence": window,
                "simulated": True,
            }
        ],
        **({"eventMetadata": meta} if meta else {}),
    }


def market(happening: Happening, child: int, second: int, *, nested: bool = True) -> dict[str, Any]:
    """A Gamma market; `nested` adds the short form of its event."""
    family = happening.family
    closed = second >= happening.closed_at
    volume = _volume(happening, child, second)
    body: dict[str, Any] = {
        "id": str(happening.market_number(child)),
        "question": names.question(happening, child),
        "conditionId": names.condition_id(happening, child),
        "slug": names.market_slug(happening, child),
        "description": names.notice(happening),
        "resolutionSource": "the generator of the stand-in venue",
        "startDate": iso(happening.opens_at),
        "endDate": iso(happening.ends_at),
        "endDateIso": iso(happening.ends_at)[:10],
        "outcomes": json.dumps(names.outcomes(happening)),
        "clobTokenIds": json.dumps([names.token_id(happening, child, o) for o in (0, 1)]),
        "volume": str(volume),
        "volumeNum": volume,
        "volume24hr": volume,
        "active": True,
        "closed": closed,
        "archived": False,
        "acceptingOrders": second < happening.ends_at,
        "enableOrderBook": True,
        "orderMinSize": MIN_SHARES,
        "groupItemTitle": names.child_title(happening, child),
        "negRisk": family.kind is Kind.EXCLUSIVE,
        "negRiskOther": False,
        "feesEnabled": True,
        "feeType": f"{family.category}_fees",
        "feeSchedule": {
            "exponent": 1,
            "rate": family.fee_rate,
            "takerOnly": True,
            "rebateRate": 0.2,
        },
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "secondsDelay": 0,
        "automaticallyResolved": True,
        "version": "v1",
        "simulated": True,
    }
    body |= _prices(happening, child, second)
    if family.kind is Kind.EPOCH:
        body |= _window(happening)
    if family.kind is Kind.EXCLUSIVE:
        body["negRiskMarketID"] = "0x" + names.condition_id(happening, 0)[2:][::-1]
    if nested:
        body["events"] = [event(happening, second, nested=False)]
    return body


def _window(happening: Happening) -> dict[str, Any]:
    """An up/down market's start and settings; the latter are missing for hours and days."""
    family = happening.family
    start = {"eventStartTime": iso(happening.starts_at)}
    if family.window_s >= HOUR_S:
        return start
    window = LABELS[family.window_s]
    config = {
        "id": f"{family.asset}-{window}-simulated",
        "asset": family.asset,
        "duration": window,
        "twapEnabled": False,
    }
    return {**start, "cryptoMarketConfig": config}


def _prices(happening: Happening, child: int, second: int) -> dict[str, Any]:
    if second >= happening.closed_at:
        when = datetime.fromtimestamp(happening.closed_at, UTC)
        disputed = happening.disputed_at(second)
        shown = happening.payouts(child)[:: -1 if disputed else 1]
        return {
            "outcomePrices": json.dumps([f"{part:g}" for part in shown]),
            "orderPriceMinTickSize": 0.001,
            "closedTime": f"{when:%Y-%m-%d %H:%M:%S}+00",
            "umaEndDate": iso(happening.settled_at),
            "umaResolutionStatus": "disputed" if disputed else "resolved",
            "liquidity": "0",
            "liquidityNum": 0.0,
        }
    levels = ladder(happening, child, second)
    bid, ask = levels.best()
    mid = round(float(happening.mid[child, happening.at(second)]), 4)
    resting = [*levels.bids, *levels.asks]
    traded = last_price(happening, child, 0, second)
    liquidity = round(sum(price * levels.tick * shares for price, shares in resting), 2)
    body = {
        "outcomePrices": json.dumps([str(mid), str(round(1 - mid, 4))]),
        "orderPriceMinTickSize": tick_size(happening, child, second),
        **({} if traded is None else {"lastTradePrice": traded}),
        "liquidity": str(liquidity),
        "liquidityNum": liquidity,
    }
    if levels.bids:
        body["bestBid"] = round(bid, 3)
    if levels.asks:
        body["bestAsk"] = round(ask, 3)
    return body


def book(
    happening: Happening, child: int, outcome: int, second: int, *, levels: Ladder | None = None
) -> dict[str, Any]:
    """A CLOB book; arrays run from worst to best, every number is a text.

    `levels` are shown in place of the world's own, of outcome 0.
    """
    levels = levels or ladder(happening, child, second)
    side = levels.mirrored() if outcome else levels
    token = names.token_id(happening, child, outcome)
    fixed = f"{token}{second}{side.bids}{side.asks}"
    traded = last_price(happening, child, outcome, second)
    return {
        "market": names.condition_id(happening, child),
        "asset_id": token,
        "timestamp": str(second * 1000),
        "hash": hashlib.sha1(fixed.encode(), usedforsecurity=False).hexdigest(),
        "bids": _levels(side, side.bids),
        "asks": _levels(side, side.asks),
        "min_order_size": str(MIN_SHARES),
        "tick_size": f"{side.tick:g}",
        "neg_risk": happening.family.kind is Kind.EXCLUSIVE,
        **({} if traded is None else {"last_trade_price": f"{traded:g}"}),
    }


def last_price(happening: Happening, child: int, outcome: int, second: int) -> float | None:
    """Price of the last trade as seen from one outcome; None before the first trade."""
    trades = tape.until(happening, child, second)
    if not trades:
        return None
    last = trades[-1]
    return round(last.price if last.outcome == outcome else 1 - last.price, 3)


def number_text(amount: float) -> str:
    """A number as the venue writes it: at most two decimals, none that are zero."""
    return f"{amount:.2f}".rstrip("0").rstrip(".")


def _levels(side: Ladder, levels: tuple[tuple[int, float], ...]) -> list[dict[str, str]]:
    digits = 3 if side.tick < 0.01 else 2
    return [
        {"price": f"{price * side.tick:.{digits}f}", "size": number_text(shares)}
        for price, shares in reversed(levels)
    ]


def history(
    happening: Happening, child: int, outcome: int, *, since: int, until: int, step_s: int
) -> list[dict[str, float]]:
    """Points of `prices-history` for `[since, until]`, one per `step_s`."""
    first, last = max(since, happening.opens_at), min(until, happening.ends_at)
    seconds = np.arange(first, last + 1, step_s, dtype=np.int64)
    mids = happening.mid[child, seconds - happening.opens_at]
    prices = 1 - mids if outcome else mids
    return [{"t": int(t), "p": round(float(p), 3)} for t, p in zip(seconds, prices, strict=True)]


def clob_market(happening: Happening, child: int, second: int) -> dict[str, Any]:
    """The CLOB's market with the winner flag of each token."""
    closed = second >= happening.closed_at
    settled, payouts = second >= happening.settled_at, happening.payouts(child)
    mid = float(happening.mid[child, happening.at(second)])
    tokens = [
        {
            "token_id": names.token_id(happening, child, outcome),
            "outcome": names.outcomes(happening)[outcome],
            "price": payouts[outcome] if settled else round(price, 3),
            "winner": settled and payouts[outcome] == 1,
        }
        for outcome, price in ((0, mid), (1, 1 - mid))
    ]
    return {
        "enable_order_book": not closed,
        "active": True,
        "closed": closed,
        "archived": False,
        "accepting_orders": second < happening.ends_at,
        "minimum_order_size": MIN_SHARES,
        "minimum_tick_size": tick_size(happening, child, second),
        "condition_id": names.condition_id(happening, child),
        "question": names.question(happening, child),
        "description": names.notice(happening),
        "market_slug": names.slug(happening),
        "end_date_iso": iso(happening.ends_at),
        "neg_risk": happening.family.kind is Kind.EXCLUSIVE,
        "is_50_50_outcome": settled and payouts == (0.5, 0.5),
        "tokens": tokens,
        "simulated": True,
    }


def _volume(happening: Happening, child: int, second: int) -> float:
    """Dollars traded so far: what the tape adds up to."""
    trades = tape.until(happening, child, second)
    return round(sum(trade.price * trade.shares for trade in trades), 2)


def neg_risk(happening: Happening) -> bool:
    """Whether its outcomes exclude each other in one group."""
    return happening.family.kind is Kind.EXCLUSIVE


def price_now(happening: Happening, child: int, outcome: int, second: int) -> float:
    """What a share is worth: the mid while it trades, the payout once it is final."""
    if second >= happening.settled_at:
        return happening.payouts(child)[outcome]
    mid = float(happening.mid[child, happening.at(second)])
    return round(1 - mid if outcome else mid, 4)


def iso(second: int) -> str:
    """UTC, to the second."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"
