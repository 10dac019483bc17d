"""Whether the installation is well: each component is asked, briefly."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from config.pages import situation
from markets.models import IngestSettings

Check = dict[str, Any]


def examine(*, as_of: datetime) -> dict[str, Any]:
    """Run every check; one that fails says what to do."""
    checks = {
        "database": _timed(database),
        "broker": _timed(broker),
    }
    if checks["database"]["ok"]:
        checks["heartbeats"] = _timed(lambda: heartbeats(as_of=as_of))
        checks["data"] = _timed(lambda: data(as_of=as_of))
    well = all(check["ok"] for check in checks.values())
    return {"status": "ok" if well else "degraded", "as_of": as_of, "checks": checks}


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
    late = [f"{b.component} silent for {b.age_s:.0f} s" for b in known if b.late]
    if not known:
        return {"ok": False, "detail": "no component has reported yet; start the workers and beat"}
    return {"ok": not late, "detail": "; ".join(late) or f"{len(known)} components on time"}


def data(*, as_of: datetime) -> Check:
    """The newest quote of the universe is younger than the ingest settings allow."""
    limit = IngestSettings.objects.current(as_of=as_of).stale_after_s
    fresh = situation.freshness(as_of=as_of)
    age = fresh["data_age_s"]
    if not fresh["tracked"]:
        return {"ok": False, "detail": "no market is tracked; run sync_catalogue", "age_s": None}
    if age is None:
        return {"ok": False, "detail": "no quote was ever received", "age_s": None}
    return {
        "ok": age <= limit,
        "detail": f"newest quote {age:.0f} s old, limit {limit} s",
        "age_s": age,
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
        "halts": [str(halt) for halt in now.banner.halts],
        "risk_equity": now.equity.risk_equity if now.equity else None,
        "drawdown": now.equity.drawdown if now.equity else None,
        "unknown_orders": now.unknown_orders,
        "tracked": now.tracked,
        "data_age_s": now.data_age_s,
        "prediction_age_s": now.prediction_age_s,
        "not_understood": now.not_understood,
        "late": [beat.component for beat in now.late],
        "funnel": [{"stage": s, "reason": r, "count": n} for s, r, n in now.funnel],
    }
