"""The report of a backtest is served from its own folder only, to signed-in people only."""

from pathlib import Path
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
        result='{"profit": 12.5, "per_month": {}}', folder=str(folder), events=3, trades=2, **knobs,
    )  # fmt: skip


def test_the_list_shows_the_stored_result(client: Client, tmp_path: Path) -> None:
    backtest(tmp_path)

    page = client.get(reverse("backtests")).content.decode()

    assert "May on recorded books" in page
    assert "12.5" in page
    assert "per_month" not in page


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
