"""Fifty decisions of one cycle: from forecasts to intents on record, and on to signed orders.

The ledger has a past: thousands of bookings, open positions, orders of the last hours. The naive
way reads the books anew for every decision; both must come to the same answers before a time is
printed. Every decision commits in a transaction of its own, as in production. Runs in a test
database of its own on DATABASE_URL, SQLite without it.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
os.environ.setdefault("TEST_DB_SUFFIX", "_bench_intents")

import django  # noqa: E402 - settings come first

django.setup()

import numpy as np  # noqa: E402 - settings come first
from django.conf import settings  # noqa: E402 - settings come first
from django.db import connection, transaction  # noqa: E402 - settings come first
from django.test.runner import DiscoverRunner  # noqa: E402 - settings come first

from benchmarks.table import Row, report  # noqa: E402 - settings come first
from predictions import predict  # noqa: E402 - settings come first
from predictions.core.estimators import KINDS  # noqa: E402 - settings come first
from risk.models import RiskDecision, RiskLimits  # noqa: E402 - settings come first
from tests import factories  # noqa: E402 - settings come first
from tests.predictions import served  # noqa: E402 - settings come first
from trading.adapters.signer import Signer  # noqa: E402 - settings come first
from trading.books import ledger, portfolio  # noqa: E402 - settings come first
from trading.core import signing  # noqa: E402 - settings come first
from trading.core.signing import UnsignedOrder  # noqa: E402 - settings come first
from trading.deciding import candidates, decide, exits, signals  # noqa: E402 - settings come first
from trading.models import Account, Position, TradeIntent  # noqa: E402 - settings come first

DECISIONS, CYCLES, HELD, BOOKED, NAIVE = 50, 5, 30, 5_000, 10
TARGET_MS, SIGN_TARGET_MS, FAST_TARGET_MS = 20.0, 0.4, 200.0
ASSETS, WINDOWS_S = ("btc", "eth", "sol", "xrp"), (300, 900)
NOW = factories.NOW
CATEGORIES = ("politics", "sports", "crypto", "finance", "culture", "science", "esports", "other")


def a_past() -> None:
    """Limits wide enough for all, a ledger with years of bookings, positions that are held."""
    factories.risk_limits(
        max_positions=10_000,
        max_orders_per_hour=10_000,
        max_event=1,
        max_category=1,
        max_total=1,
        max_day=1,
    )
    early = NOW - timedelta(days=30)
    ledger.post(
        "bench:deposit",
        debit=Account.EXTERNAL,
        credit=Account.CASH,
        amount=Decimal(1_000_000),
        kind="deposit",
        mode="PAPER",
        as_of=early,
    )
    for i in range(BOOKED // 2):
        there, back = Account.CASH, Account.RESERVED
        for j, (debit, credit) in enumerate(((there, back), (back, there))):
            ledger.post(
                f"bench:{i}:{j}",
                debit=debit,
                credit=credit,
                amount=Decimal(1),
                kind="reserve",
                mode="PAPER",
                as_of=early,
            )
    for i in range(HELD):
        market = factories.MarketFactory(category=CATEGORIES[i % len(CATEGORIES)])
        factories.QuoteFactory(market=market, at=NOW)
        factories.PositionFactory(market=market)
    portfolio.mark("PAPER", as_of=NOW)


def waiting(count: int, *, at: datetime) -> None:
    """So many new markets with fresh books of ten levels a side and forecasts worth trading."""
    rng = np.random.default_rng(int(at.timestamp()))
    bids = [(round(0.49 - 0.01 * k, 2), 5_000.0) for k in range(10)]
    asks = [(round(0.51 + 0.01 * k, 2), 5_000.0) for k in range(10)]
    for i in range(count):
        market = factories.MarketFactory(category=CATEGORIES[i % len(CATEGORIES)])
        factories.QuoteFactory(market=market, at=at, book=(bids, asks))
        belief = float(rng.uniform(0.62, 0.9)) if i % 2 else float(rng.uniform(0.1, 0.38))
        factories.PredictionFactory(market=market, as_of=at, probability=belief)


def answers() -> list[tuple[object, ...]]:
    said = RiskDecision.objects.order_by("market_id", "id")
    wishes = TradeIntent.objects.order_by("market_id", "created_at")
    return [
        *said.values_list("market_id", "approved_shares", "denials"),
        *wishes.values_list("market_id", "outcome__index", "shares", "limit_price"),
    ]


def one_by_one(at: datetime, *, most: int | None = None) -> float:
    """Milliseconds of the naive way for so many of the waiting signals: the books read for each."""
    limits = RiskLimits.objects.current(as_of=at).as_config()
    rows = decide.Turn(limits, as_of=at).ranked(decide.waiting(limits, as_of=at))[:most]
    found = candidates.gather(rows, as_of=at)
    began = time.perf_counter()
    for signal in rows:
        decide.Turn(limits, as_of=at).decide(signal, found.get(signal.pk))
    return 1e3 * (time.perf_counter() - began)


def same_answers(at: datetime) -> None:
    """The turn and the naive way come to the same answers, on the same rows."""
    came = []
    for way in (lambda: decide.run(as_of=at, refresh=nothing), lambda: one_by_one(at)):
        with transaction.atomic():
            mark = transaction.savepoint()
            way()
            came.append(answers())
            transaction.savepoint_rollback(mark)
    if came[0] != came[1] or not came[0]:
        raise RuntimeError("the turn and one decision at a time do not come to the same answers")


def nothing(_market_ids: object, _as_of: datetime) -> int:
    """No venue is asked."""
    return 0


def measure() -> list[Row]:
    a_past()
    valued, decided, naive = [], [], []
    for cycle in range(CYCLES):
        at = NOW + timedelta(seconds=cycle)
        waiting(DECISIONS, at=at)
        valued.append(timed(lambda at=at: signals.find(as_of=at)))
        if cycle == 0:
            same_answers(at)
            naive.append(one_by_one(at, most=NAIVE) * DECISIONS / NAIVE)
            decide.run(as_of=at, refresh=nothing)
            continue
        before = TradeIntent.objects.count()
        decided.append(timed(lambda at=at: decide.run(as_of=at, refresh=nothing)))
        made = TradeIntent.objects.count() - before
        if made != DECISIONS:
            raise RuntimeError(f"{made} of {DECISIONS} decisions became intents")
    signed = signing_ms(list(TradeIntent.objects.select_related("outcome")[:DECISIONS]))
    find, turn, slow = (float(np.median(took)) for took in (valued, decided, naive))
    held = Position.objects.count()
    name = f"{DECISIONS} decisions, {held} positions held, {BOOKED:,} bookings"
    return [
        _row(f"value {DECISIONS} forecasts against their books", find),
        _row(f"decide and write down: {name}", turn, naive=slow),
        _row("of it a decision", turn / DECISIONS, target=TARGET_MS, naive=slow / DECISIONS),
        _row("sign an order", signed, target=SIGN_TARGET_MS),
        _row(
            "forecast → stored, signed intent, a decision",
            (find + turn) / DECISIONS + signed,
            target=TARGET_MS,
            naive=(find + slow) / DECISIONS + signed,
        ),
    ]


def _row(path: str, ours: float, *, target: float | None = None, naive: float | None = None) -> Row:
    return Row(
        path=path,
        ours=ours,
        unit="ms",
        higher_is_better=False,
        target=target,
        naive=naive,
        naive_is="" if naive is None else f"books read for each, scaled from {NAIVE}",
    )


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


def signing_ms(intents: Sequence[TradeIntent]) -> float:
    """Mean milliseconds to hash and sign an order of each intent with a deposit wallet."""
    signer = Signer(bytes(31) + b"\x07")
    orders = [
        UnsignedOrder(
            salt=i,
            maker=signer.wallet,
            signer=signer.order_signer,
            token_id=str((1 << 200) + i),
            maker_amount=int(intent.shares * intent.limit_price * 1_000_000),
            taker_amount=int(intent.shares * 1_000_000),
            is_buy=True,
            signature_type=signer.signature_type,
            timestamp_ms=int(NOW.timestamp() * 1000),
        )
        for i, intent in enumerate(intents)
    ]
    signer.order(orders[0], signing.STANDARD)
    return timed(lambda: [signer.order(order, signing.STANDARD) for order in orders]) / len(orders)


def epochs(*, at: datetime) -> list[int]:
    """Up/down windows that run now, each with a quarter of an hour of quotes."""
    found = []
    for asset in ASSETS:
        for window_s in WINDOWS_S:
            market = factories.EpochMarketFactory(
                asset=asset,
                window_s=window_s,
                epoch_start_at=at - timedelta(seconds=window_s / 4),
                scheduled_end_at=at + timedelta(seconds=3 * window_s / 4),
                opens_at=at - timedelta(days=1),
            )
            for seconds in range(5, 905, 15):
                factories.QuoteFactory(market=market, at=at - timedelta(seconds=seconds))
            found.append(market.pk)
    return found


def a_model_in_service(folder: Path) -> None:
    """A boosted tree, and an expert that is sure of itself: so it trades."""
    settings.ENV = replace(settings.ENV, artefact_dir=folder)
    KINDS[served.Shift.kind] = served.Shift
    members = {**served.trees(3), "recalibration": served.Shift(2.0)}
    order = tuple(members)
    weights = tuple(0.98 if slug == "recalibration" else 0.02 for slug in order)
    made = served.blend(order, proportion=weights, weight=0.7)
    served.in_service(served.registered(members, blend=made))


def fast_cycle(ids: list[int], *, at: datetime) -> None:
    """Everything between quotes that have arrived and intents."""
    predict.run(as_of=at, market_ids=ids)
    signals.find(as_of=at)
    exits.run(as_of=at, refresh=nothing)
    decide.run(as_of=at, refresh=nothing)


def measure_fast() -> list[Row]:
    factories.trading_settings(prior_sigma=1.0)
    with tempfile.TemporaryDirectory() as folder:
        a_model_in_service(Path(folder))
        took, slow = [], 0.0
        for cycle in range(CYCLES):
            at = NOW + timedelta(hours=1 + cycle)
            ids = epochs(at=at)
            portfolio.mark("PAPER", as_of=at)
            before = TradeIntent.objects.count()
            if cycle == 0:  # also loads the model

                def each(ids: list[int] = ids, at: datetime = at) -> None:
                    for market in ids:
                        fast_cycle([market], at=at)

                fast_cycle(ids[:1], at=at)
                slow = timed(each)
                continue
            took.append(timed(lambda ids=ids, at=at: fast_cycle(ids, at=at)))
            made = TradeIntent.objects.count() - before
            if made != len(ids):
                raise RuntimeError(f"{made} of {len(ids)} epochs became intents")
    return [
        Row(
            path=f"fast cycle: quotes of {len(ids)} epochs → intents on all of them",
            ours=float(np.median(took)),
            unit="ms",
            higher_is_better=False,
            target=FAST_TARGET_MS,
            naive=slow,
            naive_is="one market at a time",
        )
    ]


def main() -> int:
    runner = DiscoverRunner(verbosity=0, interactive=False)
    old = runner.setup_databases()
    try:
        rows = measure() + measure_fast()
        about = {"database": connection.vendor}
    finally:
        runner.teardown_databases(old)
    return report("intents", rows, about=about)


if __name__ == "__main__":
    sys.exit(main())
