"""Trading in the admin: the approval queue, everything that is a fact, settings to change."""

from trading.admin import approvals, books, facts, orders, settings

__all__ = ["approvals", "books", "facts", "orders", "settings"]
