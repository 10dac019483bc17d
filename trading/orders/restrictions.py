"""What a venue refuses for a while: known to every process, obeyed before a request is made.

A restriction is nobody's failure. It is kept in the wallet's `VenueState` until it ends by itself.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from config.kernel import audit, texts
from trading.core.order_protocol import FORBIDS, ExecutionConfig, in_force
from trading.models import Order, TradeIntent, VenueState
from trading.settings import ExecutionSettings
from trading.venue import Restricted

log = structlog.get_logger()


def state_of(mode: str, wallet: str, *, as_of: datetime) -> VenueState:
    """How the wallet stands with its venue; a new row where nothing is known."""
    row, _created = VenueState.objects.get_or_create(
        mode=mode, wallet=wallet, defaults={"changed_at": as_of}
    )
    return row


def standing(mode: str, wallet: str, *, as_of: datetime) -> tuple[str, datetime | None]:
    """The restriction in force, and when it ends; read uncached."""
    row = VenueState.objects.filter(mode=mode, wallet=wallet).first()
    if row is None or row.restriction == VenueState.Restriction.NONE:
        return "NONE", None
    config = _config(as_of)
    return in_force(
        row.restriction,
        row.restricted_until,
        as_of=as_of,
        post_only_s=config.restart_post_only_s,
    )


def until(wish: TradeIntent | Order, *, as_of: datetime) -> datetime | None:
    """When an order of this kind may be sent; None where it may go now."""
    kind = "POST_ONLY" if wish.post_only else "TAKER"
    return _until(kind, wish.mode, wish.wallet, as_of=as_of)


def cancels_until(mode: str, wallet: str, *, as_of: datetime) -> datetime | None:
    """When a cancel may be asked for again; None where it may be now.

    What rests is money at risk: told to wait for long we go on asking, at the pace of the probes.
    """
    ends = _until("CANCEL", mode, wallet, as_of=as_of)
    if ends is None:
        return None
    longest = timedelta(seconds=_config(as_of).cancel_wait_s)
    return None if ends - as_of > longest else ends


def _until(kind: str, mode: str, wallet: str, *, as_of: datetime) -> datetime | None:
    restriction, ends = standing(mode, wallet, as_of=as_of)
    return ends if kind in FORBIDS[restriction] else None


@transaction.atomic
def impose(mode: str, wallet: str, refusal: Restricted, *, as_of: datetime) -> datetime:
    """Remember what the venue refuses; returns until when nothing of the kind is sent.

    No wait is longer than the settings allow. A wider refusal that lasts longer stays in force.
    """
    longest = _config(as_of).longest_wait_s
    ends = as_of + timedelta(seconds=_patience(refusal.retry_after_s, longest=longest))
    row = state_of(mode, wallet, as_of=as_of)
    before, until_ = standing(mode, wallet, as_of=as_of)
    covers = FORBIDS[before] >= FORBIDS[refusal.restriction]
    if before != "NONE" and covers and (until_ is None or until_ > ends):
        return until_ or ends
    changed = before != refusal.restriction
    if changed and not refusal.retry_after_s <= longest:
        _tell(mode, wallet, refusal, longest=longest, as_of=as_of)
    VenueState.objects.filter(pk=row.pk).update(
        restriction=VenueState.Restriction(refusal.restriction),
        restricted_until=ends,
        changed_at=as_of,
    )
    if changed:
        log.warning(
            "venue.restricted",
            mode=mode,
            wallet=wallet,
            restriction=refusal.restriction,
            until=ends.isoformat(),
            reason=texts.storable(str(refusal)),
        )
    return ends


def _patience(asked_s: float, *, longest: float) -> float:
    """Seconds to wait where the venue asks for so many; what is no number is the longest."""
    return max(0.0, asked_s) if asked_s <= longest else longest


def _config(as_of: datetime) -> ExecutionConfig:
    config: ExecutionConfig = ExecutionSettings.objects.current(as_of=as_of).as_config()
    return config


def _tell(mode: str, wallet: str, refusal: Restricted, *, longest: float, as_of: datetime) -> None:
    """Nobody asks for hours in earnest: people should look at the venue."""
    text = (
        f"The venue asks {wallet} ({mode}) to wait {refusal.retry_after_s:g} seconds "
        f"({refusal.restriction}). We send no order for {longest:g} s, then try again, and go on "
        "cancelling. Look at the venue's status page and at our rate of requests."
    )
    audit.alert(f"venue:{mode}:{wallet}", text=text, actor="restrictions", as_of=as_of)
