"""`rebuild` and `reconcile` at the prompt: what they print, and how they end."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from tests.factories import NOW
from tests.trading.wallets import MODE, WALLET, an_order, funded, listed
from trading.books import fills
from trading.models import LedgerBalance, Position, VenueState
from trading.reconciling import reconcile

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loose_books")]


def run(command: str, *arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command(command, *arguments, stdout=out, stderr=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def venue() -> Any:
    venue = funded()
    order = an_order()
    fills.record(order, venue.trade(order, 40), as_of=NOW)
    return venue


@pytest.mark.usefixtures("venue")
def test_books_that_agree_end_with_nought():
    assert run("rebuild")[0] == 0
    assert "is what its facts say" in run("rebuild")[1]


@pytest.mark.usefixtures("venue")
def test_a_position_and_a_balance_are_named_and_put_right_after_a_yes(monkeypatch):
    Position.objects.update(shares=99)
    LedgerBalance.objects.update(cash=1, external=-1, reserved=0, positions=0)
    monkeypatch.setattr("builtins.input", lambda _question: "no")

    code, text = run("rebuild")
    assert code == 1
    assert "balance of CASH" in text
    assert "99.000000" in text
    assert run("rebuild", "--apply")[0] == 2
    assert Position.objects.get().shares == 99

    monkeypatch.setattr("builtins.input", lambda _question: "yes")
    assert run("rebuild", "--apply")[0] == 0
    assert Position.objects.get().shares == 40
    assert run("rebuild")[0] == 0


@pytest.mark.usefixtures("venue")
def test_rebuild_speaks_json_and_asks_nobody_when_told_so():
    Position.objects.update(cost=Decimal(7))

    code, text = run("rebuild", "--apply", "--yes", "--json")

    told = json.loads(text)
    assert code == 0
    assert [row["column"] for row in told["differences"]] == ["cost"]
    assert (told["applied"], told["left"]) == (True, [])


def test_reconcile_prints_the_difference_in_cents_and_ends_with_one_on_drift(venue):
    reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=NOW)
    code, text = run("reconcile")
    assert code == 0
    assert "agreed at" in text
    assert "None" not in text
    assert re.search(r"cash by its transfers  +\$[\d,]+\.\d\d\d?\d?  +\$[\d,]+\.\d", text), text
    LedgerBalance.objects.update(cash=1, external=-1, reserved=0, positions=0)

    code, text = run("reconcile", "--json")

    lines = json.loads(text)
    assert code == 1
    assert {"cash by its transfers", "balance of CASH"} <= {line["what"] for line in lines}
    assert any(line["cents"].startswith("+98000.00") for line in lines)


@pytest.mark.usefixtures("venue")
def test_a_wallet_that_was_never_compared_is_drift():
    VenueState.objects.all().delete()

    code, text = run("reconcile", "--mode", MODE, "--json")

    assert code == 1
    assert "never compared" in text


def test_an_unexplained_order_is_listed(venue):
    venue.orders = [replace(listed(an_order()), venue_order_id="0xstranger")]
    reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=NOW)

    code, text = run("reconcile", "--json")

    assert code == 1
    assert "0xstranger" in text
