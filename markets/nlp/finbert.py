"""A transformer that was taught financial sentiment, where it is on this machine."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np

from markets.core.series import Floats
from markets.nlp import BackendMissing

BATCH: Final = 32


class FinBert:
    """p(positive) − p(negative) of a three-class model such as FinBERT (Araci 2019).

    `folder` holds a model as Hugging Face's `transformers` saves it, whose labels are named
    positive, negative and neutral. Nothing is downloaded.
    """

    name = "finbert"

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").exists():
            raise BackendMissing(f"no sentiment model is in {folder}; put a FinBERT model there")
        try:
            self._torch = import_module("torch")
            library = import_module("transformers")
        except ImportError as cause:
            raise BackendMissing(
                "the model's libraries are missing; install requirements/nlp.txt"
            ) from cause
        self._words = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = library.AutoModelForSequenceClassification
        self._model = model.from_pretrained(folder, local_files_only=True).eval()
        names = {name.lower(): int(i) for i, name in self._model.config.id2label.items()}
        if not {"positive", "negative"} <= names.keys():
            raise BackendMissing(f"the model in {folder} names no positive and negative label")
        self._positive, self._negative = names["positive"], names["negative"]

    def score(self, texts: Sequence[str]) -> Floats:
        """See `SentimentBackend`; an empty text is NaN."""
        parts = [self._batch(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        scores = np.concatenate(parts) if parts else np.zeros(0)
        return np.where([bool(text.strip()) for text in texts], scores, np.nan)

    def _batch(self, texts: Sequence[str]) -> Floats:
        words = self._words(
            list(texts), padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        with self._torch.no_grad():
            shares = self._model(**words).logits.softmax(dim=1).numpy()
        return np.asarray(shares[:, self._positive] - shares[:, self._negative], dtype=np.float64)
