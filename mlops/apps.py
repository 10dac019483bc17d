"""What did we learn?"""

from django.apps import AppConfig


class MlopsConfig(AppConfig):
    """Labels, training, evaluation, backtests."""

    name = "mlops"
    verbose_name = "Learning"
