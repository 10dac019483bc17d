"""Which questions imply each other, read from their words; what is not certain is not nested.

"By June 30" implies "by December 31", "above $110k" implies "above $100k": the same words in the
same event but for one date or one number. The ladders of `predictions.core.coherence` take their
direction from prices; here prices are what is doubted, so only the words count.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

MONTHS: Final = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    "sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
YEAR: Final = r"20\d\d"
DEADLINE: Final = re.compile(
    rf"\b(?:by|before)\s+(?:the\s+)?(?:end\s+of\s+)?"
    rf"(?:(?:{MONTHS})\b\.?(?:\s+\d{{1,2}}(?:st|nd|rd|th)?)?(?:,?\s+{YEAR})?|{YEAR})\b",
    re.IGNORECASE,
)
NUMBER: Final = (
    r"\$?(\d[\d,]*(?:\.\d+)?)(?:\s?(k|m|b|bn|t|million|billion|trillion)\b|(?![\w.]))(%?)"
)
RISING: Final = re.compile(
    r"\b(above|over|exceeds?|reach(?:es)?|at least|more than|greater than|higher than|"
    rf"surpass(?:es)?)\s+{NUMBER}",
    re.IGNORECASE,
)
FALLING: Final = re.compile(
    rf"\b(below|under|less than|fewer than|lower than|dips? to|drops? to|at most)\s+{NUMBER}",
    re.IGNORECASE,
)
DOUBTFUL: Final = re.compile(
    r"n't\b|\b(?:not|no|never|without|fail\w*|remain\w*|stay\w*|still|keep\w*|last\w*|surviv\w*|"
    r"only|first|next|exactly|between|until|through|how many|or lower|or less)\b",
    re.IGNORECASE,
)
SCALE: Final = {
    "k": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9, "t": 1e12,
    "trillion": 1e12,
}  # fmt: skip
REMEMBERED: Final = 20_000
"""Questions whose words are kept read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A market of an event whose outcomes do not exclude each other; `end` in epoch seconds."""

    market: int
    event: int
    text: str
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """Whenever `narrow` happens, `wide` does; both are markets of `event`."""

    event: int
    narrow: int
    wide: int


def implications(questions: Iterable[Question]) -> Iterator[Implied]:
    """Every pair of which one implies the other by its words."""
    ladders: dict[tuple[object, ...], list[tuple[float, int]]] = defaultdict(list)
    for each in questions:
        for key, rung in _rungs(each):
            ladders[each.event, *key].append((rung, each.market))
    for key, rungs in ladders.items():
        for (low, narrow), (high, wide) in combinations(sorted(rungs), 2):
            if low < high:
                yield Implied(event=int(str(key[0])), narrow=narrow, wide=wide)


def _rungs(question: Question) -> Iterator[tuple[tuple[object, ...], float]]:
    """The ladders that a question may be a rung of; the lower its place, the narrower it is."""
    deadline, level = _read(question.text)
    if deadline:
        yield ("by", deadline), question.end
    if level is not None:
        same, place = level
        yield ("rung", same, question.end), place


@lru_cache(maxsize=REMEMBERED)
def _read(text: str) -> tuple[str, tuple[str, float] | None]:
    """The words around its deadline, and those around its number with the place of that.

    The same questions are read in every cycle; "" and None where it has none for certain.
    """
    if DOUBTFUL.search(text):
        return "", None
    deadline = DEADLINE.sub("by @", text).casefold() if len(DEADLINE.findall(text)) == 1 else ""
    rising, falling = RISING.findall(text), FALLING.findall(text)
    if len(rising) + len(falling) != 1:
        return deadline, None
    pattern, (_, number, unit, _) = (RISING, rising[0]) if rising else (FALLING, falling[0])
    height = float(number.replace(",", "")) * SCALE.get(unit.lower(), 1.0)
    # The word stays: a price that reaches a height one day may be below it on the last.
    same = pattern.sub(r"\1 @\4", text).casefold()
    return deadline, (same, -height if rising else height)
