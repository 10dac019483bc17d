"""How many decisions to trade became orders: where few do, something fails in silence."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet

from config.kernel import audit
from config.kernel.modes import STORED_MODES
from trading.models import Approval, Order, TradeIntent
from trading.settings import ApprovalSettings

ACTOR = "order watch"
REHEARSAL_ENDED = "end of the rehearsal"
"""Who refuses what still waits when a rehearsal ends."""
Status = TradeIntent.Status
PLACED = (Order.Status.OPEN, Order.Status.FILLED, Order.Status.CANCELED, Order.Status.EXPIRED)
"""What an order can be after a venue took it; cancelled and expired ones it must have answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """Decisions to trade whose fate is known, newest first, and how many became orders."""

    decisions: int
    placed: int

    @property
    def ratio(self) -> float:
        """Orders placed per decision to trade; 1 where nothing was decided."""
        return self.placed / self.decisions if self.decisions else 1.0


def of(mode: str, *, as_of: datetime, over: int) -> Success:
    """The newest `over` decisions to trade that are past deciding.

    What a person refused, what nobody answered and what was a dry run is no failure to order.
    """
    newest = list(_meant(mode, as_of=as_of).order_by("-created_at").values_list("pk")[:over])
    keys = [pk for (pk,) in newest]
    placed = Order.objects.filter(intent__in=keys, status__in=PLACED)
    taken = placed.filter(acknowledged_at__isnull=False) | placed.filter(filled_shares__gt=0)
    return Success(decisions=len(keys), placed=taken.distinct().count())


def watch(*, as_of: datetime) -> list[str]:
    """Tell people, once a day, about every mode in which too few decisions become orders.

    What was told ends by itself where it no longer holds.
    """
    config = ApprovalSettings.objects.current(as_of=as_of).as_config()
    told = []
    for mode in STORED_MODES:
        found = of(mode, as_of=as_of, over=config.success_over)
        if found.decisions < config.success_over or found.ratio >= config.min_success:
            _end(mode.value, found, as_of=as_of)
            continue
        news = audit.alert_once(
            f"orders:{mode.value}:{as_of:%Y-%m-%d}",
            text=f"{mode.value}: only {found.placed} of the last {found.decisions} decisions to "
            "trade became orders; the reasons stand with the intents and orders",
            actor=ACTOR,
            as_of=as_of,
            placed=found.placed,
            decisions=found.decisions,
        )
        told += [mode.value] if news else []
    return told


def _end(mode: str, found: Success, *, as_of: datetime) -> None:
    told = audit.standing().filter(subject__startswith=f"orders:{mode}:")
    for subject in told.values_list("subject", flat=True):
        text = f"{mode}: {found.placed} of the last {found.decisions} decisions became orders"
        audit.end_alert(subject, text=text, actor=ACTOR, as_of=as_of)


def _meant(mode: str, *, as_of: datetime) -> QuerySet[TradeIntent]:
    refused = Approval.objects.filter(approved=False).filter(
        Q(user__isnull=False) | Q(actor=REHEARSAL_ENDED)
    )
    past = TradeIntent.objects.filter(mode=mode, created_at__lte=as_of).exclude(
        status__in=(*TradeIntent.OPEN, Status.EXECUTED_DRYRUN)
    )
    yeses = Count("approval", filter=Q(approval__approved=True))
    asked = past.exclude(pk__in=refused.values("intent")).annotate(yeses=yeses)
    return asked.exclude(status=Status.EXPIRED, yeses__lt=F("approvals_needed"))
