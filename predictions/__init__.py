"""2 · What we believe."""
