"""The whole venue into the database: 50,000 open markets, first seen and seen again unchanged.

    python benchmarks/bench_catalogue.py [markets]

Pages of a realistic size are served from memory, so that what is measured is ours: reading, and
writing to the database that DATABASE_URL names. Beside it a sample the naive way (one
`update_or_create` a row) and the former way (`bulk_create` with `update_conflicts`).
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
os.environ.setdefault("STATE_DIR", tempfile.mkdtemp(prefix="bench-catalogue-"))
os.environ["TEST_DB_SUFFIX"] = os.environ.get("TEST_DB_SUFFIX", "") + "_bench_catalogue"

import django

django.setup()

import httpx  # noqa: E402 - settings come first
from django.db import connection, transaction  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from benchmarks.table import Row, report  # noqa: E402
from markets import catalog  # noqa: E402
from markets.adapters.gamma import Gamma  # noqa: E402
from markets.core import wire_catalog, wire_gamma  # noqa: E402
from markets.models import Event, Market, MarketVersion, Outcome  # noqa: E402

MARKETS = 50_000
MARKETS_AN_EVENT = 4
EVENTS_A_PAGE = 25
TARGET_S = 60.0
TARGET_MB = 500.0
SAMPLE = 2_000
AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = "This market resolves to Yes if the named thing happens before the end, else to No. " * 20
WORDS = {f"field{n}": f"value {n} " * 4 for n in range(25)}


def market(number: int) -> dict[str, Any]:
    """An open market with the fields and the size of a listed one."""
    return {
        "id": str(number),
        "version": "v1",
        "question": f"Will thing {number} happen before the end of the year?",
        "conditionId": f"0x{number:064x}",
        "slug": f"will-thing-{number}-happen",
        "description": f"{RULES}{number}",
        "resolutionSource": "https://example.org/results",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["0.42", "0.58"]',
        "clobTokenIds": json.dumps([str(10**76 + 2 * number), str(10**76 + 2 * number + 1)]),
        "active": True,
        "closed": False,
        "acceptingOrders": True,
        "enableOrderBook": True,
        "startDate": "2026-10-01T00:00:00.123456Z",
        "endDate": "2026-12-31T00:00:00Z",
        "orderPriceMinTickSize": 0.01,
        "orderMinSize": 5,
        "negRisk": True,
        "negRiskMarketID": f"0x{number // MARKETS_AN_EVENT:064x}",
        "volume": f"{number * 1.25:.6f}",
        "volumeNum": number * 1.25,
        "liquidity": "900.25",
        "liquidityNum": 900.25,
        "feesEnabled": True,
        "feeType": "politics_fees",
        "feeSchedule": {"exponent": 1, "rate": 0.04, "takerOnly": True, "rebateRate": 0.25},
        **WORDS,
    }


def event(number: int) -> dict[str, Any]:
    """An event with its markets."""
    first = number * MARKETS_AN_EVENT
    return {
        "id": f"e{number}",
        "slug": f"event-{number}",
        "title": f"What happens in case {number}?",
        "description": RULES,
        "negRisk": True,
        "negRiskMarketID": f"0x{number:064x}",
        "tags": [{"id": "2", "slug": "politics", "label": "Politics"}],
        "series": [{"id": str(number % 50), "slug": f"series-{number % 50}", "title": "Series"}],
        "markets": [market(first + n) for n in range(MARKETS_AN_EVENT)],
    }


class Venue:
    """Answers `/events/keyset` from memory, each page made when it is asked for."""

    def __init__(self, markets: int) -> None:
        self.pages = markets // (MARKETS_AN_EVENT * EVENTS_A_PAGE)
        self.made_s = 0.0
        self.bytes = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/slug/" in request.url.path:
            return httpx.Response(404)
        if request.url.params.get("slug"):
            return httpx.Response(200, content=b'{"events": []}')
        began = time.perf_counter()
        number = int(request.url.params.get("after_cursor") or 0)
        first = number * EVENTS_A_PAGE
        body: dict[str, Any] = {"events": [event(first + n) for n in range(EVENTS_A_PAGE)]}
        if number + 1 < self.pages:
            body["next_cursor"] = str(number + 1)
        content = json.dumps(body).encode()
        self.bytes += len(content)
        self.made_s += time.perf_counter() - began
        return httpx.Response(200, content=content)


def one_pass(markets: int, as_of: datetime) -> tuple[float, catalog.SyncReport, Venue]:
    """Seconds without those that the stand-in needed to make its pages, the report, the venue."""
    venue = Venue(markets)
    source = Gamma("https://venue.example", transport=httpx.MockTransport(venue))
    # The budget of the real venue is not what is measured here.
    source._http.budget._limits = []  # noqa: SLF001
    began = time.perf_counter()
    found = catalog.sync(as_of=as_of, venue=source)
    return time.perf_counter() - began - venue.made_s, found, venue


def peak_mb() -> float:
    """The most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check(markets: int) -> None:
    """What was stored is what was listed; raises `AssertionError`."""
    counts = Market.objects.count(), Outcome.objects.count(), MarketVersion.objects.count()
    assert counts == (markets, 2 * markets, markets), counts
    for number in range(0, markets, max(markets // 200, 1)):
        said = market(number)
        row = Market.objects.select_related("event", "fees").get(venue_key=said["id"])
        assert row.question == said["question"]
        assert row.description == said["description"]
        assert row.condition_id == said["conditionId"]
        assert row.volume == said["volumeNum"]
        assert row.fees is not None
        assert float(row.fees.rate) == said["feeSchedule"]["rate"]
        assert row.event.venue_key == f"e{number // MARKETS_AN_EVENT}"
        assets = list(row.outcomes.order_by("index").values_list("asset_id", flat=True))
        assert assets == json.loads(said["clobTokenIds"])


def rows_of(markets: int) -> Iterator[tuple[wire_gamma.MarketRow, wire_catalog.Listed]]:
    """Markets read and ready to be written, for the other ways."""
    said = wire_gamma.EventRow(id="sample")
    for number in range(markets):
        row = wire_gamma.market(json.dumps(market(number)).encode())
        yield row, wire_catalog.listed(said, row, as_of=AS_OF)


def naive(markets: int) -> float:
    """Seconds a market with one `update_or_create` a market and a side; rolled back."""
    parent = Event.objects.filter(venue="polymarket").latest("pk")
    began = time.perf_counter()
    with transaction.atomic():
        for row, listed in rows_of(markets):
            values = {
                n: v for n in listed.__dataclass_fields__ if (v := getattr(listed, n)) is not None
            }
            found, _ = Market.objects.update_or_create(
                venue="polymarket",
                venue_key=row.id,
                defaults={**values, "event": parent, "received_at": AS_OF},
            )
            for index, name in enumerate(row.outcomes):
                Outcome.objects.update_or_create(
                    market=found,
                    index=index,
                    defaults={"name": name, "asset_id": row.asset_ids[index]},
                )
        transaction.set_rollback(True)
    return (time.perf_counter() - began) / markets


def former(markets: int) -> float:
    """Seconds a market with `bulk_create(update_conflicts=True)` of markets and sides; undone."""
    parent = Event.objects.filter(venue="polymarket").latest("pk")
    began = time.perf_counter()
    with transaction.atomic():
        pairs = list(rows_of(markets))
        names = list(wire_catalog.Listed.__dataclass_fields__)
        made = Market.objects.bulk_create(
            [
                Market(
                    venue="polymarket",
                    venue_key=row.id,
                    event=parent,
                    received_at=AS_OF,
                    **{n: v for n in names if (v := getattr(listed, n)) is not None},
                )
                for row, listed in pairs
            ],
            batch_size=500,
            update_conflicts=True,
            unique_fields=["venue", "venue_key"],
            update_fields=names,
        )
        Outcome.objects.bulk_create(
            [
                Outcome(market=found, index=index, name=name, asset_id=row.asset_ids[index])
                for found, (row, _) in zip(made, pairs, strict=True)
                for index, name in enumerate(row.outcomes)
            ],
            batch_size=500,
            update_conflicts=True,
            unique_fields=["market", "index"],
            update_fields=["name", "asset_id"],
        )
        transaction.set_rollback(True)
    return (time.perf_counter() - began) / markets


def main(markets: int) -> int:
    """Measure, check, report."""
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        before = peak_mb()
        first_s, first, venue = one_pass(markets, AS_OF)
        second_s, second, _ = one_pass(markets, AS_OF + timedelta(minutes=5))
        peak = peak_mb()
        assert (first.added, first.refused, second.changed) == (markets, 0, 0), (first, second)
        check(markets)
        naive_s, former_s = naive(SAMPLE) * markets, former(SAMPLE) * markets
    finally:
        teardown_databases(databases, verbosity=0)
    seconds = {"unit": "s", "higher_is_better": False, "target": TARGET_S * markets / MARKETS}
    ways = {"naive": naive_s, "naive_is": f"update_or_create (sample of {SAMPLE})"}
    peers = {"peer": former_s, "peer_is": f"bulk_create (sample of {SAMPLE})"}
    rows = [
        Row(
            path=f"catalogue of {markets:,} markets, first pass",
            ours=first_s,
            **seconds,
            **ways,
            **peers,
        ),
        Row(path="the same unchanged, second pass", ours=second_s, **seconds, **ways, **peers),
        Row(path="peak memory", ours=peak, unit="MB", higher_is_better=False, target=TARGET_MB),
    ]
    about = {
        "database": connection.vendor,
        "megabytes listed": round(venue.bytes / 1e6),
        "kB a market": round(venue.bytes / markets / 1000, 1),
        "MB before the first pass": round(before),
    }
    return report("catalogue", rows, about=about)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else MARKETS))
