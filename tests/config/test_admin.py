"""The control room: facts are read-only, settings grow versions, one click halts and two resume."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from config.kernel.admin import FactAdmin, SettingsAdmin
from config.kernel.models import DomainEvent, VersionedSettings
from markets.models import (
    Backfill,
    CohortMood,
    FundingRate,
    IngestSettings,
    MarketVersion,
    PublicTrade,
    Quote,
    SpotTick,
    WalletResult,
    WalletScore,
)
from risk.core.presets import SMALL_ACCOUNT
from risk.models import RiskLimits
from tests import factories as make
from tests.config.people import client
from trading.settings import TradingSettings

__all__ = ["client"]

pytestmark = pytest.mark.django_db
# Tick tables have no key that the admin could show; the pages show them.
TICKS = {Quote, PublicTrade, SpotTick, FundingRate, CohortMood}
TICKS |= {MarketVersion, Backfill, WalletResult, WalletScore}
admin.autodiscover()
OURS = [
    model
    for model in apps.get_models()
    if model._meta.app_label in {"kernel", "markets", "predictions", "risk", "trading", "mlops"}
]
SETTINGS = [model for model in OURS if issubclass(model, VersionedSettings)]


def name(model: Any, page: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"


def test_every_table_but_the_tick_tables_has_an_admin_page() -> None:
    without = {model for model in OURS if model not in admin.site._registry}

    assert without == TICKS


def test_every_admin_page_wears_the_same_theme() -> None:
    plain = [
        model for model, page in admin.site._registry.items() if not isinstance(page, ModelAdmin)
    ]

    assert plain == []


def test_nothing_counts_a_big_table_to_show_a_page() -> None:
    counting = [
        m for m in OURS if m not in TICKS and admin.site._registry[m].show_full_result_count
    ]

    assert counting == []


@pytest.mark.parametrize("model", [m for m in OURS if m not in TICKS], ids=lambda m: m.__name__)
def test_facts_and_states_can_be_looked_at_but_not_touched(client: Client, model: Any) -> None:
    page = admin.site._registry[model]
    assert isinstance(page, FactAdmin | SettingsAdmin)

    listed = client.get(reverse(name(model, "changelist")))

    assert listed.status_code == 200
    if isinstance(page, FactAdmin):
        assert client.get(reverse(name(model, "add"))).status_code == 403


@pytest.mark.parametrize("model", SETTINGS, ids=lambda m: m.__name__)
def test_no_version_of_settings_can_be_changed_or_deleted(client: Client, model: Any) -> None:
    row = make.revise(model)

    looked_at = client.get(reverse(name(model, "change"), args=[row.pk]))
    changed = client.post(reverse(name(model, "change"), args=[row.pk]), {"reason": "no"})
    deleted = client.post(reverse(name(model, "delete"), args=[row.pk]), {"post": "yes"})

    assert looked_at.status_code == 200
    assert {changed.status_code, deleted.status_code} == {403}
    assert model.objects.get().reason == "a test's knob"


def rows() -> Iterator[Any]:
    """One of everything that a factory makes."""
    fill = make.FillFactory()
    signal = make.SignalFactory(prediction__market=fill.order.market)
    yield from (fill, fill.order, fill.order.intent, fill.order.intent.decision, signal)
    yield from (signal.prediction, fill.order.market, fill.order.market.event)
    yield from (make.PositionFactory(), make.TransferFactory(), make.HaltFactory())
    yield from (make.EquityPointFactory(), make.ModelVersionFactory(), make.ResolutionFactory())
    yield make.ExpertFactory()


def test_every_kind_of_row_opens_read_only(client: Client) -> None:
    for row in rows():
        address = reverse(name(type(row), "change"), args=[row.pk])
        opened = client.get(address)
        written = client.post(address, {})

        assert opened.status_code == 200, row
        assert 'name="_save"' not in opened.content.decode(), row
        assert written.status_code == 403, row


def test_a_list_of_many_rows_costs_no_more_queries_than_a_list_of_few(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    def cost(model: Any) -> int:
        with django_assert_max_num_queries(40) as captured:
            assert client.get(reverse(name(model, "changelist"))).status_code == 200
        return len(captured)

    row = make.FillFactory()
    kinds = [type(row), type(row.order), type(row.order.intent), type(row.order.intent.decision)]
    few = [cost(kind) for kind in kinds]
    for _ in range(5):
        make.FillFactory()

    assert [cost(kind) for kind in kinds] == few


def form_values(client: Client, model: Any, **query: Any) -> dict[str, Any]:
    """What a person would send who opened the form and pressed save."""
    form = client.get(reverse(name(model, "add")), query).context["adminform"].form
    sent = {}
    for field in form:
        value = field.value()
        if value not in (None, False):
            sent[field.html_name] = value if value is not True else "on"
    return sent


@pytest.mark.parametrize("model", SETTINGS, ids=lambda m: m.__name__)
def test_the_form_for_new_settings_holds_the_values_in_force(client: Client, model: Any) -> None:
    current = model.objects.current(as_of=timezone.now()).values()

    form = client.get(reverse(name(model, "add"))).context["adminform"].form

    assert {field: form[field].value() for field in current} == current


def test_saving_settings_makes_a_version_with_author_reason_and_audit(client: Client) -> None:
    sent = form_values(client, TradingSettings) | {"min_net_edge": "0.04", "reason": "too eager"}

    answer = client.post(reverse(name(TradingSettings, "add")), sent, follow=True)

    row = TradingSettings.objects.get()
    assert (row.version, row.reason, row.author.username) == (1, "too eager", "grace")
    assert row.min_net_edge == 0.04
    assert "min net edge: 0.02 → 0.04" in answer.content.decode()
    event = DomainEvent.objects.get(kind="settings.revised")
    assert event.actor == "grace"
    assert "min_net_edge" in event.data


def test_settings_without_a_reason_are_not_saved(client: Client) -> None:
    sent = form_values(client, TradingSettings) | {"min_net_edge": "0.04", "reason": ""}

    answer = client.post(reverse(name(TradingSettings, "add")), sent)

    assert "This field is required" in answer.content.decode()
    assert not TradingSettings.objects.exists()


def test_settings_out_of_bounds_are_not_saved(client: Client) -> None:
    sent = form_values(client, RiskLimits) | {"max_market": "1.5", "reason": "all in"}

    answer = client.post(reverse(name(RiskLimits, "add")), sent)

    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors["max_market"]
    assert not RiskLimits.objects.exists()


def test_a_preset_of_limits_is_filled_in_shown_and_saved_only_by_a_second_click(
    client: Client,
) -> None:
    make.revise(RiskLimits, max_positions=4, max_book_age_s=17)
    address = reverse(name(RiskLimits, "add"))

    offered = client.get(address).content.decode()
    page = client.get(address, {"preset": "small account"}).content.decode()
    untouched = RiskLimits.objects.count()
    sent = form_values(client, RiskLimits, preset="small account")
    client.post(address, sent)

    row = RiskLimits.objects.newest()
    assert 'href="?preset=small%20account"' in offered
    assert "Saving would change:" in page
    assert "Largest stake in a market: 0.02 → <b>0.15</b>" in page
    assert "The form holds the values in force" not in page
    assert "Open positions: 4" not in page, "what stays as it is changes nothing"
    assert (untouched, row.version, row.reason) == (1, 2, "preset: small account")
    assert {key: row.values()[key] for key in SMALL_ACCOUNT} == dict(SMALL_ACCOUNT)
    assert row.max_book_age_s == 17


def test_an_unknown_preset_is_none(client: Client) -> None:
    current = form_values(client, RiskLimits)

    assert form_values(client, RiskLimits, preset="all in") == current


def test_settings_that_change_nothing_are_refused_with_a_sentence(client: Client) -> None:
    make.revise(IngestSettings, max_tracked=100)
    sent = form_values(client, IngestSettings) | {"reason": "no change"}

    answer = client.post(reverse(name(IngestSettings, "add")), sent)

    assert "Nothing differs from version 1" in answer.content.decode()
    assert IngestSettings.objects.count() == 1


def test_an_older_version_can_be_taken_up_again(client: Client) -> None:
    make.revise(IngestSettings, max_tracked=100)
    make.revise(IngestSettings, max_tracked=200)

    sent = form_values(client, IngestSettings, **{"from": "1"}) | {"reason": "it was better"}
    client.post(reverse(name(IngestSettings, "add")), sent)

    assert IngestSettings.objects.get(version=3).max_tracked == 100


def test_a_version_saved_while_the_clock_was_ahead_is_not_called_in_force(client: Client) -> None:
    make.trading_settings(max_spread=0.04)
    ahead = make.trading_settings(max_spread=0.03)
    TradingSettings.objects.filter(pk=ahead.pk).update(
        created_at=timezone.now() + timedelta(hours=1)
    )

    rows = client.get(reverse("admin:trading_tradingsettings_changelist")).context["cl"].result_list

    assert [(row.version, row.in_force) for row in rows] == [(2, False), (1, True)]


@pytest.mark.parametrize("version", ["²", "-1", "x", "9" * 40])
def test_a_version_that_is_none_is_not_taken_up(client: Client, version: str) -> None:
    url = reverse("admin:trading_tradingsettings_add")

    assert client.get(url, {"from": version}).status_code == 200


def test_the_history_says_what_each_version_changed(client: Client) -> None:
    make.revise(IngestSettings, max_tracked=100)
    make.revise(IngestSettings, max_tracked=200)

    page = client.get(reverse(name(IngestSettings, "changelist"))).content.decode()

    assert "max tracked: 2000 → 100" in page
    assert "max tracked: 100 → 200" in page


LIBRARIES = [
    model
    for model, page in admin.site._registry.items()
    if model._meta.app_label in {"auth", "django_celery_beat"}
]


@pytest.mark.parametrize("model", LIBRARIES, ids=lambda m: m.__name__)
def test_the_pages_of_libraries_open(client: Client, model: Any) -> None:
    for page in ("changelist", "add"):
        assert client.get(reverse(name(model, page))).status_code == 200


def test_a_member_of_the_team_gets_an_account(client: Client) -> None:
    sent = {
        "username": "alan",
        "password1": "a rather long password",
        "password2": "a rather long password",
        "usable_password": "true",
    }

    client.post(reverse("admin:auth_user_add"), sent)

    assert get_user_model().objects.get(username="alan").check_password("a rather long password")


@pytest.mark.parametrize("model", SETTINGS, ids=lambda m: m.__name__)
def test_every_setting_has_a_name_for_people_and_a_unit_or_meaning(
    client: Client, model: Any
) -> None:
    page = admin.site._registry[model]
    assert isinstance(page, SettingsAdmin)

    assert set(page.LABELS) == set(model(version=0).values())
    form = client.get(reverse(name(model, "add"))).context["adminform"].form
    for field, (label, meaning) in page.LABELS.items():
        assert (form[field].label, form[field].help_text) == (label, meaning)


def test_an_old_version_is_not_marked_as_wrong_and_a_preset_is_the_systems(client: Client) -> None:
    make.revise(RiskLimits, max_positions=5)
    make.revise(RiskLimits, max_positions=6)

    listed = client.get(reverse(name(RiskLimits, "changelist"))).content.decode()

    assert listed.count("in force<") == 1
    assert "system" in listed


def test_signals_name_the_side_and_round_to_four_decimals(client: Client) -> None:
    make.SignalFactory(outcome_index=1, net_edge=-0.027127743310187545)

    listed = client.get(reverse("admin:trading_signal_changelist")).content.decode()

    assert "−0.0271" in listed
    assert "−0.02712" not in listed
    assert ">No<" in listed.replace(" ", "").replace("\n", "")


def test_dates_in_the_admin_sort(client: Client) -> None:
    make.SignalFactory()

    listed = client.get(reverse("admin:trading_signal_changelist")).content.decode()

    assert f"{make.NOW:%Y-%m-%d %H:%M:%S}" in listed


def test_the_sidebar_begins_with_risk_and_ends_with_accounts_and_the_timetable(
    client: Client,
) -> None:
    groups = client.get(reverse("admin:index")).context["sidebar_navigation"]

    titles = [group["title"] for group in groups]
    assert titles[:6] == ["Risk", "Trading", "Markets", "Predictions", "Learning", "System"]
    assert len(titles) == 8
