"""Messages are read exactly, or refused."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.kernel.units import TokenId
from markets.core import (
    wire,
)
from markets.core.wire import NotUnderstood, Price

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    price: Price
    token_id: Annotated[TokenId, "asset", "token_id"]
    big_word: str = ""
    side: Literal["BUY", "SELL"] | None = None
    sizes: tuple[Decimal, ...] = ()
    count: int = 0
    happened_at: datetime | None = None


GOOD: dict[str, Any] = {"price": "0.5", "asset": "17"}


def sample(**changes: Any) -> Sample:
    body = json.dumps(GOOD | changes).encode()
    return wire.read(Sample, wire.decode(body, source="test"), source="test")


def test_fields_are_found_under_their_own_name_their_camel_case_and_their_keys() -> None:
    found = sample(bigWord="x", sizes='["1.5", 2]', count="3", side="BUY")

    assert found.token_id == "17"
    assert (found.big_word, found.side, found.count) == ("x", "BUY", 3)
    assert found.sizes == (Decimal("1.5"), Decimal(2))


def test_numbers_keep_every_digit() -> None:
    body = b'{"price": 0.12345678901234567890123, "asset": "17"}'

    found = wire.read(Sample, wire.decode(body, source="test"), source="test")

    assert str(found.price) == "0.12345678901234567890123"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": "1.01"}, "not a price between 0 and 1"),
        ({"price": "NaN"}, "is not a number"),
        ({"price": "half"}, "is not a number"),
        ({"price": True}, "expected a number"),
        ({"price": None}, "expected a number"),
        ({"asset": 17}, "is not a token id"),
        ({"asset": "0x17"}, "is not a token id"),
        ({"side": "HOLD"}, "is none of BUY, SELL"),
        ({"sizes": "1.5"}, "expected an array"),
        ({"sizes": "[1.5"}, "is not an array"),
        ({"sizes": {"a": 1}}, "expected an array"),
        ({"count": 1.5}, "not a whole number"),
        ({"count": "1e9999999"}, "is beyond 1e±40"),
        ({"price": "1e-999990"}, "is beyond 1e±40"),
        ({"count": 10**400}, "is too large"),
        ({"price": "0." + "9" * 40}, "at most 40 characters"),
        ({"price": "0_1"}, "is not a number"),
        ({"price": "0.4١"}, "is not a number"),
        ({"happenedAt": "0001-01-01T00:00:00Z"}, "not a time of the years"),
        ({"happenedAt": 0}, "not a time of the years"),
        ({"bigWord": 5}, "expected a text"),
        ({"happenedAt": "yesterday"}, "is not a time"),
        ({"happenedAt": "2026-11-20T12:00:00"}, "has no time zone"),
        ({"happenedAt": 10**30}, "is not a time"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_field(
    change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotUnderstood, match=reason) as refusal:
        sample(**change)

    assert refusal.value.source == "test"
    assert next(iter(change)) in refusal.value.reason
    assert json.loads(refusal.value.body) == GOOD | change


def test_a_missing_field_is_named() -> None:
    with pytest.raises(NotUnderstood, match="asset is missing"):
        wire.read(Sample, {"price": "0.5"}, source="test")


def test_text_that_is_no_json_is_kept_as_it_came() -> None:
    with pytest.raises(NotUnderstood, match="not JSON") as refusal:
        wire.decode(b"<html>\xff", source="test")

    assert refusal.value.body == "<html>\\xff"


@pytest.mark.parametrize(
    "value",
    [
        "2026-09-28T17:46:27Z",
        "2026-09-28 17:46:27+00",
        "2026-09-28T19:46:27.000000+02:00",
        1790617587,
        "1790617587",
        1790617587000,
        "1790617587000",
    ],
)
def test_every_time_format_of_the_venue_gives_the_same_instant(value: object) -> None:
    assert wire.moment(value) == datetime(2026, 9, 28, 17, 46, 27, tzinfo=UTC)


def test_a_bare_date_is_midnight_utc() -> None:
    assert wire.moment("2026-09-28") == datetime(2026, 9, 28, tzinfo=UTC)


@given(
    st.datetimes(
        wire.EARLIEST.replace(tzinfo=None),
        wire.LATEST.replace(tzinfo=None, year=2099),
        timezones=st.just(UTC),
    )
)
def test_iso_texts_survive_a_round_trip(at: datetime) -> None:
    assert wire.moment(at.isoformat()) == at
