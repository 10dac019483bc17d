"""Which markets a headline is about: alike as a whole, and sharing a word that few markets hold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from markets.core.series import Floats, Ints
from markets.core.text import keywords
from markets.core.vectors import Vectors

# A handful of markets may share a word, however few there are altogether.
ALWAYS_RARE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Pair i: headline `item[i]` is about market `market[i]`, both as positions."""

    item: Ints
    market: Ints
    similarity: Floats


def rare_words(questions: Sequence[str], *, share: float) -> dict[str, Ints]:
    """The markets that hold each rare word, as positions; rare = in at most `share` of them.

    >>> sorted(rare_words(["Will Newsom run?"] + ["Will Bitcoin rise?"] * 9, share=0.3))
    ['newsom', 'run']
    """
    words = [keywords(question) for question in questions]
    seen = Counter(word for held in words for word in held)
    most = max(ALWAYS_RARE, share * len(questions))
    places: dict[str, list[int]] = {}
    for place, held in enumerate(words):
        for word in held:
            if seen[word] <= most:
                places.setdefault(word, []).append(place)
    return {word: np.array(found, dtype=np.int64) for word, found in places.items()}


def find(
    titles: Sequence[str],
    items: Vectors,
    markets: Vectors,
    rare: dict[str, Ints],
    *,
    least: float,
    most: int,
) -> Links:
    """The links of n titles with vectors `items` (n, d) to m markets (m, d), rows of length 1.

    A pair counts from cosine `least` up, where title and question share a word of `rare`; at most
    the `most` likest markets a title.
    """
    if not titles or not len(markets):
        none = np.zeros(0, np.int64)
        return Links(item=none, market=none, similarity=np.zeros(0))
    cosine = items @ markets.T
    allowed = np.zeros(cosine.shape, dtype=bool)
    for place, title in enumerate(titles):
        for word in keywords(title):
            if word in rare:
                allowed[place, rare[word]] = True
    cosine = np.where(allowed & (cosine >= least), cosine, -np.inf)
    best = np.argsort(-cosine, axis=1, kind="stable")[:, :most]
    likeness = np.take_along_axis(cosine, best, axis=1)
    item, rank = np.nonzero(np.isfinite(likeness))
    return Links(
        item=item.astype(np.int64),
        market=best[item, rank].astype(np.int64),
        similarity=np.clip(likeness[item, rank].astype(np.float64), 0.0, 1.0),
    )
