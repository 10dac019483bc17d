"""Halts, the peak and the experts are moved by hand: with a right, a reason and a trace."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.kernel.models import DomainEvent, Heartbeat
from mlops import lifecycle
from risk import equity
from risk.models import Halt, TradingState
from tests import factories as make
from tests.config.people import client, staff_without_rights

__all__ = ["client"]

pytestmark = pytest.mark.django_db


def test_one_click_halts_everything(client: Client) -> None:
    page = client.post(reverse("admin:risk_halt_open"), {"state": "HALTED"}, follow=True)

    halt = Halt.objects.get()
    assert (halt.state, halt.opened_by, halt.resume_rule) == ("HALTED", "grace", "MANUAL")
    assert "PAPER · HALTED" in page.content.decode()
    assert DomainEvent.objects.filter(actor="grace", kind__startswith="halt.").exists()


def test_an_unknown_state_halts_nothing_and_says_so(client: Client) -> None:
    page = client.post(reverse("admin:risk_halt_open"), {"state": "ACTIVE"}, follow=True)

    assert "is not a state that stops anything" in page.content.decode()
    assert not Halt.objects.exists()


def test_looking_at_the_address_of_the_button_halts_nothing(client: Client) -> None:
    client.get(reverse("admin:risk_halt_open"))

    assert not Halt.objects.exists()


def test_resuming_takes_a_second_page_and_a_reason(client: Client) -> None:
    halt = make.HaltFactory(reason="the book looked wrong")
    address = reverse("admin:risk_halt_release", args=[halt.pk])

    asked = client.get(address).content.decode()
    client.post(address, {"reason": " "})
    still_open = Halt.objects.get().released_at is None
    client.post(address, {"reason": "it was a stale quote"})

    halt.refresh_from_db()
    assert "the book looked wrong" in asked
    assert "the system trades again" in asked
    assert still_open
    assert (halt.released_by, halt.release_reason) == ("grace", "it was a stale quote")


def test_releasing_twice_changes_nothing(client: Client) -> None:
    halt = make.HaltFactory()
    address = reverse("admin:risk_halt_release", args=[halt.pk])
    client.post(address, {"reason": "first"})

    page = client.post(address, {"reason": "second"})

    halt.refresh_from_db()
    assert halt.release_reason == "first"
    assert "was released by" in page.content.decode()


def test_staff_without_the_right_may_neither_halt_nor_resume() -> None:
    halt = make.HaltFactory()
    client = staff_without_rights()

    assert client.post(reverse("admin:risk_halt_open")).status_code == 403
    release = reverse("admin:risk_halt_release", args=[halt.pk])
    assert client.post(release, {"reason": "let me"}).status_code == 403
    assert "Resume…" not in client.get(reverse("admin:index")).content.decode()


def test_admin_reset_peak_action_permission() -> None:
    make.EquityPointFactory(cash=9_000, peak=10_000, drawdown=0.1)
    address = reverse("admin:risk_peak_reset", args=["PAPER"])
    client = staff_without_rights()
    asked = [client.get(address), client.post(address, {"reason": "let me"})]

    assert [answer.status_code for answer in asked] == [403, 403]
    assert not DomainEvent.objects.filter(kind=equity.PEAK_RESET).exists()
    assert address not in client.get(reverse("admin:index")).content.decode()

    user = make.UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="change_equitypoint"))
    client.force_login(user)
    answer = client.post(address, {"reason": "the deposit was withdrawn"})

    assert answer.status_code == 302
    event = DomainEvent.objects.get(kind=equity.PEAK_RESET)
    assert event.actor == user.get_username()
    assert "the deposit was withdrawn" in event.data
    assert equity.peak("PAPER", as_of=timezone.now()) == 9_000


def test_resetting_the_peak_takes_a_page_that_says_what_follows_and_a_reason(
    client: Client,
) -> None:
    make.EquityPointFactory(cash=9_000, peak=10_000, drawdown=0.1)
    make.HaltFactory(kind="DRAWDOWN_HALT", reason="fell by a tenth")
    address = reverse("admin:risk_peak_reset", args=["PAPER"])

    first = client.get(address).content.decode()
    refused = client.post(address, {"reason": "  "}).content.decode()

    for shown in ("$10,000.00", "$9,000.00", "10.0 %", "fell by a tenth"):
        assert shown in first, shown
    assert "A reason is required" in refused
    assert not DomainEvent.objects.filter(kind=equity.PEAK_RESET).exists()
    assert address in client.get(reverse("admin:index")).content.decode()
    assert address in client.get(reverse("admin:risk_equitypoint_changelist")).content.decode()


def test_a_mode_without_books_has_no_peak_to_reset(client: Client) -> None:
    assert client.get(reverse("admin:risk_peak_reset", args=["PAPER"])).status_code == 404


def test_the_release_page_says_that_a_drawdown_halt_comes_back(client: Client) -> None:
    of_mode = {"scope": Halt.Scope.MODE, "scope_key": "PAPER"}
    fallen = make.HaltFactory(kind="DRAWDOWN_HALT", **of_mode)
    by_hand = make.HaltFactory(kind="MANUAL")
    pages = [
        client.get(reverse("admin:risk_halt_release", args=[halt.pk])).content.decode()
        for halt in (fallen, by_hand)
    ]

    reset = reverse("admin:risk_peak_reset", args=["PAPER"])
    assert [reset in page for page in pages] == [True, False]
    assert "This alone will not last" in pages[0]


def test_the_control_room_shows_state_money_and_silence(client: Client) -> None:
    make.EquityPointFactory(cash=12_345, drawdown=0.034)
    Heartbeat.objects.create(component="beat", beat_at=make.ago(86_400), period_s=10)
    make.HaltFactory(state=TradingState.LISTEN_ONLY, reason="nobody marked the books")

    page = client.get(reverse("admin:index")).content.decode()

    for shown in ("PAPER · LISTEN_ONLY", "nobody marked the books", "$12,345.00", "3.4 %", "HALT"):
        assert shown in page, shown
    assert 'pill bad">' in page


def test_the_control_room_warns_in_red_when_money_is_real(client: Client) -> None:
    make.trading_settings(mode="LIVE")

    page = client.get(reverse("admin:index")).content.decode()

    assert "LIVE · ACTIVE" in page
    assert "Live: real money" in page


def test_the_timetable_opens_without_importing_any_task(client: Client) -> None:
    page = client.get(reverse("admin:django_celery_beat_periodictask_add"))

    assert page.status_code == 200
    assert "regtask" not in page.content.decode()


def test_an_expert_moves_by_hand_with_reason_and_author(client: Client) -> None:
    version = make.ModelVersionFactory(expert__slug="bias", expert__algorithm="recalibration")
    version.expert.served, version.expert.state = version, "ACTIVE"
    version.expert.save()
    address = reverse("admin:expert_move", args=["bias"])

    client.post(address, {"verb": "SUSPENDED", "reason": " "})
    before = version.expert.transitions.count()
    client.post(address, {"verb": "SUSPENDED", "reason": "it drifts"})

    version.expert.refresh_from_db()
    moved = version.expert.transitions.get()
    assert before == 0
    assert version.expert.state == "SUSPENDED"
    assert (moved.actor, "it drifts" in moved.evidence) == ("grace", True)


def test_a_move_is_chosen_and_tells_afterwards_why_it_was_made(client: Client) -> None:
    version = make.ModelVersionFactory(expert__slug="bias", expert__algorithm="recalibration")
    expert = version.expert
    expert.served, expert.state = version, "SHADOW"
    expert.save()
    told = {
        "training": True, "training_run": 3, "admitted": True, "events": 3851, "threshold": 320.0,
        "route": "first training, fixed sample", "p_value": 1e-9, "hold_out": {"skill": 0.015},
    }  # fmt: skip
    lifecycle.move(
        "bias", to="ACTIVE", version=version, evidence=told, actor="training", as_of=make.NOW
    )

    page = client.get(reverse("admin:predictions_expert_change", args=["bias"])).content.decode()

    assert '<option value="" selected>Choose a move…</option>' in page
    assert (
        "training 3 · admitted by first training · skill +1.5 % on 3,851 events · adjusted p &lt; "
        "0.0001" in page
    )
    assert "hold_out" not in page


def test_experts_in_service_are_listed_first(client: Client) -> None:
    for slug, state in (("aaa", "UNTRAINED"), ("mmm", "SUSPENDED"), ("zzz", "ACTIVE")):
        make.ExpertFactory(slug=slug, name=f"The {slug}", state=state, algorithm="price")

    page = client.get(reverse("admin:predictions_expert_changelist")).content.decode()

    assert page.index("The zzz") < page.index("The mmm") < page.index("The aaa")


def test_a_move_that_is_not_possible_says_why(client: Client) -> None:
    make.ExpertFactory(slug="bias", state="UNTRAINED")

    page = client.post(
        reverse("admin:expert_move", args=["bias"]),
        {"verb": "PROMOTE", "reason": "now"},
        follow=True,
    )

    assert "no trained version" in page.content.decode()


def test_an_unknown_expert_is_not_found(client: Client) -> None:
    address = reverse("admin:expert_move", args=["nobody"])

    assert client.post(address, {"verb": "PROMOTE", "reason": "now"}).status_code == 404


@pytest.mark.parametrize("manifest", ["[" * 100_000, '{"body":{},"hmac":"\\ud800"}'])
def test_a_spoilt_manifest_is_shown_as_it_is(client: Client, manifest: str) -> None:
    version = make.ModelVersionFactory(manifest=manifest)

    page = client.get(reverse("admin:predictions_modelversion_change", args=[version.pk]))

    assert page.status_code == 200


def test_staff_without_the_right_cannot_move_an_expert() -> None:
    make.ExpertFactory(slug="bias")
    client = staff_without_rights()

    answer = client.post(reverse("admin:expert_move", args=["bias"]), {"verb": "SUSPENDED"})

    assert answer.status_code == 403


def test_a_second_halt_says_that_the_first_stands_and_keeps_the_new_reason(client: Client) -> None:
    halt = reverse("admin:risk_halt_open")
    client.post(halt, {"state": "HALTED", "reason": "the first"})

    page = client.post(halt, {"state": "HALTED", "reason": "the second"}, follow=True)

    said = [str(message) for message in page.context["messages"]][-1]
    assert said.startswith("Already HALTED since ")
    assert "the first" in said
    assert "the second" in said
    assert Halt.objects.count() == 1
    assert DomainEvent.objects.filter(data__contains="the second").exists()
