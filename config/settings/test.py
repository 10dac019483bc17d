"""The test suite: SQLite by default, PostgreSQL where DATABASE_URL names one; tasks run only where a test runs them."""

from config.settings.base import *  # noqa: F403 - settings are one namespace
from config.settings.base import INSTALLED_APPS

DEBUG = False
INSTALLED_APPS += ["sandbox"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = False
