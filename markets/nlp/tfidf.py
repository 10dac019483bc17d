"""Letters in threes to fives, weighed by rarity, reduced to the directions that questions span.

TF-IDF and truncated SVD (latent semantic analysis, Deerwester et al. 1990) over character n-grams:
needs no download, survives typing errors and inflection. Fitted on the markets' questions; the
fit is an array file whose digest is part of the reader's name, so vectors of two fits never meet.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from markets.core.vectors import Vectors, normalised
from markets.nlp import BackendMissing

try:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer
except ImportError as cause:
    raise BackendMissing("scikit-learn is not installed; install requirements/ml.txt") from cause

DIMENSION: Final = 256
BUCKETS: Final = 2**15
MOST_TEXTS: Final = 6000
REFIT_AFTER: Final = timedelta(days=1)
FILE: Final = "questions-tfidf.npz"
SEED: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class TfidfSvd:
    """A fitted reader; `idf` has shape (BUCKETS,), `components` (dimension, BUCKETS)."""

    name: str
    idf: Vectors
    components: Vectors
    fitted_at: datetime

    @property
    def dimension(self) -> int:
        """Columns of what `encode` gives."""
        return int(self.components.shape[0])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingBackend`."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        weighed = _counts(texts).multiply(self.idf).tocsr()
        return normalised(np.asarray(weighed @ self.components.T, dtype=np.float32))

    def is_old(self, *, as_of: datetime) -> bool:
        """Whether it is time to fit again."""
        return as_of - self.fitted_at >= REFIT_AFTER


def fit(texts: Sequence[str], *, as_of: datetime) -> TfidfSvd:
    """Fit on distinct texts, the first `MOST_TEXTS` of them; equal texts give an equal fit.

    Raises `BackendMissing` for fewer than two texts: there is nothing to tell apart yet.
    """
    distinct = sorted(dict.fromkeys(texts[:MOST_TEXTS]))
    if len(distinct) < 2:
        raise BackendMissing("fewer than two questions are known; sync the catalogue first")
    counts = _counts(distinct)
    seen = np.asarray((counts > 0).sum(axis=0)).ravel()
    idf = (np.log((1 + len(distinct)) / (1 + seen)) + 1).astype(np.float32)
    weighed = counts.multiply(idf).tocsr()
    size = min(DIMENSION, len(distinct) - 1)
    svd = TruncatedSVD(n_components=size, n_iter=3, random_state=SEED).fit(weighed)
    components = svd.components_.astype(np.float32)
    return TfidfSvd(name=_name(idf, components), idf=idf, components=components, fitted_at=as_of)


def save(fitted: TfidfSvd, folder: Path) -> Path:
    """Write the arrays; a reader in another process sees the old file or the new one, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    np.savez(
        packed,
        idf=fitted.idf,
        components=fitted.components,
        fitted_at=np.array(fitted.fitted_at.timestamp()),
    )
    new = folder / f"{FILE}.{os.getpid()}"
    new.write_bytes(packed.getvalue())
    return new.replace(folder / FILE)


def load(folder: Path) -> TfidfSvd | None:
    """The fit that was saved; None where there is none or where it is damaged."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            idf, components = arrays["idf"], arrays["components"]
            fitted_at = datetime.fromtimestamp(float(arrays["fitted_at"]), tz=UTC)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if idf.shape != (BUCKETS,) or components.ndim != 2 or components.shape[1] != BUCKETS:
        return None
    return TfidfSvd(
        name=_name(idf, components), idf=idf, components=components, fitted_at=fitted_at
    )


def _name(idf: Vectors, components: Vectors) -> str:
    digest = hashlib.sha256(idf.tobytes() + components.tobytes()).hexdigest()
    return f"tfidf-svd-{components.shape[0]}:{digest[:12]}"


def _counts(texts: Sequence[str]) -> Any:
    """Sublinear counts of n-grams inside words, shape (n, BUCKETS), sparse."""
    vectorizer = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(3, 5),
        n_features=BUCKETS,
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    counts = vectorizer.transform(texts)
    counts.data = 1 + np.log(counts.data)
    return counts
