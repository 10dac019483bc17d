"""What a first start prepares, and that a second start changes nothing."""

import json
import socket
from dataclasses import replace
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from config import demo, installation
from config.kernel import revise
from config.kernel.locks import LeaderLock
from markets.models import IngestSettings
from mlops.models import LearningSettings
from predictions.models import Expert, PredictionSettings
from risk.models import RiskLimits
from trading.settings import TradingSettings

pytestmark = pytest.mark.django_db


@pytest.fixture
def in_a_demo(settings):
    settings.ENV = replace(settings.ENV, mode="DEMO")


@pytest.mark.parametrize(("prices", "wrong"), [("DEMO", "PAPER"), ("PAPER", "DEMO")])
def test_the_mode_cannot_claim_other_prices_than_the_installation_has(settings, prices, wrong):
    settings.ENV = replace(settings.ENV, mode=prices)
    installation.seed(mode=prices, as_of=timezone.now())

    with pytest.raises(ValidationError, match=rf"(stays|is) {prices}"):
        revise.settings(
            TradingSettings, {"mode": wrong}, author=None, reason="x", as_of=timezone.now()
        )


@pytest.mark.usefixtures("in_a_demo")
def test_the_demo_preset_is_saved_with_its_reason_and_only_once():
    now = timezone.now()

    assert len(demo.apply(as_of=now)) == len(demo.PRESET)
    assert demo.apply(as_of=timezone.now()) == []

    trading = TradingSettings.objects.get()
    assert trading.mode == "DEMO"
    assert trading.reason.startswith("demo preset")


def test_every_value_of_the_preset_differs_from_the_built_in_default():
    for model, changes in demo.PRESET:
        defaults = model.objects.current(as_of=timezone.now()).values()
        same = [name for name, value in changes.items() if defaults[name] == value]
        assert not same, f"{model.__name__}: {same}"


@pytest.mark.usefixtures("in_a_demo")
def test_what_a_person_tuned_in_the_demo_is_kept():
    demo.apply(as_of=timezone.now())
    changes = {"max_positions": 7}
    now = timezone.now()
    revise.settings(RiskLimits, changes, author=None, reason="fewer", as_of=now)

    demo.apply(as_of=timezone.now())

    assert RiskLimits.objects.current(as_of=timezone.now()).max_positions == 7


def test_a_demo_never_enters_the_database_of_another_mode():
    installation.seed(mode="PAPER", as_of=timezone.now())

    with pytest.raises(demo.NotADemo, match="PAPER"):
        demo.apply(as_of=timezone.now())


def switched_to(mode):
    now = timezone.now()
    revise.settings(TradingSettings, {"mode": mode}, author=None, reason="so", as_of=now)


@pytest.mark.usefixtures("in_a_demo")
def test_a_demo_that_was_stopped_in_a_rehearsal_goes_on_with_it():
    demo.apply(as_of=timezone.now())
    switched_to("REHEARSAL")

    assert demo.apply(as_of=timezone.now()) == []
    assert TradingSettings.objects.newest().mode == "REHEARSAL"


def test_a_rehearsal_of_an_installation_that_was_no_demo_is_refused(settings):
    installation.seed(mode="PAPER", as_of=timezone.now())
    settings.ENV = replace(settings.ENV, mode="DEMO")
    switched_to("REHEARSAL")

    with pytest.raises(demo.NotADemo, match="REHEARSAL"):
        demo.apply(as_of=timezone.now())


@pytest.mark.parametrize("mode", ["PAPER", "DEMO"])
def test_a_seed_leaves_mode_experts_and_timetable(mode, settings):
    settings.ENV = replace(settings.ENV, mode=mode)
    installation.seed(mode=mode, as_of=timezone.now())
    installation.seed(mode=mode, as_of=timezone.now())

    assert TradingSettings.objects.current(as_of=timezone.now()).mode == mode
    assert Expert.objects.exists()
    assert PeriodicTask.objects.filter(name="cycle").exists()


@pytest.mark.usefixtures("in_a_demo")
def test_the_demo_leaves_the_models_of_the_other_settings_valid():
    demo.apply(as_of=timezone.now())

    for model in (IngestSettings, PredictionSettings, RiskLimits, LearningSettings):
        model.objects.get().full_clean(exclude=["author"])


def test_the_admin_gets_a_random_password_that_is_told_once_and_stored_as_a_hash():
    password = installation.create_admin()
    user = get_user_model().objects.get()

    assert len(password) >= 16
    assert user.check_password(password)
    assert password not in user.password
    assert installation.create_admin() is None


def test_migrating_twice_does_nothing():
    assert installation.migrate() is False


def test_a_port_in_use_is_noticed_and_another_one_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert not installation.port_is_free(port)
        assert installation.free_port(port) != port


def test_up_on_a_port_in_use_gives_one_clear_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} is in use; choose another"):
            call_command("up", port=port)


@pytest.mark.parametrize("port", [0, -1, 99999])
def test_up_on_a_port_that_is_none_is_bad_usage(port):
    with pytest.raises(CommandError, match="a port is 1 to 65535") as refusal:
        call_command("up", port=port)
    assert refusal.value.returncode == 2


def test_a_second_up_on_one_installation_says_where_the_first_one_answers(settings, tmp_path):
    settings.ENV = replace(settings.ENV, state_dir=tmp_path)
    (tmp_path / "page.url").write_text("http://127.0.0.1:8123/")
    first = LeaderLock("up")
    assert first.held()

    try:
        with pytest.raises(CommandError, match=r"already running \(http://127.0.0.1:8123/\)"):
            call_command("up", port=8000)
    finally:
        first.release()


def test_demo_content_is_refused_outside_a_demo():
    with pytest.raises(CommandError, match="demo only"):
        call_command("seed_demo", stdout=StringIO())


def test_output_is_json():
    out = StringIO()
    call_command("sync_beat", json=True, stdout=out)
    assert set(json.loads(out.getvalue())) == {
        "added", "changed", "absent", "pruned", "strangers",
    }  # fmt: skip
