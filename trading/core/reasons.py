"""Why a signal stopped: a closed list, shown in the funnel."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a signal stopped, in the order of the gates; PASSED where none stopped it."""

    NO_PRICE = "NO_PRICE"
    PRICE_ONLY = "PRICE_ONLY"
    NO_BOOK = "NO_BOOK"
    UNKNOWN_FEES = "UNKNOWN_FEES"
    WIDE_SPREAD = "WIDE_SPREAD"
    UNKNOWN_DEPTH = "UNKNOWN_DEPTH"
    THIN_BOOK = "THIN_BOOK"
    NO_GROSS_EDGE = "NO_GROSS_EDGE"
    NO_NET_EDGE = "NO_NET_EDGE"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    WEAK = "WEAK"
    NO_MOOD = "NO_MOOD"
    MOOD_NEUTRAL = "MOOD_NEUTRAL"
    MODEL_NEUTRAL = "MODEL_NEUTRAL"
    NO_CONSENSUS = "NO_CONSENSUS"
    PASSED = "PASSED"
