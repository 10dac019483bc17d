"""The venue of a guarded mode, opened: the key, the hosts, the credentials, in this order."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from config.kernel.modes import Mode
from config.kernel.units import ZERO
from risk.models import RiskLimits
from trading.adapters import clob, custody, token_fees, wallet_facts
from trading.adapters.clob import Clob
from trading.adapters.clob_client import Hosts, endpoints, without_key
from trading.core.readiness import Fact
from trading.settings.readiness import ReadinessSettings
from trading.venue import Unsent
from trading.watching import readiness

HERE = ("127.0.0.1", "localhost", "::1")
BEAT_TIMEOUT_S = 3.0
PURSE = Decimal(10_000)
"""Play money of a rehearsal that has none."""


class WrongHost(Exception):
    """The mode and the hosts do not belong together; the message says which may."""


class Environment(custody.Places, Hosts, Protocol):
    """What is read of the environment (`config.env.Env`)."""

    @property
    def geoblock_url(self) -> str:
        """Where the venue says whether orders may be placed from here."""
        ...


def open_venue(mode: str, env: Environment, *, as_of: datetime, timeout_s: float = 10.0) -> Clob:
    """The venue of LIVE or REHEARSAL, ready.

    A rehearsal signs with a worthless key and speaks to a stand-in on this machine alone; the real
    key is opened for hosts that are encrypted alone, for a signed order is worth money to whoever
    reads it. Raises `WrongHost`, `custody.NoKey`, `custody.UnsafeKey` or a failure of
    `trading.venue`.
    """
    hosts, rehearsal = endpoints(env), mode == Mode.REHEARSAL
    if rehearsal and urlsplit(hosts.clob).hostname not in HERE:
        raise WrongHost(
            f"a rehearsal speaks to a stand-in on this machine, not to {hosts.clob}; start one "
            "with `make demo`"
        )
    if not rehearsal and (mode != Mode.LIVE or urlsplit(hosts.clob).scheme != "https"):
        raise WrongHost(f"no real order of {mode} is signed for {hosts.clob}")
    signer = custody.open_signer(env, rehearsal=rehearsal)
    venue = clob.connect(signer, endpoints=hosts, as_of=as_of, timeout_s=timeout_s)
    if rehearsal and venue.cash() == ZERO:
        _fill_purse(venue.wallet, hosts.clob, timeout_s=timeout_s)
    return venue


def look(
    venue: Clob, *, mode: str, env: Environment, clock: Callable[[], datetime]
) -> tuple[Fact, ...]:
    """Look at the wallet and keep what was found, for the readiness and `doctor`.

    Each exchange has to be allowed as much as the largest order that the limits permit.
    """
    as_of = clock()
    facts = wallet_facts.look(
        venue,
        geoblock_url=env.geoblock_url,
        needed=RiskLimits.objects.current(as_of=as_of).max_order_usd,
        config=ReadinessSettings.objects.current(as_of=as_of).as_config(),
        clock=clock,
    )
    readiness.record(facts, mode=mode, wallet=venue.wallet)
    return facts


def beating_line(venue: Clob) -> Clob:
    """The same venue over a connection of its own, for heartbeats alone.

    A request that the other one waits for holds up no beat, and a beat gives up early enough to be
    repeated before the venue loses patience.
    """
    client = without_key(venue.signer, venue.credentials, venue.hosts, timeout_s=BEAT_TIMEOUT_S)
    return Clob(
        client,
        signer=venue.signer,
        fees_of=token_fees.of_catalogue,
        credentials=venue.credentials,
        hosts=venue.hosts,
    )


def _fill_purse(wallet: str, clob_url: str, *, timeout_s: float) -> None:
    """Ask the stand-in for play money; it takes it for a deposit."""
    said = {"wallet": wallet, "dollars": str(PURSE)}
    url = f"{clob_url.removesuffix('/clob')}/sandbox/faucet"
    try:
        httpx.post(url, json=said, timeout=timeout_s).raise_for_status()
    except httpx.HTTPError as trouble:
        raise Unsent(f"the stand-in gives no play money: {trouble!r}") from trouble
