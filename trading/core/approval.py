"""Who has to say yes to an intent, and how long it may wait for that."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

NOBODY, ONE_PERSON, TWO_PERSONS = 0, 1, 2
MAY_DECIDE = "trading.add_approval"
"""The right of those whose yes counts."""
ENTRY, EXIT, UNWIND = "ENTRY", "EXIT", "UNWIND"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalConfig:
    """The values of `ApprovalSettings`."""

    version: int
    approval_expiry_s: int
    two_person_above_usd: Decimal
    ask_in_simulated: bool
    ask_for_exits: bool
    min_success: float
    success_over: int

    def asks(self, *, simulated: bool) -> bool:
        """Whether persons are asked at all."""
        return self.ask_in_simulated or not simulated

    def needed(self, cost: Decimal, *, simulated: bool, purpose: str = ENTRY) -> int:
        """Persons who must say yes to an intent that can cost `cost` dollars; 0 where a rule does.

        Getting out of a group that broke was agreed to with its legs, up to their budget.
        """
        if not self.asks(simulated=simulated) or purpose == UNWIND:
            return NOBODY
        if purpose == EXIT and not self.ask_for_exits:
            return NOBODY
        return TWO_PERSONS if cost > self.two_person_above_usd else ONE_PERSON

    def expiry(self, *, simulated: bool, by_rule: timedelta) -> timedelta:
        """How long an intent may wait; `by_rule` where nobody is asked."""
        if self.asks(simulated=simulated):
            return timedelta(seconds=self.approval_expiry_s)
        return by_rule
