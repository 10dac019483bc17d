"""4 · What we do."""
