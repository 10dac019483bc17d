"""What every learned expert shares: learn, be judged on a tail, learn again, keep and answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core import line, restraint, sealed
from predictions.core.line import Line
from predictions.core.restraint import Lesson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST: Final = 4.0  # on the logit scale; the cap of the settings is far below
KEPT_SHARES: Final = 20


class ParityLost(ValueError):
    """What would be served differs from what was trained."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Something learned: its bytes, its size, and what share of it each column carries."""

    payload: bytes
    size: int
    shares: Mapping[int, float]


@dataclass(slots=True, kw_only=True)
class Learned:
    """A line, and what is left of it, followed as far as a tail of unseen rows supports it.

    Attributes
    ----------
    min_events
        Fewer events than this teach nothing.
    line_
        What loud columns say linearly; often nothing.
    trust_
        In [0, 1]; multiplies what was learned beside the line. 0, or no payload: nothing was.
    shares_
        Per column its share of what was learned, the largest twenty.
    payload_
        The model in its library's own format.
    """

    kind: ClassVar[str]
    native: ClassVar[bool]
    lined: ClassVar[bool] = True  # whether it starts from a line

    min_events: float = 100.0
    line_: Line = field(default_factory=Line)
    trust_: float = 0.0
    shares_: dict[int, float] = field(default_factory=dict)
    payload_: bytes = b""
    _served: Any = field(default=None, repr=False, compare=False)

    def fit(
        self,
        x: Floats,
        logit: Floats,
        y: Floats,
        *,
        cell: Ints,
        weight: Floats,
        seed: int,
        event: Ints | None = None,
    ) -> Self:
        """Learn from the first rows, be judged by the tail, learn from all with what is left."""
        del cell
        self.trust_, self.shares_, self.payload_, self._served = 0.0, {}, b"", None
        self.line_ = Line()
        lesson = Lesson.of(x, logit, y, weight, event)
        if not lesson.rows or not lesson.teaches(min_events=self.min_events):
            return self
        head, tail = lesson.halves()
        if not head.rows or not head.teaches(min_events=0.0):
            return self
        loud = restraint.screen(head, least=0.0, most=line.CANDIDATES) if self.lined else None
        early = Line() if loud is None else Line.of(head, loud)
        head, tail = _beyond(head, early), _beyond(tail, early)
        draft = self._learn(head, tail, seed=seed, size=0)
        self.line_ = early if loud is None else Line.of(lesson, loud)
        self.shares_ = _largest(self.line_.shares())
        if draft is not None:
            answer = _bounded(self._answer(self._open(draft.payload), tail.x, tail.logit))
            self._follow(draft, restraint.trust(answer, tail), lesson, seed=seed)
        return self

    def _follow(self, draft: Draft, trusted: float, lesson: Lesson, *, seed: int) -> None:
        """Learn what the line leaves again, from all rows, where the tail supports it."""
        rest = _beyond(lesson, self.line_)
        whole = self._learn(rest, None, seed=seed, size=draft.size) if trusted > 0 else None
        if whole is not None:
            self.trust_, self.payload_ = trusted, whole.payload
            self.shares_ = _largest(whole.shares, self.line_.shares())

    @property
    def importance(self) -> dict[int, float]:
        """The share of what was learned that each column carries, the largest twenty."""
        return dict(self.shares_)

    def correction(self, x: Floats, logit: Floats, cell: Ints) -> Floats:
        """What to add to the market's log odds; zero where the row has no price."""
        del cell
        if not (self.payload_ or self.line_) or not len(logit):
            return np.zeros(len(logit))
        priced = np.isfinite(logit)
        odds = logit if priced.all() else np.where(priced, logit, 0)
        found = self.line_.answer(x, odds)
        if self.payload_:
            if self._served is None:
                self._served = self._open(self.payload_)
            found += self.trust_ * _bounded(self._answer(self._served, x, odds + found))
        return np.where(priced, _bounded(found), 0.0)

    def to_bytes(self) -> bytes:
        """Parameters, trust and digest on one line, then the library's own format."""
        head = {
            "parameters": self._parameters(),
            "line": self.line_.as_json(),
            "trust": self.trust_,
            "shares": [[column, share] for column, share in self.shares_.items()],
        }
        return sealed.pack(self.kind, head, self.payload_)

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Read `to_bytes`; `CorruptModel` before the library sees a wrong byte."""
        head, payload = sealed.unpack(cls.kind, blob)
        return cls(
            **head["parameters"],
            line_=Line.from_json(head["line"]),
            trust_=head["trust"],
            shares_={int(column): float(share) for column, share in head["shares"]},
            payload_=payload,
        )

    def _parameters(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if not _is_learned(f.name)}

    def _learn(self, lesson: Lesson, tail: Lesson | None, *, seed: int, size: int) -> Draft | None:
        """Learn, stopping early by `tail`, or up to `size` without one; None for the market."""
        raise NotImplementedError

    def _open(self, payload: bytes) -> Any:
        """What answers, made once per process."""
        raise NotImplementedError

    def _answer(self, served: Any, x: Floats, logit: Floats) -> Floats:
        """The correction before trust, float64[rows]."""
        raise NotImplementedError


def _is_learned(name: str) -> bool:
    return name.startswith("_") or name.endswith("_")


def _bounded(correction: Floats) -> Floats:
    return np.clip(correction, -LARGEST, LARGEST)


def _beyond(lesson: Lesson, base: Line) -> Lesson:
    """The same rows with the line's answer as part of what is known already."""
    return replace(lesson, logit=lesson.logit + base.answer(lesson.x, lesson.logit))


def _largest(*parts: Mapping[int, float]) -> dict[int, float]:
    """The parts' shares, each part summing to 1, together: the largest twenty, summing to 1."""
    found: dict[int, float] = {}
    for part in parts:
        whole = sum(part.values())
        for column, value in part.items():
            found[column] = found.get(column, 0.0) + value / whole
    total = sum(found.values())
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:KEPT_SHARES]
    return {int(column): float(value / total) for column, value in ranked if value > 0}
