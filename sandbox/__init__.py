"""The stand-in venue: a generated world with a known truth, for the demo and for tests."""
