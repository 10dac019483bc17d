"""Run one cycle now and say what each stage did."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from config import cycle
from config.kernel import terminal


class Command(BaseCommand):
    help = "Catalogue, universe, resolutions, then quotes → forecasts → decisions, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fast", action="store_true", help="up/down epochs only, no catalogue")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            if options["fast"]:
                report: dict[str, Any] = {
                    "cycle": cycle.run(as_of=now, epochs_only=True, clock=timezone.now)
                }
            else:
                report = cycle.everything(as_of=now, clock=timezone.now)
        except cycle.CycleRunning as busy:
            report = {"cycle": {"error": str(busy)}}
        if options["json"]:
            self.stdout.write(json.dumps(_plain(report), default=str))
        else:
            self._table(report)
        if any(_failed(result) for result in report.values()):
            raise SystemExit(1)

    def _table(self, report: Mapping[str, Any]) -> None:
        rows = [
            (stage, what, str(value))
            for stage, result in report.items()
            for what, value in _rows(_plain(result))
        ]
        self.stdout.write(terminal.text(terminal.table(("Stage", "What", "Result"), rows)))


def _failed(result: Any) -> bool:
    return isinstance(result, Mapping) and "error" in result


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


def _rows(result: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(result, Mapping):
        yield prefix, result
        return
    for name, value in result.items():
        yield from _rows(value, f"{prefix} {name}".strip())
