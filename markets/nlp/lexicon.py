"""VADER with a market lexicon: works offline, in microseconds, and can say why."""

from collections.abc import Sequence

import numpy as np

from markets.core import lexicon
from markets.core.series import Floats
from markets.nlp import BackendMissing

try:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
except ImportError as cause:
    raise BackendMissing("vaderSentiment is not installed; install requirements/ml.txt") from cause


class Lexicon:
    """Rules over weighted words: negation, degree, contrast (Hutto & Gilbert 2014)."""

    name = "vader+market-1"

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()
        self._analyzer.lexicon.update(lexicon.WEIGHTS)

    def score(self, texts: Sequence[str]) -> Floats:
        """See `SentimentBackend`."""
        return np.array([self._one(text) for text in texts], dtype=np.float64)

    def _one(self, text: str) -> float:
        found = self._analyzer.polarity_scores(lexicon.marked(text))
        if found["pos"] == found["neg"] == 0:
            return float("nan")  # no word was known: that is not the same as calm
        return float(found["compound"])
