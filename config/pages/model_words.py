"""What the codes of models are called on pages: ways to learn, parts of the universe, marks."""

from collections.abc import Mapping
from typing import Final

from predictions.core.schema import FEATURES
from predictions.models import Algorithm

ALGORITHMS: Final[Mapping[str, str]] = {
    Algorithm.PRICE: "price",
    Algorithm.RECALIBRATION: "recalibration",
    Algorithm.LIGHTGBM: "LightGBM",
    Algorithm.XGBOOST: "XGBoost",
    Algorithm.FOREST: "forest",
    Algorithm.MLP: "neural net",
    Algorithm.TEXT: "text",
    Algorithm.GATE: "combination",
}
MARKS: Final[Mapping[str, str]] = {
    "epoch": "up/down",
    "<1h": "less than 1 h left",
    "1-6h": "1 to 6 h left",
    "6-24h": "6 to 24 h left",
    "1-7d": "1 to 7 days left",
    ">7d": "more than 7 days left",
    "14m": "14 min before the end",
    "10m": "10 min before the end",
    "5m": "5 min before the end",
    "2m": "2 min before the end",
    "1m": "1 min before the end",
    "30s": "30 s before the end",
}
WINDOWS: Final[Mapping[str, str]] = {
    "5 min": "5 min windows",
    "15 min": "15 min windows",
    "1 h": "1 h windows",
    "longer": "longer windows",
}
RUNGS: Final[Mapping[str, str]] = {
    "recalibrated": "recalibrated price alone",
    "ensemble": "experts in fixed proportions",
    "domains": "a weight per domain",
    "stack": "a weight per expert",
    "gate": "weights that look at the context",
}
UNITS: Final = {feature.name: feature.unit for feature in FEATURES}


def part(name: str) -> str:
    """A domain, a time left, or both of a cell.

    >>> part("epoch, 5 min"), part("sports, <1h"), part("14m")
    ('up/down, 5 min windows', 'sports, less than 1 h left', '14 min before the end')
    """
    return ", ".join(MARKS.get(each) or WINDOWS.get(each, each) for each in name.split(", "))


def rung(name: str) -> str:
    """A way to combine.

    >>> rung("ensemble + temperature")
    'experts in fixed proportions + temperature'
    """
    step, plus, calibrator = name.partition(" + ")
    return RUNGS.get(step, step) + plus + calibrator
