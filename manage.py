#!/usr/bin/env python
"""Command-line entry of Oddsmith."""

import os
import sys

NO_TABLES = (
    "oddsmith: this database has no tables yet; run `manage.py migrate` first "
    "(`make demo` and `make up` do so themselves)\n"
)


def main() -> None:
    """Run a management command with the development settings unless told otherwise."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - needs it set
    from django.db import OperationalError, ProgrammingError  # noqa: PLC0415 - needs it set

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as failure:
        if "no such table" in str(failure) or "relation" in str(failure):
            sys.stderr.write(NO_TABLES)
            raise SystemExit(1) from None
        raise


if __name__ == "__main__":
    main()
