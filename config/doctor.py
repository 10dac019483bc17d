"""Is this installation fit to run? Each check says what it found and how to mend it."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config import health
from config.kernel.modes import GUARDED, Mode
from config.pages import alerts, situation
from markets.adapters import clob_data, http
from markets.core.wire import NotUnderstood
from predictions.models import ExpertState, ModelVersion
from risk import halts
from risk.models import TradingState
from trading.core.readiness import Fact, Gate, State, remedy_of
from trading.settings import TradingSettings
from trading.watching import readiness

LEAST_PYTHON = (3, 11)
CLOCK_TOLERANCE_S = 2.0
MINUTES_SHOWN = 2 * 1440
OK, WARNING, FAILED = "ok", "warning", "failed"
PLAY_MONEY = f"{Mode.REHEARSAL.value.lower()} "
NEXT: Mapping[str, str] = MappingProxyType(
    {
        Mode.DEMO.value: "it runs; practise saying yes: control room → “Rehearse with approvals”, "
        "and `manage.py funnel` tells why (not) trading",
        Mode.REHEARSAL.value: "it runs; say yes or no to what waits: control room → Approval "
        "queue, or `manage.py intents list`",
    }
)
"""What to do where all is well and nothing is real."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; `remedy` is the next step unless all is well."""

    check: str
    level: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings and what follows from them."""

    mode: str
    findings: tuple[Finding, ...]
    unmet_for_live: tuple[str, ...]
    live_gates: tuple[Gate, ...] = ()

    @property
    def ready_for_paper(self) -> bool:
        """Whether nothing failed."""
        return all(finding.level != FAILED for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One line for people and machines."""
        paper = "READY FOR PAPER" if self.ready_for_paper else "NOT READY FOR PAPER"
        return (
            f"{paper} / NOT READY FOR LIVE" if self.unmet_for_live else f"{paper} / READY FOR LIVE"
        )

    @property
    def next_step(self) -> str:
        """The remedy of the gravest finding."""
        # A wallet of play money is looked at for practice: nothing waits for it.
        weighed = [f for f in self.findings if not f.check.startswith(PLAY_MONEY)]
        for level in (FAILED, WARNING):
            for finding in weighed:
                if finding.level == level:
                    return finding.remedy
        if any(f.check == "heartbeats" and f.level == OK for f in self.findings):
            return NEXT.get(self.mode, "nothing to do: it runs; `manage.py status` shows how")
        return f"start it: `{_start()}`"


def _start() -> str:
    return "make demo" if settings.ENV.mode == Mode.DEMO else "make up"


def examine(*, as_of: datetime) -> Report:
    """Run every check; none can stop the others."""
    findings = [_python(), _guarded("database", _database, "check DATABASE_URL and the server")]
    if findings[-1].level == FAILED:
        return Report(
            mode=settings.ENV.mode, findings=tuple(findings), unmet_for_live=("database",)
        )
    findings.append(_guarded("migrations", _migrations, "run `manage.py migrate`"))
    if findings[-1].level == FAILED:
        return Report(
            mode=settings.ENV.mode, findings=tuple(findings), unmet_for_live=("migrations",)
        )
    mode = str(TradingSettings.objects.current(as_of=as_of).mode)
    asked = _ask_venue()
    findings += [
        _guarded("broker", _broker, "start the broker, or unset REDIS_URL to use files"),
        _guarded(
            "archive", lambda: _folder("archive", settings.ENV.archive_dir), "set ARCHIVE_URL"
        ),
        _guarded("artefacts", _artefacts, "train again with `manage.py train`"),
        _guarded("experts", _experts, "look at them: `manage.py experts`"),
        _heartbeats(as_of=as_of),
        _state(mode, as_of=as_of),
        _venue(asked),
        _clock(asked),
        *_wallets(as_of=as_of),
    ]
    gates = tuple(_live_gates(findings, as_of=as_of))
    return Report(
        mode=mode,
        findings=tuple(findings),
        unmet_for_live=tuple(f"{gate.name}: {gate.sentence}" for gate in gates),
        live_gates=gates,
    )


def _guarded(check: str, run: Callable[[], Finding], remedy: str) -> Finding:
    try:
        return run()
    except Exception as failure:  # a broken component is the finding
        said = f"{type(failure).__name__}: {failure}"
        return Finding(check=check, level=FAILED, detail=said[:300], remedy=remedy)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= LEAST_PYTHON
    return Finding(
        check="python",
        level=OK if good else FAILED,
        detail=found,
        remedy="" if good else "install Python 3.11 or newer and make the virtual environment anew",
    )


def _database() -> Finding:
    health.database()
    name = connection.settings_dict["NAME"]
    return Finding(
        check="database",
        level=OK,
        detail=f"{connection.vendor}, {Path(str(name)).name}; state in {settings.ENV.state_dir}",
    )


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not waiting:
        return Finding(check="migrations", level=OK, detail="all applied")
    return Finding(
        check="migrations",
        level=FAILED,
        detail=f"{len(waiting)} not applied",
        remedy="run `manage.py migrate`",
    )


def _broker() -> Finding:
    return Finding(check="broker", level=OK, detail=str(health.broker()["detail"]))


def _folder(check: str, folder: Path) -> Finding:
    if not folder.is_dir():
        if settings.ENV.mode == Mode.DEMO:
            return Finding(check=check, level=OK, detail="none; a demo makes its own past")
        return Finding(
            check=check,
            level=WARNING,
            detail=f"{folder} does not exist yet",
            remedy="`manage.py backfill --resolved-since 90d` or `manage.py import_history PATH` "
            "makes it",
        )
    files = sum(1 for _ in folder.rglob("*.parquet"))
    return Finding(check=check, level=OK, detail=f"{files} Parquet files in {folder}")


def _artefacts() -> Finding:
    served = ModelVersion.objects.filter(serving__state=ExpertState.ACTIVE).distinct()
    paths = {version: settings.ENV.artefact_dir / version.file for version in served}
    missing = [str(version) for version, path in paths.items() if not path.exists()]
    if missing:
        return Finding(
            check="artefacts",
            level=FAILED,
            detail=f"no file on this machine for {', '.join(missing)}",
            remedy="copy ARTEFACT_DIR from the machine that trained, or run `manage.py train`",
        )
    if not paths:
        return Finding(
            check="artefacts",
            level=WARNING,
            detail="no model is served: the forecast is the market price, so nothing is traded",
            remedy=_way_to_a_model(),
        )
    return Finding(check="artefacts", level=OK, detail=f"{len(paths)} served")


def _way_to_a_model() -> str:
    """How this installation comes to serve one: back to what was trained, or a first training."""
    if ModelVersion.objects.exists():
        return "look why: `manage.py experts`, then `manage.py experts promote gate --reason …`"
    return (
        "collect or import history (`manage.py backfill --resolved-since 90d`), then "
        "`manage.py train`; with enough answers it trains by itself"
    )


def _experts() -> Finding:
    """Whether anybody forecasts outcomes; before the first training nobody can."""
    nobody = alerts.nobody_serves()
    if not nobody and not ModelVersion.objects.exists():
        nobody = "none was trained yet: forecasts are the market price"
    if not nobody:
        return Finding(check="experts", level=OK, detail="the gate serves with active members")
    return Finding(check="experts", level=WARNING, detail=nobody, remedy=_way_to_a_model())


def _heartbeats(*, as_of: datetime) -> Finding:
    beats = situation.beats(as_of=as_of)
    late = [beat.component for beat in beats if beat.late]
    if beats and not late:
        return Finding(check="heartbeats", level=OK, detail=f"{len(beats)} components on time")
    detail = f"silent: {', '.join(late)}" if late else "no component has reported yet"
    return Finding(
        check="heartbeats", level=WARNING, detail=detail, remedy=f"start it: `{_start()}`"
    )


def _state(mode: str, *, as_of: datetime) -> Finding:
    state = halts.state(as_of=as_of, mode=mode)
    if state == TradingState.ACTIVE:
        return Finding(check="state", level=OK, detail=f"{mode}, ACTIVE")
    return Finding(
        check="state",
        level=WARNING,
        detail=f"{mode}, {state.value}",
        remedy="read the reason in the control room, then resume there or with `manage.py resume`",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking the venue for its time; `skew_s` is our clock minus its."""

    said: str
    took_ms: float = 0.0
    skew_s: float | None = None


def _ask_venue() -> Asked:
    client = clob_data.ClobData(settings.ENV.venue_clob_url, attempts=1)
    begin = time.perf_counter()
    try:
        stated = client.server_time()
    except (http.VenueUnreachable, http.VenueRefused, NotUnderstood) as failure:
        return Asked(said=str(failure)[:200])
    finally:
        client.close()
    took = time.perf_counter() - begin
    now = datetime.now(UTC)  # noqa: TID251 - the clock is what is examined
    return Asked(said="", took_ms=took * 1000, skew_s=(now - stated).total_seconds())


def _venue(asked: Asked) -> Finding:
    host = settings.ENV.venue_clob_url
    if asked.skew_s is not None:
        return Finding(check="venue", level=OK, detail=f"{host} answers in {asked.took_ms:.0f} ms")
    return Finding(
        check="venue",
        level=FAILED,
        detail=f"{host}: {asked.said}",
        remedy="check the network and VENUE_CLOB_URL; without a venue, `make demo` brings its own",
    )


def _clock(asked: Asked) -> Finding:
    if asked.skew_s is None:
        return Finding(
            check="clock",
            level=WARNING,
            detail="not compared: the venue did not state its time",
            remedy="check the network first",
        )
    good = abs(asked.skew_s) <= CLOCK_TOLERANCE_S + 1  # the venue states whole seconds
    return Finding(
        check="clock",
        level=OK if good else FAILED,
        detail=f"{asked.skew_s:+.0f} s against the venue",
        remedy=""
        if good
        else "synchronise the clock (NTP); books would look stale or from the future",
    )


LEVELS = {State.MET: OK, State.UNMET: WARNING, State.UNKNOWN: WARNING}


def _wallets(*, as_of: datetime) -> Iterator[Finding]:
    """What the guard found of its wallet, where one was looked at; no key is needed to read it."""
    for mode in GUARDED:
        for name, fact in sorted(readiness.known(mode).items()):
            yield Finding(
                check=f"{mode.value.lower()} {name}",
                level=LEVELS[fact.state],
                detail=f"{fact.detail} (seen {_ago(fact, as_of=as_of)} ago)",
                remedy=remedy_of(fact, rehearses=mode is Mode.REHEARSAL),
            )


def _ago(fact: Fact, *, as_of: datetime) -> str:
    minutes = int((as_of - fact.checked_at).total_seconds() // 60)
    return f"{minutes} min" if minutes < MINUTES_SHOWN else f"{minutes // 1440} days"


def _live_gates(findings: list[Finding], *, as_of: datetime) -> Iterator[Gate]:
    """What keeps real orders away: the installation's own faults, then each unmet gate."""
    guarded = {f"{mode.value.lower()} " for mode in GUARDED}
    for finding in findings:
        if finding.level != OK and not finding.check.startswith(tuple(guarded)):
            yield Gate(
                name=finding.check,
                state=State.UNMET,
                sentence=finding.detail,
                remedy=finding.remedy,
            )
    yield from readiness.unmet(as_of=as_of)


def as_dict(report: Report) -> dict[str, Any]:
    """The report as plain values for `--json`."""
    fields = ("check", "level", "detail", "remedy")
    return {
        "verdict": report.verdict,
        "ready_for_paper": report.ready_for_paper,
        "ready_for_live": not report.unmet_for_live,
        "unmet_for_live": list(report.unmet_for_live),
        "live_gates": [
            {"name": gate.name, "sentence": gate.sentence, "remedy": gate.remedy}
            for gate in report.live_gates
        ],
        "next_step": report.next_step,
        "mode": report.mode,
        "simulated": report.mode != Mode.LIVE,
        "findings": [{name: getattr(f, name) for name in fields} for f in report.findings],
    }
