"""`manage.py backfill` speaks to people and machines, and says what to do when it cannot go on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.kernel import jobs
from markets import backfill

pytestmark = pytest.mark.django_db


def test_nothing_to_fetch_is_reported_as_json_and_as_a_table(capsys: Any) -> None:
    call_command("backfill", "--json")
    figures = json.loads(capsys.readouterr().out)
    call_command("backfill")
    printed = capsys.readouterr().out

    assert (figures["markets"], figures["failed"], figures["left_out"]) == (0, 0, {})
    assert "windows fetched" in printed


def test_an_unknown_market_is_refused_with_a_remedy() -> None:
    with pytest.raises(CommandError, match="after sync_catalogue") as refused:
        call_command("backfill", "--market", "atlantis")

    assert refused.value.returncode == 2


def test_a_second_backfill_is_told_to_wait() -> None:
    jobs.start(backfill.KIND, backfill.KEY, as_of=datetime.now(UTC))

    with pytest.raises(CommandError, match="wait for it to end") as busy:
        call_command("backfill")

    assert busy.value.returncode == 1


def test_a_day_is_a_date_or_so_many_days_ago() -> None:
    with pytest.raises(CommandError, match="is no day: write 2026-08-01, or 90d"):
        call_command("backfill", "--resolved-since", "yesterday")


@pytest.mark.parametrize("day", ["1000000d", "99999999999d", "-5d", "0001-01-01"])
def test_a_day_before_all_markets_is_refused_in_words(day: str) -> None:
    with pytest.raises(CommandError, match=r"is no day|before the first market"):
        call_command("backfill", f"--resolved-since={day}")


@pytest.mark.parametrize("days", ["0", "-1", "99999999999", "many"])
def test_so_many_days_back_are_refused_in_words(days: str) -> None:
    with pytest.raises(CommandError, match="is no number of days"):
        call_command("backfill", f"--days={days}")


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1"])
def test_a_stream_is_followed_for_a_positive_time(seconds: str) -> None:
    with pytest.raises(CommandError, match="must be positive") as refused:
        call_command("stream_markets", f"--seconds={seconds}")

    assert refused.value.returncode == 2
