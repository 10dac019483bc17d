"""What do we believe?"""

from django.apps import AppConfig


class PredictionsConfig(AppConfig):
    """Features, experts and calibrated forecasts."""

    name = "predictions"
