"""Hierarchical recalibration of the price: logit p = a + b·ℓ per domain and time left, pooled.

A cell's (a, b) is (0, 1) plus a deviation of the whole market, of its domain and of the cell
itself, each drawn from N(0, τ²) around its parent; the estimate is the posterior mode, i.e. a
ridge logistic regression (Le 2026, arXiv 2602.19520, finds domain × horizon to matter most). How
far each level deviates is itself learned: its τ is the given one times what makes the answers
likeliest (empirical Bayes, by the quadratic expansion of the likelihood about the price), so that
no deviation stays none and a large one is not shrunk away. Rows of an event are neither one
observation nor as many as they are: the likelihood is scaled so that its curvature is what the
scores clustered by event support (Pauli, Racugno & Ventura 2011, composite likelihoods).
"""

import json
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core import restraint
from predictions.core.cells import BUCKETS
from predictions.core.logits import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Deviation = tuple[float, float]

LEVELS: Final = ("root", "domain", "cell")
SCALES: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # by what a level's τ may differ from the given one
DOUBT: Final = 2.0  # standard deviation of the logarithm of a scale before the answers
SWEEPS: Final = 3  # over the levels, one scale at a time
MOST_INFORMATION: Final = 1e4  # of an event, in observations: answers that hardly scatter


@dataclass(slots=True, kw_only=True)
class Recalibration:
    """Intercept and slope of the price's log odds, by cell, shrunk to domain, market and identity.

    Attributes
    ----------
    tau_root, tau_domain, tau_cell
        Prior standard deviation of the slopes' deviations, before the answers scale it.
    intercepts
        The same for intercepts, as a share: they rarely repeat from one period to the next.
    min_events
        A domain or cell with less weight than this has no deviation of its own.
    root_, domains_, cells_
        Fitted deviations of (intercept, slope − 1); those of domain and cell add to the root's.
    """

    kind: ClassVar[str] = "recalibration"
    native: ClassVar[bool] = False

    tau_root: float = 0.2
    tau_domain: float = 0.1
    tau_cell: float = 0.05
    intercepts: float = 0.2
    min_events: float = 200.0
    root_: Deviation = (0.0, 0.0)
    domains_: dict[int, Deviation] = field(default_factory=dict)
    cells_: dict[int, Deviation] = field(default_factory=dict)

    def fit(
        self,
        x: Floats,
        logit: Floats,
        y: Floats,
        *,
        cell: Ints,
        weight: Floats,
        seed: int,
        event: Ints | None = None,
    ) -> Self:
        """Find the posterior mode by Newton's method; `x` and `seed` do not matter."""
        del x, seed
        good = np.isfinite(logit) & np.isfinite(y) & (weight > 0)
        event = restraint.numbered(weight, event)[good]
        logit, y, cell, weight = logit[good], y[good], cell[good], weight[good]
        self.root_, self.domains_, self.cells_ = (0.0, 0.0), {}, {}
        if weight.sum() < self.min_events:
            return self
        codes, where = np.unique(cell, return_inverse=True)
        events = np.bincount(where, weights=weight).astype(np.float64)
        tree, keys, slopes = self._tree(codes, events)
        taus = np.concatenate([self.intercepts * slopes, slopes])
        weight = weight * _information(logit, y, weight=weight, event=event)
        taus = taus * _scales(tree, keys, taus, _expansion(logit, y, weight=weight, where=where))
        mode = _posterior_mode(tree, taus, logit, y, weight=weight, where=where)
        for (level, key), (a, b) in zip(keys, mode.tolist(), strict=True):
            if level == "root":
                self.root_ = (a, b)
            elif level == "domain":
                self.domains_[key] = (a, b)
            else:
                self.cells_[key] = (a, b)
        return self

    def correction(self, x: Floats, logit: Floats, cell: Ints) -> Floats:
        """Intercept plus (slope − 1) × ℓ of the row's cell, or of its nearest known ancestor."""
        del x
        codes, where = np.unique(cell, return_inverse=True)
        lines = np.array([self._line(int(code)) for code in codes]).reshape(-1, 2)[where]
        moved = lines[:, 0] + lines[:, 1] * logit
        return np.where(np.isfinite(logit), moved, 0.0)

    def to_bytes(self) -> bytes:
        """JSON; numbers are written so that they read back exactly."""
        content = {
            "kind": self.kind,
            "taus": [self.tau_root, self.tau_domain, self.tau_cell, self.intercepts],
            "min_events": self.min_events,
            "root": self.root_,
            "domains": {str(k): v for k, v in sorted(self.domains_.items())},
            "cells": {str(k): v for k, v in sorted(self.cells_.items())},
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Read the JSON of `to_bytes`."""
        content = json.loads(blob)
        root, domain, cell, intercepts = content["taus"]
        return cls(
            tau_root=root,
            tau_domain=domain,
            tau_cell=cell,
            intercepts=intercepts,
            min_events=content["min_events"],
            root_=(content["root"][0], content["root"][1]),
            domains_={int(k): (v[0], v[1]) for k, v in content["domains"].items()},
            cells_={int(k): (v[0], v[1]) for k, v in content["cells"].items()},
        )

    def _line(self, code: int) -> Deviation:
        known = (
            self.root_,
            self.domains_.get(code // BUCKETS, (0.0, 0.0)),
            self.cells_.get(code, (0.0, 0.0)),
        )
        return sum(a for a, _ in known), sum(b for _, b in known)

    def _tree(self, codes: Ints, events: Floats) -> tuple[Floats, list[tuple[str, int]], Floats]:
        """Which nodes a cell inherits from, float64[cells, nodes]; the nodes; their τ."""
        keys: list[tuple[str, int]] = [("root", 0)]
        members = [np.ones(len(codes))]
        taus = [self.tau_root]
        for domain in np.unique(codes // BUCKETS):
            inside = codes // BUCKETS == domain
            if events[inside].sum() >= self.min_events:
                keys.append(("domain", int(domain)))
                members.append(inside.astype(np.float64))
                taus.append(self.tau_domain)
        for i in np.flatnonzero(events >= self.min_events):
            keys.append(("cell", int(codes[i])))
            members.append((np.arange(len(codes)) == i).astype(np.float64))
            taus.append(self.tau_cell)
        return np.array(members).T, keys, np.array(taus)


def _information(logit: Floats, y: Floats, *, weight: Floats, event: Ints) -> float:
    """How many observations an event is worth for a slope: expected over clustered variance."""
    p = sigmoid(logit)
    scores = np.bincount(event - event.min(), weights=weight * (y - p) * logit)
    found = float(scores @ scores)
    expected = float(weight @ (p * (1 - p) * logit**2))
    return min(expected / found, MOST_INFORMATION) if found > 0 else 1.0


def _expansion(logit: Floats, y: Floats, *, weight: Floats, where: Ints) -> tuple[Floats, Floats]:
    """Slope float64[2 · cells] and curvature [2 · cells, 2 · cells] of the log likelihood at 0."""
    n = int(where.max()) + 1
    p = sigmoid(logit)
    residual, information = weight * (y - p), weight * p * (1 - p)
    slope = np.concatenate([np.bincount(where, residual * logit**k, n) for k in range(2)])
    aa, ab, bb = (np.diag(np.bincount(where, information * logit**k, n)) for k in range(3))
    return slope.astype(np.float64), np.block([[aa, ab], [ab, bb]]).astype(np.float64)


def _scales(
    tree: Floats,
    keys: list[tuple[str, int]],
    taus: Floats,
    expansion: tuple[Floats, Floats],
) -> Floats:
    """By what to multiply every τ: one factor per level, the likeliest, level after level."""
    both = np.kron(np.eye(2), tree)
    slope, curvature = both.T @ expansion[0], both.T @ expansion[1] @ both
    level = np.array([LEVELS.index(name) for name, _ in keys] * 2)

    def likelihood(scales: Floats) -> float:
        tau = taus * scales[level]
        # Of deviations in units of τ: prior curvature 1.
        root = np.linalg.cholesky(tau[:, None] * curvature * tau + np.eye(len(tau)))
        explained = np.linalg.solve(root, tau * slope)
        doubt = np.log(scales) / DOUBT
        return float(explained @ explained / 2 - np.log(np.diag(root)).sum() - doubt @ doubt / 2)

    found = np.ones(len(LEVELS))
    for _ in range(SWEEPS):
        for k in range(len(LEVELS)):
            tried = [np.where(np.arange(len(LEVELS)) == k, scale, found) for scale in SCALES]
            found = max(tried, key=likelihood)
    return np.asarray(found[level])


def _posterior_mode(
    tree: Floats, taus: Floats, logit: Floats, y: Floats, *, weight: Floats, where: Ints
) -> Floats:
    """Deviations of every node, float64[nodes, 2], that maximise likelihood × prior."""
    nodes, n_cells = tree.shape[1], tree.shape[0]
    prior = 1 / taus**2
    deviation = np.zeros(2 * nodes)

    def per_cell(values: Floats) -> Floats:
        return np.bincount(where, weights=values, minlength=n_cells).astype(np.float64)

    for _ in range(50):
        line_a, line_b = tree @ deviation[:nodes], tree @ deviation[nodes:]
        p = sigmoid(logit + line_a[where] + line_b[where] * logit)
        residual, information = weight * (p - y), weight * p * (1 - p)
        slope = np.concatenate(
            [tree.T @ per_cell(residual), tree.T @ per_cell(residual * logit)]
        ) + (prior * deviation)
        aa, ab, bb = (per_cell(information * power) for power in (1, logit, logit**2))
        cross = tree.T @ (ab[:, None] * tree)
        curvature = np.block(
            [
                [tree.T @ (aa[:, None] * tree), cross],
                [cross, tree.T @ (bb[:, None] * tree)],
            ]
        )
        step = np.linalg.solve(curvature + np.diag(prior), slope)
        # The penalised likelihood is concave; a bounded step keeps Newton from overshooting.
        deviation -= step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    return deviation.reshape(2, nodes).T
