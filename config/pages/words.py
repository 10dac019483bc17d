"""Reason codes in plain words; a code that is not listed here explains itself."""

WORDS = {
    "": "–",
    "PASSED": "passed every gate",
    "APPROVED": "approved",
    "NO_FORECAST": "no forecast yet",
    "PRICE_ONLY": "the forecast is the market price: nothing is known better",
    "FALLBACK_NEUTRAL": "no price, so no forecast",
    "NO_GROSS_EDGE": "forecast too close to the price",
    "NO_NET_EDGE": "spread and fee eat the edge",
    "LOW_CONFIDENCE": "too unsure of the edge",
    "THIN_BOOK": "too little rests in the book",
    "WIDE_SPREAD": "spread too wide",
    "UNKNOWN_DEPTH": "depth of the book unknown",
    "UNKNOWN_FEES": "fees unknown",
    "UNKNOWN_RULES": "tick, minimum or fees unknown",
    "UNKNOWN_PROTOCOL": "venue protocol unknown",
    "NO_FEE_SCHEDULE": "fees unknown",
    "NO_BOOK": "no order book",
    "NO_PRICE": "no price",
    "NO_ASSET_ID": "venue gave no asset id",
    "NEG_RISK_OTHER": "placeholder outcome",
    "NOT_ACCEPTING": "venue accepts no orders",
    "NOT_PLACING": "orders are switched off",
    "ENDS_TOO_SOON": "ends too soon",
    "ENDS_TOO_LATE": "ends too far away",
    "OVER_LIMIT": "more markets than we follow",
    "ALREADY_HELD": "already held",
    "COOLDOWN": "traded a moment ago",
    "MIN_SIZE": "smaller than the venue's minimum",
    "NO_CASH": "no free cash",
    "NO_EDGE_LEFT": "edge gone by the time of sizing",
    "STALE_BOOK": "book too old",
    "STALE_PREDICTION": "forecast too old",
    "STALE_EQUITY": "books not marked lately",
    "HALTED": "trading is halted",
    "LISTEN_ONLY": "no new entries now",
    "REDUCING": "only reducing now",
}


def plain(code: str) -> str:
    """A code as words.

    >>> plain("NO_NET_EDGE"), plain("EVENT_LIMIT")
    ('spread and fee eat the edge', 'event limit')
    """
    return WORDS.get(code, code.replace("_", " ").lower())


def plain_all(codes: str) -> str:
    """Codes separated by spaces, as one phrase; empty where there is none."""
    return ", ".join(map(plain, codes.split()))
