"""Replay recorded history through the forecasting and decision code, and keep the report.

Models are fitted walk-forward inside the replay: at each refit only answers known by then are
learned from, and every forecast comes from a model fitted before it. Where the replayed data do
not yet suffice, the served version stands in, if all it learned from is older than the decision.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from django.conf import settings as django_settings

from config.kernel.modes import Mode
from markets import history as histories
from markets.core.series import Floats, Snapshots
from markets.history import History
from mlops import labels, report, train
from mlops.core import baselines, replay, summary
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples
from mlops.core.replay import HISTORY_1, Assumptions, Played, Tape
from mlops.core.snapshots import Decisions, latest
from mlops.models import Backtest, LearningSettings
from predictions import registry
from predictions.core import ensemble
from predictions.core.cells import cells
from predictions.core.coherence import Groups
from predictions.core.contracts import Forecasts, PredictionConfig
from predictions.core.ensemble import Bundle
from predictions.models import PredictionSettings
from risk.core.contracts import LimitsConfig
from risk.models import RiskLimits
from trading.core.contracts import TradingConfig
from trading.settings import TradingSettings

REFIT_S = 7 * 86400.0


class NothingToReplay(ValueError):
    """The history holds no decision point in the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one replay, as they were read at its start."""

    trading: TradingConfig
    limits: LimitsConfig
    prediction: PredictionConfig
    learning: LearningConfig

    @classmethod
    def current(cls, *, as_of: datetime) -> "Settings":
        """The versions in force."""
        return cls(
            trading=TradingSettings.objects.current(as_of=as_of).as_config(),
            limits=RiskLimits.objects.current(as_of=as_of).as_config(),
            prediction=PredictionSettings.objects.current(as_of=as_of).as_config(),
            learning=LearningSettings.objects.current(as_of=as_of).as_config(),
        )

    def as_json(self) -> dict[str, str]:
        """Every value used, by name."""
        parts = asdict(self)
        return {
            f"{group}.{name}": str(value)
            for group, values in parts.items()
            for name, value in values.items()
        }


def run(
    path: Path,
    *,
    datasets: list[str],
    since: datetime | None,
    until: datetime | None,
    seed: int,
    rng: np.random.Generator,
    as_of: datetime,
    clock: Callable[[], datetime],
    assumed: Assumptions = HISTORY_1,
) -> Backtest:
    """Replay `path` and store one Backtest row and its report folder.

    Raises `markets.history.BadHistory` for a folder that cannot be read, `NothingToReplay` where
    no decision falls into the period.
    """
    history = histories.load(path, datasets=datasets)
    used = Settings.current(as_of=as_of)
    found = _tradable(history, labels.decided(history, config=used.learning))
    found = _within(found, since, until)
    if not found.rows:
        raise NothingToReplay(
            f"{', '.join(datasets) or path} has no priced decision between "
            f"{since or 'its start'} and {until or 'its end'} (prices stamped in hindsight do not "
            "count); widen --from and --to, or choose another --dataset"
        )
    body = compose(history, found, used=used, seed=seed, rng=rng, assumed=assumed)
    body["datasets"] = list(datasets)
    folder = report.write(body, root=Path(django_settings.ENV.state_dir) / "backtests")
    return Backtest.objects.create(
        started_at=as_of,
        finished_at=clock(),
        name=body["title"],
        data_digest=history.digest,
        code_version=body["code_version"],
        seed=seed,
        settings=json.dumps({"settings": body["settings"], "assumptions": body["assumptions"]}),
        result=json.dumps({k: v for k, v in body.items() if k not in ("trades", "equity")}),
        folder=f"{folder.parent.name}/{folder.name}",
        events=body["summary"]["traded_events"],
        trades=body["summary"]["trades"],
    )


def compose(
    history: History,
    found: Decisions,
    *,
    used: Settings,
    seed: int,
    rng: np.random.Generator,
    assumed: Assumptions,
) -> dict[str, Any]:
    """Play the model and the naive baselines over the decisions and describe what came of it."""
    found = found.take(np.lexsort((found.market, found.as_of)))
    tape = _tape(history, found)
    said, models = _forecast(history, found, used=used, seed=seed)
    strategies = {
        "model": said,
        "baseline: favourites": baselines.favourite(found.price),
        "baseline: coin": baselines.random(found.price, rng=rng),
    }
    played = {
        name: replay.play(tape, forecasts, config=used.trading, limits=used.limits, assumed=assumed)
        for name, forecasts in strategies.items()
    }
    resamples = used.learning.bootstrap
    figures = {
        name: summary.money(outcome, rng=rng, resamples=resamples)
        for name, outcome in played.items()
    }
    scored = summary.scores(tape, said, rng=rng, resamples=resamples)
    first, last = labels.moment(float(found.as_of[0])), labels.moment(float(found.as_of[-1]))
    names = ", ".join(sorted(set(history.markets["dataset"].to_list())))
    return {
        "title": f"{names} {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        "mode": Mode.BACKTEST.value,
        "simulated": history.simulated,
        "from": first.isoformat(timespec="minutes"),
        "to": last.isoformat(timespec="minutes"),
        "seed": seed,
        "data_digest": history.digest,
        "code_version": train.code_version(),
        "assumptions": assumed.as_rows(),
        "settings": used.as_json(),
        "summary": {**figures["model"], **scored, "forecasts": scored["rows"]},
        "strategies": [{"name": name, **values} for name, values in figures.items()],
        "funnel": summary.funnel(tape, played["model"]),
        "equity": {name: summary.curve(p.books.marks) for name, p in played.items()},
        "calibration": summary.calibration(tape, said),
        "models": models,
        "trades": {name: _trades(p, history) for name, p in played.items()},
    }


def _tradable(history: History, found: Decisions) -> Decisions:
    """Without prices whose stamp was placed in hindsight: nobody could have decided then."""
    return found.take(~history.markets["hindsight"].to_numpy()[found.market])


def _within(found: Decisions, since: datetime | None, until: datetime | None) -> Decisions:
    kept = np.ones(found.rows, dtype=bool)
    if since is not None:
        kept &= found.as_of >= since.timestamp()
    if until is not None:
        kept &= found.as_of < until.timestamp()
    return found.take(kept)


def _tape(history: History, found: Decisions) -> Tape:
    series, quote = history.series, latest(history.series, found.market, found.as_of)
    return Tape(
        market=found.market,
        as_of=found.as_of,
        bid=series.bid[quote],
        ask=series.ask[quote],
        bid_depth=series.bid_depth[quote],
        ask_depth=series.ask_depth[quote],
        quote_age_s=found.as_of - series.known_at[quote],
        answered_at=_floats(history.markets["label_known_at"]),
        payout=_floats(history.markets["payout"]),
        facts=history.facts,
        asset=tuple(history.markets["asset"].fill_null("").to_list()),
    )


def _forecast(
    history: History, found: Decisions, *, used: Settings, seed: int
) -> tuple[Forecasts, list[dict[str, Any]]]:
    """Forecasts of all decisions, each from the newest model fitted before it."""
    known = labels.examples(history, until=None, config=used.learning)
    served = registry.served()
    said: list[Forecasts] = []
    models: list[dict[str, Any]] = []
    for start, stop in _periods(found.as_of):
        at = float(found.as_of[start])
        learned = known.take(known.known_at <= at)
        bundle = _fit(learned, used=used, seed=seed) or _earlier(served, at)
        rows = found.take(np.arange(start, stop))
        said.append(_say(bundle, history, rows, used.prediction))
        models.append(
            {
                "from": labels.moment(at).isoformat(timespec="minutes"),
                "rows": learned.rows,
                "events": learned.events,
                "model": "the price" if bundle is None else bundle.label,
                "weights": "–" if bundle is None else json.dumps(said[-1].weights),
            }
        )
    return _join(said), models


def _fit(learned: Examples, *, used: Settings, seed: int) -> Bundle | None:
    cap = used.prediction.correction_cap
    return train.fit(learned, config=used.learning, seed=seed, cap=cap)


def _earlier(served: Bundle | None, at: float) -> Bundle | None:
    """The served version, where everything that it learned from was known before `at`."""
    return served if served is not None and served.data_until < at else None


def _periods(as_of: Floats) -> Iterator[tuple[int, int]]:
    """Row ranges between two refits."""
    number = ((as_of - as_of[0]) // REFIT_S).astype(int)
    first = np.unique(number, return_index=True)[1]
    yield from zip(first.tolist(), [*first[1:].tolist(), len(as_of)], strict=True)


def _say(
    bundle: Bundle | None, history: History, rows: Decisions, config: PredictionConfig
) -> Forecasts:
    asked = Snapshots(market=rows.market, as_of=rows.as_of)
    return ensemble.forecast(
        bundle,
        labels.vectors(history, asked),
        rows.price,
        cell=cells(history.facts, asked),
        config=config,
        groups=Groups.of(history.facts, asked),
    )


def _join(parts: list[Forecasts]) -> Forecasts:
    return Forecasts(
        price=np.concatenate([p.price for p in parts]),
        probability=np.concatenate([p.probability for p in parts]),
        sigma=np.concatenate([p.sigma for p in parts]),
        source=np.concatenate([p.source for p in parts]),
        weights=parts[-1].weights,
    )


def _trades(played: Played, history: History) -> list[dict[str, Any]]:
    question = history.markets["question"].to_list()
    lots = sorted([*played.books.closed, *played.books.open.values()], key=lambda lot: lot.at)
    return [
        {
            "at": labels.moment(lot.at).isoformat(timespec="minutes"),
            "question": question[lot.intent.market],
            "side": ("first outcome", "second outcome")[lot.intent.outcome_index],
            "shares": str(lot.shares.normalize()),
            "price": str(lot.price),
            "fee": str(lot.fee),
            "probability": round(lot.intent.probability, 4),
            "net_edge": round(lot.net_edge, 4),
            "pnl": None if lot.pnl is None else str(lot.pnl),
        }
        for lot in lots
    ]


def _floats(column: pl.Series) -> Floats:
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
