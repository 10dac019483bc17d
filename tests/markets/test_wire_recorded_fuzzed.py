"""A recorded message with something wrong in it is read or refused, and nothing else happens."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from markets.core.wire import NotUnderstood
from tests.markets.test_wire_recorded import LIVE, UNDERSTOOD, Parse, folder

__all__ = ["folder"]

pytestmark = pytest.mark.history
VARIANTS = 40
LARGEST = 60_000
# These files bundle replies, which the other test takes apart; each kind is here alone too.
BUNDLES = ("generated/", LIVE, "ts_sdk_polybolt/")
ALONE = {name: parse for name, parse in UNDERSTOOD.items() if not name.startswith(BUNDLES)}
WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1e308, -0.0, "", " ", "0", "-1", "1e999", "NaN", "Infinity", "\0",
    "[]", "[1]", '["a"]', "{}", "0x", "v3", "2026-13-45", "0001-01-01T00:00:00Z", "9" * 400,
    "é" * 3000, [], [None], [[]], {}, {"": ""}, [{"price": "1"}], {"price": [], "size": {}},
)  # fmt: skip


def spoiled(value: Any, chance: random.Random) -> Any:
    """The message with one to three places made wrong: replaced, removed, doubled or renamed."""
    found = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        parents = [found, *containers(found)]
        parent = chance.choice([p for p in parents if isinstance(p, dict | list)] or [None])
        if not parent:
            return chance.choice(WRONG)
        key = chance.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        spoil(parent, key, chance)
    return found


def spoil(parent: Any, key: Any, chance: random.Random) -> None:
    what = chance.randrange(4)
    if what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    elif what == 1:
        parent[key.upper()] = parent.pop(key)
    else:
        parent[key] = copy.deepcopy(chance.choice(WRONG))


def containers(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        if isinstance(item, dict | list) and item:
            yield item
            yield from containers(item)


def torn(body: bytes, chance: random.Random) -> bytes:
    """The message cut off, or with a few bytes changed."""
    if chance.random() < 0.5:
        return body[: chance.randrange(len(body))]
    noise = bytearray(body)
    for _ in range(3):
        noise[chance.randrange(len(noise))] = chance.randrange(256)
    return bytes(noise)


def outcome(parse: Parse, body: bytes) -> str:
    try:
        parse(body)
    except NotUnderstood:
        return "refused"
    return "read"


@pytest.mark.parametrize("name", ALONE)
def test_a_spoiled_recording_is_read_or_refused(folder: Path, name: str) -> None:
    body = (folder / name).read_bytes()
    if len(body) > LARGEST:
        pytest.skip("its kind is tested on a smaller recording")
    value, chance = json.loads(body), random.Random(name)

    spoils = [json.dumps(spoiled(value, chance)).encode() for _ in range(VARIANTS)]
    outcomes = [outcome(ALONE[name], b) for b in spoils]
    outcomes += [outcome(ALONE[name], torn(body, chance)) for _ in range(VARIANTS)]

    assert "refused" in outcomes, "nothing that was wrong was noticed"
