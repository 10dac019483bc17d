"""Which combination has earned its place, rung by rung, on nested out-of-fold log loss.

Every rung is fitted on what experts said out of fold, on the folds before the one it is scored on
and on answers known by then. A rung replaces the one below only where its gain per event is above
zero beyond a two-sided interval clustered by event; the price holds first. A calibrator of what
was chosen is a rung too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from markets.core.series import Floats, Ints
from mlops.core import evidence, metrics, profit
from mlops.core.contracts import LearningConfig
from mlops.core.evidence import CellEvidence
from mlops.core.examples import Examples
from mlops.core.rungs import STEPS, Means, Step
from predictions.core.calibration import Calibrator, Widths
from predictions.core.combination import Rows, Rung
from predictions.core.ensemble import Blend, calibrated
from predictions.core.logits import corrected, logit
from predictions.core.uncertainty import PriceErrors
from predictions.core.weighing import Answers

Flags = NDArray[np.bool_]
THE_PRICE: Final = "price"


@dataclass(frozen=True, slots=True, kw_only=True)
class RungScore:
    """How a rung did on folds that it had not seen, against the price and the rung below.

    Gains are relative to the log loss of the price; `low` and `high` bound the gain over the rung
    that held until then. `profit` is a training score only: dollars per event after half the spread
    for one share wherever the forecast lies beyond it; it is never a result.
    """

    name: str
    gain: float
    over: str
    low: float
    high: float
    profit: float
    climbed: bool

    def as_json(self) -> dict[str, Any]:
        """Plain content."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """What a training's ladder ended in.

    Attributes
    ----------
    blend
        The gate, fitted on all folds.
    rungs
        Every rung's nested score, in the order of the ladder.
    cells
        Evidence per cell of the rung that was chosen.
    model
        float64[n], probability of the whole procedure: rung, cells and weights of a fold from the
        folds before it.
    trials
        How many rungs were tried.
    """

    blend: Blend
    rungs: tuple[RungScore, ...]
    cells: tuple[CellEvidence, ...]
    model: Floats
    trials: int


def climb(
    tested: Examples,
    moves: Floats,
    names: Sequence[str],
    *,
    admitted: frozenset[str] | None = None,
    fold: Ints,
    fixed: Mapping[str, float],
    cap: float,
    config: LearningConfig,
    rng: np.random.Generator,
) -> Climbed:
    """Fit and choose the combination of k experts.

    Parameters
    ----------
    moves
        float64[n, k], out-of-fold corrections in the order of `names`; NaN: no opinion.
    admitted
        Who may have weight; None: everyone.
    fold
        int64[n], ascending in time.
    fixed
        Proportions of the fixed-weight ensemble by slug, before normalising.
    """
    kept = np.array([admitted is None or name in admitted for name in names], dtype=bool)
    means = Means(names=tuple(names), fixed=dict(fixed), cap=cap)
    steps = tuple(s for s in STEPS if tested.events >= s.min_events) if kept.any() else ()
    rows = Rows(
        moves=np.where(kept, moves, np.nan),
        odds=logit(tested.price),
        cell=tested.cell,
        # Rows are copied fold by fold: features only where a rung looks at them.
        x=tested.x if any(s.looks for s in steps) else np.empty((tested.rows, 0)),
    )
    ladder = _Ladder(
        tested=tested, rows=rows, fold=fold, means=means, steps=steps, config=config, rng=rng
    )
    return ladder.climbed()


@dataclass(frozen=True, slots=True)
class _Choice:
    """A rung, with or without a calibrator behind it."""

    step: Step
    calibrator: str = ""

    @property
    def name(self) -> str:
        return f"{self.step.name} + {self.calibrator}" if self.calibrator else self.step.name


class _Ladder:
    """One training's moves with every rung's nested corrections."""

    def __init__(
        self,
        *,
        tested: Examples,
        rows: Rows,
        fold: Ints,
        means: Means,
        steps: tuple[Step, ...],
        config: LearningConfig,
        rng: np.random.Generator,
    ) -> None:
        self.tested, self.rows, self.fold = tested, rows, fold
        self.means, self.steps, self.config, self.rng = means, steps, config, rng
        self.answers = Answers(odds=rows.odds, y=tested.y, event=tested.event)
        self.cost = profit.half_spread(tested.x)
        # Per row of fold j: corrections by rungs fitted on what was known when fold j began.
        self.nested = {_Choice(step): np.zeros(tested.rows) for step in steps}
        for number in np.unique(fold)[1:]:
            inside, known = fold == number, self._known(number)
            learned, answers, asked = rows.take(known), self.answers.take(known), rows.take(inside)
            for step in steps:
                rung = step.fit(learned, answers, means)
                self.nested[_Choice(step)][inside] = _correction(rung, asked)

    def climbed(self) -> Climbed:
        """The choice on all folds, and what the same procedure would have said fold by fold."""
        everything = np.ones(self.tested.rows, dtype=bool)
        model = self.tested.price.copy()
        for number in np.unique(self.fold)[2:]:
            inside, known = self.fold == number, self._known(number)
            model[inside] = self._forecast(known, inside)
        chosen, scores = self._choose(everything)
        cells = self._judge(chosen, everything)
        used = frozenset(each.cell for each in cells if each.positive)
        blend = self._blend(chosen, scores, used, model)
        return Climbed(blend=blend, rungs=scores, cells=cells, model=model, trials=len(scores) or 1)

    def _known(self, number: int) -> Flags:
        """Rows of earlier folds whose answer was known when the fold began."""
        begins = self.tested.as_of[self.fold == number].min()
        known: Flags = (self.fold < number) & (self.tested.known_at <= begins)
        return known

    def _forecast(self, known: Flags, inside: Flags) -> Floats:
        """What a gate that was chosen and fitted on the known rows says of a fold."""
        price, chosen = self.tested.price[inside], self._choose(known)[0]
        used = [each.cell for each in self._judge(chosen, known) if each.positive]
        if chosen is None or not used:
            return price
        learned = known & np.isin(self.rows.cell, used)
        rung = chosen.step.fit(self.rows.take(learned), self.answers.take(learned), self.means)
        asked = self.rows.take(inside)
        move = np.where(np.isin(asked.cell, used), _correction(rung, asked), 0.0)
        calibrator = self._calibrator(chosen, learned)
        return calibrated(calibrator, price, corrected(price, move), cap=self.means.cap)

    def _choose(self, known: Flags) -> tuple[_Choice | None, tuple[RungScore, ...]]:
        """The highest rung that improves on the one that held before, by the given rows."""
        best: _Choice | None = None
        scores: list[RungScore] = []
        for step in self.steps:
            best = self._tried(_Choice(step), best, known, scores)
        for choice in [] if best is None else [_Choice(best.step, k) for k in Calibrator.kinds]:
            best = self._tried(choice, best, known, scores)
        return best, tuple(scores)

    def _tried(
        self, ours: _Choice, held: _Choice | None, known: Flags, scores: list[RungScore]
    ) -> _Choice | None:
        """The better of two by the given rows; the newcomer must win beyond its interval."""
        market, before, after = (self._loss(each, known) for each in (None, held, ours))
        low, high = self._interval(before - after)
        scores.append(
            RungScore(
                name=ours.name,
                gain=float(1 - after.sum() / market.sum()) if market.sum() else 0.0,
                over=THE_PRICE if held is None else held.name,
                low=low,
                high=high,
                profit=profit.after_costs(
                    self.tested.price[known],
                    self._said(ours)[known],
                    self.tested.y[known],
                    cost=self.cost[known],
                    event=self.tested.event[known],
                ),
                climbed=low > 0,
            )
        )
        return ours if low > 0 else held

    def _said(self, choice: _Choice | None) -> Floats:
        """Nested out-of-fold probabilities, float64[n]; the price for None."""
        if choice is None:
            return self.tested.price
        if choice not in self.nested:
            self.nested[choice] = self._nested_calibration(choice)
        return corrected(self.tested.price, self.nested[choice])

    def _nested_calibration(self, choice: _Choice) -> Floats:
        """Moves through calibrators that were fitted on what was known when a fold began."""
        plain = self.nested[_Choice(choice.step)]
        move = plain.copy()
        for number in np.unique(self.fold)[2:]:
            inside = (self.fold == number) & (plain != 0)
            calibrator = self._calibrator(choice, self._known(number))
            if calibrator is not None:
                said = corrected(self.tested.price[inside], plain[inside])
                move[inside] += self.means.cap * calibrator.move(said)
        return move

    def _calibrator(self, choice: _Choice, known: Flags) -> Calibrator | None:
        """Fitted on what the plain rung said, where it spoke, of rows that it had not seen."""
        if not choice.calibrator:
            return None
        learned = known & (self.nested[_Choice(choice.step)] != 0)
        said = self._said(_Choice(choice.step))[learned]
        return Calibrator.fit(
            choice.calibrator, said, self.tested.y[learned], event=self.tested.event[learned]
        )

    def _loss(self, choice: _Choice | None, known: Flags) -> Floats:
        """Mean log loss per event of nested forecasts; the price for None."""
        _, of, count = np.unique(self.tested.event[known], return_inverse=True, return_counts=True)
        lost = metrics.log_loss(self._said(choice)[known], self.tested.y[known])
        return np.asarray(np.bincount(of, weights=lost, minlength=len(count)) / count)

    def _interval(self, gain: Floats) -> tuple[float, float]:
        """The two-sided interval of a mean gain over independent events."""
        if len(gain) < 2:
            return 0.0, 0.0
        z = NormalDist().inv_cdf(1 - self.config.ladder_level / 2)
        error = z * float(gain.std(ddof=1)) / np.sqrt(len(gain))
        return float(gain.mean()) - error, float(gain.mean()) + error

    def _judge(self, chosen: _Choice | None, known: Flags) -> tuple[CellEvidence, ...]:
        if chosen is None:
            return ()
        return evidence.judge_all(
            self.tested.y[known],
            market=self.tested.price[known],
            model=self._said(chosen)[known],
            cell=self.tested.cell[known],
            event=self.tested.event[known],
            min_events=self.config.min_cell_events,
            level=self.config.evidence_level,
            rng=self.rng,
        )

    def _blend(
        self,
        chosen: _Choice | None,
        scores: Sequence[RungScore],
        used: frozenset[int],
        model: Floats,
    ) -> Blend:
        """The chosen rung and those below it that climbed, fitted on all rows of the cells in use.

        The lower ones serve where the higher cannot: one that lost has earned nothing there.
        """
        inside = np.isin(self.rows.cell, sorted(used))
        rows, answers = self.rows.take(inside), self.answers.take(inside)
        climbed = {score.name for score in scores if score.climbed and used}
        held = tuple(step for step in self.steps if step.name in climbed)
        y, event = self.tested.y, self.tested.event
        moved = model != self.tested.price
        return Blend(
            experts=self.means.names,
            rungs=tuple(step.fit(rows, answers, self.means) for step in reversed(held)),
            cells=tuple(sorted(used)),
            errors=PriceErrors.fit(model, y, event=event),
            calibrator=self._calibrator(chosen, inside) if chosen is not None else None,
            widths=Widths.fit(model[moved], y[moved], event=event[moved]) if moved.any() else None,
        )


def _correction(rung: Rung, rows: Rows) -> Floats:
    return np.asarray(np.sum(rung.weights(rows) * rows.filled, axis=1))
