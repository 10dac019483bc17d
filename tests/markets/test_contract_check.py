"""A field that the venue renames or retypes is told by name; silence is not agreement."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from markets import catalog, contract_check, universe
from markets.core import shapes
from markets.models import Notice
from sandbox.sockets import Sockets
from tests.markets import wire_payloads as say
from tests.moments import NOW
from tests.support.simulated import Clock, clock, running_sockets

__all__ = ["clock", "running_sockets"]


def recorded(*path: str) -> Any:
    if settings.ENV.history_dir is None:
        pytest.skip("set HISTORY_DIR to the folder that holds reference/payloads")
    value = json.loads((settings.ENV.history_dir / "reference/payloads" / path[0]).read_bytes())
    for name in path[1:]:
        value = value[name]
    return value


@pytest.mark.history
@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("gamma.event", ("live_2026_09_10/gamma_event_btc_15m_resolved.json", "response")),
        ("gamma.event", ("live_2026_09_10/gamma_event_btc_hourly_resolved.json", "response")),
        (
            "gamma.market",
            ("live_2026_09_10/gamma_event_btc_hourly_resolved.json", "response", "markets"),
        ),
        ("clob.market", ("live_2026_09_10/clob_market_resolved.json", "response")),
        (
            "clob.prices_history",
            ("live_2026_09_10/clob_prices_history.json", "response", "history"),
        ),
        ("data.trade", ("live_2026_09_10/data_v2_trades_page.json", "response", "data")),
        ("stream.book", ("live_2026_09_10/clob_market_ws.json", "samples", "book")),
        ("stream.price_change", ("live_2026_09_10/clob_market_ws.json", "samples", "price_change")),
    ],
)
def test_what_was_recorded_is_its_own_contract(source: str, path: tuple[str, ...]) -> None:
    found = recorded(*path)

    assert shapes.compare(source, found if isinstance(found, list) else [found]) == ()


def market(**changes: Any) -> dict[str, Any]:
    row = copy.deepcopy(say.market(1)) | {"version": "v1"}
    row |= {name: value for name, value in changes.items() if value is not ...}
    return {name: row[name] for name in row if changes.get(name) is not ...}


@pytest.mark.django_db
def test_a_vanished_field_becomes_a_warning_that_names_it_once_a_day() -> None:
    rows = [market(orderMinSize=...) for _ in range(5)]

    for _ in range(2):
        found = contract_check.judge([("gamma.market", rows)], as_of=NOW)

    assert [d.subject for d in found[0].drifts if d.field == "orderMinSize"] == [
        "gamma.market.orderMinSize"
    ]
    notice = Notice.objects.get(subject="gamma.market.orderMinSize")
    assert notice.kind == Notice.Kind.CONTRACT_DRIFT
    assert notice.severity == Notice.Severity.WARNING
    assert "vanished from 5 of 5 rows" in notice.text


def test_one_row_of_another_type_is_enough() -> None:
    rows = [{"t": 1, "p": 0.5}, {"t": 2, "p": "0.5"}]

    (drift,) = shapes.compare("clob.prices_history", rows)

    assert (drift.subject, drift.what) == ("clob.prices_history.p", "was number, is text")


def test_a_few_rows_without_a_field_are_no_drift() -> None:
    rows = [{"t": n, "p": 0.5} for n in range(9)] + [{"t": 10}]

    assert shapes.compare("clob.prices_history", rows) == ()


def test_what_is_no_object_is_told_as_such() -> None:
    (drift,) = shapes.compare("clob.prices_history", [[1, 2]])

    assert drift.what == "is list, not an object"


@pytest.mark.django_db
def test_the_stand_in_speaks_as_recorded_and_a_silent_stream_is_listed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("contract_check", "--json", "--listen", "0")

    found = {row["source"]: row for row in json.loads(capsys.readouterr().out)}
    for source in ("gamma.event", "gamma.market", "clob.book", "clob.market"):
        assert found[source]["rows"] > 0, source
        assert found[source]["drifts"] == [], source
    assert found["stream.book"]["missing"] == "no sample came"


@pytest.mark.django_db
def test_every_kind_of_message_of_the_stand_in_is_as_recorded(
    clock: Clock, running_sockets: Sockets
) -> None:
    catalog.sync(as_of=clock.now)
    universe.refresh(as_of=clock.now)

    found = contract_check.run(as_of=clock.now, listen_s=1)

    assert {f.source: f.missing for f in found if f.missing} == {}
    assert {f.source: f.drifts for f in found if f.drifts} == {}
    assert {f.source for f in found} == set(shapes.CONTRACTS)
    assert not Notice.objects.exists()
    assert running_sockets.steps > 0


@pytest.mark.django_db
def test_a_venue_that_does_not_answer_is_no_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9"
    env = replace(
        settings.ENV, mode="DEMO", venue_gamma_url=nowhere, venue_clob_url=nowhere,
        venue_data_url=nowhere,
    )  # fmt: skip
    monkeypatch.setattr(settings, "ENV", env)

    with pytest.raises(SystemExit) as left:
        call_command("contract_check", "--listen", "0")

    assert left.value.code == 2
