"""What a demo shows at once: a cycle, the simulated past, a model trained on it, another cycle."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command

from config import cycle, demo
from config.kernel.clocks import Clock, given
from markets import history
from mlops import train

# Evidence, not a wish: with six hours it depends on the hour of the start whether the gate follows
# the experts far enough for any trade; with twelve it went to its cap at all of 27 starts.
PAST_HOURS = 12.0


def fill(
    *,
    as_of: datetime,
    seed: int,
    hours: float = PAST_HOURS,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Save the preset, train on `hours` of the world's past and run cycles; what each step did.

    `seed` is that of the world and of the training; with a `clock` every step has its own instant.
    Raises `demo.NotADemo`.
    """
    now = given(clock, as_of)
    demo.apply(as_of=now())
    report: dict[str, Any] = {"first": cycle.everything(as_of=now(), clock=clock)}
    until = now()
    with tempfile.TemporaryDirectory() as folder:
        end = int(until.timestamp())
        call_command("sandbox", history=Path(folder), hours=hours, until=end, seed=seed)
        past = history.load(Path(folder))
    run = train.run(until=until, seed=seed, as_of=now(), history=past, clock=clock)
    report["training"] = {"status": run.status, "error": run.error}
    return report | {"second": cycle.everything(as_of=now(), clock=clock)}
