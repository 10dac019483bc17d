"""`manage.py redeem` tells what is due and paid, and pays what is simulated."""

import json
import re
from io import StringIO

import pytest
from django.core.management import call_command

from tests import factories
from tests.factories import ago
from tests.trading.world import traded
from trading.models import Position, Redemption

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("redeem", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def won():
    market = traded()
    factories.ResolutionFactory(market=market, resolved_at=ago(1))
    return market


def test_a_dry_run_shows_what_is_due_and_pays_nothing(won):
    text = said("--dry-run")

    assert "DUE" in text
    assert "this was a dry run" in text
    assert not Redemption.objects.exists()


def test_simulated_positions_are_paid_and_listed(won):
    assert "Paid 1 simulated positions." in said()

    rows = json.loads(said("--json"))["payouts"]
    assert [row["status"] for row in rows] == ["PAID"]
    assert Position.objects.get().shares == 0
    assert "DUE" not in said()


def test_nothing_to_tell_is_told():
    assert "No payout is due" in said()


@pytest.mark.usefixtures("loose_books")
def test_payouts_of_a_wallet_are_left_to_the_guard():
    position = factories.PositionFactory(mode="REHEARSAL", wallet="0xabc")
    factories.ResolutionFactory(market=position.market, resolved_at=ago(1))

    assert "live_guard" in said()
    assert not Redemption.objects.exists()


@pytest.mark.usefixtures("won")
def test_people_read_dollars_and_times_as_everywhere():
    text = said()

    row = next(line for line in text.splitlines() if line.startswith("DUE"))
    assert re.search(r"  \$\d+\.\d\d  2026-\d\d-\d\d \d\d:\d\d:\d\d  ", row), row
    assert not re.search(r"\d\.\d{6}|\d\dT\d\d", text)
