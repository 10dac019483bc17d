"""`manage.py evaluate PATH`: the served forecast against the market price, on the same rows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from markets import history
from markets.history import BadHistory
from mlops import evaluate, holdout, leaks
from mlops.core.safety import INSUFFICIENT, LIMITS, UNSAFE

FIGURES: tuple[str, ...] = (
    "rows",
    "events",
    "Brier market",
    "Brier model",
    "skill",
    "95 % by event",
    "log-loss skill",
)
CUTS = (
    ("datasets", "Dataset and time left"),
    ("domains", "Domain"),
    ("horizons", "Time left"),
    ("price_buckets", "Price"),
    ("extremes", "Extremes"),
)
MEASURES = (
    ("accuracy", ".1%"),
    ("brier", ".4f"),
    ("log_loss", ".4f"),
    ("rmse", ".4f"),
    ("mae", ".4f"),
    ("r2", "+.4f"),
)
AUDIT_SEED = 1
WIDTH = 160  # a table of figures is not wrapped to a narrow pipe


class Command(BaseCommand):
    help = (
        "Forecast every clock-time decision in PATH that is later than the served version's data "
        "span, and score it against the market price per dataset and time left. Exit code 0: safe, "
        "1: unsafe or looking ahead, 2: wrong usage, an unreadable folder or too little to judge."
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
            "--strong-only",
            action="store_true",
            help="leave out answers that were read off the price itself",
        )
        parser.add_argument(
            "--hold-out",
            type=float,
            default=None,
            metavar="SHARE",
            help="score nothing that is served: train on each dataset of PATH but its last SHARE "
            "of events by close, and score that share",
        )

        parser.add_argument(
            "--audit-leaks",
            type=int,
            metavar="MOMENTS",
            help="score nothing: change everything known after so many random moments of PATH, "
            "and name the features that notice",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["audit_leaks"] is not None:
            self._audit(options["path"], options["audit_leaks"])
            return
        try:
            result = _run(options)
        except BadHistory as refusal:
            raise CommandError(str(refusal), returncode=2) from refusal
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self._show(result, held_out=options["hold_out"] is not None)
        verdict = result["safety"]["verdict"]
        if verdict == UNSAFE:
            raise CommandError("unsafe: worse than the price, see above", returncode=1)
        if verdict == INSUFFICIENT:
            least = LIMITS.calibration_events
            raise CommandError(
                f"insufficient: {result['pooled']['events']:,} events of {least:,} that a verdict "
                "needs",
                returncode=2,
            )

    def _audit(self, path: Path, moments: int) -> None:
        """Exit code 1 where a feature looks ahead; the moments are always the same."""
        if moments < 1:
            raise CommandError("--audit-leaks is a number of moments from 1", returncode=2)
        rng = np.random.Generator(np.random.PCG64(AUDIT_SEED))
        try:
            past = history.load(path)
        except BadHistory as refusal:
            raise CommandError(str(refusal), returncode=2) from refusal
        leaking = leaks.audit(past, moments=moments, rng=rng)
        if leaking:
            raise CommandError(f"these features look ahead: {', '.join(leaking)}", returncode=1)
        self.stdout.write(f"no feature looks ahead at {moments} moments")

    def _show(self, result: dict[str, Any], *, held_out: bool) -> None:
        console = Console(file=cast(IO[str], self.stdout), width=WIDTH, highlight=False)
        for cut, title in CUTS:
            if result[cut]:
                console.print(_table(result[cut], title))
        console.print(_table([{**result["pooled"], "name": "all"}], "All rows"))
        for text in (*_plain(result), *_origin(result, held_out=held_out)):
            console.print(text)


def _run(options: dict[str, Any]) -> dict[str, Any]:
    share, now, path = options["hold_out"], timezone.now(), options["path"]
    strong_only = options["strong_only"]
    if share is None:
        return evaluate.run(
            path, as_of=now, span_per_dataset=options["span_per_dataset"], strong_only=strong_only
        )
    if not 0 < share < 1:
        raise CommandError("--hold-out is a share between 0 and 1, e.g. 0.25", returncode=2)
    past = history.load(path)
    return holdout.run(past, share=share, seed=None, as_of=now, path=path, strong_only=strong_only)


def _table(cells: list[dict[str, Any]], title: str) -> Table:
    table = Table(title=f"{title}: forecast against market price, skill = 1 − model / market")
    table.add_column("", no_wrap=True)
    for name in FIGURES:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for cell in cells:
        if cell["rows"]:
            table.add_row(*_row(cell))
    return table


def _row(cell: dict[str, Any]) -> tuple[str, ...]:
    worse = cell.get("p_worse_holm")
    notes = (
        ("few", cell["insufficient"]),
        ("own stamp", cell.get("single_stamp")),
        ("hindsight", cell.get("hindsight")),
        ("label read off the price", cell.get("price_inferred")),
        ("price", not cell["corrected"]),
        ("WORSE", worse is not None and worse <= LIMITS.level),
    )
    return (
        cell["name"],
        f"{cell['rows']:,}",
        f"{cell['events']:,}",
        _told(cell["brier_market"], ".4f"),
        _told(cell["brier_model"], ".4f"),
        _told(cell["skill"], "+.2%"),
        f"{_told(cell['skill_low'], '+.2%')} … {_told(cell['skill_high'], '+.2%')}",
        _told(cell["log_loss_skill"], "+.2%"),
        ", ".join(note for note, flag in notes if flag),
    )


def _plain(result: dict[str, Any]) -> Iterator[str]:
    """Measures without an interval, calibration, what was planted, and the verdict."""
    pooled, said = result["pooled"], result["safety"]
    pairs = (
        f"{name} {_told(pooled[f'{name}_model'], form)} ({_told(pooled[f'{name}_market'], form)})"
        for name, form in MEASURES
    )
    yield "All rows, forecast (market): " + ", ".join(pairs)
    yield (
        f"Direction where it left the price: {_told(pooled['direction'], '.1%')} towards the "
        f"outcome; the price expects {_told(pooled['direction_market'], '.1%')}"
    )
    for part in result["calibration"]:
        yield (
            f"Calibration {part['name']}, {part['events']:,} events: slope "
            f"{_told(part['slope'], '.3f')} ({_told(part['slope_low'], '.3f')} to "
            f"{_told(part['slope_high'], '.3f')}; market {_told(part['slope_market'], '.3f')}), "
            f"error {_told(part['error'], '.4f')} (95 % without any: "
            f"{_told(part['error_null'], '.4f')})"
        )
    for where, part in (result["planted"] or {}).items():
        if part["rows"]:
            yield (
                f"Planted, {where}: {part['gained']:+.2%} of the log loss gained of "
                f"{part['possible']:+.2%} possible, share {_told(part['share'], '.0%')}"
            )
    yield (
        f"Safety: {said['verdict']} ({said['cells_tested']} cells tested, "
        f"{said['cells_too_small']} too small, {said['slopes_tested']} slopes tested)"
    )
    yield from said["reasons"]


def _origin(result: dict[str, Any], *, held_out: bool) -> Iterator[str]:
    """Who forecast, and what to know about the history."""
    if held_out:
        learned = result["learned"]
        yield (
            f"Learned from {learned['rows']:,} earlier decisions of {learned['events']:,} events. "
            "Nothing was registered."
        )
    elif result["version"] is not None:
        yield f"Decisions after {result['decisions_after']} by {result['version']}."
    if result["simulated"]:
        yield "This history is simulated: it proves nothing about real markets."
    yield from result["notes"]
    if "note" in result:
        yield result["note"].capitalize() + "."


def _told(value: float | None, form: str) -> str:
    """A figure, or a dash where it has no finite value."""
    return "–" if value is None else format(value, form)
