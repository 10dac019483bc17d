"""What no source settles a person settles: once, by name, with a reason; the page asks twice."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from config.kernel.models import DomainEvent
from markets import resolution_cases as cases
from markets import resolutions
from markets.models import Market, Notice, Resolution, ResolutionCase
from tests.markets import wire_payloads as say
from tests.markets.result_sources import Venue, closed, ended
from tests.moments import NOW

pytestmark = pytest.mark.django_db
REASON = "the referee's report names the winner"


def a_case(**values: Any) -> ResolutionCase:
    """An open case: closed with the prices zero and zero, and nobody names a winner."""
    ended(**values)
    venue = Venue()
    venue.gamma[1] = closed(outcomePrices='["0", "0"]')
    venue.clob[1] = say.engine_market(1, winner=None)
    resolutions.check(as_of=NOW, sources=venue.sources("gamma", "clob"))
    return ResolutionCase.objects.get()


def test_an_unclear_end_becomes_one_case_and_one_notice() -> None:
    case = a_case()
    venue = Venue()
    venue.gamma[1] = closed(outcomePrices='["0.2", "0.8"]')
    later = NOW + timedelta(hours=1)
    resolutions.check(as_of=later, sources=venue.sources("gamma", "clob"))

    case.refresh_from_db()
    assert "catalogue: closed with the prices 0.2, 0.8" in case.reason
    assert (case.opened_at, case.checked_at) == (NOW, later)
    assert Notice.objects.get().market_id == case.market_id


@pytest.mark.parametrize(
    ("decision", "payout"), [("0", Decimal(1)), ("1", Decimal(0)), ("half", Decimal("0.5"))]
)
def test_a_person_settles_by_name_with_a_reason(decision: str, payout: Decimal) -> None:
    case = a_case()

    cases.settle(case, decision, person="ada", reason=REASON, as_of=NOW)

    case.refresh_from_db()
    resolution, event = Resolution.objects.get(), DomainEvent.objects.get()
    market = Market.objects.get()
    assert (resolution.payout_0, resolution.payout_1) == (payout, 1 - payout)
    assert (resolution.strength, resolution.source) == ("manual", "person: ada")
    assert (case.settled_by, case.settled_at, case.note) == ("ada", NOW, REASON)
    assert (market.tracked, market.accepting_orders, market.closed_at) == (False, False, NOW)
    assert (event.kind, event.actor) == ("resolution.settled_by_hand", "ada")
    assert REASON in event.data


@pytest.mark.parametrize("reason", ["", "   ", "because", " it is so   "])
def test_without_a_reason_nothing_is_settled(reason: str) -> None:
    case = a_case()

    with pytest.raises(cases.CannotSettle, match="reason"):
        cases.settle(case, "0", person="ada", reason=reason, as_of=NOW)
    assert not Resolution.objects.exists()


def test_a_case_is_settled_once() -> None:
    case = a_case()
    cases.settle(case, "0", person="ada", reason=REASON, as_of=NOW)

    for verb in (
        lambda: cases.settle(case, "1", person="bob", reason=REASON, as_of=NOW),
        lambda: cases.ask_again(case, person="bob", reason=REASON, as_of=NOW),
        lambda: cases.keep(case, person="bob", reason=REASON, as_of=NOW),
    ):
        with pytest.raises(cases.CannotSettle, match="ada closed this case"):
            verb()
    assert Resolution.objects.get().payout_0 == 1


def test_outcomes_that_exclude_each_other_do_not_split() -> None:
    case = a_case(neg_risk=True)

    with pytest.raises(cases.CannotSettle, match="name the winner"):
        cases.settle(case, "half", person="ada", reason=REASON, as_of=NOW)
    with pytest.raises(cases.CannotSettle, match="choose the outcome"):
        cases.settle(case, "2", person="ada", reason=REASON, as_of=NOW)
    with pytest.raises(cases.CannotSettle, match="no result to keep"):
        cases.keep(case, person="ada", reason=REASON, as_of=NOW)


def test_asking_again_puts_the_market_in_front_and_a_source_closes_the_case() -> None:
    case = a_case()
    venue = Venue()
    venue.gamma[1] = closed()

    cases.ask_again(case, person="ada", reason=REASON, as_of=NOW)
    recorded = resolutions.check(as_of=NOW, sources=venue.sources("gamma"))

    case.refresh_from_db()
    assert recorded == 1
    assert (case.settled_by, case.settled_at) == ("gamma", NOW)


def test_a_source_that_denies_what_a_person_decided_opens_the_case_again_once() -> None:
    case = a_case()
    cases.settle(case, "0", person="ada", reason=REASON, as_of=NOW)
    venue = Venue()
    venue.gamma[1] = closed(outcomePrices='["0", "1"]')

    def look(hours: int) -> None:
        at = NOW + timedelta(hours=hours, seconds=1)
        resolutions.check(as_of=at, sources=venue.sources("gamma"))

    look(1)
    case.refresh_from_db()
    assert case.settled_at is None
    assert case.reason.startswith("booked 1 by person: ada, but catalogue:")
    assert Notice.objects.count() == 2

    with pytest.raises(cases.CannotSettle, match="facts are not changed"):
        cases.settle(case, "1", person="bob", reason=REASON, as_of=NOW)
    cases.keep(case, person="bob", reason=REASON, as_of=NOW + timedelta(hours=2))
    look(26)
    case.refresh_from_db()
    assert case.settled_by == "bob"
    assert Resolution.objects.get().payout_0 == 1


def signed_in(*permissions: str) -> Client:
    user = get_user_model().objects.create_user(username="ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


VIEW, CHANGE = "view_resolutioncase", "change_resolutioncase"
QUEUE = "admin:markets_resolutioncase_changelist"


def test_the_queue_shows_open_cases_and_the_closed_when_asked() -> None:
    case = a_case()
    client = signed_in(VIEW)
    address = reverse("admin:resolution_case", args=[case.pk])

    assert address in client.get(reverse(QUEUE)).content.decode()
    cases.settle(case, "0", person="bob", reason=REASON, as_of=NOW)
    assert address not in client.get(reverse(QUEUE)).content.decode()
    assert "closed by bob" in client.get(reverse(QUEUE), {"standing": "closed"}).content.decode()


def test_the_page_says_in_words_what_each_source_said() -> None:
    case = a_case()

    page = signed_in(VIEW).get(reverse("admin:resolution_case", args=[case.pk])).content.decode()

    for words in ("Catalogue", "Matching engine", "names no winner", "unclear"):
        assert words in page
    assert "needs the permission" in page
    assert 'name="decision"' not in page


def test_a_decision_is_shown_before_it_is_done() -> None:
    case = a_case()
    client = signed_in(VIEW, CHANGE)
    address = reverse("admin:resolution_case", args=[case.pk])

    asked = client.post(address, {"decision": "1", "reason": REASON}).content.decode()
    assert "No won: a share of No pays $1, of Yes nothing" in asked
    assert not Resolution.objects.exists()

    done = client.post(address, {"decision": "1", "reason": REASON, "confirmed": "1"}, follow=True)
    assert Resolution.objects.get().payout_0 == 0
    assert "in your name" in done.content.decode()
    assert "Nothing is left to decide" in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        ({"decision": "1", "reason": "short"}, "at least 10 letters"),
        ({"decision": "7", "reason": REASON}, "Choose what is to be done"),
        ({"decision": "keep", "reason": REASON, "confirmed": "1"}, "Choose what is to be done"),
    ],
)
def test_a_decision_without_reason_or_sense_is_refused(
    sent: dict[str, str], complaint: str
) -> None:
    address = reverse("admin:resolution_case", args=[a_case().pk])

    page = signed_in(VIEW, CHANGE).post(address, sent).content.decode()

    assert complaint in page
    assert not Resolution.objects.exists()


def test_who_may_only_look_cannot_decide_and_strangers_see_nothing() -> None:
    address = reverse("admin:resolution_case", args=[a_case().pk])
    sent = {"decision": "0", "reason": REASON, "confirmed": "1"}

    assert signed_in(VIEW).post(address, sent).status_code == 403
    get_user_model().objects.all().delete()
    assert signed_in().get(address).status_code == 403
    assert Client().get(address).status_code == 302
    assert not Resolution.objects.exists()
