"""The approval queue in the admin: a right, a reason, a second click, and the gate's last word."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.kernel.models import DomainEvent
from config.kernel.modes import Mode
from tests import factories as make
from tests.config.people import client, staff_without_rights
from tests.config.wishes import a_wish
from trading.approving import review, waiting
from trading.models import TradeIntent
from trading.settings import TradingSettings

__all__ = ["client"]

pytestmark = pytest.mark.django_db
QUEUE = "admin:trading_approvals"


def said(page: Any) -> str:
    """The last message on a page."""
    return str(list(page.context["messages"])[-1])


def address_of(intent: TradeIntent) -> str:
    return reverse("admin:trading_approval", args=[intent.pk])


def test_what_waits_shows_edge_then_and_now_depth_cost_and_time_left(client: Client) -> None:
    wish = a_wish(question="Will the bridge open?")
    now = timezone.now()
    make.QuoteFactory(market=wish.market, at=now, bid=0.47, ask=0.49)
    make.PredictionFactory(market=wish.market, as_of=now, probability=0.6)

    page = client.get(reverse(QUEUE)).content.decode()

    for shown in ("1 waiting for a person", "Will the bridge open?", "0.180 → ", "0.700 → 0.600"):
        assert shown in page, shown
    assert f"{wish.shares:.2f} at 0.490" in page
    assert "data-left=" in page
    assert "→ 0.100" in page
    assert "less than when it was made" in page
    assert 'Edge at the limit</span><span class="value"><b class="good">' in page
    assert "is what the risk gate judges at a yes" in page
    assert "FAK: what is there at once, the rest is cancelled" in page


def test_a_wish_that_the_gate_would_refuse_is_red_and_says_why_before_anybody_says_yes(
    client: Client,
) -> None:
    wish = a_wish()
    agreed = client.get(address_of(wish)).content.decode()
    make.PredictionFactory(market=wish.market, as_of=timezone.now(), probability=0.51)

    page = client.get(address_of(wish)).content.decode()

    assert "The risk gate would agree now." in agreed
    assert 'Edge at the limit</span><span class="value"><b class="bad">−0.0' in page
    assert "The risk gate would refuse now: NO_EDGE_LEFT: a share may cost" in page
    assert wish.approval_set.count() == 0


def test_an_edge_at_a_price_at_which_nothing_is_offered_is_not_green(client: Client) -> None:
    wish = a_wish()
    make.QuoteFactory(market=wish.market, at=timezone.now(), bid=0.60, ask=0.62)

    queue = client.get(reverse(QUEUE)).content.decode()
    page = client.get(address_of(wish)).content.decode()

    assert 'Edge at the limit</span><span class="value"><span title="void' in queue
    assert "MIN_SIZE: nothing is offered at 0.51 or less any more" in page


def test_a_sale_speaks_of_bids_and_of_what_it_brings_whatever_was_said_when_it_was_made(
    client: Client,
) -> None:
    wish = a_wish()
    said = "EDGE_GONE: a share brings 0.5000 and is worth 0.4000 by the newest forecast"
    TradeIntent.objects.filter(pk=wish.pk).update(
        side="SELL", signal=None, net_edge=None, limit_price="0.45", purpose="EXIT", reason=said
    )

    page = client.get(address_of(wish)).content.decode()

    for shown in ("A share brings, fee paid", "It is worth, by the forecast", "Bid down to the"):
        assert shown in page, shown
    assert 'Gained by selling now</span><span class="value"><b class="bad">−0.' in page
    assert f"because {said}" in page
    for wrong in ("offers", "Offered", "Edge at the limit</span>", "Fills now"):
        assert wrong not in page, wrong


def test_an_order_that_filled_nothing_is_no_success(client: Client) -> None:
    make.OrderFactory(status="CANCELED", intent__status="EXECUTED", intent__side="SELL")

    page = client.get(reverse(QUEUE)).content.decode()

    assert "came to nothing" in page
    assert " down to 0." in page
    assert ">executed<" not in page


def test_the_control_room_and_the_sidebar_lead_to_the_queue(client: Client) -> None:
    empty = client.get(reverse("admin:index")).content.decode()
    a_wish()

    room = client.get(reverse("admin:index"))

    assert "waits for a person" not in empty
    assert "1 wish waits for a person" in room.content.decode()
    items = room.context["sidebar_navigation"][1]["items"]
    assert (items[0]["title"], items[0]["badge"]) == ("Approval queue", "1")


def test_a_yes_takes_a_page_and_a_reason(client: Client) -> None:
    wish = a_wish()

    asked = client.get(address_of(wish)).content.decode()
    without = client.post(address_of(wish), {"approve": "1", "reason": " "}).content.decode()
    page = client.post(address_of(wish), {"approve": "1", "reason": "clear"}, follow=True)

    wish.refresh_from_db()
    assert "asks the risk gate once more" in asked
    assert "A reason is required" in without
    assert wish.status == "APPROVED"
    assert said(page).startswith("Approved; the order goes out")
    assert DomainEvent.objects.filter(kind="intent.approved", actor="grace").exists()


def test_the_gates_refusal_is_told_in_a_sentence(client: Client) -> None:
    wish = a_wish()
    make.QuoteFactory(market=wish.market, at=timezone.now(), bid=0.60, ask=0.62)

    page = client.post(address_of(wish), {"approve": "1", "reason": "clear"}, follow=True)

    wish.refresh_from_db()
    assert wish.status == "REJECTED"
    assert "the risk gate no longer agrees (gate: MIN_SIZE: nothing is offered" in said(page)


def test_a_halt_is_said_in_the_queue_and_a_yes_in_it_ends_nothing(client: Client) -> None:
    wish = a_wish()
    make.HaltFactory(reason="lunch")

    queue = client.get(reverse(QUEUE)).content.decode()
    page = client.get(address_of(wish)).content.decode()
    after = client.post(address_of(wish), {"approve": "1", "reason": "clear"}, follow=True)

    wish.refresh_from_db()
    assert "nothing it covers can be approved: trading is HALTED: lunch" in queue
    assert "Decide…" not in queue
    assert "Halted: trading is HALTED: lunch" in page
    assert 'name="approve"' not in page
    assert 'name="reject"' in page
    assert said(after).startswith("Nothing changed: HALTED: ")
    assert wish.status == "PENDING"


def test_the_verdict_is_by_the_book_of_the_figures(client: Client) -> None:
    wish = a_wish()
    now = timezone.now()
    (shown,) = waiting.queue(as_of=now)
    make.QuoteFactory(market=wish.market, at=timezone.now(), bid=0.60, ask=0.62)

    assert shown.price_now is not None
    assert review.would_refuse(shown, as_of=timezone.now()) == ""
    assert "MIN_SIZE" in client.get(address_of(wish)).context["refusal"]


def test_above_a_size_another_person_must_say_yes(client: Client) -> None:
    wish = a_wish(persons=2)

    first = client.post(address_of(wish), {"approve": "1", "reason": "clear"}, follow=True)
    page = client.get(address_of(wish)).content.decode()
    again = client.post(address_of(wish), {"approve": "1", "reason": "clear"}, follow=True)

    assert "another person must say yes too" in said(first)
    assert "you said yes" in first.content.decode()
    assert 'name="approve"' not in page
    assert "Nothing changed: grace has said yes already" in said(again)
    other = Client()
    user = make.UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="add_approval"))
    other.force_login(user)
    other.post(address_of(wish), {"approve": "1", "reason": "me too"})
    wish.refresh_from_db()
    assert wish.status == "APPROVED"


def test_a_no_frees_the_market_and_cannot_be_said_twice(client: Client) -> None:
    wish = a_wish()

    page = client.post(address_of(wish), {"reject": "1", "reason": "the news"}, follow=True)
    again = client.post(address_of(wish), {"approve": "1", "reason": "after all"}, follow=True)

    wish.refresh_from_db()
    assert (wish.status, wish.reason) == ("REJECTED", "the news")
    assert said(page).startswith("Rejected:")
    assert "can no longer be decided" in said(again)
    assert "Nobody can decide it any more" in client.get(address_of(wish)).content.decode()


def test_many_are_rejected_with_one_reason_and_the_late_are_told(client: Client) -> None:
    wishes = [a_wish(category=name) for name in ("sports", "weather", "politics")]
    TradeIntent.objects.filter(pk=wishes[2].pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    ids = {"intent": [str(w.pk) for w in wishes] + ["nonsense"]}
    address = reverse("admin:trading_approvals_reject")

    nothing = client.post(address, ids, follow=True)
    page = client.post(address, ids | {"reason": "none of these"}, follow=True)

    assert "say why" in said(nothing)
    statuses = list(TradeIntent.objects.order_by("created_at").values_list("status", flat=True))
    assert statuses == ["REJECTED", "REJECTED", "PENDING"]
    assert [str(m) for m in page.context["messages"]] == [
        "2 rejected: none of these",
        "1 had been decided or had expired before.",
    ]


def test_staff_without_the_right_may_neither_look_nor_decide() -> None:
    wish = a_wish()
    client = staff_without_rights()

    answers = [
        client.get(reverse(QUEUE)),
        client.get(address_of(wish)),
        client.post(address_of(wish), {"approve": "1", "reason": "let me"}),
        client.post(reverse("admin:trading_approvals_reject"), {"intent": wish.pk, "reason": "x"}),
        client.post(reverse("admin:trading_rehearse"), {"reason": "x"}),
    ]

    assert {answer.status_code for answer in answers} <= {403, 404}
    assert TradeIntent.objects.get().status == "PENDING"
    assert "Approval queue" not in client.get(reverse("admin:index")).content.decode()


def test_a_demo_begins_and_ends_a_rehearsal_with_reason_and_author(
    client: Client, settings: Any
) -> None:
    settings.ENV = replace(settings.ENV, mode=Mode.DEMO)
    make.trading_settings(mode="DEMO")
    address = reverse("admin:trading_rehearse")

    room = client.get(reverse("admin:index")).content.decode()
    asked = client.get(address).content.decode()
    client.post(address, {"reason": " "})
    before = TradingSettings.objects.newest().mode
    begun = client.post(address, {"reason": "to practise"}, follow=True)
    during = TradingSettings.objects.newest()
    waits = make.IntentFactory(
        mode="REHEARSAL", status="PENDING", expires_at=timezone.now() + timedelta(minutes=1)
    )
    over = client.post(address, {"reason": "enough"}, follow=True)
    waits.refresh_from_db()

    assert (waits.status, waits.reason) == ("REJECTED", "the rehearsal ended: enough")
    assert "1 that still waited were rejected" in said(over)
    assert address in room
    for shown in ("What is simulated", "What happens for real", "Begin the rehearsal"):
        assert shown in asked, shown
    assert before == "DEMO"
    assert (during.mode, str(during.author), during.reason) == ("REHEARSAL", "grace", "to practise")
    assert "The rehearsal has begun" in said(begun)
    assert TradingSettings.objects.newest().mode == "DEMO"


def test_where_prices_are_real_nothing_is_rehearsed(client: Client) -> None:
    assert client.get(reverse("admin:trading_rehearse")).status_code == 404


class TestOrders:
    """Orders whose fate is open are seen, and asked to end by who may, with a reason."""

    def test_unknown_orders_come_first_and_can_be_asked_to_end(self, client: Client) -> None:
        make.OrderFactory(status="OPEN")
        lost = make.OrderFactory(status="UNKNOWN", attempts=1)
        make.OrderFactory(status="FILLED")
        address = reverse("admin:trading_orders_standing")

        shown = client.get(address)
        nothing = client.post(address, {"order": str(lost.pk), "reason": " "}, follow=True)
        asked = client.post(address, {"order": str(lost.pk), "reason": "too long"}, follow=True)

        assert [row["row"].status for row in shown.context["rows"]] == ["UNKNOWN", "OPEN"]
        assert "say why" in said(nothing)
        assert said(asked) == "1 asked to end: too long"
        assert "asked to end" in asked.content.decode()
        lost.refresh_from_db()
        assert lost.cancel_asked_at is not None
        event = DomainEvent.objects.get(kind="order.cancel_wished")
        assert (event.actor, "too long" in event.data) == ("grace", True)

    def test_who_may_only_look_cannot_ask(self) -> None:
        order = make.OrderFactory(status="OPEN")
        user = make.UserFactory()
        user.user_permissions.add(Permission.objects.get(codename="view_order"))
        looks = Client()
        looks.force_login(user)
        address = reverse("admin:trading_orders_standing")

        page = looks.get(address)

        assert "Ask to cancel" not in page.content.decode()
        assert looks.post(address, {"order": str(order.pk), "reason": "x"}).status_code == 403
