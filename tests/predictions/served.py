"""Artefacts that are really written, registered and put into service, for tests of serving."""

from typing import ClassVar

import numpy as np

from predictions import registry
from predictions.core import roster
from predictions.core.combination import Fixed
from predictions.core.ensemble import ENSEMBLE, RECALIBRATED, Blend
from predictions.core.estimators import KINDS, PriceExpert, Recalibration
from predictions.core.schema import FEATURES
from predictions.core.uncertainty import PriceErrors
from predictions.models import Expert, ExpertState
from tests.factories import NOW, ago

CELLS = tuple(range(200))
ORDER = ("politics", "recalibration")


class Shift(PriceExpert):
    """An expert of test processes alone: one opinion for every row."""

    kind: ClassVar[str] = "shift"

    def __init__(self, by=0.3):
        self.by = by

    def correction(self, x, logit, cell):
        return np.full(len(logit), self.by)

    def to_bytes(self):
        return str(self.by).encode()

    @classmethod
    def from_bytes(cls, blob):
        return cls(float(blob))


def blend(order=ORDER, *, proportion=None, weight=0.4, alone=0.2):
    """Fixed proportions in every cell; where all of them are missing the recalibrated price."""

    def rung(source, shares, total):
        groups = tuple(range(len(order)))
        return Fixed(
            source=source, proportion=shares, group=groups, weight=total, error=0.1, domains={}
        )

    own = tuple(float(slug == "recalibration") for slug in order)
    several = rung(ENSEMBLE, proportion or (1.0,) * len(order), weight)
    flat = np.full(500, 0.4)
    return Blend(
        experts=tuple(order),
        rungs=(several, rung(RECALIBRATED, own, alone)),
        cells=CELLS,
        errors=PriceErrors.fit(flat, flat, event=np.arange(500)),
    )


def registered(members=None, *, horizon="outcome", **changes):
    """A version that is registered and serves nothing."""
    members = members or {slug: Recalibration(root_=(0.1 * k, 0.3)) for k, slug in enumerate(ORDER)}
    made = changes.pop("blend", None) or blend(tuple(members))
    span = registry.Span(data_from=ago(90 * 86400), data_until=ago(86400), rows=1500, events=900)
    values = {"span": span, "seed": 7, "trials": 4, "actor": "ada", "as_of": NOW}
    return registry.register(members=members, blend=made, horizon=horizon, **values | changes)


def in_service(version, *, state=ExpertState.ACTIVE):
    """The gate's version in a state, its members ACTIVE; all of them serve it."""
    for each in registry.members(version):
        registry.place(each.expert_id, state="ACTIVE", version=each, actor="ada", as_of=NOW)
    registry.place(version.expert_id, state=state, version=version, actor="ada", as_of=NOW)
    return version


def shifts(**by):
    """Members with one opinion each, by slug with underscores."""
    return {slug.replace("_", "-"): Shift(value) for slug, value in by.items()}


def known(monkeypatch):
    """Let the registry of this process read `Shift`."""
    monkeypatch.setitem(KINDS, Shift.kind, Shift)


def trees(seed, *, rows=1500, signal=1.0):
    """A fitted LightGBM and a recalibration, each a real artefact of its own."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(FEATURES)))
    odds, cell = rng.normal(0, 1.5, rows), np.ones(rows, int)
    y = (rng.random(rows) < 1 / (1 + np.exp(-1.4 * odds - signal * x[:, 0]))).astype(float)
    fit = {"cell": cell, "weight": np.ones(rows), "seed": seed}
    booster = KINDS["lightgbm-residual"]()
    return {
        "ends-later": booster.fit(x, odds, y, **fit),
        "recalibration": Recalibration().fit(x, odds, y, **fit),
    }


def slugs(horizon):
    return [role.slug for role in roster.members(horizon)]


def notes():
    return dict(Expert.objects.exclude(note="").values_list("slug", "note"))
