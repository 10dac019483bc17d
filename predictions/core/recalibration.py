"""Hierarchical recalibration of the price: logit p = a + b·ℓ per domain and time left, pooled.

A cell's (a, b) is (0, 1) plus a deviation of the whole market, of its domain and of the cell
itself, each drawn from N(0, τ²) around its parent; the estimate is the posterior mode, i.e. a
ridge logistic regression (Le 2026, arXiv 2602.19520, finds domain × horizon to matter most).
"""

import json
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from predictions.core.cells import BUCKETS
from predictions.core.logits import sigmoid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Deviation = tuple[float, float]


@dataclass(slots=True, kw_only=True)
class Recalibration:
    """Intercept and slope of the price's log odds, by cell, shrunk to domain, market and identity.

    Attributes
    ----------
    tau_root, tau_domain, tau_cell
        Prior standard deviation of the slopes' deviations.
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
        self, x: Floats, logit: Floats, y: Floats, *, cell: Ints, weight: Floats, seed: int
    ) -> Self:
        """Find the posterior mode by Newton's method; `x` and `seed` do not matter."""
        del x, seed
        good = np.isfinite(logit) & np.isfinite(y) & (weight > 0)
        logit, y, cell, weight = logit[good], y[good], cell[good], weight[good]
        self.root_, self.domains_, self.cells_ = (0.0, 0.0), {}, {}
        if weight.sum() < self.min_events:
            return self
        codes, where = np.unique(cell, return_inverse=True)
        events = np.bincount(where, weights=weight).astype(np.float64)
        tree, keys, slopes = self._tree(codes, events)
        taus = np.concatenate([self.intercepts * slopes, slopes])
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
