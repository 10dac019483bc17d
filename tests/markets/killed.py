"""Run an import or a backfill in a process of its own that ends itself at a named point.

`python -m tests.markets.killed WHAT [POINT NUMBER] [-- WHAT …]`, where WHAT is `import FOLDER`,
`backfill`, `prepare` (markets to fill), `retain`, `fill` (old rows for it), `sync` or `dump`.
Before the NUMBER-th call of POINT the process kills itself as the kernel would, or waits for ever
where NUMBER is negative. `-POINT` counts calls that have returned. The point `deletion` counts
statements that delete or drop, before they are committed.

Without words it tells the stories that come as lines of JSON, `[ENVIRONMENT, [[WHAT, …], …]]`: each
in an installation of its own, and all without loading the application again. `told` ends each.
"""

import hashlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TABLES = (
    "Event",
    "Market",
    "Outcome",
    "Resolution",
    "Quote",
    "PublicTrade",
    "SpotTick",
    "Backfill",
    "Notice",
)
Points = dict[str, tuple[Any, str]]


def interrupt(owner: Any, name: str, number: int, *, after: bool) -> None:
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if not after and calls == abs(number):
            stop(waits=number < 0)
        result = real(*args, **kwargs)
        if after and calls == abs(number):
            stop(waits=number < 0)
        return result

    setattr(owner, name, counted)


def interrupt_deletion(number: int) -> None:
    """Kill where that many deleting statements were executed and the last is not committed."""
    from django.db import connection

    calls = 0

    def counted(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal calls
        result = execute(sql, *rest)
        calls += sql.startswith(("DELETE", "DROP TABLE"))
        if calls == number:
            stop(waits=False)
        return result

    connection.execute_wrappers.append(counted)


def stop(*, waits: bool) -> None:
    if not waits:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.write(f"at work {os.getpid()}\n")
    sys.stdout.flush()
    sys.stdin.read()


def points() -> Points:
    from config.kernel import jobs, vendor
    from markets import archive, coverage, filing, listing, price_history, trades

    return {
        "store": (filing, "store"),
        "rows": (listing, "_write"),
        "append": (vendor, "append"),
        "file": (archive, "_replace"),
        "advance": (jobs, "advance"),
        "cover": (coverage, "extend"),
        "put_away": (price_history, "put_away"),
        "record": (trades, "record"),
    }


def import_(folder: str) -> None:
    from django.core.management import call_command

    from markets import importing

    importing.SLICE = 2
    call_command("import_history", folder, "--json")


def prepare() -> None:
    """Five open markets of the stand-in venue, and a hot window shorter than their past."""
    from datetime import timedelta

    from markets.models import HistorySettings, Market, Origin
    from tests import factories as make
    from tests.revised import revise

    revise(HistorySettings, quotes_days=10, trades_days=20)
    for number in range(1, 6):
        market = make.MarketFactory(
            venue_key=f"kill-{number}",
            opens_at=NOW - timedelta(days=40),
            condition_id=f"0x{number:064x}",
            outcomes=(),
        )
        for index in (0, 1):
            market.outcomes.create(index=index, name="Yes", asset_id=f"{number}00{index}")
    Market.objects.update(origin=Origin.SANDBOX)


def backfill_() -> None:
    from markets import backfill
    from markets.backfill import Request

    backfill.MARKETS_AT_ONCE = 2
    report = backfill.run(
        Request(days=40), clock=lambda: NOW, progress=lambda _step, _done, _total: None
    )
    sys.stdout.write(json.dumps(report.figures()))


def fill() -> None:
    """Two markets with quotes of two old months and of today, and old notices."""
    from datetime import timedelta

    from markets.models import Market, Notice, Origin, Quote
    from tests import factories as make

    old = [NOW - timedelta(days=300, hours=h) for h in range(0, 800, 9)]
    for number in (1, 2):
        market = make.MarketFactory(venue_key=f"old-{number}", condition_id=f"0x{number:064x}")
        Quote.objects.bulk_create(
            Quote(market=market, observed_at=at, received_at=at, kind=1, price=0.5)
            for at in [*old, NOW]
        )
    Market.objects.update(origin=Origin.SANDBOX)
    Notice.objects.bulk_create(
        Notice(
            key=f"{n}",
            kind="WHALE_TRADE",
            subject="s",
            text="t",
            observed_at=NOW - timedelta(days=900 + n),
            received_at=NOW - timedelta(days=900 + n),
        )
        for n in range(40)
    )


def retain() -> None:
    from markets import retention

    retention.run(as_of=NOW)


def sync() -> None:
    from markets import catalog
    from markets.adapters.gamma import Gamma
    from tests.markets import wire_payloads as say

    catalog.BATCH = 2
    events = [
        say.event(n, markets=[say.market(10 * n), say.market(10 * n + 1)]) for n in range(1, 7)
    ]
    pages = {"/events/keyset": say.paged("events", *(events[n : n + 2] for n in (0, 2, 4)))}
    source = Gamma("https://gamma.example", transport=say.serving(pages))
    catalog.sync(as_of=NOW, venue=source)


def dump() -> None:
    """A line per table: rows, and a digest of them without our own clock and numbers of jobs."""
    import polars as pl

    from markets import archive, models

    found: dict[str, Any] = {}
    own = {"received_at", "updated_at", "id", "fees_id", "series_id"}
    # A number that was given to a row that came to nothing is not given again.
    shown = {"market_id": "market__venue_key", "event_id": "event__venue_key"}
    for name in TABLES:
        model = getattr(models, name)
        names = [f.attname for f in model._meta.concrete_fields if f.attname not in own]
        columns = [shown.get(name, name) for name in names]
        rows = sorted(map(repr, model.objects.values_list(*columns)))
        found[name] = (len(rows), digest(rows))
    for table in ("markets", "quotes", "trades", "spot", "notices"):
        frame = archive.read(table).drop("created_at", "updated_at", strict=False)
        rows = sorted(map(repr, frame.rows())) if isinstance(frame, pl.DataFrame) else []
        found[f"archived {table}"] = (len(rows), digest(rows))
    sys.stdout.write(json.dumps(found))


def digest(rows: list[str]) -> str:
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def main(*words: str) -> None:
    """One piece of work in this process; or several, divided by `--`; or stories from stdin."""
    django.setup()
    works = [text.split("\x1f") for text in "\x1f".join(words).split("\x1f--\x1f")]
    if words and len(works) == 1:
        work(*works[0])
        return
    prepared()
    if words:
        live(works)
        return
    for line in sys.stdin:
        variables, works = json.loads(line)
        move_to(variables)
        live(works)
        sys.stdout.write("told\n")
        sys.stdout.flush()


def live(works: list[list[str]]) -> None:
    """One piece of work after the other, each in a fork of this process."""
    for one in works:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(*one)
                sys.stdout.write("\n")
                sys.stdout.flush()
                code = 0
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"ended {os.waitstatus_to_exitcode(status)}\n")


def move_to(variables: dict[str, str]) -> None:
    """Be as if started in this environment; nothing has been connected to yet."""
    from django.conf import settings
    from django.db import connection

    from config import env, throwaway_keys
    from config.settings import base

    os.environ.update(variables)
    settings.ENV = throwaway_keys.instead(env.load(debug=True))
    assert connection.connection is None
    connection.settings_dict.update(base.database_settings(settings.ENV.database))


def prepared() -> None:
    """Load once what every fork would load anew; threads that do not survive a fork come later."""
    from markets import backfill, catalog, importing, retention  # noqa: F401
    from markets.management.commands import import_history  # noqa: F401
    from tests import factories  # noqa: F401
    from tests.markets import wire_payloads  # noqa: F401


def work(what: str, *rest: str) -> None:
    arguments = list(rest)
    folder = arguments.pop(0) if what == "import" else ""
    if arguments:
        point, number = arguments
        if point == "deletion":
            interrupt_deletion(int(number))
        else:
            owner, name = points()[point.lstrip("-")]
            interrupt(owner, name, int(number), after=point.startswith("-"))
    if what == "import":
        import_(str(Path(folder)))
    elif what == "backfill":
        backfill_()
    else:
        {"dump": dump, "prepare": prepare, "fill": fill, "retain": retain, "sync": sync}[what]()


if __name__ == "__main__":
    main(*sys.argv[1:])
