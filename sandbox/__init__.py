"""The stand-in venue: a generated world with a known truth, behind the venue's own routes."""
