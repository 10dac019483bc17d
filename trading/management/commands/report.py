"""`report`: how trading went, on a screen, as JSON or as CSV."""

import csv
import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.table import Table

from config.kernel import terminal
from config.kernel.modes import STORED_MODES
from trading import analytics
from trading.analytics import ENOUGH_DAYS, Report
from trading.core.analytics import Record
from trading.settings import TradingSettings

DAYS = 30
FRESH = timedelta(minutes=1)
"""An equity of this age is not said to be of an earlier instant."""
UNKNOWN = "—"
RECORD = ("trips", "won", "95 %", "needed", "gained", "ROI", "sure")


class Command(BaseCommand):
    help = (
        "How trading went in one mode: win rate beside the one that the prices paid needed, profit "
        "after fees, returns and falls, forecasts against the market's, exposure, breakdowns."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        span = parser.add_mutually_exclusive_group()
        span.add_argument("--today", action="store_true", help="since midnight UTC")
        span.add_argument("--days", type=int, default=DAYS, help=f"the default is {DAYS}")
        parser.add_argument("--mode", choices=[mode.value for mode in STORED_MODES])
        parser.add_argument("--json", action="store_true", dest="as_json")
        parser.add_argument("--csv", type=Path, metavar="PATH", help="write all figures there")

    def handle(self, **options: Any) -> None:
        as_of = timezone.now()
        if options["days"] < 1:
            raise CommandError("--days: give one day or more", returncode=2)
        mode = options["mode"] or TradingSettings.objects.newest().mode
        found = analytics.report(mode, since=_since(as_of, options), as_of=as_of)
        if (path := options["csv"]) is not None:
            _write(path, analytics.rows(found))
            self.stdout.write(f"{terminal.here()}\n{path}: written")
        elif options["as_json"]:
            self.stdout.write(json.dumps(analytics.rows(found), indent=1, default=str))
        else:
            self.stdout.write(terminal.here())
            self.stdout.write(terminal.text(*shown(found)))


def _since(as_of: datetime, options: dict[str, Any]) -> datetime:
    if options["today"]:
        return as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    return as_of - timedelta(days=options["days"])


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except OSError as trouble:
        raise CommandError(f"--csv: {trouble}; name a file that can be written") from trouble


def shown(found: Report) -> list[Any]:
    """The report in tables that fit a hundred columns."""
    span = f"{found.since:%Y-%m-%d %H:%M} to {found.as_of:%Y-%m-%d %H:%M} UTC"
    needed = "[dim]needed: the share that had to win at the prices paid, fees included[/]"
    head = f"[bold]{found.mode}[/bold]  {span}"
    held = [_held(found)] if found.exposure_markets or found.waiting else []
    return [head, _summary(found), _records(found), needed, *held]


def _summary(found: Report) -> Table:
    money, curve = found.money, found.curve
    ratio = (
        f"Sharpe {_number(curve.sharpe)}, Sortino {_number(curve.sortino)}"
        if curve.is_enough
        else f"too few days for a ratio: {curve.days} of {ENOUGH_DAYS}"
    )
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in (
        ("trades", _trades(found)),
        ("profit after fees", f"{_dollars(money.realised)} realised, {_dollars(money.unrealised)} "
                              f"unrealised, {_dollars(money.redeemable)} to be redeemed"),
        ("fees", f"{_dollars(money.fees)}"),
        ("equity", f"{_dollars(money.equity)}{_as_of(found)}, {_dollars(money.change)} in the "
                   "period"),
        ("returns", ratio),
        ("deepest fall", f"{_share(curve.max_drawdown)}, within one day "
                         f"{_share(curve.max_intraday_drawdown)}"),
        ("forecasts", f"on {found.model.count} traded markets that resolved: Brier "
                      f"{_number(found.model.brier)} (price {_number(found.market.brier)}), "
                      f"log loss {_number(found.model.log_loss)} "
                      f"(price {_number(found.market.log_loss)}), "
                      f"right {_share(found.model.accuracy)}"),
    ):  # fmt: skip
        table.add_row(name, text)
    return table


def _trades(found: Report) -> str:
    """All orders, those that came to nothing too, and what people did not let become one."""
    told = [
        f"{found.filled} of {found.orders} orders filled, in {found.fills} fills",
        f"{found.success:.0%} of approved decisions became orders",
    ]
    if found.refused:
        told.append(f"people rejected {found.refused} {_wishes(found.refused)}")
    if found.expired:
        told.append(f"{found.expired} {_wishes(found.expired)} expired without a yes")
    return "; ".join(told)


def _wishes(count: int) -> str:
    return "wish" if count == 1 else "wishes"


def _as_of(found: Report) -> str:
    """When the books were marked; nothing where that is as good as now."""
    at = found.equity_at
    if at is None or found.as_of - at < FRESH:
        return ""
    return f" at {terminal.moment(at)} UTC"


def _records(found: Report) -> Table:
    """All records in one table, so that they can be compared down a column."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("closed", min_width=22, max_width=30, no_wrap=True, overflow="ellipsis")
    for name in RECORD:
        table.add_column(name, justify="right", no_wrap=True, min_width=6)
    table.add_row("all", *_figures(found.record))
    for kind, records in found.by.items():
        if set(records) - {analytics.NO_ASSET}:
            order = sorted(records) if kind == "confidence" else list(records)
            table.add_row(f"[dim]by {kind}[/dim]")
            for key in order:
                table.add_row(f"  {key}", *_figures(records[key]))
    if found.record.trips:
        table.add_row("[dim]seven days to[/dim]")
        for day, record in list(found.rolling.items())[:7]:
            table.add_row(f"  {day}", *_figures(record))
    return table


def _figures(row: Record) -> tuple[str, ...]:
    span = UNKNOWN if math.isnan(row.low) else f"{row.low:.0%} to {row.high:.0%}"
    return (
        str(row.trips),
        _share(row.rate),
        span,
        _share(row.implied),
        _dollars(row.gained),
        _share(row.roi),
        _share(row.confidence),
    )


def _held(found: Report) -> Table:
    sums = (*found.exposure.items(), *found.exposure_markets.items())
    rows: list[tuple[str, str]] = [(name, _dollars(dollars)) for name, dollars in sums]
    if found.waiting:
        rows.append(("waiting for a yes, not at risk yet", _dollars(found.waiting)))
    for asset, row in found.open.items():
        if asset != analytics.NO_ASSET:
            rows.append((f"{asset}: {row.up} up, {row.down} down", ""))
    return terminal.table(("at risk", "dollars"), rows, right=("dollars",))


def _dollars(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def _share(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:.1%}"


def _number(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:.3f}"
