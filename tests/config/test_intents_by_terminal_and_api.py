"""`intents` from a terminal and over REST: the rights, reasons and refusals of the admin."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import factories as make
from tests.config.wishes import a_wish
from trading.models import TradeIntent

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Any:
    user = make.UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="add_approval"))
    return user


@pytest.fixture
def client(ada: Any) -> Client:
    signed_in = Client()
    signed_in.force_login(ada)
    return signed_in


def by_ada(*words: str) -> None:
    call_command("intents", *words, "--user=ada", "--reason=clear")


def nothing_is_offered(wish: TradeIntent) -> None:
    """The newest book lies beyond the limit."""
    make.QuoteFactory(market=wish.market, at=timezone.now(), bid=0.60, ask=0.62)


def api(client: Client, verb: str, wish: TradeIntent, **body: str) -> Any:
    address = reverse(f"api_{verb}", args=[wish.pk])
    return client.post(address, body, content_type="application/json")


@pytest.mark.usefixtures("ada")
class TestTerminal:
    def test_the_list_names_what_waits(self, capsys: Any) -> None:
        call_command("intents", "list")
        empty = capsys.readouterr().out
        wish = a_wish(question="Will it rain?")

        call_command("intents", "list")
        table = capsys.readouterr().out
        call_command("intents", "list", "--json")
        (row,) = json.loads(capsys.readouterr().out)

        assert "Nothing waits" in empty
        for shown in (str(wish.pk)[:8], "Will it rain?", "+0.180", "0/1", "$200.00"):
            assert shown in table, shown
        assert (row["id"], row["approvals_needed"]) == (str(wish.pk), 1)
        assert row["edge_now"] == pytest.approx(row["edge_then"], abs=1e-5)
        assert 0 < row["edge_at_limit"] < row["edge_now"]

    def test_the_beginning_of_an_id_is_enough_to_approve(self, capsys: Any) -> None:
        wish = a_wish()

        by_ada("approve", str(wish.pk)[:6])

        wish.refresh_from_db()
        assert wish.status == "APPROVED"
        assert "APPROVED" in capsys.readouterr().out

    def test_what_is_decided_is_listed_with_all_and_cannot_be_approved(self, capsys: Any) -> None:
        wish = a_wish()
        by_ada("reject", str(wish.pk))
        capsys.readouterr()

        with pytest.raises(CommandError, match="can no longer be decided") as late:
            by_ada("approve", str(wish.pk))
        capsys.readouterr()
        call_command("intents", "list", "--all", "--json")

        assert late.value.returncode == 1
        assert json.loads(capsys.readouterr().out)[0]["status"] == "REJECTED"

    def test_several_are_rejected_and_a_late_one_is_a_problem(self, capsys: Any) -> None:
        first, second = (str(a_wish(category=name).pk) for name in ("sports", "weather"))
        by_ada("reject", first)

        with pytest.raises(SystemExit) as leaving:
            by_ada("reject", first, second, "--json")

        assert leaving.value.code == 1
        assert {i.status for i in TradeIntent.objects.all()} == {"REJECTED"}

    def test_the_gates_refusal_is_a_problem(self, capsys: Any) -> None:
        wish = a_wish()
        nothing_is_offered(wish)

        with pytest.raises(SystemExit):
            by_ada("approve", str(wish.pk))

        assert "gate: MIN_SIZE" in capsys.readouterr().out

    def test_in_a_halt_the_list_says_so_and_a_yes_ends_nothing(self, capsys: Any) -> None:
        wish = a_wish()
        make.HaltFactory(scope="MARKET", scope_key=str(wish.market_id), reason="lunch")

        call_command("intents", "list")
        with pytest.raises(CommandError, match="still waits: release the halt") as refusal:
            by_ada("approve", str(wish.pk))

        wish.refresh_from_db()
        assert "HALTED, nothing it covers can be approved: market " in capsys.readouterr().out
        assert (refusal.value.returncode, wish.status) == (1, "PENDING")
        assert wish.approval_set.count() == 0

    def test_what_could_be_approved_comes_first_with_what_is_offered(self, capsys: Any) -> None:
        void, good = (a_wish(category=name, question=name) for name in ("sports", "weather"))
        nothing_is_offered(void)

        call_command("intents", "list")
        table = capsys.readouterr().out
        call_command("intents", "list", "--json")

        rows = json.loads(capsys.readouterr().out)
        assert [row["id"] for row in rows] == [str(good.pk), str(void.pk)]
        assert rows[1]["offered"] in ("0", 0)
        (line,) = [line for line in table.splitlines() if str(void.pk)[:8] in line]
        assert " nothing  " in line
        assert " –  " in line

    @pytest.mark.parametrize(
        "words",
        [
            ["approve", "{id}", "--user=nobody", "--reason=x"],
            ["approve", "{id}", "--user=grace", "--reason=x"],
            ["approve", "{id}", "--user=ada", "--reason= "],
            ["approve", "ffff-not-hex", "--user=ada", "--reason=x"],
            ["approve", "0123456789abcdef", "--user=ada", "--reason=x"],
        ],
        ids=["unknown user", "no right", "no reason", "no id", "unknown id"],
    )
    def test_a_line_that_makes_no_sense_changes_nothing(self, words: list[str]) -> None:
        make.UserFactory(username="grace")
        wish = a_wish()

        with pytest.raises(CommandError) as refusal:
            call_command("intents", *(word.format(id=wish.pk) for word in words))

        assert refusal.value.returncode == 2
        assert TradeIntent.objects.get().status == "PENDING"

    @pytest.mark.usefixtures("client")
    def test_an_ambiguous_beginning_names_nobody(self) -> None:
        wish = a_wish()
        twin = make.IntentFactory(id=wish.pk.hex[:12] + uuid4().hex[12:])

        with pytest.raises(CommandError, match="2 intents begin so"):
            by_ada("approve", wish.pk.hex[:12])

        assert twin.status == "PENDING"


class TestApi:
    def test_one_intent_tells_what_it_is_worth_by_now(self, client: Client) -> None:
        wish = a_wish()

        body = client.get(reverse("api_intent", args=[wish.pk])).json()
        missing = client.get(reverse("api_intent", args=[uuid4()]))

        assert (body["status"], body["approvals"], body["cost"]) == ("PENDING", [], "199.995660")
        assert body["edge_now"] == pytest.approx(body["edge_then"], abs=1e-5)
        assert missing.status_code == 404

    def test_a_yes_approves_once(self, client: Client) -> None:
        wish = a_wish()

        answer = api(client, "approve", wish, reason="clear")
        again = api(client, "approve", wish, reason="clear")

        assert (answer.status_code, answer.json()["status"]) == (200, "APPROVED")
        assert answer.json()["approvals"][0]["actor"] == "ada"
        assert (again.status_code, again.json()["code"]) == (409, "late")

    def test_the_second_yes_of_a_person_counts_for_nothing(self, client: Client) -> None:
        wish = a_wish(persons=2)

        answers = [api(client, "approve", wish, reason="clear") for _ in range(2)]

        assert answers[0].json()["status"] == "PENDING"
        assert (answers[1].status_code, answers[1].json()["code"]) == (409, "said_before")

    def test_the_gates_refusal_is_a_conflict_with_its_sentence(self, client: Client) -> None:
        wish = a_wish()
        nothing_is_offered(wish)

        told = client.get(reverse("api_intent", args=[wish.pk])).json()
        answer = api(client, "approve", wish, reason="clear")

        assert (answer.status_code, answer.json()["code"]) == (409, "gate_refused")
        assert "MIN_SIZE" in answer.json()["message"]
        assert (told["price_now"], "MIN_SIZE" in told["refusal"]) == (None, True)

    def test_a_yes_in_a_halt_is_a_conflict_that_leaves_the_wish(self, client: Client) -> None:
        wish = a_wish()
        make.HaltFactory(scope="MODE", scope_key="PAPER", reason="lunch")

        told = client.get(reverse("api_intent", args=[wish.pk])).json()
        answer = api(client, "approve", wish, reason="clear")

        wish.refresh_from_db()
        assert told["stopped"].startswith("mode PAPER is HALTED: lunch")
        assert (answer.status_code, answer.json()["code"]) == (409, "halted")
        assert (wish.status, wish.approval_set.count()) == ("PENDING", 0)

    def test_no_is_said_to_one_and_to_many(self, client: Client) -> None:
        one, other = (a_wish(category=name) for name in ("sports", "weather"))

        single = api(client, "reject", one, reason="the news")
        late = api(client, "reject", one, reason="the news")
        many = client.post(
            reverse("api_intents_reject"),
            {"ids": [str(one.pk), str(other.pk), str(uuid4())], "reason": "none"},
            content_type="application/json",
        )

        assert single.json()["status"] == "REJECTED"
        assert (late.status_code, late.json()["code"]) == (409, "late")
        assert many.json() == {"rejected": [str(other.pk)], "late": [str(one.pk)]}

    def test_a_reason_and_the_right_are_required(self, client: Client) -> None:
        wish = a_wish()
        nobody = Client()
        nobody.force_login(make.UserFactory(username="grace"))

        answers = [
            api(client, "approve", wish),
            api(client, "reject", wish, reason=""),
            api(nobody, "approve", wish, reason="let me"),
        ]

        assert [answer.status_code for answer in answers] == [400, 400, 403]
        assert api(client, "approve", TradeIntent(), reason="x").status_code == 404
