"""Whether the installation is well: each component is asked, briefly."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from config.kernel.models import Heartbeat
from config.pages import situation
from markets import spot_prices
from markets.models import IngestSettings, Market, StreamSettings
from trading.queries import UNITS, FunnelRow

Check = dict[str, Any]
MONEY = (
    "risk_equity",
    "peak",
    "cash",
    "reserved",
    "open_cost",
    "open_liquidation",
    "redeemable",
    "realised",
    "fees",
)
STREAM = "stream_markets"
STARTED = time.monotonic()
STARTING_S = 60
"""So long after its start a web process takes what was never heard of as still to come."""


def uptime_s() -> float:
    """Seconds since this process read this module."""
    return time.monotonic() - STARTED


def examine(*, as_of: datetime, up_s: float = math.inf) -> dict[str, Any]:
    """Run every check; one that fails says what to do.

    `starting` instead of `degraded` where the process is younger than a minute (`up_s`) and all
    that fails was never heard of: no heartbeat, no quote.
    """
    checks = {
        "database": _timed(database),
        "broker": _timed(broker),
    }
    if checks["database"]["ok"]:
        checks["heartbeats"] = _timed(lambda: heartbeats(as_of=as_of))
        checks["data"] = _timed(lambda: data(as_of=as_of))
        checks["stream"] = _timed(lambda: stream(as_of=as_of))
        checks["spot"] = _timed(lambda: spot(as_of=as_of))
    failing = [check for check in checks.values() if not check["ok"]]
    if failing and up_s < STARTING_S and all(check.get("never") for check in failing):
        status = "starting"
    else:
        status = "degraded" if failing else "ok"
    return {"status": status, "as_of": as_of, "checks": checks}


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """What anybody may know of a report: the word, and the names of what is missing or late."""
    failing = [name for name, check in report["checks"].items() if not check["ok"]]
    silent = report["checks"].get("heartbeats", {}).get("late", [])
    if not failing:
        return {"status": report["status"]}
    return {"status": report["status"], "failing": failing, "silent": silent}


def database() -> Check:
    """One round trip."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {"ok": True, "detail": connection.vendor}


def broker() -> Check:
    """Folder of the file broker, or a PING with a short deadline; no queue is touched."""
    url = str(settings.CELERY_BROKER_URL)
    if urlsplit(url).scheme == "filesystem":
        folder = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])
        waiting = sum(1 for _ in folder.iterdir())
        return {"ok": True, "detail": f"files, {waiting} waiting"}
    import redis  # noqa: PLC0415 - only where Redis is the broker

    with redis.Redis.from_url(url, socket_timeout=0.1, socket_connect_timeout=0.1) as client:
        client.ping()
    return {"ok": True, "detail": "redis answers"}


def heartbeats(*, as_of: datetime) -> Check:
    """Every component that ever beat has done so within two of its periods."""
    known = situation.beats(as_of=as_of)
    if not known:
        never = "no component has reported yet; start the workers and beat"
        return {"ok": False, "detail": never, "never": True, "late": []}
    # The stream has a check of its own: where it is turned off, its silence is right.
    late = [b for b in known if b.late and b.component != STREAM]
    said = "; ".join(f"{b.component} silent for {b.age_s:.0f} s" for b in late)
    return {
        "ok": not late,
        "detail": said or f"{len(known)} components on time",
        "late": [b.component for b in late],
    }


def data(*, as_of: datetime) -> Check:
    """The newest quote of the universe is younger than the ingest settings allow."""
    limit = IngestSettings.objects.current(as_of=as_of).stale_after_s
    fresh = situation.freshness(as_of=as_of)
    age = fresh["data_age_s"]
    if not fresh["tracked"]:
        detail = "no market is tracked; run sync_catalogue"
        return {"ok": False, "detail": detail, "age_s": None, "never": not fresh["known"]}
    if age is None:
        return {"ok": False, "detail": "no quote was received", "age_s": None, "never": True}
    return {
        "ok": age <= limit,
        "detail": f"newest quote {age:.0f} s old, limit {limit} s",
        "age_s": age,
    }


def stream(*, as_of: datetime) -> Check:
    """Live books are followed where the settings ask for it.

    An installation without a stream process polls its books, which is slower and not broken: only
    a stream that was there and went silent fails.
    """
    if not StreamSettings.objects.current(as_of=as_of).enabled:
        return {"ok": True, "detail": "off in the stream settings; books are polled"}
    beat = Heartbeat.objects.filter(component=STREAM).first()
    if beat is None:
        return {"ok": True, "detail": "stream_markets never ran here; books are polled"}
    age = max((as_of - beat.beat_at).total_seconds(), 0.0)
    late = beat.is_late(as_of=as_of)
    said = "silent: restart stream_markets, or turn it off in the stream settings"
    return {"ok": not late, "detail": f"{age:.0f} s old, {said if late else beat.note}"}


def spot(*, as_of: datetime) -> Check:
    """Each asset whose up/down markets are followed has a consensus of fresh sources."""
    followed = Market.objects.filter(tracked=True, window_s__isnull=False).exclude(asset="")
    assets = sorted(set(followed.values_list("asset", flat=True)))
    if not assets:
        return {"ok": True, "detail": "no up/down market is followed"}
    found = spot_prices.spot_all(assets, as_of=as_of)
    missing = {name: said.reason for name, said in found.items() if said.price is None}
    if not missing:
        return {"ok": True, "detail": f"{len(assets)} assets agree"}
    return {
        "ok": False,
        "detail": "; ".join(f"{name}: {reason}" for name, reason in missing.items()),
        "never": not any(said.readings for said in found.values()),
    }


def _timed(check: Callable[[], Check]) -> Check:
    begin = time.perf_counter()
    try:
        result = check()
    except Exception as failure:  # a broken component is the answer
        result = {"ok": False, "detail": f"{type(failure).__name__}: {failure}"[:200]}
    return {**result, "ms": round((time.perf_counter() - begin) * 1000, 1)}


def describe(now: situation.Situation) -> dict[str, Any]:
    """A reading as plain values, for the API and `status --json`."""
    return {
        "as_of": now.as_of,
        "mode": now.banner.mode,
        "simulated": now.banner.simulated,
        "state": str(now.banner.state.value),
        "honesty": now.banner.honesty,
        "placing_orders": now.banner.placing_orders,
        "dry_run": now.banner.dry_run,
        "halts": [str(halt) for halt in now.banner.halts],
        **{name: getattr(now.equity, name, None) for name in MONEY},
        "realised_after_fees": now.realised_after_fees,
        "drawdown": getattr(now.equity, "drawdown", None),
        "drawdown_since_start": float(now.drawdown_since_start),
        "unknown_orders": now.unknown_orders,
        "tracked": now.tracked,
        "data_age_s": now.data_age_s,
        "prediction_age_s": now.prediction_age_s,
        "not_understood": now.not_understood,
        "late": [beat.component for beat in now.late],
        "beats": [asdict(beat) for beat in now.beats],
        "funnel": funnel_rows(now.funnel),
    }


def funnel_rows(rows: Iterable[FunnelRow]) -> list[dict[str, Any]]:
    """The funnel for a program; `unit`: markets (as of now), forecasts or orders (of the span)."""
    return [{"stage": s, "reason": r, "count": n, "unit": UNITS[s]} for s, r, n in rows]
