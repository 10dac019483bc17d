"""5 · What we learn."""
