"""Start everything with one command, watch it, and stop it cleanly."""

import http.client
import os
import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Tags
from django.core.management import get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from config import demo, installation, last_started
from config.celery import QUEUES
from config.env import LAST_STARTED, ROOT
from config.kernel.locks import LeaderLock
from config.supervisor import GaveUp, Program, Supervisor

HOST = "127.0.0.1"
SANDBOX_PORT = 8799
SOCKETS_PORT = 8800
STREAM, GUARD = "stream_markets", "live_guard"
PORTS = 65536
ANSWER_WITHIN_S = 90.0
# Two workers on two cores gain nothing from BLAS threads and lose memory to them.
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
    # Checks were made here; the workers need no pages, which the checks would load.
    "CELERY_SKIP_CHECKS": "1",
}


class Command(BaseCommand):
    help = (
        "Migrate, seed, then run web, worker, beat and stream until Ctrl-C. "
        "With --demo also a simulated venue, in a database of its own."
    )
    # All others load the pages, and this process lives as long as the installation.
    requires_system_checks = (Tags.models, Tags.compatibility)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="a simulated world, no network")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-browser", action="store_true")
        parser.add_argument("--workers", type=int, default=2, help="worker processes")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["demo"]:
            _enter_demo()
        port = options["port"]
        if not 0 < port < PORTS:
            raise CommandError(f"--port {port}: a port is 1 to {PORTS - 1}", returncode=2)
        lock, page = LeaderLock("up"), Path(settings.ENV.state_dir) / "page.url"
        if not lock.held():
            where = page.read_text() if page.exists() else f"in {settings.ENV.state_dir}"
            raise CommandError(f"already running ({where}); Ctrl-C there stops it")
        try:
            self._start(page, options)
        finally:
            lock.release()

    def _start(self, page: Path, options: dict[str, Any]) -> None:
        port = options["port"]
        if not installation.port_is_free(port):
            raise CommandError(f"port {port} is in use; choose another with --port")
        page.write_text(f"http://{HOST}:{port}/")
        _remember(page.read_text())
        self.console = Console(file=self.stdout, width=100, highlight=False)  # type: ignore[arg-type]
        supervisor = Supervisor(announce=self._say)
        supervisor.install_signals()
        try:
            self._run(
                supervisor, port=port, workers=options["workers"], browser=not options["no_browser"]
            )
        except demo.NotADemo as wrong:
            raise CommandError(str(wrong)) from None
        except GaveUp as hopeless:
            raise CommandError(f"giving up: {hopeless}") from None
        finally:
            supervisor.stop()
        self._say("stopped")

    def _run(self, supervisor: Supervisor, *, port: int, workers: int, browser: bool) -> None:
        is_demo = settings.ENV.mode == "DEMO"
        if is_demo:
            supervisor.start(_sandbox())
        supervisor.start(_web(port))
        installation.migrate()
        installation.seed(mode=settings.ENV.mode, as_of=timezone.now())
        password = installation.create_admin()
        for program in (
            _worker(workers),
            _beat(),
            *_stream(),
            *_guard(is_demo=is_demo),
            _first(is_demo=is_demo),
        ):
            supervisor.start(program)
        if not supervisor.wait_until(lambda: _answers(port), timeout_s=ANSWER_WITHIN_S):
            if supervisor.stopping:
                return
            raise GaveUp(f"the page did not answer within {ANSWER_WITHIN_S:g} s; see {_log('web')}")
        url = f"http://{HOST}:{port}/"
        self.console.print(_card(url, password))
        self.stdout.flush()
        if browser and sys.stdout.isatty():
            webbrowser.open(url)
        supervisor.run()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _enter_demo() -> None:
    """Start this command anew inside the demo's own environment, unless it is there already."""
    if settings.ENV.mode == "DEMO":
        return
    venue = f"http://{HOST}:{installation.free_port(SANDBOX_PORT)}"
    sockets = f"ws://{HOST}:{installation.free_port(SOCKETS_PORT)}"
    environment = {
        **os.environ,
        "MODE": "DEMO",
        "STATE_DIR": os.environ.get("STATE_DIR", "") or str(ROOT / "var" / "demo"),
        "VENUE_GAMMA_URL": f"{venue}/gamma",
        "VENUE_CLOB_URL": f"{venue}/clob",
        "VENUE_DATA_URL": f"{venue}/data",
        "VENUE_WS_URL": f"{sockets}/ws/market",
        "VENUE_PRICES_URL": f"{sockets}/prices",
        "VENUE_USER_WS_URL": f"{sockets}/ws/user",
        "VENUE_RELAYER_URL": f"{venue}/relayer",
        "GEOBLOCK_URL": f"{venue}/api/geoblock",
        "POLYGON_RPC_URL": f"{venue}/rpc",
        "SPOT_URL": f"{venue}/spot",
        "FEEDS_URL": f"{venue}/feeds",
    }
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606 - ourselves


def _remember(page: str) -> None:
    """Let commands in other terminals find this installation, and pin it for what we start."""
    env = settings.ENV
    values = {
        "STATE_DIR": str(env.state_dir),
        "MODE": env.mode,
        **{name: getattr(env, name.lower()) for name in last_started.ADDRESSES},
    }
    os.environ.update(values)
    last_started.write(LAST_STARTED, values | {"PAGE": page})


def _log(name: str) -> Path:
    return Path(settings.ENV.state_dir) / "logs" / f"{name}.log"


def _program(name: str, *argv: str, once: str = "") -> Program:
    return Program(
        name=name, argv=(sys.executable, *argv), log=_log(name), environment=QUIET, once=once
    )


def _manage(name: str, *argv: str, once: str = "") -> Program:
    return _program(name, str(ROOT / "manage.py"), *argv, once=once)


def _sandbox() -> Program:
    port, sockets = (
        str(urlsplit(address).port)
        for address in (settings.ENV.venue_gamma_url, settings.ENV.venue_ws_url)
    )
    journal = str(Path(settings.ENV.state_dir) / "exchange.jsonl")
    return _manage("sandbox", "sandbox", "--port", port, "--ws-port", sockets, "--journal", journal)


def _stream() -> list[Program]:
    return [_manage("stream", STREAM)] if STREAM in get_commands() else []


def _guard(*, is_demo: bool) -> list[Program]:
    """Who signs, for the rehearsal; with real money a person starts it, where the key is."""
    return [_manage("guard", GUARD)] if is_demo and GUARD in get_commands() else []


def _web(port: int) -> Program:
    options = ("--interface", "wsgi", "--host", HOST, "--port", str(port), "--workers", "1")
    threads = (
        "--blocking-threads",
        "4",
        "--backpressure",
        "32",
        "--no-ws",
        "--log-level",
        "warning",
    )
    return _program("web", "-m", "granian", *options, *threads, "config.wsgi:application")


def _worker(processes: int) -> Program:
    options = ("-Q", ",".join(QUEUES), "-c", str(processes), "--loglevel", "WARNING")
    quiet = ("--without-gossip", "--without-mingle")
    return _program("worker", "-m", "celery", "-A", "config.celery", "worker", *options, *quiet)


def _beat() -> Program:
    options = ("--pidfile", "", "--loglevel", "WARNING")
    return _program("beat", "-m", "celery", "-A", "config.clock", "beat", *options)


def _first(*, is_demo: bool) -> Program:
    """Nobody waits a whole period for the first content."""
    if is_demo:
        return _manage("first content", "seed_demo", once="the demo's model is trained and serving")
    return _manage("first cycle", "run_cycle", once="the first cycle is done")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _card(url: str, password: str | None) -> Table:
    env = settings.ENV
    table = Table(show_header=False, title="Oddsmith is running", title_justify="left")
    table.add_row("page", url)
    table.add_row("user", installation.ADMIN)
    kept = "as before; forgotten: manage.py changepassword admin"
    table.add_row(
        "password", f"{password}   (shown this once; change it in the admin)" if password else kept
    )
    table.add_row("mode", _mode(env.mode))
    simulated = "the stand-in venue on this machine (simulated)"
    table.add_row("data", simulated if env.mode == "DEMO" else env.venue_gamma_url)
    table.add_row("state", str(env.state_dir))
    table.add_row("logs", str(_log("*")))
    table.add_row("stop", "Ctrl-C here; trading alone: the halt button on the page")
    return table


def _mode(mode: str) -> str:
    words = {
        "DEMO": "DEMO: nothing is real, neither market nor money",
        "PAPER": "PAPER: real prices, simulated orders, no money",
    }
    return words[mode]
