"""Markets in the admin: facts to look at, settings to change, a queue to decide."""

from markets.admin import catalogue, context, operations, resolutions, settings

__all__ = ["catalogue", "context", "operations", "resolutions", "settings"]
