"""How fast headlines are cleaned, judged and linked to markets.

python -m benchmarks.bench_news
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.table import Row, report  # noqa: E402 - the path comes first
from markets.core import links, text  # noqa: E402 - the path comes first
from markets.nlp import tfidf  # noqa: E402 - the path comes first
from markets.nlp.lexicon import Lexicon  # noqa: E402 - the path comes first
from tests.markets.headlines import TUNED  # noqa: E402 - the path comes first
from tests.markets.stories import QUESTIONS  # noqa: E402 - the path comes first
from tests.moments import NOW  # noqa: E402 - the path comes first

RUNS = 5
ITEMS, MARKETS = 500, 2_000


def milliseconds(work: Callable[[], object]) -> float:
    """The median of some runs."""
    spent = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent) * 1e3


def linking() -> Callable[[], object]:
    """Reading and linking of invented headlines to invented questions."""
    names = [f"{a}{b}" for a in QUESTIONS[0].split() for b in "xyzuvwpqrs"]
    questions = [f"Will {names[i % 80]} {names[i % 79]} do it by {i}?" for i in range(MARKETS)]
    titles = [f"{names[i % 80]} says {names[i % 73]} will" for i in range(ITEMS)]
    reader = tfidf.fit(questions[:500], as_of=NOW)

    def work() -> object:
        rare = links.rare_words(questions, share=0.02)
        vectors = reader.encode(titles), reader.encode(questions)
        return links.find(titles, *vectors, rare, least=0.3, most=10)

    return work


def main() -> int:
    """Measure and report."""
    judge, texts = Lexicon(), [title for title, _label in TUNED] * 10
    hostile = {"30 kB of open tags": "<a " * 10_000, "30 kB of comments": "<!--" * 7_500}
    rows = [
        Row(
            path=f"link {ITEMS} items to {MARKETS:,} markets",
            ours=milliseconds(linking()),
            unit="ms",
            higher_is_better=False,
            target=1_000.0,
        ),
        Row(
            path="sentiment of a headline",
            ours=milliseconds(lambda: judge.score(texts)) / len(texts),
            unit="ms",
            higher_is_better=False,
            target=1.0,
        ),
    ]
    rows += [
        Row(
            path=f"plain text of {name}",
            ours=milliseconds(partial(text.plain, markup, longest=2000)),
            unit="ms",
            higher_is_better=False,
            target=10.0,
        )
        for name, markup in hostile.items()
    ]
    return report("news", rows)


if __name__ == "__main__":
    sys.exit(main())
