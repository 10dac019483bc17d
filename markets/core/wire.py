"""Venue JSON → frozen dataclasses: declared once per type, and refused where not understood.

A dataclass declares what it needs; `read` finds each field under its own name, its camelCase
twin or the keys in `Annotated[type, "key", …]`, and converts by the declared type (`DERIVED` fields
are the parser's own). Numbers never pass a float:
JSON decimals and number texts become `Decimal` directly. Fields that a type does not declare are
ignored, for the venue adds some every month.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from config.kernel.units import ConditionId, TokenId

T = TypeVar("T")
Convert = Callable[[Any], Any]
Price = NewType("Price", Decimal)
Tick = NewType("Tick", Decimal)
Amount = NewType("Amount", Decimal)
TxHash = NewType("TxHash", str)
Wallet = NewType("Wallet", str)

TICKS = frozenset(map(Decimal, ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001")))
LARGEST_AMOUNT = Decimal(2**33)
MILLISECONDS_FROM = 10**11
# Beyond forty digits either way nothing is money, and arithmetic with it never ends.
LONGEST_NUMBER = 40
NUMBER = re.compile(r"[-+.0-9eE]{1,40}")
EPOCH_SECONDS = re.compile(r"[0-9]{1,13}")
# The venue is younger than the first and plans nothing beyond the last.
EARLIEST, LATEST = datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
ABSENT = object()
DERIVED = "derived"
JSON = msgspec.json.Decoder(float_hook=Decimal)
JSON_TROUBLE = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)
"""What decoding raises: bad syntax, bad text, a number beyond Decimal, nesting without end."""
ENCODER = msgspec.json.Encoder(decimal_format="number")


class NotUnderstood(ValueError):
    """A venue message that we refuse to interpret; keep `body` raw and count it.

    Attributes
    ----------
    source
        Endpoint or channel.
    reason
        What was wrong, with the path of the field.
    body
        The message as text.
    """

    def __init__(self, source: str, reason: str, body: bytes | str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason
        self.body = body if isinstance(body, str) else body.decode("utf-8", "backslashreplace")


class Unreadable(ValueError):
    """A value that has not the declared type; `read` adds where it was found."""


def decode(body: bytes, *, source: str) -> Any:
    """JSON values of a reply, decimals kept exact; raises `NotUnderstood` for anything else."""
    try:
        return JSON.decode(body)
    except JSON_TROUBLE as cause:
        raise NotUnderstood(source, f"not JSON: {cause}", body) from cause


def read(kind: type[T], value: object, *, source: str) -> T:
    """One decoded JSON object as a frozen dataclass; raises `NotUnderstood`."""
    try:
        return build(kind, value)
    except Unreadable as wrong:
        raise NotUnderstood(source, str(wrong), raw(value)) from wrong


def read_all(kind: type[T], values: object, *, source: str) -> tuple[T, ...]:
    """A decoded JSON array as frozen dataclasses; raises `NotUnderstood`."""
    if not isinstance(values, list):
        raise NotUnderstood(source, f"expected an array, got {shown(values)}", raw(values))
    return tuple(read(kind, value, source=source) for value in values)


def raw(value: object) -> str:
    """JSON text of decoded values, decimals as they came; shortened where nested without end."""
    try:
        return ENCODER.encode(value).decode()
    except RecursionError:
        return shown(value)


def build(kind: type[T], value: object, **parsed: object) -> T:
    """Like `read`, for parsers that add checks of their own: raises `Unreadable`.

    `parsed` are fields that the caller took from elsewhere in the message.
    """
    if not isinstance(value, dict):
        raise Unreadable(f"expected an object, got {shown(value)}")
    found: dict[str, Any] = dict(parsed)
    for name, keys, convert, required in _plan(kind):  # type: ignore[arg-type]  # classes are hashable
        if name in found:
            continue
        called = keys[0]
        item = value.get(called)
        if item is None:  # else the first name is the one, as nearly always
            present = [k for k in keys if k in value]
            called = next((k for k in present if value[k] is not None), (present or keys)[0])
            item = value.get(called, ABSENT)
        if item is ABSENT or (item is None and not required):
            if required:
                raise Unreadable(f"{keys[0]} is missing")
            continue
        try:
            found[name] = convert(item)
        except Unreadable as wrong:
            raise Unreadable(f"{called}: {wrong}") from wrong
    return kind(**found)


def shown(value: object) -> str:
    """A value as it appears in a reason: short."""
    try:
        text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} nested too deeply"
    return text if len(text) <= 60 else f"{text[:57]}…"


@cache
def _plan(kind: type[Any]) -> tuple[tuple[str, tuple[str, ...], Convert, bool], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        (
            field.name,
            _keys(hints[field.name]) or (field.name, _camel(field.name)),
            converter(hints[field.name]),
            field.default is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
        if DERIVED not in _keys(hints[field.name])
    )


def _keys(hint: Any) -> tuple[str, ...]:
    return hint.__metadata__ if get_origin(hint) is Annotated else ()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def converter(hint: Any) -> Convert:
    """The function that turns a JSON value into the declared type, or raises `Unreadable`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return converter(arguments[0])
    if origin in (Union, UnionType):
        return _optional(converter(next(a for a in arguments if a is not NoneType)))
    if origin is tuple:
        return _each(converter(arguments[0]))
    if origin is Mapping:
        return _mapping(converter(arguments[1]))
    if origin is Literal:
        return _one_of(arguments)
    if dataclasses.is_dataclass(hint):
        return lambda value: build(hint, value)  # type: ignore[arg-type]
    return SCALARS[hint]


def _optional(convert: Convert) -> Convert:
    return lambda value: None if value is None or value == "" else convert(value)


def _each(convert: Convert) -> Convert:
    def apply(value: Any) -> tuple[Any, ...]:
        return tuple(convert(item) for item in array(value))

    return apply


def _mapping(convert: Convert) -> Convert:
    def apply(value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise Unreadable(f"expected an object, got {shown(value)}")
        return MappingProxyType({name: convert(item) for name, item in value.items()})

    return apply


def _one_of(choices: tuple[Any, ...]) -> Convert:
    def apply(value: Any) -> Any:
        if value not in choices:
            raise Unreadable(f"{shown(value)} is none of {', '.join(map(str, choices))}")
        return value

    return apply


def array(value: object) -> list[Any]:
    """A JSON array, or the text of one (Gamma writes three of its lists as texts)."""
    if isinstance(value, str):
        try:
            value = JSON.decode(value)
        except JSON_TROUBLE as cause:
            raise Unreadable(f"{shown(value)} is not an array") from cause
    if not isinstance(value, list):
        raise Unreadable(f"expected an array, got {shown(value)}")
    return value


def member(value: object, name: str) -> Any:
    """What a JSON object holds under `name`."""
    if not isinstance(value, dict) or name not in value:
        raise Unreadable(f"{name} is missing")
    return value[name]


def text(value: object) -> str:
    """A JSON text."""
    if not isinstance(value, str):
        raise Unreadable(f"expected a text, got {shown(value)}")
    return value


def flag(value: object) -> bool:
    """A JSON truth value; 0, 1 and texts are refused."""
    if not isinstance(value, bool):
        raise Unreadable(f"expected true or false, got {shown(value)}")
    return value


def decimal(value: object) -> Decimal:
    """A number, or its text in ASCII digits, exactly as written: at most 40 characters, 1e±40."""
    if isinstance(value, str):
        return _written(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Unreadable(f"expected a number, got {shown(value)}")
    if isinstance(value, int) and abs(value) >= 10**LONGEST_NUMBER:
        raise Unreadable(f"a number of {value.bit_length()} bits is too large")
    return _number(value, str(value))


@lru_cache(maxsize=8192)
def _written(value: str) -> Decimal:
    """A price grid has few prices, and a stream tells each of them a thousand times."""
    return _number(value, value)


def _number(value: int | str | Decimal, as_text: str) -> Decimal:
    if not NUMBER.fullmatch(as_text):
        raise Unreadable(f"{shown(value)} is not a number of at most {LONGEST_NUMBER} characters")
    try:
        number = Decimal(value)
    except InvalidOperation as cause:
        raise Unreadable(f"{shown(value)} is not a number") from cause
    if abs(number.adjusted()) > LONGEST_NUMBER:
        raise Unreadable(f"{shown(value)} is beyond 1e±{LONGEST_NUMBER}")
    return number


def integer(value: object) -> int:
    """A whole number, or the text of one."""
    number = decimal(value)
    if number != number.to_integral_value():
        raise Unreadable(f"{shown(value)} is not a whole number")
    return int(number)


def price(value: object) -> Decimal:
    """A price per share: a number in [0, 1]."""
    number = decimal(value)
    if not 0 <= number <= 1:
        raise Unreadable(f"{shown(value)} is not a price between 0 and 1")
    return number


def tick(value: object) -> Decimal:
    """A price grid that the venue has; any other would turn prices into nonsense."""
    number = decimal(value)
    if number not in TICKS:
        raise Unreadable(f"{shown(value)} is none of the venue's ticks")
    return number


def amount(value: object) -> Decimal:
    """Shares or dollars: from 0 to below 2^33, where a float still holds the sixth place."""
    number = decimal(value)
    if not 0 <= number < LARGEST_AMOUNT:
        raise Unreadable(f"{shown(value)} is not an amount from 0 to below {LARGEST_AMOUNT}")
    return number


def moment(value: object) -> datetime:
    """Any of the venue's times as aware UTC.

    ISO texts with an offset or Z (blank or T between date and time), bare dates (midnight UTC),
    and epoch numbers or their texts: above 10¹¹ milliseconds, else seconds. Only 2015 to 2099.
    """
    try:
        if isinstance(value, str) and not EPOCH_SECONDS.fullmatch(value):
            at = _from_iso(value)
        else:
            number = decimal(value)
            seconds = number / 1000 if number > MILLISECONDS_FROM else number
            at = datetime.fromtimestamp(float(seconds), UTC)
    except Unreadable:
        raise
    except (ValueError, OverflowError, OSError) as cause:
        raise Unreadable(f"{shown(value)} is not a time") from cause
    if not EARLIEST <= at < LATEST:
        raise Unreadable(f"{shown(value)} is not a time of the years 2015 to 2099")
    return at


def _from_iso(value: str) -> datetime:
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is not None:
        return parsed.astimezone(UTC)
    if len(value) != len("2026-01-31"):
        raise Unreadable(f"{shown(value)} has no time zone")
    return parsed.replace(tzinfo=UTC)


def _matching(pattern: str, noun: str) -> Convert:
    compiled = re.compile(pattern)

    def apply(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise Unreadable(f"{shown(value)} is not {noun}")
        return value

    return apply


SCALARS: Mapping[Any, Convert] = {
    str: text,
    bool: flag,
    int: integer,
    Decimal: decimal,
    Price: price,
    Tick: tick,
    Amount: amount,
    datetime: moment,
    ConditionId: _matching(r"0x[0-9a-fA-F]{1,64}", "a condition id"),
    TokenId: _matching(r"[0-9]{1,78}", "a token id"),
    TxHash: _matching(r"(0x[0-9a-fA-F]{1,64})?", "a transaction hash"),
    Wallet: _matching(r"[0-9A-Za-z_]{0,64}", "a wallet"),
    object: lambda value: value,
}
