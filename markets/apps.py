"""What does the venue say?"""

from django.apps import AppConfig


class MarketsConfig(AppConfig):
    """Catalogue, books, trades, spot and resolutions."""

    name = "markets"
