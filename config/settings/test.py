"""The test suite: SQLite by default, PostgreSQL where DATABASE_URL names one."""

import os
from dataclasses import replace

from config.settings.base import *  # noqa: F403 - settings are one namespace
from config.settings.base import DATABASES, ENV, INSTALLED_APPS

DEBUG = False
# Workers of one suite are separate installations: a lock file of one must not stop the other.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    ENV = replace(ENV, state_dir=ENV.state_dir / worker)
    ENV.state_dir.mkdir(parents=True, exist_ok=True)
INSTALLED_APPS += ["sandbox"]
if ENV.database.vendor == "postgresql":
    # Tests kill our processes, never the server: it need not wait for its disk.
    DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"
    if template := os.environ.get("TEST_DB_TEMPLATE"):
        DATABASES["default"]["TEST"] = {"TEMPLATE": template}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Two suites at once need two databases; SQLite's is in memory unless a name asks for a file.
if suffix := os.environ.get("TEST_DB_SUFFIX"):
    name = f"test_oddsmith{suffix}"
    on_disk = str(ENV.state_dir / f"{name}.sqlite3")
    sqlite = ENV.database.vendor == "sqlite"
    # Added to what is there: Django may have filled in the rest already.
    DATABASES["default"].setdefault("TEST", {})["NAME"] = on_disk if sqlite else name
