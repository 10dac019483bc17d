"""Stops: open one, release one, and what is permitted now.

The state derives from the open halts, the file `HALT` in the state folder and the variable `HALT`;
it is read from the database at every question, never cached. Redemption, settlement and
reconciliation do not ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from config.kernel import audit, locks, texts
from config.kernel.modes import STORED_MODES
from markets.models import Market
from risk.core.contracts import STRATEGIES
from risk.models import SEVERITY, Halt, TradingState

log = structlog.get_logger()
SWITCH_FILE = "HALT"
LONGEST_ID = 18
"""Digits that any 64-bit id has room for."""
AUDIT_LOCK = "audit"
"""Taken first by whoever moves a halt: the trail takes it anyway, and one lock cannot deadlock."""


class NotOpen(RuntimeError):
    """The halt was released before."""


class UnknownKind(ValueError):
    """No halt of this kind is declared, so nobody would know how it may end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A cause of halting: what it stops unless told otherwise, how it may end, what it means."""

    state: TradingState
    resume_rule: Halt.Resume
    meaning: str


_BY_HAND, _NEXT_DAY, _WHEN_CLEAR = (
    Halt.Resume.MANUAL,
    Halt.Resume.NEXT_DAY,
    Halt.Resume.WHEN_CLEAR,
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        name: Kind(state=state, resume_rule=rule, meaning=meaning)
        for name, state, rule, meaning in (
            ("MANUAL", TradingState.HALTED, _BY_HAND, "a person stopped it"),
            (
                "DRAWDOWN_LISTEN",
                TradingState.LISTEN_ONLY,
                _WHEN_CLEAR,
                "risk equity fell from its peak past the first limit",
            ),
            (
                "DRAWDOWN_REDUCE",
                TradingState.REDUCING,
                _WHEN_CLEAR,
                "risk equity fell from its peak past the second limit",
            ),
            (
                "DRAWDOWN_HALT",
                TradingState.HALTED,
                _BY_HAND,
                "risk equity fell from its peak past the last limit",
            ),
            (
                "DAILY_LOSS",
                TradingState.LISTEN_ONLY,
                _NEXT_DAY,
                "the day lost more of its opening equity than allowed",
            ),
            (
                "SUDDEN_DROP",
                TradingState.HALTED,
                _BY_HAND,
                "risk equity fell within minutes as it never should",
            ),
            (
                "SNAPSHOT_GAP",
                TradingState.LISTEN_ONLY,
                _WHEN_CLEAR,
                "nobody marked the books for too long",
            ),
            (
                "ORDER_FAILURES",
                TradingState.LISTEN_ONLY,
                _BY_HAND,
                "orders or decisions failed one after another",
            ),
            (
                "UNKNOWN_ORDERS",
                TradingState.LISTEN_ONLY,
                _WHEN_CLEAR,
                "the fate of too many orders is unknown",
            ),
            (
                "RECONCILIATION",
                TradingState.LISTEN_ONLY,
                _WHEN_CLEAR,
                "orders, trades or shares at the venue differ from the books unexplained",
            ),
            (
                "CREDENTIALS",
                TradingState.HALTED,
                _BY_HAND,
                "the venue refuses our credentials",
            ),
            (
                "LEDGER_MISMATCH",
                TradingState.HALTED,
                _BY_HAND,
                "the ledger and the outside balance disagree",
            ),
            (
                "OVERFILL",
                TradingState.HALTED,
                _BY_HAND,
                "the venue filled more than was ordered, or sold more than was held",
            ),
        )
    }
)


def open_halt(
    kind: str,
    *,
    reason: str,
    actor: str,
    as_of: datetime,
    state: str = "",
    resume_rule: str = "",
    scope: str = Halt.Scope.GLOBAL,
    scope_key: str = "",
) -> Halt:
    """Stop what `scope` covers; state and resume rule are the kind's own unless given.

    Where the same stop is open already it is returned and the new reason noted in the audit
    trail; a stricter state replaces it. A stop waits for nobody: where another holds the trail for
    too long it stands without an entry there, and the log says so. Raises
    `UnknownKind` for an undeclared kind, `ValueError` without a reason, for a state that stops
    nothing, for a scope without its key, or for a key that nothing answers to.
    """
    reason = texts.storable(reason)
    _check(scope, scope_key, reason)
    wished = Halt(
        kind=kind,
        scope=scope,
        scope_key=scope_key,
        state=_checked_state(kind, state),
        reason=reason[:400],
        resume_rule=Halt.Resume(resume_rule or KINDS[kind].resume_rule),
        opened_by=actor,
        opened_at=as_of,
    )
    try:
        return _stop(wished, reason=reason)
    except locks.LockTimeout:
        log.error("halt.not_in_trail", kind=kind, actor=actor, reason=reason)  # noqa: TRY400 - no bug
        return _stop_at_once(wished)


@transaction.atomic
def _stop(wished: Halt, *, reason: str) -> Halt:
    """Open it, or note its reason at the one that stands, with an entry in the trail."""
    locks.hold(AUDIT_LOCK)
    standing = _same(wished)
    actor, as_of = wished.opened_by, wished.opened_at
    if standing is not None:
        if _is_covered(wished, standing):
            # The first reason stays on the halt; the one given now is not lost either.
            audit.record(
                "halt.repeated",
                actor=actor,
                subject=f"halt:{standing.pk}",
                data={"reason": reason},
                as_of=as_of,
            )
            return standing
        release(standing, actor=actor, reason=f"replaced by {wished.state}: {reason}", as_of=as_of)
    wished.save(force_insert=True)
    audit.record(
        "halt.opened",
        actor=actor,
        subject=f"halt:{wished.pk}",
        data={
            "kind": wished.kind,
            "scope": f"{wished.scope}:{wished.scope_key}",
            "state": wished.state,
            "resume_rule": wished.resume_rule,
            "reason": reason,
        },
        as_of=as_of,
    )
    return wished


@transaction.atomic
def _stop_at_once(wished: Halt) -> Halt:
    """Open it without the trail; the database itself keeps a second one of its kind out."""
    standing = _same(wished)
    if standing is not None:
        if _is_covered(wished, standing):
            return standing
        Halt.objects.filter(pk=standing.pk).update(
            released_at=wished.opened_at,
            released_by=wished.opened_by,
            release_reason=f"replaced by {wished.state}: {wished.reason}"[:400],
        )
    wished.save(force_insert=True)
    return wished


def _same(wished: Halt) -> Halt | None:
    found: Halt | None = (
        _unreleased()
        .filter(kind=wished.kind, scope=wished.scope, scope_key=wished.scope_key)
        .first()
    )
    return found


def _is_covered(wished: Halt, standing: Halt) -> bool:
    """Whether what stands is as strict."""
    strict = [SEVERITY.index(TradingState(halt.state)) for halt in (wished, standing)]
    return strict[0] <= strict[1]


def _checked_state(kind: str, state: str) -> TradingState:
    if kind not in KINDS:
        raise UnknownKind(f"{kind} is not a kind of halt; declare it in risk.halts.KINDS")
    wanted = TradingState(state or KINDS[kind].state)
    if wanted == TradingState.ACTIVE:
        raise ValueError("a halt that permits everything stops nothing; release the halt instead")
    return wanted


def _check(scope: str, scope_key: str, reason: str) -> None:
    if not texts.says_something(reason):
        raise ValueError("a halt needs a reason; say why in one sentence")
    if (Halt.Scope(scope) == Halt.Scope.GLOBAL) == bool(scope_key):
        raise ValueError("scope GLOBAL takes no key, every other scope names what it covers")
    if refusal := _stops_nothing(Halt.Scope(scope), scope_key):
        raise ValueError(f"{refusal}; a halt of {scope_key[:40]!r} would stop nothing")


def _stops_nothing(scope: Halt.Scope, key: str) -> str:
    """What is wrong with the key of a scope, or an empty text."""
    modes = [mode.value for mode in STORED_MODES]
    if scope == Halt.Scope.MODE and key not in modes:
        return f"the key of scope MODE is one of {', '.join(modes)}"
    if scope == Halt.Scope.STRATEGY and key not in STRATEGIES:
        return f"the key of scope STRATEGY is one of {', '.join(STRATEGIES)}"
    if scope == Halt.Scope.MARKET and not _is_market(key):
        return "the key of scope MARKET is the id of a stored market"
    return ""


def _is_market(key: str) -> bool:
    """Whether a decision about a stored market would find a halt under this key."""
    if not (key.isascii() and key.isdecimal() and len(key) <= LONGEST_ID):
        return False
    return str(int(key)) == key and Market.objects.filter(pk=int(key)).exists()


@transaction.atomic
def release(halt: Halt, *, actor: str, reason: str, as_of: datetime) -> None:
    """End a halt. Raises `NotOpen` where it was released before, `ValueError` without a reason."""
    if not reason.strip():
        raise ValueError("releasing a halt needs a reason; say why in one sentence")
    locks.hold(AUDIT_LOCK)
    changes = {"released_by": actor, "released_at": as_of, "release_reason": reason[:400]}
    if not _unreleased().filter(pk=halt.pk).update(**changes):
        raise NotOpen(f"halt {halt.pk} ({halt.kind}) is not open")
    audit.record(
        "halt.released",
        actor=actor,
        subject=f"halt:{halt.pk}",
        data={"kind": halt.kind, "scope": f"{halt.scope}:{halt.scope_key}", "reason": reason},
        as_of=as_of,
    )


def standing(*, mode: str = "", strategy: str = "", market: str = "") -> list[Halt]:
    """Open halts that cover the given mode, strategy and market, oldest first."""
    return list(_unreleased().filter(_covers(mode, strategy, market)).order_by("opened_at", "id"))


def state(*, as_of: datetime, mode: str = "", strategy: str = "", market: str = "") -> TradingState:
    """What is permitted: the strictest of the halts that cover it and of the two switches.

    A halt that is open now counts even if it was opened after `as_of`: a decision that began
    before somebody stopped it is stopped too.
    """
    if switches():
        return TradingState.HALTED
    past = Q(opened_at__lte=as_of, released_at__gt=as_of)
    states = (
        Halt.objects.filter(Q(released_at__isnull=True) | past)
        .filter(_covers(mode, strategy, market))
        .values_list("state", flat=True)
    )
    return max(map(TradingState, states), key=SEVERITY.index, default=TradingState.ACTIVE)


def switches() -> list[str]:
    """The switches outside the database that halt everything now, in words."""
    path = settings.ENV.state_dir / SWITCH_FILE
    file = [f"the file {path} exists; delete it to resume"] if path.exists() else []
    variable = ["the variable HALT is set; unset it and restart"] if settings.ENV.halt else []
    return file + variable


def _unreleased() -> QuerySet[Halt]:
    return Halt.objects.filter(released_at__isnull=True)


def _covers(mode: str, strategy: str, market: str) -> Q:
    keys = ((Halt.Scope.MODE, mode), (Halt.Scope.STRATEGY, strategy), (Halt.Scope.MARKET, market))
    covered = Q(scope=Halt.Scope.GLOBAL)
    for scope, key in keys:
        if key:
            covered |= Q(scope=scope, scope_key=key)
    return covered
