"""The report of a backtest is served from its own folder only, to signed-in people only."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from mlops.models import Backtest
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(make.UserFactory())
    return signed_in


def backtest(folder: Path | str, **knobs: Any) -> Backtest:
    return Backtest.objects.create(
        started_at=make.ago(60), finished_at=make.NOW, name="May on recorded books",
        data_digest="0" * 64, code_version="1", seed=7, settings="{}",
        folder=str(folder), events=3, trades=2, **{"result": "{}", **knobs},
    )  # fmt: skip


SUMMARY = {
    "pnl": "12.50", "pnl_low": "-3.10", "pnl_high": "30.00", "insufficient": True,
    "brier_model": 0.0412345, "brier_market": 0.05, "rows": 1200, "max_drawdown_pct": "1.25",
}  # fmt: skip
COIN = {
    "name": "baseline: coin", "trades": 44, "traded_events": 40, "pnl": "-9.00",
    "pnl_low": "-20.00", "pnl_high": "1.00", "max_drawdown_pct": "4.00",
}  # fmt: skip


def test_the_list_shows_the_stored_result_beside_the_baselines(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "report.png").write_bytes(b"png")
    body = {"summary": SUMMARY, "strategies": [{"name": "model", **SUMMARY}, COIN]}
    row = backtest(tmp_path, result=json.dumps(body))

    page = client.get(reverse("backtests")).content.decode()

    for shown in (
        "May on recorded books", "$12.50", "−$3.10 … $30.00", "insufficient", "0.04123", "0.05000",
        "baseline: coin", "−$20.00 … $1.00", reverse("backtest_file", args=[row.pk, "report.png"]),
    ):  # fmt: skip
        assert shown in page, shown


@pytest.mark.parametrize("result", ["", "[]", "{}", "no JSON"])
def test_a_result_of_another_kind_does_not_break_the_list(client: Client, result: str) -> None:
    backtest("", result=result)

    page = client.get(reverse("backtests"))

    assert page.status_code == 200
    assert "May on recorded books" in page.content.decode()


def test_the_folder_is_one_of_the_state_folder(
    client: Client, tmp_path: Path, settings: Any
) -> None:
    settings.ENV = SimpleNamespace(state_dir=tmp_path)
    (tmp_path / "backtests" / "may").mkdir(parents=True)
    (tmp_path / "backtests" / "may" / "report.html").write_text("<h1>May</h1>")
    row = backtest("backtests/may")

    report = client.get(reverse("backtest_report", args=[row.pk]))

    assert b"".join(report.streaming_content) == b"<h1>May</h1>"


def test_the_report_and_its_picture_are_served(client: Client, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<h1>Report</h1>")
    (tmp_path / "equity.png").write_bytes(b"png")
    row = backtest(tmp_path)

    report = client.get(reverse("backtest_report", args=[row.pk]))
    picture = client.get(reverse("backtest_file", args=[row.pk, "equity.png"]))

    assert b"".join(report.streaming_content) == b"<h1>Report</h1>"
    assert "sandbox" in report["Content-Security-Policy"]
    assert b"".join(picture.streaming_content) == b"png"


def test_nothing_outside_the_folder_is_served(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret.html").write_text("no")
    (folder / "link.html").symlink_to(tmp_path / "secret.html")
    (folder / "keys.env").write_text("no")
    row = backtest(folder)

    for name in ("link.html", "keys.env", "..", "missing.png"):
        answer = client.get(reverse("backtest_file", args=[row.pk, name]))
        assert answer.status_code == 404, name


def test_a_backtest_without_a_folder_has_no_report(client: Client) -> None:
    row = backtest("")

    assert client.get(reverse("backtest_report", args=[row.pk])).status_code == 404


def test_a_stranger_sees_no_report(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<h1>Report</h1>")
    row = backtest(tmp_path)

    assert Client().get(reverse("backtest_report", args=[row.pk])).status_code == 302
