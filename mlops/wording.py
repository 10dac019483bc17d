"""What a move of an expert rests on, as short lines for people; the JSON stays the record."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

MOST: Final = 6  # figures that are told of evidence without a form of its own
RULES: Final[Mapping[str, str]] = {
    "losing": "a losing run longer than the prices paid explain",
    "mismatched": "trained with another release of a library",
    "stale": "neither trained nor validated on new data for too long",
    "worse": "worse than the price beyond chance",
    "overconfident": "forecasts lie too far from how often things happen",
    "tilted": "the slope of its calibration is off",
    "recovered": "validated on new data, nothing wrong since",
    "proven": "better than the price live, beyond chance",
    "forgotten": "suspended for so long that nobody waits for it",
}
ROUTES: Final[Mapping[str, str]] = {
    "first training, fixed sample": "first training",
    "e-process": "evidence over days",
    "in service": "kept its place",
}


def of_evidence(text: str) -> str:
    """Why an expert was moved, in at most a few clauses; "" where nothing was written down.

    >>> of_evidence('{"reason": "exploded", "by_hand": true}')
    '“exploded”'
    """
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if not isinstance(told, Mapping):
        return text
    form: Callable[[Mapping[str, Any]], list[str]] = _plain
    for key, known in FORMS.items():
        if key in told:
            form = known
            break
    return " · ".join(form(told))


def route(code: str) -> str:
    """By what an expert was admitted.

    >>> route("in service")
    'kept its place'
    """
    return ROUTES.get(code, code)


def chance(p: float) -> str:
    """A p-value; very small ones as a bound.

    >>> chance(0.0123), chance(1e-9)
    ('p 0.0123', 'p < 0.0001')
    """
    return f"p {p:.3g}" if p >= 1e-4 else "p < 0.0001"


def proof(each: Mapping[str, Any]) -> str:
    """The figure that admitted an expert, or its evidence so far, with what is asked.

    >>> proof({"route": "e-process", "e_value": 400.0, "threshold": 320.0})
    'evidence 400 of 320'
    """
    if each.get("route") == "first training, fixed sample" and each.get("p_value") is not None:
        return f"adjusted {chance(float(each['p_value']))}"
    value, least = each.get("e_value"), each.get("threshold")
    if value is None:
        return ""
    return f"evidence {value:.3g}" + (f" of {least:.3g}" if least else "")


def _by_person(told: Mapping[str, Any]) -> list[str]:
    found = [f"“{told['reason']}”"]
    if "rolled_back_from" in told:
        found.append(f"back from version {told['rolled_back_from']}")
    return found


def _by_rule(told: Mapping[str, Any]) -> list[str]:
    found = [RULES.get(str(told["rule"]), str(told["rule"]))]
    skill, events = told.get("skill"), told.get("events")
    if skill is not None:
        found.append(f"live skill {_percent(skill)} on {events or 0:,} events")
    if told.get("losses"):
        found.append(f"{told['losses']} losses in a row, chance {told.get('chance', 0):.2g}")
    if told.get("threshold") and told.get("e_value") is not None:
        name = "e_worse" if told["rule"] == "worse" else "e_value"
        found.append(f"evidence {told.get(name) or 0:.3g} of {told['threshold']:.3g}")
    if told.get("mismatch"):
        found.append(str(told["mismatch"]))
    return found


def _by_training(told: Mapping[str, Any]) -> list[str]:
    found = [f"training {told['training_run']}" if told.get("training_run") else "training"]
    admitted, held = told.get("admitted"), told.get("hold_out")
    if isinstance(admitted, list):
        found.append(f"{len(admitted)} experts admitted")
    elif admitted:
        found.append(f"admitted by {route(str(told.get('route') or 'training'))}")
    else:
        found.append("not admitted")
    skill = held.get("skill") if isinstance(held, Mapping) else told.get("skill")
    if skill is not None:
        found.append(f"skill {_percent(skill)} on {told.get('events') or 0:,} events")
    found += [proof(told)] if proof(told) else []
    return found + [str(reason) for reason in told.get("reasons") or ()][:1]


def _plain(told: Mapping[str, Any]) -> list[str]:
    figures = {k: v for k, v in told.items() if isinstance(v, str | int | float) and v != ""}
    return [
        f"{name.replace('_', ' ')} {value:.4g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
        for name, value in list(figures.items())[:MOST]
    ]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:+.1f} %".replace("-", "−")


# The first key that is there names the form.
FORMS: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "rule": _by_rule,
    "training": _by_training,
    "reason": _by_person,
}
