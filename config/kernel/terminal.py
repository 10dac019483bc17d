"""What commands print: tables, dollars and times that look alike everywhere."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from shutil import get_terminal_size
from typing import Any

from django.conf import settings
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

NOTHING = "–"
NARROWEST, UNBOUND = 100, 160
"""Columns: the least that a table is given, and what it is given where nobody looks at it."""
CENT, FINEST = Decimal("0.01"), Decimal("0.0001")


def here() -> str:
    """Which installation a command acts on: its folder, or its database where that is a server's.

    The first line of whatever changes or counts something: a mistyped folder is seen at once.
    """
    env = settings.ENV
    if env.database.vendor == "sqlite":
        return f"Installation: {env.database.name}"
    server = f"{env.database.host or 'this machine'}{':' if env.database.port else ''}"
    return (
        f"Installation: database {env.database.name} on {server}{env.database.port}, "
        f"state folder {env.state_dir}"
    )


def table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> Table:
    """Rows under headings; those of `right` are figures: to the right and never cut.

    Text is printed as it is: what looks like markup in a market's question is none; what should be
    bold or coloured is given as `rich.text.Text`.
    """
    figures = set(right)
    made = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        made.add_column(
            heading,
            justify="right" if heading in figures else "left",
            no_wrap=heading in figures,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else cell(value) for value in row))
    return made


def pairs(rows: Iterable[Sequence[Any]]) -> Table:
    """Rows without headings, e.g. a name and its value; their cells may be markup."""
    made = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        made.add_row(*row)
    return made


def cell(value: object) -> str:
    """A value as a cell shows it, `–` for none."""
    if value is None or value == "":
        return NOTHING
    return moment(value) if isinstance(value, datetime) else escape(str(value))


def text(*parts: Any) -> str:
    """Tables and lines as text, as wide as the terminal; colours only where one looks at them."""
    looked_at = sys.stdout.isatty()
    width = max(get_terminal_size().columns, NARROWEST) if looked_at else UNBOUND
    page = StringIO()
    console = Console(file=page, width=width, force_terminal=looked_at, highlight=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip("\n").splitlines())


def dollars(amount: Decimal | None) -> str:
    """Dollars with two decimals, or up to four where they say more.

    >>> dollars(Decimal("1234.5")), dollars(Decimal("-0.012345")), dollars(Decimal("0E-6"))
    ('$1,234.50', '−$0.0123', '$0.00')
    """
    if amount is None:
        return NOTHING
    fine = amount.quantize(FINEST, ROUND_HALF_UP)
    shown = fine.quantize(CENT) if fine == fine.quantize(CENT, ROUND_HALF_UP) else fine.normalize()
    sign = "−" if shown < 0 else ""
    return f"{sign}${abs(shown):,f}"


def shares(amount: Decimal | None) -> str:
    """Shares with two decimals, or up to six where they say more.

    >>> shares(Decimal("10.000000")), shares(Decimal("0.123456"))
    ('10.00', '0.123456')
    """
    if amount is None:
        return NOTHING
    rounded = amount.quantize(CENT, ROUND_HALF_UP)
    return f"{rounded if rounded == amount else amount.normalize():,f}"


def moment(at: datetime | None) -> str:
    """A time of day as everywhere: to the second, UTC.

    >>> moment(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    '2026-01-02 03:04:05'
    """
    return NOTHING if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
