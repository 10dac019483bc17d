"""What an installation needs before its processes start: tables, settings, experts, an admin."""

import secrets
import socket
from datetime import datetime

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from config import beat, demo
from config.kernel import revise
from markets import calendar
from predictions import registry
from trading.settings import TradingSettings

ADMIN = "admin"
PASSWORD_BYTES = 12


def migrate() -> bool:
    """Bring the tables up to date; False when there was nothing to do."""
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return False
    call_command("migrate", interactive=False, verbosity=0)
    return True


def seed(*, mode: str, as_of: datetime) -> None:
    """Settings of the first start, experts, timetable; running it again changes nothing."""
    if mode == "DEMO":
        demo.apply(as_of=as_of)
    elif TradingSettings.objects.current(as_of=as_of).version == 0:
        revise.settings(
            TradingSettings,
            {"mode": mode},
            author=None,
            reason=f"first start in mode {mode}",
            as_of=as_of,
        )
    registry.ensure_experts()
    calendar.ensure_shipped(as_of=as_of)
    beat.sync(demo=mode == "DEMO", prune=False)


@transaction.atomic
def create_admin() -> str | None:
    """Create the user `admin` with a random password, returned this once; None where one exists."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    users.create_superuser(username=ADMIN, email="", password=password)
    return password


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(wish: int) -> int:
    """`wish` where it is free, else any free port."""
    if port_is_free(wish):
        return wish
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
