"""The one form of every benchmark: path, ours, naive, peer, target, verdict; the same as JSON."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent / "out"
TOLERANCE = 1.5
"""How many times slower than its target a path may be before the run fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured path. Figures share `unit`; None where there is nothing to compare with.

    `naive` is the way one would write it first, `peer` a named other way (`naive_is`, `peer_is`
    say which). A rate is better when higher, a time or a size when lower.
    """

    path: str
    ours: float
    unit: str
    higher_is_better: bool
    target: float | None = None
    naive: float | None = None
    peer: float | None = None
    naive_is: str = ""
    peer_is: str = ""

    @property
    def verdict(self) -> str:
        """reached, near (within the tolerance), missed; – where no target was set."""
        if self.target is None:
            return "–"
        if self.higher_is_better:
            share = self.ours / self.target
        else:
            share = self.target / self.ours if self.ours else math.inf
        return "reached" if share >= 1 else "near" if share >= 1 / TOLERANCE else "missed"

    def times(self, other: float | None) -> float | None:
        """How many times better ours is than `other`."""
        if not other or not self.ours:
            return None
        return self.ours / other if self.higher_is_better else other / self.ours


def report(name: str, rows: Sequence[Row], *, about: Mapping[str, Any] | None = None) -> int:
    """Print the rows, keep them as `benchmarks/out/{name}.json`; 1 where one is missed, else 0."""
    facts = {**(about or {}), "cores": os.cpu_count()}
    shown = [_cells(row) for row in rows]
    head = ("path", "ours", "naive", "peer", "target", "verdict")
    widths = [max(len(line[i]) for line in (head, *shown)) for i in range(len(head))]
    _say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in facts.items()))
    for line in (head, *shown):
        cells = [
            cell.ljust(width) if i in (0, 5) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        _say("  ".join(cells).rstrip())
    OUT.mkdir(parents=True, exist_ok=True)
    body = {"name": name, "about": facts, "rows": [_as_json(row) for row in rows]}
    (OUT / f"{name}.json").write_text(json.dumps(body, indent=1) + "\n")
    _say(summary(name, body["rows"]))
    return int(any(row.verdict == "missed" for row in rows))


def summary(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """One line over rows as they stand in the JSON."""
    by_verdict = {
        verdict: [row["path"] for row in rows if row["verdict"] == verdict]
        for verdict in ("reached", "near", "missed")
    }
    counts = ", ".join(f"{len(paths)} {verdict}" for verdict, paths in by_verdict.items() if paths)
    named = "; ".join(
        f"{verdict}: {', '.join(by_verdict[verdict])}"
        for verdict in ("missed", "near")
        if by_verdict[verdict]
    )
    return f"{name}: {len(rows)} paths, {counts or 'none with a target'}" + (
        f" ({named})" if named else ""
    )


def _cells(row: Row) -> tuple[str, ...]:
    ratios = [
        f"{times:.3g} × {label}"
        for times, label in (
            (row.times(row.naive), row.naive_is or "naive"),
            (row.times(row.peer), row.peer_is or "peer"),
        )
        if times is not None
    ]
    figures = [_figure(value, row.unit) for value in (row.ours, row.naive, row.peer, row.target)]
    verdict = row.verdict + (f" ({', '.join(ratios)})" if ratios else "")
    return (row.path, *figures, verdict)


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f} {unit}"


def _as_json(row: Row) -> dict[str, Any]:
    ratios = {"times_naive": row.times(row.naive), "times_peer": row.times(row.peer)}
    return asdict(row) | ratios | {"verdict": row.verdict}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
