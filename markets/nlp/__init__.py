"""Readers of texts: what they feel, what they are like. Libraries load when first used."""

from collections.abc import Sequence
from typing import Protocol

from markets.core.series import Floats
from markets.core.vectors import Vectors


class BackendMissing(Exception):
    """The chosen reader cannot be used here; the message says what to install or to set."""


class SentimentBackend(Protocol):
    """Reads how good or bad texts are for whom they are about."""

    @property
    def name(self) -> str:
        """Kept beside every value, so that two readers' values are never mixed."""
        ...

    def score(self, texts: Sequence[str]) -> Floats:
        """One value in [-1, 1] a text, shape (n,); NaN where nothing was understood."""
        ...


class EmbeddingBackend(Protocol):
    """Turns texts into directions; what is about the same thing points the same way."""

    @property
    def name(self) -> str:
        """Kept beside every vector, so that two readers' vectors are never compared."""
        ...

    @property
    def dimension(self) -> int:
        """Columns of what `encode` gives."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Shape (n, dimension), rows of length 1; zeros where nothing was understood."""
        ...
