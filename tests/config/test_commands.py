"""Commands for people and programs: one verdict, stable exit codes, JSON that parses."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config import doctor
from config.kernel import audit, heartbeats
from config.management.commands.funnel import moment
from predictions import registry
from predictions.models import Expert
from tests import factories as make

pytestmark = pytest.mark.django_db


class Venue(http.server.BaseHTTPRequestHandler):
    """Says what time it is, `lag` seconds wrong."""

    lag = 0.0

    def do_GET(self) -> None:
        body = str(int(timezone.now().timestamp() + self.lag)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any) -> Iterator[type[Venue]]:
    monkeypatch.setattr(Venue, "lag", 0.0)
    server = http.server.HTTPServer(("127.0.0.1", 0), Venue)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    env = settings.ENV
    changed = {field: getattr(env, field) for field in env.__dataclass_fields__}
    changed |= {
        "venue_clob_url": f"http://127.0.0.1:{server.server_port}",
        "state_dir": tmp_path,
        "archive_dir": tmp_path / "archive",
        "artefact_dir": tmp_path / "artefacts",
    }
    settings.ENV = type(env)(**changed)
    yield Venue
    server.shutdown()
    server.server_close()
    thread.join()


def run(*command: str) -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command(*command, stdout=out)
    except SystemExit as left:
        code = int(left.code or 0)
    return code, out.getvalue()


def test_a_fresh_installation_is_ready_for_paper_and_not_for_live(venue: type[Venue]) -> None:
    code, printed = run("doctor", "--json")

    report = json.loads(printed)
    assert code == 0, report
    assert report["verdict"] == "READY FOR PAPER / NOT READY FOR LIVE"
    assert report["next_step"]
    assert not report["ready_for_live"]
    checks = {finding["check"] for finding in report["findings"]}
    assert {"python", "database", "migrations", "broker", "archive", "artefacts"} <= checks
    assert {"heartbeats", "venue", "clock", "state"} <= checks


def test_every_finding_that_is_not_well_names_its_remedy(venue: type[Venue]) -> None:
    for finding in doctor.examine(as_of=timezone.now()).findings:
        assert finding.remedy or finding.level == doctor.OK, finding


def test_a_venue_that_cannot_be_reached_is_not_ready(venue: type[Venue], settings: Any) -> None:
    env = settings.ENV
    values = {field: getattr(env, field) for field in env.__dataclass_fields__}
    settings.ENV = type(env)(**(values | {"venue_clob_url": "http://127.0.0.1:1"}))

    code, printed = run("doctor")

    assert code == 1
    assert "NOT READY FOR PAPER" in printed
    assert "make demo" in printed


def test_a_wrong_clock_is_not_ready(venue: type[Venue], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Venue, "lag", -60.0)

    report = doctor.examine(as_of=timezone.now())

    clock = next(finding for finding in report.findings if finding.check == "clock")
    assert clock.level == doctor.FAILED
    assert "NTP" in clock.remedy


def test_a_served_model_without_its_file_is_not_ready(venue: type[Venue]) -> None:
    version = make.ModelVersionFactory()
    version.expert.served, version.expert.state = version, "ACTIVE"
    version.expert.save()

    code, printed = run("doctor", "--json")

    assert code == 1
    artefacts = [f for f in json.loads(printed)["findings"] if f["check"] == "artefacts"]
    assert artefacts[0]["level"] == "failed"


def test_a_halt_is_a_warning_that_says_how_to_resume(venue: type[Venue]) -> None:
    make.HaltFactory()

    code, printed = run("doctor")

    assert code == 0
    assert "HALTED" in printed


def test_status_prints_money_and_state_for_people() -> None:
    make.EquityPointFactory(cash=12_345)

    code, printed = run("status")

    assert code == 0
    assert "PAPER · ACTIVE" in printed
    assert "$12,345.00" in printed


def test_what_was_realised_is_told_after_fees_everywhere(admin_client: Client) -> None:
    make.EquityPointFactory(realised=100, fees=7)
    make.PositionFactory(shares=0, cost=0, realised=95, closed_at=timezone.now())

    status = run("status")[1]
    body = json.loads(run("status", "--json")[1])
    pages = [admin_client.get(reverse(n)).content.decode() for n in ("overview", "admin:index")]

    assert re.search(r"Realised, after fees +\$95\.00", status)
    assert Decimal(body["realised_after_fees"]) == 95
    for page in pages:
        assert re.search(r"Realised, after fees</div><div class=\"value good\">\$95\.00", page)


def test_status_as_json_tells_a_program_that_something_is_wrong() -> None:
    make.HaltFactory()
    heartbeats.beat("beat", period_s=10, as_of=timezone.now() - timedelta(minutes=5))

    code, printed = run("status", "--json")

    body = json.loads(printed)
    assert code == 1
    assert body["state"] == "HALTED"
    assert body["late"] == ["beat"]


def gate_suspended() -> None:
    registry.ensure_experts()
    version = make.ModelVersionFactory(expert=Expert.objects.get(slug="gate"))
    Expert.objects.filter(slug="gate").update(state="SUSPENDED", served=version)


def test_status_says_that_forecasts_are_the_price_and_lists_the_newest_alerts() -> None:
    gate_suspended()
    text = "no expert is in service"
    audit.record(
        "alert.raised",
        actor="review",
        subject="experts:none-active",
        data={"text": text},
        as_of=timezone.now() - timedelta(minutes=5),
    )

    printed = run("status")[1]
    body = json.loads(run("status", "--json")[1])

    assert "Forecasts: the market price; the gate is SUSPENDED" in " ".join(printed.split())
    assert text in printed
    assert body["gate"] == "SUSPENDED"
    assert [alert["text"] for alert in body["alerts"]] == [text]


def test_a_suspended_gate_is_a_warning_whose_remedy_is_a_command(venue: type[Venue]) -> None:
    gate_suspended()

    findings = {f.check: f for f in doctor.examine(as_of=timezone.now()).findings}

    assert findings["experts"].level == doctor.WARNING
    assert "market price" in findings["experts"].detail
    assert "experts promote gate" in findings["experts"].remedy


@pytest.mark.parametrize(("beating", "step"), [(True, "manage.py status"), (False, "make up")])
def test_the_next_step_of_what_runs_is_not_to_start_it(beating: bool, step: str) -> None:
    level = doctor.OK if beating else doctor.FAILED
    beats = doctor.Finding(check="heartbeats", level=level, detail="", remedy="start it: `make up`")

    report = doctor.Report(mode="PAPER", findings=(beats,), unmet_for_live=())

    assert step in report.next_step


def test_status_as_json_holds_what_status_prints_and_every_cent() -> None:
    make.EquityPointFactory(cash="12345.000001")
    heartbeats.beat("beat", period_s=10, as_of=timezone.now())

    body = json.loads(run("status", "--json")[1])

    assert Decimal(body["cash"]) == Decimal("12345.000001")
    for money in ("risk_equity", "open_cost", "redeemable", "realised", "fees"):
        assert isinstance(body[money], str), money
    assert isinstance(body["drawdown"], float)
    assert [beat["component"] for beat in body["beats"]] == ["beat"]
    assert "No real money moves" in body["honesty"]


def test_the_funnel_counts_by_stage_and_reason() -> None:
    now = timezone.now()
    for _ in range(2):
        make.SignalFactory(prediction__as_of=now, reason="NET_EDGE_TOO_SMALL")

    code, printed = run("funnel", "--json", "--since", "30m")

    rows = json.loads(printed)["funnel"]
    assert code == 0
    assert any(r["reason"] == "NET_EDGE_TOO_SMALL" and r["count"] == 2 for r in rows), rows
    assert {r["unit"] for r in rows} == {"markets", "forecasts", "orders"}
    printed = run("funnel", "--since", "30m")[1]
    assert "net edge too small" in printed
    assert "forecasts, last 30 min" in printed


def test_a_span_is_a_number_and_a_unit_or_a_date() -> None:
    assert moment("90m", before=make.NOW) == make.ago(5400)
    assert moment("7d", before=make.NOW) == make.ago(7 * 86_400)
    assert moment("2026-05-31T12:00", before=make.NOW).isoformat() == "2026-05-31T12:00:00+00:00"


@pytest.mark.parametrize(
    "nonsense",
    ["soon", "5 weeks", "2026-13-41T00:00", "99999999999d", "0001-01-01T00:00+14:00"],
)
def test_a_span_that_makes_no_sense_is_bad_usage(nonsense: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("funnel", "--since", nonsense)

    assert refused.value.returncode == 2


def test_what_keeps_live_closed_is_a_line_each_with_its_remedy(venue: type[Venue]) -> None:
    _, printed = run("doctor")
    _, told = run("doctor", "--json")

    gates = {gate["name"]: gate for gate in json.loads(told)["live_gates"]}
    assert {"shadow_days", "persons", "credentials", "allowances", "trial"} <= set(gates)
    assert all(gate["sentence"] and gate["remedy"] for gate in gates.values())
    lines = [line.split() for line in printed[printed.index("Before LIVE:") :].splitlines()]
    firsts = [line[1] for line in lines if line[:1] == ["·"]]
    assert firsts == list(gates)


@pytest.mark.parametrize(
    ("mode", "step"), [("DEMO", "Rehearse with approvals"), ("REHEARSAL", "Approval queue")]
)
def test_a_demo_in_which_all_is_well_has_a_next_step_whatever_its_play_money(
    mode: str, step: str
) -> None:
    beats = doctor.Finding(check="heartbeats", level=doctor.OK, detail="")
    purse = doctor.Finding(
        check="rehearsal allowances", level=doctor.WARNING, detail="x", remedy="nothing to do"
    )

    report = doctor.Report(mode=mode, findings=(beats, purse), unmet_for_live=())

    assert step in report.next_step


def test_a_demo_without_an_archive_is_not_sent_to_fetch_one(
    venue: type[Venue], settings: Any, tmp_path: Path
) -> None:
    asked = replace(settings.ENV, archive_dir=tmp_path / "none")
    found = {}
    for mode in ("PAPER", "DEMO"):
        settings.ENV = replace(asked, mode=mode)
        report = doctor.examine(as_of=timezone.now())
        found[mode] = next(f for f in report.findings if f.check == "archive")

    assert (found["PAPER"].level, found["DEMO"].level) == (doctor.WARNING, doctor.OK)


def test_a_reader_that_leaves_ends_a_command_without_a_traceback() -> None:
    root = Path(__file__).resolve().parents[2]
    ours, theirs = os.pipe()
    os.close(ours)

    left = subprocess.run(
        [sys.executable, root / "manage.py", "help"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)

    assert (left.returncode, left.stderr) == (141, "")
