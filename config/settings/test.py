"""The test suite: SQLite by default, PostgreSQL where DATABASE_URL names one."""

import os

from config.settings.base import *  # noqa: F403 - settings are one namespace
from config.settings.base import DATABASES, INSTALLED_APPS

DEBUG = False
INSTALLED_APPS += ["sandbox"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if suffix := os.environ.get("TEST_DB_SUFFIX"):
    DATABASES["default"]["TEST"] = {"NAME": f"test_oddsmith{suffix}"}
