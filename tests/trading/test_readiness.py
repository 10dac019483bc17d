"""LIVE opens when everything is shown; what is not known, or was known long ago, is not shown."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from config import doctor
from tests import factories
from tests.factories import NOW, ago
from tests.trading.clob_stub import HANG_UP, Says, Stub, serving
from trading.adapters import geoblock
from trading.core import readiness as core
from trading.core.readiness import Fact, State
from trading.models import Settlement, WalletCheck
from trading.settings import ReadinessSettings
from trading.watching import readiness

SPENDERS = {"0xa": "standard exchange", "0xb": "neg-risk exchange"}


def config(**changes: Any) -> core.ReadinessConfig:
    return ReadinessSettings(version=0, **changes).as_config()


def gates(facts: dict[str, Fact]) -> dict[str, core.Gate]:
    return {gate.name: gate for gate in core.of_facts(facts, config=config(), as_of=NOW)}


def test_nothing_looked_at_means_nothing_is_known() -> None:
    for gate in gates({}).values():
        assert (gate.state, gate.is_met) == (State.UNKNOWN, False)
        assert "not known" in gate.sentence
        assert "moneydoctor" in gate.remedy


def test_a_fact_of_long_ago_is_no_fact() -> None:
    fresh = Fact(name="clock", state=State.MET, detail="fine", checked_at=ago(800))
    stale = Fact(name="clock", state=State.MET, detail="fine", checked_at=ago(901))

    assert gates({"clock": fresh})["clock"].is_met
    assert gates({"clock": stale})["clock"].state is State.UNKNOWN


def test_a_fact_of_the_future_is_no_fact() -> None:
    ahead = Fact(name="clock", state=State.MET, detail="fine", checked_at=ago(-1))

    assert gates({"clock": ahead})["clock"].state is State.UNKNOWN


@pytest.mark.parametrize(
    ("allowances", "state", "words"),
    [
        ({"0xA": 300, "0xb": 250}, State.MET, "each at least"),
        ({"0xa": 300, "0xb": 249}, State.UNMET, "neg-risk exchange: $249.00"),
        ({"0xa": 2**255, "0xb": 300}, State.UNMET, "without limit"),
        ({"0xa": 300, "0xb": 300, "0xstranger": 2**255}, State.UNMET, "0xstranger"),
        ({"0xa": 300}, State.MET, "each"),
        ({}, State.UNMET, "no exchange"),
    ],
    ids=["enough", "too little", "unlimited", "a stranger", "one unused", "none"],
)
def test_allowances_are_enough_and_never_without_limit(allowances, state, words):
    given = {spender: Decimal(amount) for spender, amount in allowances.items()}

    fact = core.allowances_fact(given, spenders=SPENDERS, needed=Decimal(250), as_of=NOW)

    assert fact.state is state
    assert words in fact.detail


def test_clock_wallet_and_balance_are_judged() -> None:
    assert core.clock_fact(-1.9, config=config(), as_of=NOW).state is State.MET
    assert core.clock_fact(2.1, config=config(), as_of=NOW).state is State.UNMET
    assert core.balance_fact(Decimal("9.99"), config=config(), as_of=NOW).state is State.UNMET
    for deployed, state in ((True, State.MET), (False, State.UNMET), (None, State.UNKNOWN)):
        fact = core.wallet_fact("type 3", "0x1", session_key=True, deployed=deployed, as_of=NOW)
        assert fact.state is state
        assert "session key" in fact.detail


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


@pytest.mark.parametrize(
    "says",
    [Says(body={"country": "DE"}), Says(body={"blocked": "no"}), Says(status=500), HANG_UP,
     Says(body=b"<html>")],
    ids=["silent", "a word", "500", "reset", "html"],
)  # fmt: skip
def test_a_place_of_which_the_venue_says_nothing_is_not_permitted(stub, says):
    stub.says["GET", "/geoblock"] = says

    with pytest.raises(geoblock.Unclear):
        geoblock.ask(f"{stub.url}/geoblock")


def test_a_place_is_permitted_or_blocked_as_the_venue_says(stub):
    said = {"blocked": True, "ip": "192.0.2.1", "country": "US", "region": "NY"}
    stub.says["GET", "/geoblock"] = [Says(body=said), Says(body=said | {"blocked": False})]

    blocked, free = (geoblock.ask(f"{stub.url}/geoblock") for _ in range(2))

    assert (blocked.blocked, free.blocked) == (True, False)
    assert str(blocked) == "the venue sees us in US-NY: blocked"
    assert httpx.URL(stub.url).host == "127.0.0.1"


@pytest.mark.django_db
@pytest.mark.usefixtures("loose_books")
class TestWithRows:
    def test_an_empty_installation_has_every_gate_closed(self, settings):
        settings.ENV = replace(settings.ENV, redis_url="")

        unmet = {gate.name for gate in readiness.unmet(as_of=NOW)}

        assert {"broker", "shadow_days", "resolved_events", "persons", "trial"} <= unmet
        assert {condition.name for condition in core.CONDITIONS} <= unmet
        assert all(gate.remedy for gate in readiness.unmet(as_of=NOW))

    def test_what_the_guard_found_opens_its_gates_for_a_while(self):
        facts = [
            Fact(name=condition.name, state=State.MET, detail="fine", checked_at=NOW)
            for condition in core.CONDITIONS
        ]
        readiness.record(facts, mode="LIVE", wallet="0xwallet")
        readiness.record(facts, mode="LIVE", wallet="0xwallet")

        names = {condition.name for condition in core.CONDITIONS}
        unmet = {gate.name for gate in readiness.unmet(as_of=NOW)}
        later = {gate.name for gate in readiness.unmet(as_of=NOW + timedelta(hours=1))}
        assert WalletCheck.objects.count() == len(facts)
        assert not names & unmet
        assert names <= later

    def test_what_was_seen_of_another_wallet_opens_nothing(self):
        for wallet, state, at in (("0xa", State.UNMET, ago(60)), ("0xb", State.MET, NOW)):
            fact = Fact(name="balance", state=state, detail="looked at", checked_at=at)
            readiness.record([fact], mode="LIVE", wallet=wallet)

        def balance(**of):
            return next(g for g in readiness.gates(as_of=NOW, **of) if g.name == "balance")

        assert balance(wallet="0xa").state is State.UNMET
        assert balance(wallet="0xb").state is State.MET
        assert balance(wallet="0xc").state is State.UNKNOWN
        assert balance().state is State.MET

    def test_a_rehearsals_wallet_opens_nothing(self):
        fact = Fact(name="balance", state=State.MET, detail="play money", checked_at=NOW)
        readiness.record([fact], mode="REHEARSAL", wallet="0xplay")

        assert "balance" in {gate.name for gate in readiness.unmet(as_of=NOW)}

    def test_evidence_counts_days_and_answered_events(self):
        for days in (0, 0, 1):
            factories.IntentFactory(mode="PAPER", created_at=ago(days * 86400))
        factories.IntentFactory(mode="DEMO", created_at=ago(5 * 86400))
        answered, open_ = factories.FillFactory(), factories.FillFactory()
        factories.ResolutionFactory(market=answered.order.market)

        found = {gate.name: gate for gate in readiness.gates(as_of=NOW)}

        assert found["shadow_days"].sentence.startswith(
            "paper trading decided something on 2 of 60"
        )
        assert found["resolved_events"].sentence.startswith("1 of 300")
        assert open_.pk

    def test_two_persons_have_to_be_able_to_approve(self, django_user_model):
        def persons() -> core.Gate:
            return next(g for g in readiness.gates(as_of=NOW) if g.name == "persons")

        django_user_model.objects.create_superuser("ann", password="x")
        assert not persons().is_met
        django_user_model.objects.create_superuser("bob", password="x")
        assert persons().is_met
        django_user_model.objects.filter(username="bob").update(is_active=False)
        assert not persons().is_met

    def test_a_round_trip_proves_something_for_some_days(self):
        readiness.record_trial("fine", passed=True, mode="LIVE", wallet="0xw", as_of=NOW)
        trial = lambda at: next(g for g in readiness.gates(as_of=at) if g.name == "trial")  # noqa: E731

        assert trial(NOW).is_met
        assert not trial(ago(1)).is_met
        assert not trial(NOW + timedelta(days=8)).is_met
        readiness.record_trial("lost", passed=False, mode="LIVE", wallet="0xw", as_of=NOW)
        assert not trial(NOW).is_met

    def test_a_confirmed_trade_proves_the_round_trip_of_its_own_wallet_alone(self):
        fill = factories.FillFactory(order__mode="LIVE", order__wallet="0xtraded")
        Settlement.objects.create(fill=fill, status="CONFIRMED", received_at=NOW)

        def trial(wallet):
            gates_ = readiness.gates(as_of=NOW, wallet=wallet)
            return next(gate for gate in gates_ if gate.name == "trial")

        assert trial("0xtraded").is_met
        assert not trial("0xnew").is_met

    def test_doctor_shows_the_wallet_without_a_key_and_names_each_gate(self):
        readiness.record(
            [
                Fact(
                    name="allowances", state=State.UNMET, detail="too little", checked_at=ago(300)
                ),
                Fact(name="clock", state=State.MET, detail="fine", checked_at=NOW),
            ],
            mode="LIVE",
            wallet="0xw",
        )

        report = doctor.examine(as_of=NOW)

        shown = {finding.check: finding for finding in report.findings}
        assert shown["live clock"].level == doctor.OK
        assert shown["live allowances"].level == doctor.WARNING
        assert "5 min ago" in shown["live allowances"].detail
        assert "never does" in shown["live allowances"].remedy
        assert any(line.startswith("shadow_days: ") for line in report.unmet_for_live)
        assert not any(line == "live allowances" for line in report.unmet_for_live)
