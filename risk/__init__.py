"""3 · What we may lose."""
