"""Would it have worked? The last part of every dataset held out by time, the rest learned from.

The datasets live in different eras, so one moment cannot split them all: each is cut at its own.
Nothing is registered or served.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from markets.core.series import Floats
from markets.history import History
from mlops import evaluate, labels, train
from mlops.models import LearningSettings
from predictions.models import PredictionSettings


def run(
    history: History,
    *,
    share: float,
    seed: int | None,
    as_of: datetime,
    path: Path | None = None,
    strong_only: bool = False,
) -> dict[str, Any]:
    """Train on each dataset's events but the last `share` by close, and score those decisions.

    The result has the form of `evaluate.run`; `cuts` says where each dataset was cut. `path` is
    where the history lies, for the truth beside a planted one.
    """
    config = LearningSettings.objects.current(as_of=as_of).as_config()
    settings = PredictionSettings.objects.current(as_of=as_of).as_config()
    cut = cuts(history, share=share)
    known = labels.examples(history, until=None, config=config)
    by_name = dict(zip(history.markets["dataset"].to_list(), cut.tolist(), strict=True))
    limit = np.array([by_name[name] for name in known.sources])[known.source]
    late = np.unique(known.event[known.known_at > limit])
    data = known.take((known.known_at <= limit) & ~np.isin(known.event, late))
    bundle = train.fit(
        data,
        config=config,
        seed=config.seed if seed is None else seed,
        cap=settings.correction_cap,
    )
    found = evaluate.forecast(
        history,
        bundle=bundle,
        config=config,
        settings=settings,
        after=cut,
        strong_only=strong_only,
    )
    result = evaluate.report(found, config=config, history=history, path=path)
    return result | {
        "cuts": {name: labels.moment(at).isoformat() for name, at in sorted(by_name.items())},
        "learned": {"rows": data.rows, "events": data.events},
        "weight": None if bundle is None else bundle.blend.weight,
        "cells": [] if bundle is None else list(bundle.blend.cells),
    }


def cuts(history: History, *, share: float) -> Floats:
    """Per market the instant at which its dataset is cut: the quantile of its events' closes."""
    close = history.markets["close_at"].cast(float).fill_null(float("nan")).to_numpy()
    names = history.markets["dataset"].to_numpy().astype(str)
    event = history.facts.event
    last = np.full(int(event.max(initial=-1)) + 1, -np.inf)
    quoted = (np.diff(history.series.starts) > 0) & np.isfinite(close)
    np.maximum.at(last, event[quoted], close[quoted])
    found = np.full(len(names), np.inf)
    for name in np.unique(names):
        mine = names == name
        ends = last[np.unique(event[mine & quoted])]
        if len(ends):
            found[mine] = np.quantile(ends, 1 - share)
    return found
