"""The stops of a replay: the rules of `risk.watch` on the books in memory."""

from dataclasses import dataclass
from decimal import Decimal

from config.kernel import units
from mlops.core.replay_books import DAY_S, Books
from risk.core import drawdown
from risk.core.contracts import LimitsConfig, State

ORDER = (State.ACTIVE, State.LISTEN_ONLY, State.REDUCING, State.HALTED)


@dataclass(slots=True, kw_only=True)
class Brakes:
    """What was stopped, and until when.

    A halt that only a person may release lasts to the end: a replay has no person. A daily loss
    lasts to midnight UTC, the milder drawdown stops as long as their cause.
    """

    limits: LimitsConfig
    stopped_at: float | None = None
    listen_until: float = -1.0

    def state(self, books: Books) -> State:
        """The state that the last mark of the books demands."""
        point = books.marks[-1]
        if self._fell_too_far(books):
            self.stopped_at = point.at
        if self.stopped_at is not None:
            return State.HALTED
        if drawdown.fall(point.risk_equity, books.day_start) >= self.limits.daily_loss:
            self.listen_until = (point.at // DAY_S + 1) * DAY_S
        lost = State.LISTEN_ONLY if point.at < self.listen_until else State.ACTIVE
        graded = drawdown.grade(units.decimal(point.drawdown), self.limits)
        return max(lost, graded, key=ORDER.index)

    def _fell_too_far(self, books: Books) -> bool:
        if self.stopped_at is not None:
            return False
        point = books.marks[-1]
        graded = drawdown.grade(units.decimal(point.drawdown), self.limits)
        sudden = drawdown.fall(point.risk_equity, self._top(books)) >= self.limits.sudden_drop
        return graded is State.HALTED or sudden

    def _top(self, books: Books) -> Decimal:
        """The highest risk equity of the watched minutes."""
        since = books.marks[-1].at - self.limits.sudden_drop_s
        top = books.marks[-1].risk_equity
        for mark in reversed(books.marks):
            if mark.at < since:
                break
            top = max(top, mark.risk_equity)
        return top
