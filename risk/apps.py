"""What may we lose?"""

from django.apps import AppConfig


class RiskConfig(AppConfig):
    """Limits, the gate, halts and equity."""

    name = "risk"
