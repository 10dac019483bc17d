"""The REST API: read what there is, halt what must stop, errors a program can read."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from config import urls
from risk.models import Halt
from tests import factories as make

pytestmark = pytest.mark.django_db
LISTS = [
    "api_markets", "api_predictions", "api_experts", "api_signals", "api_intents", "api_orders",
    "api_trades", "api_positions", "api_equity", "api_decisions", "api_halts", "api_trainings",
    "api_backtests", "api_live_markets", "api_news", "api_calendar", "api_whales", "api_notices",
    "api_scores", "api_trust", "api_drift",
]  # fmt: skip
OPEN_TO_ALL = {"api_health"}
CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(make.UserFactory())
    return signed_in


def one_of_everything() -> Any:
    fill = make.FillFactory(fee=Decimal("0.012345"))
    make.SignalFactory(prediction__market=fill.order.market)
    make.PositionFactory(market=fill.order.market)
    make.EquityPointFactory()
    make.HaltFactory()
    make.ExpertFactory()
    return fill


def test_strangers_are_refused_everywhere_but_at_health() -> None:
    for route in urls.api_v1:
        address = str(route.pattern)
        args = [1] if "<int:pk>" in address else [uuid4()] if "<uuid:pk>" in address else []
        answer = Client().get(reverse(route.name, args=args))
        if route.name in OPEN_TO_ALL:
            assert answer.status_code in {200, 503}
        elif route.name == "api_docs":
            assert answer.status_code == 302
        else:
            assert answer.status_code in {401, 403}, route.name


@pytest.mark.parametrize("route", LISTS)
def test_every_list_holds_exactly_what_its_contract_declares(client: Client, route: str) -> None:
    one_of_everything()

    body = client.get(reverse(route)).json()

    view = next(r for r in urls.api_v1 if r.name == route).callback.view_class
    assert set(body) == {"next", "previous", "results"}
    for row in body["results"]:
        assert set(row) == set(view.serializer_class().fields)


@pytest.mark.parametrize("route", LISTS)
def test_every_list_costs_one_query_for_its_rows(
    client: Client, route: str, django_assert_num_queries: Any
) -> None:
    one_of_everything()

    with django_assert_num_queries(3):  # session, user, rows
        client.get(reverse(route))


def test_money_keeps_every_digit(client: Client) -> None:
    one_of_everything()

    trade = client.get(reverse("api_trades")).json()["results"][0]

    assert trade["fee"] == "0.012345"
    assert trade["question"] == "Will it happen?"
    assert trade["outcome_name"] == "Yes"


def test_pages_follow_each_other_without_gap_or_overlap(client: Client) -> None:
    made = {make.MarketFactory().pk for _ in range(7)}

    seen: list[int] = []
    address: str | None = reverse("api_markets") + "?page_size=3"
    while address:
        body = client.get(address).json()
        seen += [row["id"] for row in body["results"]]
        address = body["next"]

    assert seen == sorted(made, reverse=True)


def test_lists_can_be_narrowed(client: Client) -> None:
    kept = make.MarketFactory(category="weather", question="Will it rain?")
    make.MarketFactory(tracked=False)

    by_category = client.get(reverse("api_markets"), {"category": "weather"}).json()["results"]
    by_word = client.get(reverse("api_markets"), {"search": "RAIN"}).json()["results"]

    assert [row["id"] for row in by_category] == [kept.pk]
    assert [row["id"] for row in by_word] == [kept.pk]


def test_a_filter_that_makes_no_sense_is_an_error_that_names_the_field(client: Client) -> None:
    answer = client.get(reverse("api_predictions"), {"since": "yesterday"})

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "fields"}
    assert "since" in answer.json()["fields"]


def test_one_market_comes_with_its_sides_and_its_end(client: Client) -> None:
    market = make.MarketFactory()
    make.ResolutionFactory(market=market)

    body = client.get(reverse("api_market", args=[market.pk])).json()

    assert [side["name"] for side in body["outcomes"]] == ["Yes", "No"]
    assert body["resolution"]["payout_0"] == "1.000000"


def test_an_open_market_has_no_end_yet(client: Client) -> None:
    body = client.get(reverse("api_market", args=[make.MarketFactory().pk])).json()

    assert body["resolution"] is None


def test_a_missing_market_is_an_error_a_program_can_read(client: Client) -> None:
    answer = client.get(reverse("api_market", args=[404]))

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_the_newest_books_are_the_portfolio(client: Client) -> None:
    empty = client.get(reverse("api_portfolio"))
    make.EquityPointFactory(observed_at=make.ago(600), cash=1)
    make.EquityPointFactory(cash=2)

    body = client.get(reverse("api_portfolio"), {"mode": "PAPER"}).json()

    assert empty.status_code == 404
    assert body["cash"] == "2.000000"


def test_status_says_mode_state_and_what_is_simulated(client: Client) -> None:
    make.HaltFactory(reason="enough")

    body = client.get(reverse("api_status")).json()

    assert (body["mode"], body["state"], body["simulated"]) == ("PAPER", "HALTED", True)
    assert "enough" in body["halts"][0]


def test_staff_with_the_right_can_halt_everything() -> None:
    user = make.UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="add_halt"))
    client = Client()
    client.force_login(user)

    answer = client.post(
        reverse("api_halts"), {"reason": "a bot went mad"}, content_type="application/json"
    )

    assert answer.status_code == 201
    assert answer.json()["state"] == "HALTED"
    assert Halt.objects.get().opened_by == "ada"


def test_a_halt_needs_a_reason() -> None:
    user = make.UserFactory(is_superuser=True)
    client = Client()
    client.force_login(user)

    answer = client.post(reverse("api_halts"), {}, content_type="application/json")

    assert answer.status_code == 400
    assert "reason" in answer.json()["fields"]


def test_others_cannot_halt(client: Client) -> None:
    answer = client.post(reverse("api_halts"), {"reason": "x"}, content_type="application/json")

    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"
    assert not Halt.objects.exists()


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("api_markets", {"cursor": "cD0lMDA="}),
        ("api_decisions", {"market": "9" * 40}),
        ("api_signals", {"since": "0001-01-01T00:00:00+14:00"}),
    ],
)
def test_a_value_that_no_column_can_hold_finds_nothing_or_is_the_callers_mistake(
    client: Client, name: str, query: dict[str, str]
) -> None:
    answer = client.get(reverse(name), query)

    # PostgreSQL compares some of them, SQLite can bind none.
    assert answer.status_code == 400 or answer.json()["results"] == []


def test_the_schema_in_the_repository_is_the_schema_of_the_code() -> None:
    schema = SchemaGenerator(patterns=None).get_schema(request=None, public=True)

    current = OpenApiYamlRenderer().render(schema, renderer_context={}).decode()

    assert CONTRACT.read_text() == current, "run `manage.py spectacular --file docs/openapi.yaml`"


def test_the_documentation_page_needs_no_foreign_server(client: Client) -> None:
    page = client.get(reverse("api_docs")).content.decode()

    assert "swagger-ui" in page
    assert "https://" not in page


def test_the_documentation_asks_strangers_to_sign_in_and_leads_back(client: Client) -> None:
    stranger = Client().get(reverse("api_docs"))

    assert stranger.status_code == 302
    assert stranger["Location"].endswith("/admin/login/?next=/api/v1/docs/")
    assert f'href="{reverse("overview")}"' in client.get(reverse("api_docs")).content.decode()


@pytest.mark.parametrize("address", ["/api/", "/api/v1/nothing/", "/api/v1/nothing", "/api/v2/x/"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_address_that_leads_nowhere_is_told_as_json(address: str, method: str) -> None:
    answer = getattr(Client(enforce_csrf_checks=True), method)(address)

    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert answer.json()["code"] == "not_found"
    assert "/api/v1/docs/" in answer.json()["message"]


def test_an_address_that_lacks_its_last_slash_is_led_on_to_read_only(client: Client) -> None:
    read = client.get("/api/v1/orders?mode=PAPER")
    written = client.post("/api/v1/orders", {})

    assert (read.status_code, read["Location"]) == (301, "/api/v1/orders/?mode=PAPER")
    assert written.status_code == 404
    assert written.json()["message"].endswith("write /api/v1/orders/")


def test_fills_are_a_list_like_their_neighbours_and_read_only(client: Client) -> None:
    make.FillFactory()

    body = client.get(reverse("api_fills")).json()

    assert body == client.get(reverse("api_trades")).json()
    assert len(body["results"]) == 1
    assert client.post(reverse("api_fills"), {}).status_code == 405
