"""The composition root as an app: pages and commands that span the apps."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class OddsmithConfig(AppConfig):
    """Holds what belongs to no single app."""

    name = "config"
    label = "config"
    verbose_name = "Oddsmith"

    def ready(self) -> None:
        """Set up logging once per process."""
        from config import logging  # noqa: PLC0415 - needs loaded apps

        logging.configure()


class AdminOnDemand(SimpleAdminConfig):
    """The admin, whose pages `config.urls` loads: only who serves or checks pages pays for them.

    Worker, beat, stream and supervisor do without, which is some 45 MB for each of them.
    """

    default = False

    def ready(self) -> None:
        """The checks of the admin, over the pages that the addresses load."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_pages, checks.Tags.admin)


def _check_pages(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    import_module(settings.ROOT_URLCONF)
    return list(check_admin_app(app_configs, **options))
