"""The test suite: SQLite by default, PostgreSQL where DATABASE_URL names one."""

import os

from config.settings.base import *  # noqa: F403 - settings are one namespace
from config.settings.base import DATABASES, ENV, INSTALLED_APPS

DEBUG = False
INSTALLED_APPS += ["sandbox"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Two suites at once need two databases; SQLite's is in memory unless a name asks for a file.
if suffix := os.environ.get("TEST_DB_SUFFIX"):
    name = f"test_oddsmith{suffix}"
    on_disk = str(ENV.state_dir / f"{name}.sqlite3")
    sqlite = ENV.database.vendor == "sqlite"
    DATABASES["default"]["TEST"] = {"NAME": on_disk if sqlite else name}
