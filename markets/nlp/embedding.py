"""Which reader of likeness is used: fitted on our questions, or a sentence encoder."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from markets.nlp import BackendMissing, EmbeddingBackend

TFIDF, MINILM = "tfidf", "minilm"


def load(
    name: str, folder: Path, *, questions: Callable[[], Sequence[str]], as_of: datetime
) -> EmbeddingBackend:
    """The reader of this name; its artefacts lie in `folder`. Raises `BackendMissing`.

    The default is fitted anew on `questions()` where no fit younger than a day is there.
    """
    if name == TFIDF:
        return _tfidf(folder, questions, as_of=as_of)
    if name == MINILM:
        return _minilm(folder / MINILM)
    raise BackendMissing(f"no reader of likeness is called {name!r}; choose {TFIDF} or {MINILM}")


def _tfidf(
    folder: Path, questions: Callable[[], Sequence[str]], *, as_of: datetime
) -> EmbeddingBackend:
    from markets.nlp import tfidf  # noqa: PLC0415 - loads its library

    kept = tfidf.load(folder)
    if kept is not None and not kept.is_old(as_of=as_of):
        return kept
    fitted = tfidf.fit(questions(), as_of=as_of)
    tfidf.save(fitted, folder)
    return fitted


@cache
def _minilm(folder: Path) -> EmbeddingBackend:
    from markets.nlp.minilm import MiniLm  # noqa: PLC0415 - loads its library

    return MiniLm(folder)
