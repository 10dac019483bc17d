"""Market rows as of an instant → forecasts, each kept with what it was made from.

The features are computed once for all markets and serve every horizon that has a gate. Whatever
fails on the way costs its own part only: an expert that raises is left out and said, a gate that
fails leaves the price, features that fail leave the price too, and no price leaves one half, which
nothing trades.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import numpy as np
import polars as pl
import structlog
from numpy.typing import NDArray

from config.kernel import audit, vendor
from markets import queries as market_queries
from predictions import keeping, registry
from predictions.bundles import Standing
from predictions.core import roster
from predictions.core.contracts import Forecasts, PredictionConfig
from predictions.core.ensemble import PRICE, Bundle, forecast, moves
from predictions.core.logits import MOST, logit
from predictions.core.schema import SCHEMA_HASH
from predictions.models import Horizon, Prediction, PredictionSettings, Source
from predictions.view import View, look

log = structlog.get_logger(__name__)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SILENCE_SAID_EVERY: Final = timedelta(hours=1)
ACTOR: Final = "predictions"
FULL_TRUST: Final[Mapping[str, float]] = {}


def run(
    *,
    as_of: datetime,
    market_ids: Sequence[int] | None = None,
    trust: Mapping[str, float] = FULL_TRUST,
) -> int:
    """Forecast the given markets, or the universe, and return how many forecasts are new.

    Outcomes of all markets; prices ahead only for the horizons whose gate has a version. `trust`
    in [0, 1] is the weight of a horizon's forecasts against the price, 1 where nothing is said.
    A second run for the same instant adds nothing.
    """
    config = PredictionSettings.objects.current(as_of=as_of).as_config()
    asked = market_queries.tracked_ids(as_of=as_of) if market_ids is None else market_ids
    view = look(asked, as_of=as_of, config=config)
    usable = config.enable_ml and view.x.shape[1] > 0
    standings = registry.standings() if usable else {}
    frames = [_silence(view.silent, config=config, as_of=as_of)]
    for horizon in roster.HORIZONS:
        standing = standings.get(horizon, Standing())
        if horizon == Horizon.OUTCOME or standing.bundle is not None:
            due = keeping.due(
                view.market_id, view.epoch_end, horizon=horizon, config=config, as_of=as_of
            )
            if horizon != Horizon.OUTCOME and not due.any():
                continue
            said, left_out = _said(
                view, due, standing, config, horizon=horizon, as_of=as_of, trust=trust
            )
            frames += said
            if gate_failed := left_out.pop(gate := roster.gate(horizon), ""):
                _tell(f"the {gate}", gate_failed, as_of=as_of)
            standing = replace(standing, missing={**standing.missing, **left_out})
        if usable:
            registry.note(standing, horizon=horizon)
    for part, why in view.failed.items():
        _tell(part, why, as_of=as_of)
    rows = pl.concat(frames)
    added = vendor.append(Prediction, rows) if len(rows) else 0
    outcome = standings.get(Horizon.OUTCOME, Standing()).bundle
    log.info(
        "predictions.made",
        asked=len(asked),
        without_price=len(set(asked)) - len(view.market_id),
        added=added,
        served=PRICE if outcome is None else outcome.label,
        horizons=len(standings),
    )
    return added


def _tell(part: str, why: str, *, as_of: datetime) -> None:
    """Alert, once a day, that forecasts were made without a part of what we know."""
    text = f"Forecasts are made without {part}, which failed: {why}"[:500]
    audit.alert_once(f"forecast:{part}:{as_of:%Y%m%d}", text=text, actor=ACTOR, as_of=as_of)


def _said(
    view: View,
    due: Flags,
    standing: Standing,
    config: PredictionConfig,
    *,
    horizon: str,
    as_of: datetime,
    trust: Mapping[str, float],
) -> tuple[list[pl.DataFrame], dict[str, str]]:
    """The rows of a horizon, of a price ahead those that are due; and the experts left out.

    Forecasts of an event are made together, for they are made coherent with each other.
    """
    waiting = view.market_id[due]
    if horizon != Horizon.OUTCOME:
        view = view.take(np.isin(view.event, view.event[due]))
    found, (parts, left_out) = [], forecasts(view, standing, config, trust=trust.get(horizon, 1.0))
    for part, made, bundle in parts:
        rows = as_rows(
            part, made, horizon=horizon, bundle=bundle, config=config, as_of=as_of, due=waiting
        )
        if horizon != Horizon.OUTCOME:
            rows = rows.filter(pl.col("market_id").is_in(waiting.tolist()))
        found.append(rows)
    return found, left_out


Part = tuple[View, Forecasts, Bundle | None]


def forecasts(
    view: View, standing: Standing, config: PredictionConfig, *, trust: float = 1.0
) -> tuple[list[Part], dict[str, str]]:
    """Forecasts of every row, in parts of one version each, and the experts that were left out.

    A challenger forecasts the events whose hash falls into its share: an event belongs to one
    version for as long as both stand, on every machine.
    """
    own = np.ones(len(view.market_id), dtype=bool)
    parts = []
    if standing.challenger is not None and config.challenger_share > 0:
        own = draw(view.event) >= config.challenger_share
        parts = [(~own, standing.challenger)]
    left_out: dict[str, str] = {}
    found = []
    for rows, bundle in ((own, standing.bundle), *parts):
        if rows.any():
            part = view.take(rows)
            made, failed = _forecast(part, bundle, config, trust=trust)
            found.append((part, made, bundle))
            left_out |= failed
    return found, left_out


def draw(event: Ints) -> Floats:
    """A number in [0, 1) for each event that is the same everywhere and always."""
    events, of = np.unique(event, return_inverse=True)
    digests = [sha256(b"challenger %d" % e).digest() for e in events.tolist()]
    return np.array([int.from_bytes(d[:6]) / 2**48 for d in digests])[of]


def _forecast(
    view: View, bundle: Bundle | None, config: PredictionConfig, *, trust: float
) -> tuple[Forecasts, dict[str, str]]:
    """The forecast without the experts that fail; the price where the combination itself fails.

    Second is who failed and why: experts, and the gate where the price stands for it.
    """
    failed: dict[str, str] = {}
    if bundle is not None:
        made = _attempt(view, bundle, config, trust=trust)
        if isinstance(made, str) and (failed := _failing(view, bundle)):
            log.error("experts.left_out", version=bundle.label, experts=sorted(failed))
            sound = {k: v for k, v in bundle.members.items() if k not in failed}
            made = _attempt(view, replace(bundle, members=sound), config, trust=trust)
        if isinstance(made, Forecasts):
            return made, failed
        log.error("gate.failed", version=bundle.label, why=made)
        failed[roster.gate(bundle.horizon)] = f"{bundle.label}: {made}"
    return forecast(None, view.x, view.price, cell=view.cell, config=config), failed


def _attempt(
    view: View, bundle: Bundle, config: PredictionConfig, *, trust: float
) -> Forecasts | str:
    """The forecasts, or why there are none: something raised, or an answer is no number."""
    try:
        made = forecast(
            bundle,
            view.x,
            view.price,
            cell=view.cell,
            config=config,
            trust=trust,
            groups=view.groups,
        )
    except Exception as cause:
        log.exception("forecast.failed", version=bundle.label)
        return repr(cause)
    sane = np.isfinite(made.probability) & np.isfinite(made.sigma)
    if sane.all() and not _is_absurd(made.corrections):
        return made
    return "an answer is no number, or beyond all bounds"


def _is_absurd(said: NDArray[np.floating]) -> bool:
    """Whether a correction is further away than any price can be moved; NaN says nothing."""
    return bool((np.abs(said) > MOST).any())


def _failing(view: View, bundle: Bundle) -> dict[str, str]:
    """Which experts raise or answer beyond all bounds, each asked alone."""
    failed, odds = {}, logit(view.price)
    for slug in bundle.members:
        alone = {slug: bundle.members[slug]}
        try:
            said = moves(alone, view.x, odds, view.cell, horizon=bundle.horizon, order=(slug,))
        except Exception as cause:
            failed[slug] = repr(cause)
        else:
            if _is_absurd(said):
                failed[slug] = f"it answers with {np.nanmax(np.abs(said)):.3g} log odds"
    return failed


def _silence(silent: Ints, *, config: PredictionConfig, as_of: datetime) -> pl.DataFrame:
    """Rows that say one half of markets without a fresh price, where that is news.

    It is where the newest forecast of the last hour was another one, or none was made: a market
    that stays silent has one row an hour, however often the cycle runs.
    """
    since = as_of - SILENCE_SAID_EVERY
    newest = dict(
        Prediction.objects.filter(
            market__in=silent.tolist(),
            horizon=Horizon.OUTCOME,
            as_of__gt=since,
            as_of__lte=as_of,
        )
        .order_by("as_of")
        .values_list("market_id", "source")
    )
    said = [key for key, source in newest.items() if source == Source.NEUTRAL]
    news = silent[~np.isin(silent, said)]
    return _frame(
        news,
        horizon=Horizon.OUTCOME,
        config=config,
        as_of=as_of,
        price=pl.Series([None] * len(news), dtype=pl.Float64),
        probability=np.full(len(news), 0.5),
        sigma=np.full(len(news), 0.5),
        source=[str(Source.NEUTRAL)] * len(news),
        weights=[""] * len(news),
        cap=0.0,
    )


def as_rows(
    view: View,
    made: Forecasts,
    *,
    horizon: str,
    bundle: Bundle | None,
    config: PredictionConfig,
    as_of: datetime,
    due: Ints | None = None,
) -> pl.DataFrame:
    """The forecasts as rows; of the outcome's those keep their vector that `keeping` asks for.

    `due` are the markets that have none yet where one is due, None = all.
    """
    said = made.corrections.astype("<f4")
    kept = np.zeros(len(view.market_id), dtype=bool)
    if horizon == Horizon.OUTCOME:
        kept = keeping.moved(made.source, made.price, made.probability, config)
        kept |= True if due is None else np.isin(view.market_id, due)
    return _frame(
        view.market_id,
        horizon=horizon,
        config=config,
        as_of=as_of,
        price=pl.Series(made.price),
        probability=made.probability,
        sigma=made.sigma,
        source=made.source.tolist(),
        weights=made.weights_json(),
        cap=config.correction_cap if bundle is not None else 0.0,
        trust=made.trust if made.trust < 1 else None,
        version=None if bundle is None else bundle.version,
        corrections=[row.tobytes() for row in said] if bundle is not None else None,
        schema_hash=SCHEMA_HASH if view.x.shape[1] else "",
        vector=[
            row.tobytes() if keep else b""
            for row, keep in zip(view.x.astype("<f8"), kept.tolist(), strict=True)
        ],
    )


def _frame(
    market_id: Ints,
    *,
    horizon: str,
    config: PredictionConfig,
    as_of: datetime,
    price: pl.Series,
    probability: Floats,
    sigma: Floats,
    source: list[str],
    weights: list[str],
    cap: float,
    trust: float | None = None,
    version: int | None = None,
    corrections: list[bytes] | None = None,
    schema_hash: str = "",
    vector: list[bytes] | None = None,
) -> pl.DataFrame:
    n = len(market_id)
    return pl.DataFrame(
        {
            "market_id": pl.Series(market_id, dtype=pl.Int64),
            "horizon": pl.Series([str(horizon)] * n, dtype=pl.String),
            "as_of": pl.Series([as_of] * n, dtype=pl.Datetime("us", "UTC")),
            "price": price,
            "probability": pl.Series(probability, dtype=pl.Float64),
            "sigma": pl.Series(sigma, dtype=pl.Float64),
            "source": pl.Series(source, dtype=pl.String),
            "version_id": pl.Series([version] * n, dtype=pl.Int64),
            "weights": pl.Series(weights, dtype=pl.String),
            "cap": pl.Series([cap] * n, dtype=pl.Float64),
            "trust": pl.Series([trust] * n, dtype=pl.Float64),
            "corrections": pl.Series(corrections or [b""] * n, dtype=pl.Binary),
            "schema_hash": pl.Series([schema_hash] * n, dtype=pl.String),
            "vector": pl.Series(vector or [b""] * n, dtype=pl.Binary),
            "settings_version": pl.Series([config.version] * n, dtype=pl.Int64),
        }
    )
