"""1 · What the venue says."""
