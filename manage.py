#!/usr/bin/env python
"""Command-line entry of Oddsmith."""

import os
import sys

NO_TABLES = (
    "oddsmith: the tables of this database are missing or out of date; run `manage.py migrate`\n"
)
FIRST_USE = "oddsmith: first use of this database, making its tables\n"


def main() -> None:
    """Run a management command with the development settings unless told otherwise.

    An empty database is made ready on first use; in production that is left to a person.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - needs it set
    from django.db import OperationalError, ProgrammingError  # noqa: PLC0415 - needs it set

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as failure:
        if "no such table" not in str(failure) and "relation" not in str(failure):
            raise
        if not make_tables():
            sys.stderr.write(NO_TABLES)
            raise SystemExit(1) from None
        execute_from_command_line(sys.argv)


def make_tables() -> bool:
    """Migrate a database that holds nothing yet, outside production; False where it may not be."""
    from django.conf import settings  # noqa: PLC0415 - after the environment
    from django.core.management import call_command  # noqa: PLC0415 - after the environment
    from django.db import connection  # noqa: PLC0415 - after the environment

    if not settings.DEBUG or connection.introspection.table_names():
        return False
    sys.stderr.write(FIRST_USE)
    call_command("migrate", verbosity=0, interactive=False)
    return True


if __name__ == "__main__":
    main()
