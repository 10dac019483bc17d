"""What an expert must show on its hold-out, whatever its evidence; and what is too good to be true.

The hold-out is what an expert said out of fold, at its full correction. For a price horizon R² is
taken against an unchanged price, which is the Brier skill against it, and the direction is judged
on the rows where the price moved and the expert said something.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from markets.core.series import Floats, Ints
from mlops.core import metrics
from mlops.core.contracts import LearningConfig
from mlops.core.examples import Examples, weights
from mlops.core.targets import move as moved
from predictions.core.logits import corrected
from predictions.core.roster import OUTCOME

NORMAL_95: Final = 1.6448536269514722  # one-sided


class Refused(ValueError):
    """The data or the result does not deserve a model; the message says what and what to do."""


class SuspectedLeak(Refused):
    """Too good to be true out of fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOut:
    """One expert on what it had not seen.

    Attributes
    ----------
    skill, skill_low
        Brier skill against the price, events weighing the same, and its one-sided 95 % bound.
    direction, direction_low
        Share of moves whose sign it named, events weighing the same; NaN without moves.
    useless, poor
        Why nothing can be read from it, and what is not good enough; empty where it may get weight.
    """

    rows: int
    events: int
    skill: float
    skill_low: float
    direction: float
    direction_low: float
    useless: tuple[str, ...] = ()
    poor: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it may not get weight; empty where it may."""
        return (*self.useless, *self.poor)

    def as_json(self) -> dict[str, Any]:
        """Plain values; null where a number is not finite."""
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def judge(tested: Examples, move: Floats, *, horizon: str, config: LearningConfig) -> HoldOut:
    """Judge one expert's out-of-fold corrections, float64[n], NaN where it said nothing."""
    rows = np.isfinite(move)
    y, price, event, said = tested.y[rows], tested.price[rows], tested.event[rows], move[rows]
    if not len(y):
        nan = float("nan")
        return HoldOut(
            rows=0,
            events=0,
            skill=nan,
            skill_low=nan,
            direction=nan,
            direction_low=nan,
            useless=("no fold tested it: its hold-out is empty",),
        )
    # Among all rows: how many of them an expert speaks about may depend on where the price went.
    weight = weights(tested.event)[rows]
    reference = weight * metrics.brier(price, y)
    ours = weight * metrics.brier(corrected(price, said), y)
    skill, skill_low = _share(reference - ours, reference, event)
    change = moved(y, price)
    asked = (change != 0) & (said != 0)
    right = np.where(asked, weight * (np.sign(change) == np.sign(said)), 0.0)
    direction, direction_low = _share(right, np.where(asked, weight, 0.0), event)
    found = HoldOut(
        rows=len(y),
        events=len(np.unique(event)),
        skill=skill,
        skill_low=skill_low,
        direction=direction,
        direction_low=direction_low,
    )
    return replace(
        found,
        useless=tuple(_useless(said, y, horizon=horizon)),
        poor=tuple(_poor(found, horizon=horizon, config=config)),
    )


def judge_model(
    tested: Examples, model: Floats, *, horizon: str, config: LearningConfig
) -> HoldOut:
    """Judge the gate's probabilities like an expert's corrections."""
    odds = np.log(model) - np.log1p(-model) - np.log(tested.price) + np.log1p(-tested.price)
    move = np.where(model == tested.price, 0.0, odds)
    return judge(tested, move, horizon=horizon, config=config)


def overall(tested: Examples, move: Floats, *, horizon: str, config: LearningConfig) -> HoldOut:
    """Judge one expert's corrections over every row: where it is silent it says the price.

    A move that it did not call counts as a coin's.
    """
    found = judge(tested, np.where(np.isfinite(move), move, 0.0), horizon=horizon, config=config)
    called = moved(tested.y, tested.price) != 0
    weight = np.where(called, weights(tested.event), 0.0)
    spoke = float(weight @ (np.nan_to_num(move) != 0)) / max(float(weight.sum()), 1e-300)
    return replace(
        found,
        direction=0.5 + spoke * (found.direction - 0.5),
        direction_low=0.5 + spoke * (found.direction_low - 0.5),
    )


def suspicion(found: HoldOut, *, horizon: str, config: LearningConfig) -> str:
    """In what this is better than honest data lets anyone be; empty where it is not."""
    bounds = [("beats the market price by", found.skill, found.skill_low, config.max_skill, 0.0)]
    if horizon != OUTCOME:
        bounds = [
            ("has an R² of", found.skill, found.skill_low, config.max_return_skill, 0.0),
            (
                "names the direction in",
                found.direction,
                found.direction_low,
                config.max_direction,
                0.5,
            ),
        ]
    for does, value, low, limit, chance in bounds:
        # What a handful of events may show by luck is no leak: it must also be beyond chance.
        if value > limit and low > chance:
            return (
                f"{does} {value:.1%} out of fold, more than {limit:.0%}: "
                "a feature or price knows the answer; audit the newest data first"
            )
    return ""


def refuse_a_leak(slug: str, found: HoldOut, *, horizon: str, config: LearningConfig) -> None:
    """Raise `SuspectedLeak` where something is better than honest data lets anyone be."""
    suspected = suspicion(found, horizon=horizon, config=config)
    if suspected:
        raise SuspectedLeak(f"{slug} {suspected}")


def _useless(said: Floats, y: Floats, *, horizon: str) -> list[str]:
    found = []
    if y.min() == y.max():
        found.append(f"every answer of its hold-out is {y[0]:g}: one class tests nothing")
    if np.ptp(said) == 0:
        found.append(f"it always says {said[0]:+.4f}: a constant is no forecast")
    elif horizon != OUTCOME and (said.min() > 0 or said.max() < 0):
        way = "up" if said.min() > 0 else "down"
        found.append(f"it always says {way} ({said.min():+.4f} to {said.max():+.4f})")
    return found


def _poor(found: HoldOut, *, horizon: str, config: LearningConfig) -> list[str]:
    if horizon == OUTCOME:
        return [] if found.skill > 0 else ["it is no better than the price"]
    poor = []
    if not found.skill >= config.min_return_skill:
        poor.append(f"its R² is {found.skill:.4f}, at least {config.min_return_skill:g} is needed")
    if not found.direction >= config.min_direction:
        poor.append(
            f"it names {found.direction:.1%} of the directions, "
            f"at least {config.min_direction:.0%} are needed"
        )
    return poor


def _share(part: Floats, whole: Floats, event: Ints) -> tuple[float, float]:
    """Σ part / Σ whole and its lower bound, with a standard error clustered by event."""
    total = float(whole.sum())
    if total <= 0:
        return float("nan"), float("nan")
    share = float(part.sum()) / total
    _, number = np.unique(event, return_inverse=True)
    error = float(np.sqrt(np.sum(np.bincount(number, part - share * whole) ** 2))) / total
    return share, share - NORMAL_95 * error


def check(data: Examples, *, horizon: str, config: LearningConfig) -> None:
    """Refuse examples that cannot teach: too few, one class only, or numbers that are none."""
    for each in minimums(data, config=config):
        if each["have"] < each["need"]:
            raise Refused(
                f"{each['have']} {each['what']}, at least {each['need']} are needed; import more "
                "history or wait for resolutions (learning settings hold the minimum)"
            )
    finite(data)
    if data.y.min() == data.y.max():
        raise Refused(f"every answer is {data.y[0]:g}: one class teaches nothing; add other data")
    if horizon != OUTCOME and not np.any(moved(data.y, data.price)):
        raise Refused("no price ever moved: there is nothing to learn; add other data")


def minimums(data: Examples, *, config: LearningConfig) -> list[dict[str, Any]]:
    """What there is of what a training needs, for progress bars: `what`, `have`, `need`."""
    return [
        {"what": "labelled decisions", "have": data.rows, "need": config.min_rows},
        {"what": "resolved events", "have": data.events, "need": config.min_events},
        {"what": "resolved markets", "have": data.markets, "need": config.min_markets},
    ]


class NotFinite(ValueError):
    """A number that is none was about to be learned from or served: the run must not go on."""


def finite(data: Examples) -> None:
    """Raise `NotFinite` for examples with NaN or infinity where neither may be."""
    for name, column in (("price", data.price), ("payout", data.y), ("weight", data.weight)):
        if not np.isfinite(column).all():
            bad = np.count_nonzero(~np.isfinite(column))
            raise NotFinite(f"{bad} examples have a {name} that is not a finite number")
    if np.isinf(data.x).any():
        raise NotFinite("a feature is infinite; find the kernel that divides by zero")
