"""Whether a wallet may trade with real money: facts in, gates out. What is not known is not met."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

UNLIMITED: Final = Decimal(2) ** 200
"""Nobody has so many dollars: an allowance above it has no limit."""


class State(StrEnum):
    """What a check found."""

    MET = "MET"
    UNMET = "UNMET"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition of LIVE: a sentence for people, and the next step unless it is met."""

    name: str
    state: State
    sentence: str
    remedy: str = ""

    @property
    def is_met(self) -> bool:
        """Only what was looked at and found good."""
        return self.state is State.MET


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessConfig:
    """The values of `ReadinessSettings`."""

    version: int
    min_shadow_days: int
    min_resolved_events: int
    max_clock_offset_ms: int
    facts_valid_s: int
    look_every_s: int
    trial_valid_days: int
    min_balance_usd: Decimal
    min_persons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What the guard found of one thing about its wallet, and when."""

    name: str
    state: State
    detail: str
    checked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A thing that only the process with the key can look at."""

    name: str
    about: str
    remedy: str


CONDITIONS: Final = (
    Condition(
        name="credentials",
        about="the venue accepts the key's credentials",
        remedy="check the key, its wallet and the clock; `manage.py moneydoctor` tells what it saw",
    ),
    Condition(
        name="clock",
        about="our clock is the venue's",
        remedy="synchronise the clock (NTP): the venue refuses requests from another time",
    ),
    Condition(
        name="place",
        about="orders may be placed from here",
        remedy="trade from a place where it is permitted; there is no way around this",
    ),
    Condition(
        name="closed_only",
        about="the account may open positions",
        remedy="ask the venue why the account may only close",
    ),
    Condition(
        name="wallet",
        about="the wallet is the key's and exists on the chain",
        remedy="set WALLET_ADDRESS to the wallet that pays; make it on the venue's own pages",
    ),
    Condition(
        name="allowances",
        about="each exchange may take a limited, sufficient amount",
        remedy="a person sets finite allowances on the venue's own pages; the bot never does",
    ),
    Condition(
        name="balance",
        about="there is money to trade with",
        remedy="deposit on the venue's own pages, no more than can be lost",
    ),
)


STAND_IN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "allowances": "nothing to do: the stand-in exchange may take everything, it is play money; "
        "with real money a person sets finite amounts on the venue's own pages",
        "balance": "start the demo again: its exchange gives play money when the guard starts",
    }
)
"""What to do about the wallet of a rehearsal, where that is not what real money asks for."""


def remedy_of(fact: Fact, *, rehearses: bool) -> str:
    """The next step about a fact that is not well; "" where it is."""
    if fact.state is State.MET:
        return ""
    known = {condition.name: condition.remedy for condition in CONDITIONS}
    stand_in = STAND_IN.get(fact.name, "") if rehearses else ""
    return stand_in or known.get(fact.name, "look again with `manage.py moneydoctor --check`")


def is_recent(fact: Fact, *, within: timedelta, as_of: datetime) -> bool:
    """Whether it was seen so lately; one dated in the future tells of a clock that went back."""
    return timedelta(0) <= as_of - fact.checked_at <= within


def of_facts(
    facts: Mapping[str, Fact], *, config: ReadinessConfig, as_of: datetime
) -> tuple[Gate, ...]:
    """A gate for each condition; a fact that is missing, old or of the future counts as unknown."""
    return tuple(_of_fact(c, facts.get(c.name), config=config, as_of=as_of) for c in CONDITIONS)


def _of_fact(
    condition: Condition, fact: Fact | None, *, config: ReadinessConfig, as_of: datetime
) -> Gate:
    within = timedelta(seconds=config.facts_valid_s)
    if fact is None or not is_recent(fact, within=within, as_of=as_of):
        seen = (
            "never looked at"
            if fact is None
            else f"last looked at {fact.checked_at:%d %b %H:%M} UTC"
        )
        return Gate(
            name=condition.name,
            state=State.UNKNOWN,
            sentence=f"whether {condition.about} is not known: {seen}",
            remedy="run `manage.py moneydoctor --check` on the machine that holds the key",
        )
    is_met = fact.state is State.MET
    return Gate(
        name=condition.name,
        state=fact.state,
        sentence=f"{condition.about}: {fact.detail}",
        remedy="" if is_met else condition.remedy,
    )


def clock_fact(offset_s: float, *, config: ReadinessConfig, as_of: datetime) -> Fact:
    """The venue states whole seconds, so up to one more proves nothing."""
    good = abs(offset_s) * 1000 <= config.max_clock_offset_ms
    return _fact("clock", good, f"{offset_s:+.1f} s against the venue", as_of=as_of)


def wallet_fact(
    kind: str, wallet: str, *, session_key: bool, deployed: bool | None, as_of: datetime
) -> Fact:
    """The wallet's kind, whose key it is, and whether the chain has it; None where nobody says."""
    key = "a session key" if session_key else "its owner's key"
    said = f"{wallet}, {kind}, {key}"
    if deployed is None:
        silent = f"{said}; the relayer does not say whether it exists"
        return Fact(name="wallet", state=State.UNKNOWN, detail=silent, checked_at=as_of)
    there = "on the chain" if deployed else "not on the chain yet"
    return _fact("wallet", deployed, f"{said}, {there}", as_of=as_of)


def allowances_fact(
    allowances: Mapping[str, Decimal],
    *,
    spenders: Mapping[str, str],
    needed: Decimal,
    as_of: datetime,
) -> Fact:
    """Each spender (lower-case address → name) may take `needed` dollars, and none everything.

    One that the venue does not list is not used by it: orders there are refused, not lost.
    """
    given = {name.lower(): amount for name, amount in allowances.items()}
    faults = [
        f"{spenders.get(spender, spender)}: without limit"
        for spender, amount in given.items()
        if amount >= UNLIMITED
    ]
    faults += [
        f"{name}: ${given[spender]:,.2f}, needed ${needed:,.2f}"
        for spender, name in spenders.items()
        if spender in given and given[spender] < needed
    ]
    if not given.keys() & spenders.keys():
        faults.append("no exchange may take anything")
    said = "; ".join(faults) or f"each at least ${needed:,.2f}, none without limit"
    return _fact("allowances", not faults, said, as_of=as_of)


def balance_fact(cash: Decimal, *, config: ReadinessConfig, as_of: datetime) -> Fact:
    """Dollars in the wallet."""
    return _fact("balance", cash >= config.min_balance_usd, f"${cash:,.2f}", as_of=as_of)


def _fact(name: str, good: bool, detail: str, *, as_of: datetime) -> Fact:  # noqa: FBT001 - read by its name
    state = State.MET if good else State.UNMET
    return Fact(name=name, state=state, detail=detail, checked_at=as_of)
