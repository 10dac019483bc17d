"""The composition root as an app: pages and commands that span the apps."""

from django.apps import AppConfig


class OddsmithConfig(AppConfig):
    """Holds what belongs to no single app."""

    name = "config"
    label = "config"
    verbose_name = "Oddsmith"

    def ready(self) -> None:
        """Set up logging once per process."""
        from config import logging  # noqa: PLC0415 - needs loaded apps

        logging.configure()
