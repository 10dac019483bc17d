"""Which reader of sentiment is used: the lexicon, or a transformer where one is installed."""

from functools import cache
from pathlib import Path

from markets.nlp import BackendMissing, SentimentBackend

LEXICON, FINBERT = "lexicon", "finbert"


@cache
def load(name: str, folder: Path) -> SentimentBackend:
    """The reader of this name; models lie in `folder`. Raises `BackendMissing`."""
    if name == LEXICON:
        from markets.nlp.lexicon import Lexicon  # noqa: PLC0415 - loads its library

        return Lexicon()
    if name == FINBERT:
        from markets.nlp.finbert import FinBert  # noqa: PLC0415 - loads its library

        return FinBert(folder / FINBERT)
    raise BackendMissing(f"no sentiment reader is called {name!r}; choose {LEXICON} or {FINBERT}")
