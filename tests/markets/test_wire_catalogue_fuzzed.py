"""Whatever a page holds, the parser reads it or refuses it by name, and filing never fails."""

import copy
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from markets import filing
from markets.core import wire_catalog, wire_gamma
from markets.core.wire import NotUnderstood, Unreadable
from markets.filing import SyncReport
from markets.models import Market
from tests.markets import wire_payloads as say

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAGE = {
    "events": [
        say.event(1, markets=[say.market(1), say.market(2)], negRiskAugmented=True),
        say.epoch_event(1790616600, window="15m", opening=91_234.5),
        say.event(
            4,
            markets=[
                say.market(
                    4,
                    slug="bitcoin-up-or-down-september-28-2026-12pm-et",
                    cryptoMarketConfig={"asset": "btc", "duration": "1h", "twapEnabled": True},
                    umaResolutionStatus="proposed",
                    groupItemTitle="Person B",
                    description="rules",
                )
            ],
        ),
    ],
    "next_cursor": "abc",
}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.sampled_from(
        [
            *("1e999", "-1", "[]", '["a"]', '["0.5", "0.5"]', "0x", "v2", "NaN", "Infinity", "\0"),
            *("0001-01-01T00:00:00Z", "9999-12-31", "2026-13-45", "99999999999999999"),
            *("btc-updown-999h-99999999999", "bitcoin-up-or-down-february-30-1am-et", "x" * 5000),
        ]
    )
)
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=5), LEAVES)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, child in inner:
        found.append((*path, key))
        if isinstance(child, (dict, list)):
            found += places(child, (*path, key))
    return found


PLACES = places(PAGE)


def mutated(changes: list[tuple[tuple[Any, ...], Any]]) -> bytes:
    """The page with other values at some of its places."""
    page = copy.deepcopy(PAGE)
    for path, value in changes:
        parent: Any = page
        try:
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change removed the place
    return json.dumps(page).encode()


CHANGES = st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=4)


@given(CHANGES)
@settings(max_examples=400, deadline=None)
def test_a_mutated_page_is_read_or_refused_by_name(changes: Any) -> None:
    try:
        page = wire_gamma.page(mutated(changes), "events")
    except NotUnderstood:
        return
    refused = [*page.refused, *(wrong for event in page.events for wrong in event.refused)]
    for wrong in refused:
        assert isinstance(wrong, NotUnderstood)
        names_its_field = re.match(r"[a-zA-Z_]+(:| is missing)|expected an object", wrong.reason)
        assert names_its_field, wrong.reason
    for event in page.events:
        for market in event.markets:
            listed = wire_catalog.listed(event, market, as_of=AS_OF)
            assert listed.reference_price is None or listed.reference_price > 0
            assert listed.window_s is None or 0 < listed.window_s <= 86_400
            with suppress(Unreadable):
                terms = wire_catalog.fee_terms(market)
                assert terms is None or 0 <= terms.rate <= 1


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_bytes_that_are_no_page_are_refused(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        wire_gamma.page(body, "events")


@pytest.mark.django_db
@given(CHANGES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_mutated_page_is_filed_without_an_error(changes: Any) -> None:
    try:
        page = wire_gamma.page(mutated(changes), "events")
    except NotUnderstood:
        return
    report = SyncReport()

    filing.note_refused(page.refused, report, as_of=AS_OF)
    filing.store(page.events, report, simulated=False, as_of=AS_OF)

    assert Market.objects.filter(pk__in=report.seen).count() == len(report.seen)
    assert report.added + report.changed <= report.markets
