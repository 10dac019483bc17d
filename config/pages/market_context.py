"""What surrounds one market: live prices, news, the calendar, wallets, its rules and their past."""

from datetime import datetime
from itertools import pairwise
from math import isnan
from typing import Any

from config.pages.lines import BAD, GOOD, Line, ago
from config.pages.words import Phrase, phrase, raw
from config.templatetags.figures import age
from markets import queries, wallets
from markets.core import epoch_rules
from markets.models import (
    EventImpact,
    Market,
    MarketVersion,
    NewsLink,
    Quote,
    QuoteKind,
    ResolutionCase,
    WalletTrade,
)
from markets.versions import SAID

ROWS = 8
VERSIONS = 20
SHORT = 13
COHORTS = {wallets.SKILLED: "skilled wallets", wallets.WHALES: "whales"}
SILENT = {"fees_id", "description"}
"""What changed is said, not shown: a key means nothing to people, rules are long."""
NAMES = {
    "fees_id": "the fees",
    "description": "the rules",
    "closed_at": "closed",
    "scheduled_end_at": "scheduled end",
    "opens_at": "opening",
    "min_shares": "smallest order",
    "twap_s": "seconds of the mean",
    "window_s": "window in seconds",
    "epoch_start_at": "start of the window",
    "reference_price": "price to beat",
    "oracle_status": "oracle",
}


def read(market: Market, *, as_of: datetime) -> dict[str, Any]:
    """Everything around a market; the number of queries does not grow with rows."""
    return {
        "followed": followed(market),
        "prices_seen": prices_seen(market, as_of=as_of),
        "news": news(market, as_of=as_of),
        "impacts": impacts(market, as_of=as_of),
        "large_trades": large_trades(market, as_of=as_of),
        "moods": moods(market, as_of=as_of),
        "epoch": epoch(market, as_of=as_of) if market.is_epoch else None,
        "changes": changes(market, as_of=as_of),
        "oracle": raw(market.oracle_status) if market.oracle_status else "",
        "case": ResolutionCase.objects.filter(market=market, settled_at__isnull=True).first(),
    }


def followed(market: Market) -> Phrase | None:
    """Why the market is not followed; None where it is."""
    return None if market.tracked else phrase(market.filter_reason or "NOT_IN_THE_UNIVERSE")


def prices_seen(market: Market, *, as_of: datetime) -> list[Line]:
    """The newest whole book and the newest live top, with their ages."""
    found = []
    for kind, name in ((QuoteKind.BOOK_TOP, "Live top"), (QuoteKind.BOOK, "Whole book")):
        quote = (
            Quote.objects.filter(market=market, kind=kind, received_at__lte=as_of)
            .order_by("-observed_at")
            .only("observed_at", "bid", "ask", "price", "last")
            .first()
        )
        if quote is None:
            found.append(Line(name=name, word="never"))
            continue
        broken = kind == QuoteKind.BOOK_TOP and quote.bid is None and quote.ask is None
        found.append(
            Line(
                name=name,
                word="stream broke " + ago(quote.observed_at, as_of=as_of)
                if broken
                else ago(quote.observed_at, as_of=as_of),
                mark=BAD if broken else "",
            )
        )
    return found


def news(market: Market, *, as_of: datetime) -> list[dict[str, Any]]:
    """Headlines that speak of the market, the newest first."""
    links = (
        NewsLink.objects.filter(market=market, received_at__lte=as_of)
        .select_related("item")
        .defer("item__embedding", "item__summary")
        .order_by("-received_at")[:ROWS]
    )
    return [
        {
            "item": link.item,
            "similarity": link.similarity,
            "ago": ago(link.item.published_at, as_of=as_of),
            **_sentiment(link.item.sentiment),
        }
        for link in links
    ]


def _sentiment(value: float | None) -> dict[str, str]:
    if value is None:
        return {"word": "not read", "mark": ""}
    mark = GOOD if value > 0 else BAD if value < 0 else ""
    return {"word": f"{value:+.2f}".replace("-", "−"), "mark": mark}


def impacts(market: Market, *, as_of: datetime) -> list[dict[str, Any]]:
    """Scheduled events to come that bear on the market."""
    rows = (
        EventImpact.objects.filter(
            market=market,
            calendar_event__scheduled_at__gt=as_of,
            calendar_event__cancelled=False,
            received_at__lte=as_of,
        )
        .select_related("calendar_event")
        .order_by("calendar_event__scheduled_at")[:ROWS]
    )
    return [{"row": row, "when": ago(row.calendar_event.scheduled_at, as_of=as_of)} for row in rows]


def large_trades(market: Market, *, as_of: datetime) -> list[dict[str, Any]]:
    """Large trades of wallets, the newest first."""
    rows = WalletTrade.objects.filter(market=market, received_at__lte=as_of)
    newest = rows.select_related("wallet").order_by("-observed_at")[:ROWS]
    return [{"row": row, "who": row.wallet.name or short(row.wallet_id)} for row in newest]


def short(address: str) -> str:
    """An address by its two ends.

    >>> short("0x1234567890abcdef")
    '0x1234…cdef'
    """
    return address if len(address) <= SHORT else f"{address[:6]}…{address[-4:]}"


def moods(market: Market, *, as_of: datetime) -> list[Line]:
    """Which way each cohort leans; unknown is unknown, never even."""
    found = []
    for cohort, name in COHORTS.items():
        mood = float(wallets.moods([market.pk], cohort=cohort, as_of=as_of)[0])
        if isnan(mood):
            found.append(Line(name=name, word="unknown"))
            continue
        side = "for" if mood > 0 else "against" if mood < 0 else "even on"
        found.append(
            Line(
                name=name,
                word=f"{mood:+.2f}".replace("-", "−"),
                note=f"{side} the first outcome",
                mark=GOOD if mood > 0 else BAD if mood < 0 else "",
            )
        )
    return found


def epoch(market: Market, *, as_of: datetime) -> dict[str, Any]:
    """An up/down market's price to beat, the asset's price now, and the rule that decides."""
    rule = None
    if market.window_s is not None:
        rule = epoch_rules.resolution_rule(market.window_s, as_of=market.epoch_start_at or as_of)
    now = queries.spot(market.asset, as_of=as_of) if market.asset else None
    official = market.reference_price
    reference = official if official is not None else market.reference_estimate
    moved = None
    runs = market.scheduled_end_at is None or market.scheduled_end_at > as_of
    if runs and reference and now is not None and now.price is not None:
        moved = 1e4 * (now.price / reference - 1)
    return {
        "reference": reference,
        "is_estimate": official is None and reference is not None,
        "source": "" if official is not None else market.reference_source,
        "spot": None if now is None else now.price,
        "why_no_spot": "" if now is None else now.reason,
        "used": () if now is None else now.used,
        "moved_bps": moved,
        "rule": epoch_rules.described(rule, market.asset) if rule else "",
        "begins": market.epoch_start_at,
        "left": None
        if market.scheduled_end_at is None
        else f"{age((market.scheduled_end_at - as_of).total_seconds())} left"
        if runs
        else "the window is over",
    }


def changes(market: Market, *, as_of: datetime) -> list[dict[str, Any]]:
    """What the listing said anew and when, the newest first; the first version is no change."""
    versions = list(
        MarketVersion.objects.filter(market=market, received_at__lte=as_of).order_by(
            "-received_at"
        )[:VERSIONS]
    )
    found = []
    for after, before in pairwise(versions):
        said = [
            _change(name, getattr(before, name), getattr(after, name))
            for name in SAID
            if getattr(before, name) != getattr(after, name)
        ]
        if said:
            found.append({"at": after.received_at, "said": said})
    return found


def _change(column: str, before: Any, after: Any) -> str:
    name = NAMES.get(column, column.replace("_", " "))
    return f"{name} changed" if column in SILENT else f"{name}: {_said(before)} → {_said(after)}"


def _said(value: Any) -> str:
    if value is None or value == "":
        return "unknown" if value is None else "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text and text.replace(".", "").isdigit() else text
