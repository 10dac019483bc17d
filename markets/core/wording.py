"""A question's letters as a few numbers that were fitted to nothing, so that they leak nothing."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Projected = NDArray[np.float32]

DIRECTIONS = 16
BUCKETS = 2**15
LETTERS = (4, 4)
LONGEST = 300
"""Characters that are read; a question says what it is about before."""
BATCH = 5_000
DIGIT = re.compile(r"\d")
FRAMES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:not|no|never|fail|fails|without|neither|nor|avoid|avoids|\w+n't)\b",
        r"\b(?:above|below|over|under|at least|at most|more than|less than|higher|lower|exceed\w*"
        r"|reach\w*|hit|hits|between|dip|greater|fewer)\b|[<>≥≤+↑↓]",
        r"\b(?:by|before|until|through|prior to|end of)\b.*(?:\b(?:jan|feb|mar|apr|may|jun|jul|aug"
        r"|sep|oct|nov|dec)|0|\b(?:year|month|week|quarter|today|tomorrow))",
        r"^will\b",
    )
)
WIDTH = DIRECTIONS + len(FRAMES)
MOST_REMEMBERED = 300_000
_known: dict[str, Projected] = {}


def project(questions: Sequence[str]) -> Projected:
    """Directions and framing flags of each question, float32[n, WIDTH].

    Signed counts of its letter n-grams, hashed, times a fixed matrix of random signs, of length 1
    (Achlioptas 2003); then whether it is negated, names a threshold, names a date, begins with
    "Will". Digits count as 0: they would tell dates and strikes apart, not subjects. An empty
    question is NaN. What was projected once is remembered in the process.
    """
    masked = [DIGIT.sub("0", question[:LONGEST].lower().strip()) for question in questions]
    new = sorted({text for text in masked if text not in _known})
    if len(_known) + len(new) > MOST_REMEMBERED:
        _known.clear()
        new = sorted(set(masked))
    for start in range(0, len(new), BATCH):
        part = new[start : start + BATCH]
        _known.update(zip(part, _projected(part), strict=True))
    if not masked:
        return np.empty((0, WIDTH), dtype=np.float32)
    return np.stack([_known[text] for text in masked])


@cache
def _projector() -> tuple[Any, NDArray[np.float32]]:
    """The hashing of n-grams and the signs; loaded late, for its library is slow to import."""
    from sklearn.feature_extraction.text import HashingVectorizer  # noqa: PLC0415 - slow to import

    hashed = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=LETTERS,
        n_features=BUCKETS,
        norm=None,
        dtype=np.float32,
    )
    return hashed, _signs()


def _signs() -> NDArray[np.float32]:
    """+1 or -1 for each n-gram and direction: the top bits of SplitMix64 (Steele et al. 2014)."""
    state = np.arange(1, BUCKETS * DIRECTIONS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    top = (state ^ (state >> np.uint64(31))) >> np.uint64(63)
    return (2 * top.astype(np.float32) - 1).reshape(BUCKETS, DIRECTIONS)


def _projected(texts: list[str]) -> Projected:
    out = np.full((len(texts), WIDTH), np.nan, dtype=np.float32)
    said = np.array([bool(text) for text in texts])
    if not said.any():
        return out
    hashed, signs = _projector()
    raw = np.asarray(hashed.transform([t for t in texts if t]) @ signs, dtype=np.float64)
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    out[said, :DIRECTIONS] = np.divide(raw, length, out=np.zeros_like(raw), where=length > 0)
    out[said, DIRECTIONS:] = [[bool(f.search(text)) for f in FRAMES] for text in texts if text]
    return out
