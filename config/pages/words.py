"""Reason codes in plain words."""

WORDS = {
    "": "—",
    "PASSED": "passed every gate",
    "NO_FORECAST": "no forecast yet",
    "PRICE_IS_FORECAST": "the forecast is the market price: no evidence of an edge",
}


def plain(code: str) -> str:
    """A code as words.

    >>> plain("SPREAD_TOO_WIDE")
    'spread too wide'
    """
    return WORDS.get(code, code.replace("_", " ").lower())
