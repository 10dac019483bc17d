#!/usr/bin/env python
"""Command-line entry of Oddsmith."""

import os
import sys
from pathlib import Path

NO_TABLES = (
    "oddsmith: the tables of the database {where} are missing or out of date; run `manage.py "
    "migrate`\n"
)
BAD_USAGE = 2
NOBODY_READS = 141
"""What a shell calls the end of a program whose reader left."""
FIRST_USE = "oddsmith: first use of this database, making its tables\n"
NOTHING_HERE = (
    "oddsmith: there is no installation in {where}; name yours with STATE_DIR or DATABASE_URL, or "
    "start one with `manage.py up`\n"
)
BRING_CONTENT = {
    "backfill",
    "evaluate",
    "import_history",
    "replay",
    "seed_demo",
    "sync_catalogue",
    "train",
}
"""Commands that may begin an installation."""
ACT_ON_ONE = {
    "changepassword",
    "createsuperuser",
    "diagnose",
    "experts",
    "funnel",
    "halt",
    "intents",
    "live_guard",
    "moneydoctor",
    "rebuild",
    "reconcile",
    "redeem",
    "report",
    "resume",
    "retention",
    "run_cycle",
    "status",
    "stream_markets",
    "stream_user",
    "sync_beat",
}
"""Commands that act on an installation, and leave no trace where none is."""
NEED_NONE = {"contract_check", "doctor", "sandbox", "up"}
"""Commands that look after themselves."""


def main() -> None:
    """Run a management command with the development settings unless told otherwise.

    An empty database is made ready by what fills it, in production by a person alone. A command
    that acts on an installation never makes one: it was meant for another.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - needs it set
    from django.db import OperationalError, ProgrammingError  # noqa: PLC0415 - needs it set

    if where := missing(sys.argv[1:2]):
        sys.stderr.write(NOTHING_HERE.format(where=where))
        raise SystemExit(BAD_USAGE)
    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has heard enough (`| head`); nothing is left to flush when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(NOBODY_READS) from None
    except (OperationalError, ProgrammingError) as failure:
        if "no such table" not in str(failure) and "relation" not in str(failure):
            raise
        make_tables(sys.argv[1:2])
        execute_from_command_line(sys.argv)


def make_tables(command: list[str]) -> None:
    """Migrate a database that holds nothing yet, outside production; else leave with one line."""
    from django.conf import settings  # noqa: PLC0415 - after the environment
    from django.core.management import call_command  # noqa: PLC0415 - after the environment
    from django.db import connection  # noqa: PLC0415 - after the environment

    if not settings.DEBUG or connection.introspection.table_names():
        sys.stderr.write(NO_TABLES.format(where=connection.settings_dict["NAME"]))
        raise SystemExit(1)
    if not BRING_CONTENT.intersection(command):
        sys.stderr.write(NOTHING_HERE.format(where=connection.settings_dict["NAME"]))
        raise SystemExit(BAD_USAGE)
    sys.stderr.write(FIRST_USE)
    call_command("migrate", verbosity=0, interactive=False)


def missing(command: list[str]) -> str | None:
    """Where this command would act on an installation and none is; settings would make its folder.

    A wrong environment is not judged here: reading the settings says what is wrong with it.
    """
    from config import env, last_started  # noqa: PLC0415 - after the path of this file is known

    developing = os.environ["DJANGO_SETTINGS_MODULE"].endswith(".dev")
    asks_how = {"-h", "--help"}.intersection(sys.argv)
    if not developing or asks_how or not ACT_ON_ONE.intersection(command):
        return None
    variables = dict(os.environ)
    variables |= last_started.read(env.LAST_STARTED, variables)
    try:
        database = env.parse(variables, debug=True).database
    except env.BadEnvironment:
        return None
    if database.vendor == "sqlite" and not Path(database.name).exists():
        return database.name
    return None


if __name__ == "__main__":
    main()
