"""Is everything shown that has to be shown before real money moves? Unknown means no."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.functions import TruncDate

from config.kernel.modes import Mode
from trading.core import readiness as core
from trading.core.approval import MAY_DECIDE
from trading.core.readiness import Fact, Gate, ReadinessConfig, State
from trading.models import Fill, Settlement, TradeIntent
from trading.models.readiness import WalletCheck
from trading.settings.readiness import ReadinessSettings

TRIAL = "trial"


def unmet(*, as_of: datetime, wallet: str = "") -> tuple[Gate, ...]:
    """The gates that keep LIVE closed; empty when nothing does. `wallet` as for `gates`."""
    return tuple(gate for gate in gates(as_of=as_of, wallet=wallet) if not gate.is_met)


def gates(*, as_of: datetime, wallet: str = "") -> tuple[Gate, ...]:
    """Every gate of LIVE: the installation, the evidence, the people, the wallet, a round trip.

    Who holds the key of a `wallet` names it: what was seen of another opens nothing for it. Those
    without a key are told of the one that was looked at last.
    """
    config: ReadinessConfig = ReadinessSettings.objects.current(as_of=as_of).as_config()
    wallet = wallet or _seen_last(Mode.LIVE)
    facts = known(Mode.LIVE, wallet=wallet)
    return (
        _database(),
        _broker(),
        _days(config),
        _events(config),
        _persons(config),
        *core.of_facts(facts, config=config, as_of=as_of),
        _trial(facts.get(TRIAL), wallet=wallet, config=config, as_of=as_of),
    )


def _seen_last(mode: str) -> str:
    """The wallet that was looked at last; "" where none was."""
    rows = WalletCheck.objects.filter(mode=mode).order_by("-checked_at")
    return rows.values_list("wallet", flat=True).first() or ""


def known(mode: str, *, wallet: str = "") -> dict[str, Fact]:
    """What was found of this wallet, else of the one that was looked at last, by name."""
    rows = WalletCheck.objects.filter(mode=mode, wallet=wallet or _seen_last(mode))
    return {
        row.name: Fact(
            name=row.name, state=State(row.state), detail=row.detail, checked_at=row.checked_at
        )
        for row in rows
    }


def record(facts: Iterable[Fact], *, mode: str, wallet: str) -> None:
    """Keep what the process with the key found, for those without one."""
    for fact in facts:
        WalletCheck.objects.update_or_create(
            mode=mode,
            wallet=wallet,
            name=fact.name,
            defaults={
                "state": fact.state.value,
                "detail": fact.detail[:400],
                "checked_at": fact.checked_at,
            },
        )


def record_trial(detail: str, *, passed: bool, mode: str, wallet: str, as_of: datetime) -> None:
    """Keep how the last round trip ended."""
    state = State.MET if passed else State.UNMET
    fact = Fact(name=TRIAL, state=state, detail=detail, checked_at=as_of)
    record([fact], mode=mode, wallet=wallet)


def _gate(name: str, *, met: bool, sentence: str, remedy: str) -> Gate:
    return Gate(
        name=name, state=State.MET if met else State.UNMET, sentence=sentence,
        remedy="" if met else remedy,
    )  # fmt: skip


def _database() -> Gate:
    return _gate(
        "database",
        met=connection.vendor == "postgresql",
        sentence=f"the rows live in {connection.vendor}; LIVE needs PostgreSQL",
        remedy="set DATABASE_URL to a PostgreSQL server",
    )


def _broker() -> Gate:
    return _gate(
        "broker",
        met=bool(settings.ENV.redis_url),
        sentence="work is woken by " + ("Redis" if settings.ENV.redis_url else "files")
        + "; LIVE needs Redis",
        remedy="set REDIS_URL",
    )  # fmt: skip


def _days(config: ReadinessConfig) -> Gate:
    days = (
        TradeIntent.objects.filter(mode=Mode.PAPER)
        .annotate(day=TruncDate("created_at"))
        .values("day")
        .distinct()
        .count()
    )
    return _gate(
        "shadow_days",
        met=days >= config.min_shadow_days,
        sentence=f"paper trading decided something on {days} of {config.min_shadow_days} days",
        remedy="let it trade on paper; the evidence grows by itself",
    )


def _events(config: ReadinessConfig) -> Gate:
    traded = Fill.objects.filter(mode=Mode.PAPER, order__market__resolution__isnull=False)
    events = traded.values("order__market__event").distinct().count()
    return _gate(
        "resolved_events",
        met=events >= config.min_resolved_events,
        sentence=f"{events} of {config.min_resolved_events} events that were traded on paper "
        "have an answer",
        remedy="wait for the answers; the go/no-go page shows what they say so far",
    )


def _persons(config: ReadinessConfig) -> Gate:
    active = get_user_model().objects.filter(is_active=True, is_staff=True)
    persons = sum(1 for user in active if user.has_perm(MAY_DECIDE))
    return _gate(
        "persons",
        met=persons >= config.min_persons,
        sentence=f"{persons} of {config.min_persons} persons may approve orders",
        remedy="give another person the right to approve, in the admin under users",
    )


def _trial(fact: Fact | None, *, wallet: str, config: ReadinessConfig, as_of: datetime) -> Gate:
    own = Settlement.objects.filter(fill__mode=Mode.LIVE, fill__order__wallet=wallet)
    if own.filter(status=Settlement.Status.CONFIRMED).exists():
        said = "trades of the guard were confirmed on the chain"
        return _gate(TRIAL, met=True, sentence=said, remedy="")
    within = timedelta(days=config.trial_valid_days)
    if fact is None or not core.is_recent(fact, within=within, as_of=as_of):
        return Gate(
            name=TRIAL,
            state=State.UNKNOWN,
            sentence=f"no small round trip was made in the last {config.trial_valid_days} days",
            remedy="run `manage.py moneydoctor` on the machine that holds the key; it asks first",
        )
    return _gate(
        TRIAL,
        met=fact.state is State.MET,
        sentence=f"the last small round trip: {fact.detail}",
        remedy="read what it saw, mend that, and run `manage.py moneydoctor` again",
    )
