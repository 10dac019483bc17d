"""Learning in the admin; the framework finds the pages by importing this package."""

from mlops.admin import learning, settings

__all__ = ["learning", "settings"]
