"""What do we do?"""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """Signals, intents, orders, fills, positions and the ledger."""

    name = "trading"
