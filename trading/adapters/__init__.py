"""Venues: paper now, the real one later."""
