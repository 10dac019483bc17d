"""A dollar there and back against the stand-in's exchange, every step told; and its refusals."""

import ctypes
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.kernel.models import DomainEvent
from markets.core import book as books
from sandbox.core import names
from sandbox.core.conduct import Conduct
from sandbox.exchange.running import Running, running_exchange
from tests import factories
from tests.sandbox.trader import WORLD, happening
from tests.trading.test_clob_exchange import AT_ONCE, environment
from trading.guard import trial
from trading.management.commands.moneydoctor import Command
from trading.models import Order, WalletCheck
from trading.watching import readiness

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loose_books")]


@pytest.fixture(scope="module")
def up():
    with running_exchange(WORLD, conduct=AT_ONCE) as running:
        yield running


@pytest.fixture
def installation(up: Running, tmp_path: Any, settings: Any) -> Iterator[Any]:
    """A demo whose venue is the running exchange, with one of its markets in the catalogue."""
    settings.ENV = environment(up, tmp_path)
    up.exchange.behave(AT_ONCE)
    found = happening(second=int(timezone.now().timestamp()), lasts=60)
    listed, _ = up.exchange.listing.by_token(names.token_id(found, 0, 0))
    market = factories.MarketFactory(
        condition_id=names.condition_id(found, 0), tick_size=Decimal("0.01"),
        min_shares=Decimal(5), neg_risk=listed.is_neg_risk, accepting_orders=True,
        fees=factories.FeeScheduleFactory(rate=Decimal(str(listed.fee_rate))),
    )  # fmt: skip
    for outcome in market.outcomes.all():
        outcome.asset_id = names.token_id(found, 0, outcome.index)
        outcome.save()
    yield market
    # The command hardens its process, which is the suite's here.
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)


@dataclass
class Typist:
    """Types what it is asked to, or something else."""

    said: io.StringIO
    instead: str | None = None

    def readline(self) -> str:
        asked = self.said.getvalue().split("“")[1].split("”")[0]
        return f"{asked if self.instead is None else self.instead}\n"


def doctor(monkeypatch: pytest.MonkeyPatch, typed: str | None = None, **options: Any) -> str:
    said = io.StringIO()
    monkeypatch.setattr("sys.stdin", Typist(said, typed))
    # The exchange settles at once: the others' turn is pause enough.
    monkeypatch.setattr(Command, "pause", lambda _self, _seconds: os.sched_yield())
    call_command("moneydoctor", stdout=said, most="1000", **options)
    return said.getvalue()


def test_without_the_typed_yes_nothing_is_bought(installation, up, monkeypatch):
    before = len(up.exchange.accepted_orders())

    with pytest.raises(CommandError, match="nothing was bought"):
        doctor(monkeypatch, "yes")

    assert len(up.exchange.accepted_orders()) == before


def test_a_round_trip_is_made_told_and_remembered(installation, up, monkeypatch):
    said = doctor(monkeypatch)

    signed = DomainEvent.objects.filter(kind="trial.order_signed")
    ids = {str(order["id"]) for order in up.exchange.accepted_orders()}
    assert "round trip: bought" in said
    assert signed.count() == 2
    assert all(any(order_id in event.data for order_id in ids) for event in signed)
    assert WalletCheck.objects.get(name=readiness.TRIAL).state == "MET"
    assert not Order.objects.exists()


def test_a_lost_answer_on_the_way_is_looked_up_and_not_bought_twice(installation, up, monkeypatch):
    before = len(up.exchange.accepted_orders())
    up.exchange.behave(Conduct(mined_s=0, confirmed_s=0, accept_drop=1.0))

    said = doctor(monkeypatch, hold=True)

    assert "no clear answer" in said
    assert len(up.exchange.accepted_orders()) == before + 1


def test_the_check_looks_at_everything_and_buys_nothing(installation, up, monkeypatch):
    before = len(up.exchange.accepted_orders())

    said = io.StringIO()
    # The stand-in's approvals have no limit, which a wallet with real money must not have.
    with pytest.raises(SystemExit):
        call_command("moneydoctor", stdout=said, check=True)

    names_ = set(WalletCheck.objects.values_list("name", flat=True))
    assert {"credentials", "clock", "place", "wallet", "allowances", "balance"} <= names_
    assert "UNKNOWN" not in said.getvalue()
    assert "without limit" in said.getvalue()
    after = said.getvalue().split("without limit")[-1].splitlines()[1]
    assert "→ nothing to do: the stand-in exchange may take everything" in after
    assert len(up.exchange.accepted_orders()) == before


def test_beside_books_that_have_begun_nothing_is_bought(installation, up, monkeypatch, tmp_path):
    from trading.adapters import custody

    wallet = custody.open_signer(settings.ENV, rehearsal=True).wallet
    factories.OrderFactory(mode="REHEARSAL", wallet=wallet)

    with pytest.raises(CommandError, match="have begun"):
        doctor(monkeypatch, "anything")


def test_with_real_money_it_refuses_without_a_key_and_without_readiness(installation, monkeypatch):
    with pytest.raises(CommandError, match="no real order of LIVE is signed"):
        doctor(monkeypatch, mode="LIVE")
    with pytest.raises(CommandError, match="no amount"):
        call_command("moneydoctor", most="much")
    with pytest.raises(trial.NotNow, match="not ready for real money"):
        Command()._refuse_unready("LIVE", "0xwallet")


@pytest.mark.parametrize(
    ("top", "why"),
    [((None, Decimal("0.5")), "both sides"), ((Decimal("0.4"), Decimal("0.5")), "costs")],
    ids=["one-sided", "too dear"],
)
def test_what_cannot_be_bought_for_a_dollar_is_not_bought(top, why):
    market = factories.MarketFactory(min_shares=Decimal(50))
    outcome = market.outcomes.get(index=0)
    book = books.synthetic(timezone.now(), top[0], top[1], Decimal(100), Decimal(100))

    with pytest.raises(trial.NotNow, match=why):
        trial.offer(outcome, book, most_usd=Decimal(2))


def test_the_cost_is_told_before_it_is_paid():
    market = factories.MarketFactory(min_shares=Decimal(5))
    outcome = market.outcomes.get(index=0)
    book = books.synthetic(
        timezone.now(), Decimal("0.40"), Decimal("0.42"), Decimal(100), Decimal(100)
    )

    wish = trial.offer(outcome, book, most_usd=Decimal(3))

    fees = (
        5 * market.fees.rate * (Decimal("0.42") * Decimal("0.58") + Decimal("0.4") * Decimal("0.6"))
    )
    assert wish.phrase == "BUY 5 FOR 2.20"
    assert wish.cost == pytest.approx(Decimal("0.10") + fees, abs=Decimal("0.0001"))
    assert timedelta(seconds=30) < trial.PATIENCE
