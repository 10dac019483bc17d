"""`manage.py evaluate PATH`: the served forecast against the market price, on the same rows."""

import json
from pathlib import Path
from typing import IO, Any, Literal, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from markets import history
from markets.history import BadHistory
from mlops import evaluate, holdout

COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("dataset", "left"),
    ("left", "left"),
    ("rows", "right"),
    ("events", "right"),
    ("Brier market", "right"),
    ("Brier model", "right"),
    ("skill", "right"),
    ("95 % by event", "right"),
    ("", "left"),
)
WIDTH = 160  # a table of figures is not wrapped to a narrow pipe


class Command(BaseCommand):
    help = (
        "Forecast every clock-time decision in PATH that is later than the served version's data "
        "span, and score it against the market price per dataset and time left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--json", action="store_true")
        parser.add_argument(
            "--span-per-dataset",
            action="store_true",
            help="count decisions later than the version's data of the same dataset, "
            "even where other datasets' later answers were learned from",
        )

        parser.add_argument(
            "--hold-out",
            type=float,
            default=None,
            metavar="SHARE",
            help="score nothing that is served: train on each dataset of PATH but its last SHARE "
            "of events by close, and score that share",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            result = _run(options)
        except BadHistory as refusal:
            raise CommandError(str(refusal), returncode=1) from refusal
        if options["json"]:
            self.stdout.write(json.dumps(result))
            return
        console = Console(file=cast(IO[str], self.stdout), width=WIDTH)
        console.print(_table(result))
        if options["hold_out"] is not None:
            learned, weight = result["learned"], result["weight"] or 0.0
            console.print(
                f"Learned from {learned['rows']:,} earlier decisions of {learned['events']:,} "
                f"events; weight of the experts {weight:.2f}. Nothing was registered."
            )
        elif result["version"] is not None:
            console.print(f"Decisions after {result['decisions_after']} by {result['version']}.")
        if result["simulated"]:
            console.print("This history is simulated: it proves nothing about real markets.")
        for note in result["notes"]:
            console.print(note)
        if "note" in result:
            console.print(result["note"].capitalize() + ".")


def _run(options: dict[str, Any]) -> dict[str, Any]:
    share, now = options["hold_out"], timezone.now()
    if share is None:
        return evaluate.run(
            options["path"], as_of=now, span_per_dataset=options["span_per_dataset"]
        )
    if not 0 < share < 1:
        raise CommandError("--hold-out is a share between 0 and 1, e.g. 0.25", returncode=2)
    return holdout.run(history.load(options["path"]), share=share, seed=None, as_of=now)


def _table(result: dict[str, Any]) -> Table:
    table = Table(title="Forecast against market price; skill = 1 − Brier model / Brier market")
    for name, side in COLUMNS:
        table.add_column(name, justify=side, no_wrap=True)
    for cell in [*result["datasets"], result["pooled"]]:
        if not cell["rows"]:
            continue
        notes = (
            ("few", cell["insufficient"]),
            ("own stamp", cell.get("single_stamp")),
            ("hindsight", cell.get("hindsight")),
            ("label read off the price", cell.get("price_inferred")),
            ("price", not cell["corrected"]),
        )
        table.add_row(
            cell["dataset"],
            cell["horizon"],
            f"{cell['rows']:,}",
            f"{cell['events']:,}",
            _told(cell["brier_market"], ".4f"),
            _told(cell["brier_model"], ".4f"),
            _told(cell["skill"], "+.2%"),
            f"{_told(cell['skill_low'], '+.2%')} … {_told(cell['skill_high'], '+.2%')}",
            ", ".join(note for note, flag in notes if flag),
        )
    return table


def _told(value: float | None, form: str) -> str:
    """A figure, or a dash where it has no finite value."""
    return "–" if value is None else format(value, form)
