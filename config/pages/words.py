"""Reason codes in plain words: a short form for tables, a sentence for whoever asks further."""

from dataclasses import dataclass

WORDS: dict[str, tuple[str, str]] = {
    "PASSED": (
        "worth trading",
        "The edge is large and sure enough; the risk gate is asked next.",
    ),
    "APPROVED": ("approved", "The risk gate approved the order."),
    "WAITS_FOR_A_YES": (
        "waits for a yes",
        "The risk gate approved the order; a person must say yes before it is sent.",
    ),
    # what a forecast is worth against the book
    "NO_FORECAST": ("no forecast yet", "No forecast was made for this market yet."),
    "NOT_YET_COMPARED": ("not compared yet", "The forecast was not compared with a book yet."),
    "NO_PRICE": ("no price", "The market has no recent price, so nothing can be forecast."),
    "PRICE_ONLY": (
        "price only",
        "The forecast is the market price itself: nothing is known better, so there is no edge.",
    ),
    "NO_BOOK": ("no order book", "No order book with both sides was seen."),
    "UNKNOWN_FEES": ("fees unknown", "The fee schedule is unknown, so an edge cannot be computed."),
    "WIDE_SPREAD": ("spread too wide", "Best bid and best ask are further apart than allowed."),
    "UNKNOWN_DEPTH": ("depth unknown", "How much rests in the book is unknown."),
    "THIN_BOOK": ("thin book", "Too little rests in the book near the mid."),
    "NO_GROSS_EDGE": ("too near the price", "Before any cost, the forecast is too near the price."),
    "NO_NET_EDGE": ("costs eat the edge", "Spread and fee are larger than the edge."),
    "LOW_CONFIDENCE": ("too unsure", "The edge is small beside the forecast's standard error."),
    "WEAK": ("weak", "The edge is there, but weaker than the settings ask for."),
    "NO_MOOD": ("no mood known", "The profile asks for consensus, and no cohort's mood is known."),
    "MOOD_NEUTRAL": (
        "mood is neutral",
        "The profile asks for consensus, and the cohort leans neither way.",
    ),
    "MODEL_NEUTRAL": (
        "forecast is neutral",
        "The profile asks for consensus, and the forecast hardly leans away from the price.",
    ),
    "NO_CONSENSUS": (
        "mood disagrees",
        "The profile asks for consensus, and the cohort leans the other way.",
    ),
    "PURE_MODE": (
        "pure mode",
        "Machine learning is on, so nothing but its forecasts may order.",
    ),
    "UNKNOWN_VOLUME": ("volume unknown", "The volume is unknown, so the size was capped."),
    "BUDGET_LIMIT": (
        "budget used",
        "The strategy has its share of the capital at risk on this horizon.",
    ),
    "NOT_ASKED": (
        "not asked",
        "A newer forecast of the market overtook it, or the risk gate was not asked yet.",
    ),
    # what became of an intent and of its order
    "INTENT_PENDING": ("waiting for a person", "Nobody has approved or rejected it yet."),
    "INTENT_APPROVED": ("waiting to be sent", "Approved; the order goes out with the next sweep."),
    "INTENT_REJECTED": ("rejected", "A person, or the gate when asked again, said no."),
    "INTENT_EXPIRED": ("expired", "The intent grew too old before it could be sent."),
    "INTENT_EXECUTED_DRYRUN": ("dry run", "Dry run is on: no order was made."),
    "ORDER_APPROVED": ("on its way", "The order is about to be sent."),
    "ORDER_SUBMITTING": ("on its way", "The order is being sent."),
    "ORDER_UNKNOWN": ("fate unknown", "Whether the venue has the order is not known yet."),
    "ORDER_OPEN": ("resting", "The order rests in the book, nothing of it filled yet."),
    "ORDER_CANCELED": ("no match", "Nobody offered shares at the price that we would pay."),
    "ORDER_EXPIRED": ("order expired", "The order's time ran out at the venue."),
    "ORDER_REJECTED": ("refused by the venue", "The venue refused the order."),
    # which markets are followed
    "NOT_IN_THE_UNIVERSE": ("not followed", "The market is not in the universe."),
    "UNKNOWN_PROTOCOL": ("unknown protocol", "The venue's protocol for this market is unknown."),
    "ENDED": ("ended", "The scheduled end has passed."),
    "CLOSED": ("closed", "The venue closed the market."),
    "NOT_ACCEPTING": ("takes no orders", "The venue says that it takes no orders here."),
    "NO_ASSET_ID": ("no asset id", "The venue gave no asset id for each of two outcomes."),
    "NEG_RISK_OTHER": ("placeholder", "A placeholder outcome that the venue may still redefine."),
    "NO_FEE_SCHEDULE": ("fees unknown", "Neither the market nor its category has fees we know."),
    "UNKNOWN_ACCEPTING": ("orders unknown", "The venue does not say whether it takes orders."),
    "BLACKLISTED": ("blacklisted", "A line of the blacklist names it."),
    "UNKNOWN_END": ("end unknown", "No end was announced, so no universe fits."),
    "ASSET_NOT_FOLLOWED": ("asset not followed", "The up/down market's asset is not followed."),
    "UNKNOWN_CATEGORY": ("category unknown", "Only some categories are followed; its is unknown."),
    "CATEGORY_NOT_FOLLOWED": ("other category", "Its category is not among the followed."),
    "UNKNOWN_LIQUIDITY": (
        "liquidity unknown",
        "More markets qualify than we judge, and the venue does not say how liquid this one is.",
    ),
    "ENDS_TOO_SOON": ("ends too soon", "The market ends sooner than we could act with care."),
    "ENDS_TOO_LATE": ("ends too far away", "Money would be bound for longer than allowed."),
    "OVER_LIMIT": (
        "over our limit",
        "More markets qualify than we follow; others are more urgent.",
    ),
    # why the risk gate refused
    "HALTED": ("halted", "Trading is halted."),
    "LISTEN_ONLY": ("listening only", "No new entries now: the state is listen only."),
    "REDUCING": ("only reducing", "Only orders that reduce a position are allowed now."),
    "NOT_PLACING": ("orders are off", "The master switch for placing orders is off."),
    "MARKET_CLOSED": ("market closed", "The market is closed or takes no orders."),
    "MARKET_ENDING": ("ends too soon", "Too little time is left before the scheduled end."),
    "UNKNOWN_RULES": ("rules unknown", "Tick, smallest order or fees of the market are unknown."),
    "STALE_BOOK": ("book too old", "The order book is too old to trade on."),
    "STALE_PREDICTION": ("forecast too old", "The forecast is too old to trade on."),
    "NO_EDGE_LEFT": ("edge gone", "Nothing of the edge is left at the price now to be paid."),
    "SLIPPAGE": ("slippage", "Walking the book costs too much beside the best price or the edge."),
    "OFF_TICK": ("off the tick", "The limit price is not on the market's tick."),
    "MIN_SIZE": ("too small", "What the limits admit is less than the market's smallest order."),
    "ALREADY_HELD": ("already held", "The market is already held, or an order is on its way."),
    "COOLDOWN": ("cooling down", "Too soon after the last intent or exit on this market."),
    "NO_CASH": ("no free cash", "Too little free cash for the smallest order."),
    "ORDER_LIMIT": ("order limit", "One order may not be this large."),
    "MARKET_LIMIT": ("market limit", "No more may be at risk in this market."),
    "EVENT_LIMIT": ("event limit", "No more may be at risk in this event."),
    "CATEGORY_LIMIT": ("category limit", "No more may be at risk in this category."),
    "TOTAL_LIMIT": ("total limit", "No more may be at risk in all."),
    "DAY_LIMIT": ("day limit", "No more may be bought today."),
    "DEPTH_LIMIT": ("depth limit", "The order would take too much of what rests in the book."),
    "POSITION_COUNT": ("too many positions", "As many positions as allowed are open."),
    "ASSET_COUNT": ("asset limit", "As many markets on this asset are held as allowed."),
    "ORDER_RATE": ("too many orders", "As many orders as allowed were sent in the last hour."),
    "DAILY_LOSS": ("daily loss", "Today's loss has reached its limit."),
    "DRAWDOWN": ("drawdown", "The fall from the peak of risk equity has reached its limit."),
    "NO_INVENTORY": ("nothing to sell", "The shares to be sold are not held."),
    "STALE_EQUITY": (
        "books not marked",
        "The books were not marked lately, so limits are unknown.",
    ),
}


STAGES: dict[str, str] = {
    "universe": "followed",
    "filtered": "left out",
    "predicted": "predicted",
    "signalled": "compared with the book",
    "gated": "stopped by the risk gate",
    "sized": "sized",
    "unapproved": "not approved",
    "approved": "approved",
    "unfilled": "not filled",
    "filled": "filled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A short form for a table's cell, and the sentence behind it."""

    short: str
    long: str
    good: bool = False

    def __str__(self) -> str:
        return self.short


def phrase(codes: str) -> Phrase:
    """Codes separated by spaces in words; a code without words stands for itself.

    >>> phrase("NO_CASH DAY_LIMIT").short
    'no free cash, day limit'
    >>> phrase("DAY_LIMIT").long
    'No more may be bought today.'
    """
    known = [WORDS.get(code) or (raw(code), raw(code)) for code in codes.split()]
    return Phrase(
        short=", ".join(dict.fromkeys(short for short, _ in known)) or "–",
        long=" ".join(dict.fromkeys(long for _, long in known)),
        good=codes in ("PASSED", "APPROVED"),
    )


def plain(code: str) -> str:
    """The short form of one code.

    >>> plain("NO_NET_EDGE")
    'costs eat the edge'
    """
    return phrase(code).short


def raw(code: str) -> str:
    """A code without underscores.

    >>> raw("A_NEW_REASON")
    'a new reason'
    """
    return code.replace("_", " ").lower()
