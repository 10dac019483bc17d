"""What history must satisfy before it is stored; every row left out is counted by its reason.

The policy, in this order. Nothing is repaired, clipped or filled: a price that may be wrong is
worse than none, and a missing one is seen by its age.

1. `unreadable`: no number, no time, NaN, infinite (at the wire);
2. `out_of_range`: a price outside [0, 1] (at the wire);
3. `outside_window`: stamped outside the window that was asked, so before the market opened, after
   it closed, or in our future;
4. `repeated_stamp`: the second and later prices of one instant: the first counts;
5. `beside_a_book`: a book of our own was recorded shortly before: it says more.

Rows that come in another order than that of their stamps are sorted and counted as `reordered`,
but kept: the stamp says when, not the place in the reply.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from markets.core.windows import Window
from markets.core.wire_clob import PricePoint

OUTSIDE, REPEATED, BESIDE, REORDERED = (
    "outside_window",
    "repeated_stamp",
    "beside_a_book",
    "reordered",
)


def clean(
    points: Sequence[PricePoint],
    window: Window,
    *,
    books: Sequence[datetime] = (),
    book_lasts: timedelta = timedelta(0),
) -> tuple[list[PricePoint], Counter[str]]:
    """The usable points in order of time, and what was left out.

    `books` are the rising instants of books of our own; one speaks for `book_lasts`.
    """
    counts: Counter[str] = Counter()
    inside = [p for p in points if window.since <= p.observed_at < window.until]
    counts[OUTSIDE] += len(points) - len(inside)
    stamps = [p.observed_at for p in inside]
    counts[REORDERED] += sum(later < earlier for earlier, later in pairwise(stamps))
    first: dict[datetime, PricePoint] = {}
    for point in inside:
        first.setdefault(point.observed_at, point)
    counts[REPEATED] += len(inside) - len(first)
    kept = [p for at, p in sorted(first.items()) if not _beside(at, books, book_lasts)]
    counts[BESIDE] += len(first) - len(kept)
    return kept, +counts


def _beside(at: datetime, books: Sequence[datetime], lasts: timedelta) -> bool:
    place = bisect_right(books, at)
    return place > 0 and at - books[place - 1] <= lasts
