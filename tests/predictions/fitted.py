"""A blend of few experts, fitted on what they said, without the ladder of a training."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from predictions.core import combination, weighing
from predictions.core.combination import Fixed, Rows
from predictions.core.ensemble import Blend
from predictions.core.logits import corrected, logit
from predictions.core.uncertainty import PriceErrors
from predictions.core.weighing import Answers, Floats, Ints


def fitted(
    corrections: Mapping[str, Floats],
    price: Floats,
    y: Floats,
    *,
    event: Ints,
    cell: Ints,
    cap: float,
    allowed: frozenset[int],
) -> Blend:
    """The mean of experts and the recalibration alone; `allowed` are the cells with evidence."""
    names, cells = tuple(sorted(corrections)), tuple(sorted(allowed))
    good = np.isfinite(price) & np.isfinite(y)
    said = np.column_stack([corrections[name] for name in names]).reshape(-1, len(names))
    rows = Rows(
        moves=said[good], odds=logit(price[good]), cell=cell[good], x=np.empty((good.sum(), 0))
    )
    answers = Answers(odds=rows.odds, y=y[good], event=event[good])
    inside = np.isin(rows.cell, cells)

    def weighed(rung: Fixed) -> Fixed:
        move = np.where(inside, rung.mean(rows), 0.0)
        weight, error = weighing.one(move, answers, cap=cap)
        return replace(rung, weight=weight, error=error)

    every = combination.ensemble(names, dict.fromkeys(names, 1.0))
    every = replace(every, group=tuple(range(len(names))))
    rungs = tuple(weighed(rung) for rung in (every, combination.recalibrated(names)))
    move = np.where(inside, np.sum(rungs[0].weights(rows) * rows.filled, axis=1), 0.0)
    errors = PriceErrors.fit(corrected(price[good], move), answers.y, event=answers.event)
    return Blend(experts=names, rungs=rungs, cells=cells, errors=errors)
