"""Development and the zero-install start: all on this machine, the stand-in venue at hand."""

from config.settings.base import *  # noqa: F403 - settings are one namespace
from config.settings.base import DEBUG as _DEBUG
from config.settings.base import INSTALLED_APPS

DEBUG = _DEBUG
INSTALLED_APPS += ["sandbox"]
