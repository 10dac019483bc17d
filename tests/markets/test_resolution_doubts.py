"""What must not be believed of a source: unclear, strange, foreign and misdated words."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, connection
from django.urls import reverse

from markets import resolution_cases as cases
from markets import resolution_records, resolutions
from markets.core.wire_resolution import Evidence, Result
from markets.models import Market, RawMessage, Resolution, ResolutionCase
from tests.markets import wire_payloads as say
from tests.markets.result_sources import Venue, closed, ended, oracle
from tests.markets.test_resolution_cases import CHANGE, VIEW, a_case, signed_in
from tests.moments import NOW

pytestmark = pytest.mark.django_db
STRANGE = "flag\x00ged\x1b[31m\u200b" + "x" * 900


@pytest.fixture
def venue() -> Venue:
    return Venue()


def check(venue: Venue, *only: str, held: frozenset[int] = frozenset()) -> int:
    return resolutions.check(as_of=NOW, held=held, sources=venue.sources(*only))


def test_a_word_that_no_column_holds_is_cleaned_and_costs_no_other_market(venue: Venue) -> None:
    ended(1)
    ended(2)
    venue.gamma = {1: closed(1, umaResolutionStatus=STRANGE), 2: closed(2)}

    assert check(venue, "gamma") == 1

    case = ResolutionCase.objects.get()
    assert Resolution.objects.get().market.venue_key == "2"
    for text in (case.reason, case.evidence):
        assert "flagged[31mx" in text
        assert not set(text) & {"\x00", "\x1b", "\u200b"}
    assert len(json.loads(case.evidence)[0]["detail"]) <= 300


def test_a_case_that_cannot_be_written_costs_only_itself(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        ended(number)
    unclear = {"outcomePrices": '["0.2", "0.8"]'}
    venue.gamma = {1: closed(1, **unclear), 2: closed(2, **unclear), 3: closed(3)}
    written = cases.open_case

    def choking(
        market: Market, reason: str, evidence: Sequence[Evidence], *, as_of: datetime
    ) -> ResolutionCase:
        if market.venue_key == "1":
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")
        return written(market, reason, evidence, as_of=as_of)

    monkeypatch.setattr(cases, "open_case", choking)

    assert check(venue, "gamma") == 1
    assert ResolutionCase.objects.get().market.venue_key == "2"
    assert Market.objects.get(venue_key="1").result_due_at > NOW


def test_a_contradiction_that_cannot_be_written_costs_only_itself(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = ended()
    venue.gamma[1] = closed()
    check(venue)
    venue.gamma[1] = closed(outcomePrices='["0", "1"]')

    def choking(*_: Any, **__: Any) -> None:
        raise DataError("unstorable")

    monkeypatch.setattr(cases, "contradicted", choking)
    later = NOW + timedelta(hours=2)

    assert resolutions.check(as_of=later, sources=venue.sources()) == 0
    market.refresh_from_db()
    assert market.result_due_at == NOW + timedelta(days=1)


@pytest.mark.parametrize("held", [False, True])
def test_a_scalar_payout_beside_results_that_agree_is_for_a_person(
    venue: Venue, held: bool
) -> None:
    market = ended()
    venue.gamma[1] = closed(outcomePrices='["0", "0"]')
    venue.clob[1] = say.engine_market(1, winner=0)
    venue.data[1] = oracle()
    venue.chain[1] = (4, 1, 3)

    assert check(venue, held=frozenset({market.pk} if held else ())) == 0
    assert "ledger: pays [1, 3] of 4" in ResolutionCase.objects.get().reason


def test_an_unclear_word_after_the_booking_is_shown_unless_a_person_booked(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed()
    check(venue)
    Resolution.objects.create(
        market=ended(2, result_asked_at=NOW, result_due_at=NOW),
        payout_0=1,
        payout_1=0,
        source="person: ada",
        strength="manual",
        resolved_at=NOW,
        received_at=NOW,
    )
    venue.gamma = {n: closed(n, outcomePrices='["0.25", "0.75"]') for n in (1, 2)}

    resolutions.check(as_of=NOW + timedelta(hours=2), sources=venue.sources("gamma"))

    case = ResolutionCase.objects.get()
    assert case.market.venue_key == "1"
    assert "booked 1 by gamma, but catalogue: closed with the prices 0.25" in case.reason


@pytest.mark.parametrize("status", ["Disputed", " disputed ", "CHALLENGED", "Proposed"])
def test_an_oracle_that_shouts_is_heard(venue: Venue, status: str) -> None:
    ended()
    venue.gamma[1] = closed(umaResolutionStatus=status)
    venue.clob[1] = say.engine_market(1, winner=0)

    assert check(venue) == 0
    assert not ResolutionCase.objects.exists()


def test_the_data_service_may_shout_too_and_say_unknown_words(venue: Venue) -> None:
    for number, status in ((1, " Disputed"), (2, "flagged")):
        market = ended(number)
        venue.gamma[number] = closed(number)
        venue.clob[number] = say.engine_market(number, winner=0)
        venue.data[number] = oracle(number, status=status)
        assert check(venue, "clob", "data", held=frozenset({market.pk})) == 0

    assert "status flagged" in ResolutionCase.objects.get().reason


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"umaResolutionStatus": "flagged"}, "flagged"),
        ({"id": "77"}, "77"),
        ({"clobTokenIds": json.dumps([say.token(9), say.token(9, 1)])}, "order"),
        ({"clobTokenIds": None}, "no ids"),
    ],
)
def test_a_row_that_is_odd_or_not_ours_books_nothing(
    venue: Venue, changes: dict[str, Any], named: str
) -> None:
    ended()
    venue.gamma[1] = closed(**changes)

    assert check(venue, "gamma") == 0
    assert named in ResolutionCase.objects.get().reason


def test_a_row_of_another_condition_is_not_ours_and_both_are_named(venue: Venue) -> None:
    ended(1, scheduled_end_at=NOW - timedelta(days=9))
    venue.gamma[1] = {**closed(2), "id": "1"}

    assert check(venue, "gamma") == 0
    reason = ResolutionCase.objects.get().reason
    assert say.condition(1) in reason
    assert say.condition(2) in reason


def test_a_row_without_ids_counts_where_a_source_with_ids_agrees(venue: Venue) -> None:
    ended()
    venue.gamma[1] = closed(clobTokenIds=None)
    venue.clob[1] = say.engine_market(1, winner=0)

    assert check(venue, "clob") == 1
    assert Resolution.objects.get().source == "gamma+clob"


OPENED = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "believed"),
    [("2016-01-01 00:00:00+00", OPENED), ("2098-01-01 00:00:00+00", NOW)],
)
def test_an_end_out_of_the_markets_life_is_bounded_and_kept_raw(
    venue: Venue, said: str, believed: datetime
) -> None:
    market = ended(opens_at=OPENED)
    venue.gamma[1] = closed(closedTime=said)

    assert check(venue) == 1

    market.refresh_from_db()
    assert (Resolution.objects.get().resolved_at, market.closed_at) == (believed, believed)
    assert said[:10] in RawMessage.objects.get(source="resolution.time").body


def test_without_an_opening_the_moment_we_learned_of_a_market_bounds_its_end() -> None:
    market = ended(opens_at=None, received_at=NOW - timedelta(days=2))
    result = Result(payout=Decimal(1), source="gamma", resolved_at=datetime(1970, 1, 1, tzinfo=UTC))

    resolution_records.book([(market, result)], as_of=NOW)

    assert Resolution.objects.get().resolved_at == NOW - timedelta(days=2)


@pytest.mark.parametrize(
    ("reason", "complaint"),
    [
        ("\u200b" * 30, "at least 10 letters"),
        ("\u3164\u2800\u00a0" * 20, "at least 10 letters"),
        ("the referee\x00 names the winner", "characters that cannot be kept"),
    ],
)
def test_a_reason_must_be_readable(reason: str, complaint: str) -> None:
    case = a_case()
    sent = {"decision": "0", "reason": reason, "confirmed": "1"}

    page = signed_in(VIEW, CHANGE).post(reverse("admin:resolution_case", args=[case.pk]), sent)

    assert page.status_code == 200
    assert complaint in page.content.decode()
    with pytest.raises(cases.CannotSettle, match="reason"):
        cases.settle(case, "0", person="ada", reason=reason, as_of=NOW)
    assert not Resolution.objects.exists()


def test_a_market_before_a_person_waits_for_its_deep_turn(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = ended()
    venue.gamma[1] = closed()
    venue.clob[1] = say.engine_market(1, winner=1)
    check(venue, held=frozenset({market.pk}))
    monkeypatch.setattr(resolutions, "DEEPLY_AT_MOST", 0)

    assert resolutions.check(as_of=NOW + timedelta(hours=1), sources=venue.sources()) == 0
    assert ResolutionCase.objects.get().settled_at is None
