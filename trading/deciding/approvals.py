"""Who has to say yes: how many persons, how long they are asked, and the rule that needs none."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth import get_user_model

from config.kernel.modes import SIMULATED
from trading.core.approval import ENTRY, MAY_DECIDE, NOBODY, ApprovalConfig
from trading.models import Approval, TradeIntent
from trading.settings import ApprovalSettings, TradingSettings

PAPER_RULE = "paper rule"
STANDING_RULE = "standing rule"
"""Who says yes where nobody is asked: in a simulated ledger, and in a guarded one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The approval settings of one instant, asked by mode."""

    config: ApprovalConfig

    def needed(self, mode: str, cost: Decimal, purpose: str = ENTRY) -> int:
        """Persons who must say yes to an intent that can cost `cost` dollars; 0 = a rule does."""
        return self.config.needed(cost, simulated=mode in SIMULATED, purpose=purpose)

    def expiry(self, mode: str, *, intent_expiry_s: int) -> timedelta:
        """How long an intent of this mode may wait before it is gone."""
        by_rule = timedelta(seconds=intent_expiry_s)
        return self.config.expiry(simulated=mode in SIMULATED, by_rule=by_rule)


def rules(*, as_of: datetime) -> Rules:
    """The rules in force, for many intents of one turn."""
    return Rules(config=ApprovalSettings.objects.current(as_of=as_of).as_config())


def expiry(mode: str, *, as_of: datetime) -> timedelta:
    """How long an intent of this mode may wait before it is gone."""
    seconds = TradingSettings.objects.current(as_of=as_of).intent_expiry_s
    return rules(as_of=as_of).expiry(mode, intent_expiry_s=seconds)


def persons_for(intent: TradeIntent) -> set[int]:
    """Keys of the persons whose yes counts now: who left, or may approve no more, says nothing."""
    said = get_user_model().objects.filter(
        pk__in=Approval.objects.filter(intent=intent, approved=True).values("user")
    )
    return {user.pk for user in said if user.has_perm(MAY_DECIDE)}


def by_rule(intent: TradeIntent, *, as_of: datetime) -> bool:
    """Say yes to an intent that needs no person, once; whether it is approved by that."""
    if intent.approvals_needed != NOBODY:
        return False
    waiting = TradeIntent.objects.filter(pk=intent.pk, status=TradeIntent.Status.PENDING)
    if not waiting.update(status=TradeIntent.Status.APPROVED):
        return False
    Approval.objects.create(
        intent=intent, approved=True, actor=actor_of(intent), reason=_why(intent), decided_at=as_of
    )
    intent.refresh_from_db(fields=["status"])
    return True


def actor_of(intent: TradeIntent) -> str:
    """The name of the rule that says yes to an intent which needs no person."""
    return PAPER_RULE if intent.mode in SIMULATED else STANDING_RULE


def _why(intent: TradeIntent) -> str:
    if intent.mode in SIMULATED:
        return "simulated"
    return f"{intent.get_purpose_display()}: no person is asked by the approval settings"
