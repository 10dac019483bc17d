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
