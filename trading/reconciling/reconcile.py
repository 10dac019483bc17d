"""Our books against the venue and the chain: book what we did not know, name what differs.

Orders, trades and shares that differ and that nothing explains stop new entries until they agree.
Cash converges: the chain is right, an adjustment entry and an alert say by how much. Shares and
cash are read from the chain's node; what the venue thinks that a wallet holds lags by minutes and
is never asked.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction

from config.kernel import locks, texts
from config.kernel.units import decimal
from trading.books import facts
from trading.core.order_states import IN_FLIGHT
from trading.core.reconcile import Finding, Kind, ReconciliationConfig, Verdict
from trading.models import Order, VenueState
from trading.reconciling import comparison, on_its_way, trades
from trading.reconciling.comparison import Look
from trading.settings import ReconciliationSettings
from trading.venue import AccountVenue, Holdings, VenueOrder
from trading.watching import discrepancies, unbooked


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One look. `clean`: everything agrees or is explained, and `reconciled_at` says so."""

    mode: str
    wallet: str
    findings: tuple[Finding, ...]
    booked: int
    clean: bool


def in_doubt(mode: str, wallet: str, venue: AccountVenue, *, as_of: datetime) -> int:
    """Read trades where an order or a settlement is open; returns trades and states booked."""
    alive = Order.objects.filter(mode=mode, wallet=wallet, status__in=IN_FLIGHT)
    if not (alive.exists() or facts.unsettled(mode, wallet=wallet).exists()):
        return 0
    return read_trades(mode, wallet, venue, as_of=as_of)


def read_trades(mode: str, wallet: str, venue: AccountVenue, *, as_of: datetime) -> int:
    """Book what was traded or settled since the last reading; returns how many were news."""
    return trades.read(mode, wallet, venue, as_of=as_of, config=_config(as_of)).booked


def everything(
    mode: str, wallet: str, venue: AccountVenue, *, chain: Holdings, as_of: datetime
) -> Report:
    """Compare orders, trades, shares and cash; settle what can be, halt on what cannot.

    Raises a failure of `trading.venue` where venue or chain does not answer: that is no agreement.
    """
    config = _config(as_of)
    # Orders before trades before the chain: what one shows, the next must know of.
    listed = [_storable(order) for order in venue.open_orders()]
    read = trades.read(mode, wallet, venue, as_of=as_of, config=config)
    held = comparison.positions(mode, wallet, as_of=as_of, config=config)
    shares = chain.shares([position.outcome.asset_id or "" for position in held])
    cash = decimal(chain.cash())
    with transaction.atomic():
        locks.hold(f"portfolio:{mode}")
        look = Look(
            mode=mode,
            wallet=wallet,
            listed=listed,
            shares=shares,
            cash=cash,
            way=on_its_way.look(mode, wallet, since=as_of - timedelta(seconds=config.settle_s)),
            as_of=as_of,
            config=config,
        )
        return _report(look, read)


def _storable(order: VenueOrder) -> VenueOrder:
    """Its names as every database takes them; an id that had to be changed is none of ours."""
    return replace(
        order,
        venue_order_id=texts.storable(order.venue_order_id),
        token_id=texts.storable(order.token_id),
    )


def _report(look: Look, read: trades.Read) -> Report:
    ours, at = {"mode": look.mode, "wallet": look.wallet}, look.as_of
    found = comparison.orders(look)
    # Shares first: a payout that the venue made itself is cash that nobody else explains.
    found = [*found, *read.findings, *comparison.shares(look), *comparison.cash(look)]
    found = discrepancies.with_standing(found, **ours, agreed=read.agreed, as_of=at)
    judged = [
        comparison.converge(look, finding)
        if finding.kind == Kind.CASH and finding.verdict == Verdict.UNEXPLAINED
        else finding
        for finding in discrepancies.judge(found, **ours, as_of=at, config=look.config)
    ]
    discrepancies.put_on_record(judged, **ours, as_of=at)
    behind = bool(read.failed or unbooked.standing(look.mode))
    clean = discrepancies.stop_or_go(judged, **ours, as_of=at, behind=behind)
    if clean:
        _agree(look)
    return Report(
        **ours,
        findings=tuple(judged),
        booked=read.booked,
        clean=clean,
    )


def _agree(look: Look) -> None:
    VenueState.objects.update_or_create(
        mode=look.mode,
        wallet=look.wallet,
        defaults={"reconciled_at": look.as_of},
        create_defaults={"reconciled_at": look.as_of, "changed_at": look.as_of},
    )


def is_fresh(mode: str, wallet: str, *, as_of: datetime, within: timedelta) -> bool:
    """Whether the books of a wallet agreed with the outside a short while ago.

    An agreement of the future was found before the clock was set back: how old it is nobody knows.
    """
    agreed = VenueState.objects.filter(
        mode=mode, wallet=wallet, reconciled_at__range=(as_of - within, as_of)
    )
    return agreed.exists()


def _config(as_of: datetime) -> ReconciliationConfig:
    config: ReconciliationConfig = ReconciliationSettings.objects.current(as_of=as_of).as_config()
    return config
