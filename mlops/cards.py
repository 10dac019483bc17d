"""Model cards as they lie in the table: whatever is in one, it costs nobody but itself."""

import json
from typing import Any

import numpy as np

from mlops.core.drift import Profile

BROKEN = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


def read(text: str) -> dict[str, Any]:
    """A card, its NaN and infinities as None; empty where the text is no JSON object."""
    try:
        body = json.loads(text, parse_constant=lambda _name: None)
    except (RecursionError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of a card that has parts of its own; empty where it is none."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def experts(text: str) -> dict[str, dict[str, Any]]:
    """What a card says of each expert; who is no object in it is left out."""
    told = part(read(text), "experts")
    return {slug: each for slug, each in told.items() if isinstance(each, dict)}


def profile(text: str) -> Profile | None:
    """What the rows of a training looked like; None where the card does not say it properly."""
    try:
        found = Profile.from_json(read(text)["profile"])
    except BROKEN:
        return None
    whole = found.names and found.events > 0 and np.isfinite(found.missing).all()
    return found if whole else None
