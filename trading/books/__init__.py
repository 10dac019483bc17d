"""What we hold and why: facts, the ledger of balanced moves, and everything computed from them."""
