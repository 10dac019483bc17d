"""Directions of texts."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def normalised(rows: Vectors) -> Vectors:
    """Rows of length 1; rows that are zero or not finite become zero."""
    clean = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    length = np.linalg.norm(clean, axis=1, keepdims=True)
    unit = np.divide(clean, length, out=np.zeros_like(clean), where=length > 0)
    return np.asarray(unit, dtype=np.float32)
