"""Intents that wait for a person: shown, asked about again, approved, rejected, let go."""
