"""A sentence encoder of 384 dimensions, where its library and its model are on this machine."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np

from markets.core.vectors import Vectors, normalised
from markets.nlp import BackendMissing

DIMENSION: Final = 384
BATCH: Final = 64


class MiniLm:
    """Mean-pooled token states of a BERT-like encoder (Reimers & Gurevych 2019).

    `folder` holds a model as Hugging Face's `transformers` saves it. Nothing is downloaded.
    """

    name = "minilm-384"
    dimension = DIMENSION

    def __init__(self, folder: Path) -> None:
        if not (folder / "config.json").exists():
            raise BackendMissing(f"no sentence encoder is in {folder}; put all-MiniLM-L6-v2 there")
        try:
            self._torch = import_module("torch")
            library = import_module("transformers")
        except ImportError as cause:
            raise BackendMissing(
                "the encoder's libraries are missing; install requirements/nlp.txt"
            ) from cause
        self._words = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = library.AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingBackend`."""
        parts = [self._batch(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        rows = np.concatenate(parts) if parts else np.zeros((0, DIMENSION), np.float32)
        return normalised(rows)

    def _batch(self, texts: Sequence[str]) -> Vectors:
        words = self._words(
            list(texts), padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        with self._torch.no_grad():
            states = self._model(**words).last_hidden_state
        mask = words["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        return np.asarray(means.numpy(), dtype=np.float32)
