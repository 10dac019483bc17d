"""The crash harness: lives that send orders are killed at random and at every named point.

One process imports Django and forks a life at a time; a life does what `live_guard` does with its
orders until it is killed, 10 to 120 ms later, against an exchange that fails a third of the time.
In the end exchange and books must tell the same story, to 1e-6.
"""

import argparse
import json
import logging
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
MODE, WALLET = "REHEARSAL", "main"
DEPOSIT = Decimal(1_000_000)
SHORTEST_S, LONGEST_S = 0.010, 0.120
RECKON_EVERY = 20
"""How often it is seen how much of the machine is ours: on a busy one lives are longer."""
PATIENCE_S = 0.8
"""A life that is to die at a named point is given so long to reach it."""
CURSED, CURSED_EVERY = 7, 20
"""Orders of seven shares are never taken nor refused; their time runs out after two attempts."""
FEW, MOST = 20, 3
"""Further intents while a point was not reached, and up to how many times those asked for."""
LONGEST_RUN_S = 3600.0
LEAST_FAULTS = 0.3


@dataclass
class Story:
    """What happened in one run; `wrong` names what must not."""

    database: str = ""
    intents: int = 0
    lives: int = 0
    kills: int = 0
    points: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    posts: int = 0
    faults: int = 0
    orders: int = 0
    duplicates: int = 0
    lost: int = 0
    given_up: int = 0
    resent: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    """Run the harness on the database of the environment; prints its story as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--intents", type=int, default=100)
    parser.add_argument(
        "--kills", type=int, default=0, help="go on with further intents until so many"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=1, help="lives are so many times longer")
    options = parser.parse_args(arguments)
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    story = run(
        intents=options.intents,
        kills=options.kills,
        seed=options.seed,
        pace=options.pace,
    )
    sys.stdout.write(json.dumps(asdict(story)) + "\n")
    return 1 if story.wrong else 0


def run(*, intents: int, kills: int, seed: int, pace: float) -> Story:
    """Batches of intents until enough lives were killed; checks after each batch."""
    from django.db import connection
    from django.utils import timezone

    # What a life imports must be there before it is born, or it dies over its imports.
    from tests.trading import http_venue  # noqa: F401 - imported for its side effect
    from trading import crash_points
    from trading.orders import submit

    dice, story = random.Random(seed), Story(database=connection.vendor)
    story.missed = list(crash_points.POINTS)
    began = time.monotonic()
    _prepare()
    submit.run(as_of=timezone.now(), modes=())
    with exchange(seed) as port:
        while not story.wrong:
            batch = FEW if story.intents >= intents and story.kills >= kills else intents
            _batch(batch, number=story.intents)
            story.intents += batch
            _lives(port, story, dice, pace=pace, until=began + LONGEST_RUN_S)
            _check(port, story)
            # Luck may end the last order before every point had its turn.
            if story.kills >= kills and (not story.missed or story.intents >= MOST * intents):
                break
    story.seconds = round(time.monotonic() - began, 1)
    if story.missed:
        story.wrong.append(f"never reached: {', '.join(story.missed)}")
    return story


@contextmanager
def exchange(seed: int) -> Iterator[int]:
    """The exchange's process; yields its port."""
    command = [sys.executable, "-m", "tests.trading.exchange_process", str(seed)]
    served = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert served.stdout is not None
    try:
        yield int(served.stdout.readline())
    finally:
        served.kill()
        served.wait()
        served.stdout.close()


def _prepare() -> None:
    """Settings, deposit and wallet of the run; the pauses of the protocol in hundredths."""
    from django.utils import timezone

    from risk.models import RiskLimits
    from trading.books import ledger
    from trading.models import ExecutionSettings, TradingSettings, VenueState

    now = timezone.now()
    for model, changes in (
        (TradingSettings, {"mode": MODE}),
        (RiskLimits, {"max_unknown_orders": 10**6, "max_consecutive_failures": 10**6}),
        (
            ExecutionSettings,
            {
                "probe_every_s": 0.02,
                "unknown_hold_s": 0.3,
                "abandoned_after_s": 0.5,
                "restart_post_only_s": 0,
            },
        ),
    ):
        before = model.objects.newest()
        model.objects.create(
            **{**before.values(), **changes},
            version=before.version + 1,
            created_at=now,
            reason="a harness's knob",
        )
    VenueState.objects.create(mode=MODE, wallet=WALLET, reconciled_at=now, changed_at=now)
    ledger.post(
        f"deposit:{MODE}:{WALLET}:harness",
        debit="EXTERNAL",
        credit="CASH",
        amount=DEPOSIT,
        kind="deposit",
        mode=MODE,
        wallet=WALLET,
        as_of=now,
    )


def _batch(count: int, *, number: int) -> None:
    """Approved intents with money and market held, as a decision and two persons leave them."""
    from django.db import transaction
    from django.utils import timezone

    from tests import factories
    from trading.books import claims, ledger, portfolio

    now = timezone.now()
    with transaction.atomic():
        event, fees = factories.EventFactory(), factories.FeeScheduleFactory()
        for place in range(count):
            cursed = place % CURSED_EVERY == 0
            intent = factories.IntentFactory(
                mode=MODE,
                wallet=WALLET,
                market=factories.MarketFactory(event=event, fees=fees),
                status="APPROVED",
                shares=CURSED if cursed else 10 + place % 50,
                approvals_needed=0,
                fingerprint=f"harness-{number}-{place}",
                created_at=now,
                expires_at=now + timedelta(seconds=LONGEST_RUN_S),
            )
            claims.take(intent, as_of=now)
            ledger.post(
                portfolio.reserve_key(intent.pk),
                debit="CASH",
                credit="RESERVED",
                amount=intent.shares * intent.limit_price + 1,
                kind="reserve",
                mode=MODE,
                wallet=WALLET,
                market_id=intent.market_id,
                as_of=now,
            )


def _lives(port: int, story: Story, dice: random.Random, *, pace: float, until: float) -> None:
    """Fork, kill, fork again, until a life finds nothing left to do."""
    slowness = 1.0
    while time.monotonic() < until:
        if story.lives % RECKON_EVERY == 0:
            slowness = _slowness()
        # Named points take turns with random moments, and each is tried until it was reached.
        point = dice.choice(story.missed[:2]) if story.missed and dice.random() < 0.5 else ""
        span = PATIENCE_S if point else pace * dice.uniform(SHORTEST_S, LONGEST_S)
        status = _one_life(port, story, point, seconds=slowness * span)
        if os.WIFEXITED(status):
            if code := os.WEXITSTATUS(status):
                story.wrong.append(f"a life failed by itself, code {code}")
            return
    story.wrong.append("time ran out before every order had ended")


def _one_life(port: int, story: Story, point: str, *, seconds: float) -> int:
    """Fork a life and end it after so long, unless it dies at its point; returns its status."""
    from django.db import connections

    connections.close_all()
    breath, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(breath)
        _live(port, point)
    os.close(held)
    story.lives += 1
    ended_by_itself = _ends_within(breath, seconds)
    if not ended_by_itself:
        os.kill(child, signal.SIGKILL)
    _pid, status = os.waitpid(child, 0)
    if ended_by_itself and point and os.WIFSIGNALED(status):
        story.missed.remove(point)
        story.points.append(point)
    story.kills += os.WIFSIGNALED(status)
    return status


def _slowness() -> float:
    """How many seconds a second of our work takes on this machine at the moment, at least 1."""
    from django.utils import timezone

    from trading.orders import submit

    began, worked = time.monotonic(), time.process_time()
    for _turn in range(10):
        submit.run(as_of=timezone.now(), modes=())
    return max(1.0, (time.monotonic() - began) / (time.process_time() - worked))


def _ends_within(breath: int, seconds: float) -> bool:
    """Whether a life ends by itself in that time: then nobody holds its end of the pipe."""
    try:
        over, _, _ = select.select([breath], [], [], seconds)
    finally:
        os.close(breath)
    return bool(over)


def _live(port: int, point: str) -> None:
    """One life of whoever sends orders; never returns."""
    code = 3
    try:
        _send_all(port, point)
        code = 0
    except BaseException:  # the parent reads the code, a person the trace
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _send_all(port: int, point: str) -> None:
    from django.utils import timezone

    from tests.trading.http_venue import HttpVenue
    from trading import crash_points
    from trading.core.order_states import IN_FLIGHT
    from trading.models import ExecutionSettings, Order, TradeIntent
    from trading.orders import following, submit

    if point:
        crash_points.arm(point)
    venue, now = HttpVenue(port), timezone.now
    config = ExecutionSettings.objects.newest().as_config()
    following.suspect_abandoned(MODE, config, as_of=now(), at_once=True)
    while (
        TradeIntent.objects.filter(status__in=TradeIntent.OPEN).exists()
        or Order.objects.filter(status__in=IN_FLIGHT).exists()
    ):
        submit.run(as_of=now(), venues={MODE: venue}, modes=(MODE,), clock=now)
        tried = TradeIntent.objects.filter(shares=CURSED, order__attempts__gt=1)
        tried.filter(expires_at__gt=now()).update(expires_at=now())


def _check(port: int, story: Story) -> None:
    """Exchange and books tell the same story; what does not fit goes into `wrong`."""
    from tests.support import invariants
    from tests.trading.http_venue import HttpVenue

    _code, seen = HttpVenue(port)._ask("GET", "/everything", None)
    by_order: dict[str, list[dict[str, Any]]] = {}
    for row in seen["orders"]:
        by_order.setdefault(row["intent"], []).append(row)
    story.posts, story.faults = seen["posts"], seen["faults"]
    story.orders = len(seen["orders"])
    story.duplicates = sum(len(rows) - 1 for rows in by_order.values())
    _check_orders(story, by_order)
    _check_money(story)
    if story.duplicates or story.lost:
        story.wrong.append(f"{story.duplicates} duplicates, {story.lost} lost")
    if story.faults < LEAST_FAULTS * story.posts:
        story.wrong.append(f"only {story.faults} faults in {story.posts} attempts")
    try:
        invariants.check_everything()
    except AssertionError as broken:
        story.wrong.append(f"the books do not add up: {broken!r}")


def _check_orders(story: Story, by_order: dict[str, list[dict[str, Any]]]) -> None:
    """Every intent is one order, known to the exchange by our hash and filled as it says."""
    from config.kernel import units
    from trading.models import Order

    ours = {str(order.pk): order for order in Order.objects.all()}
    story.resent = sum(order.attempts > 1 for order in ours.values())
    story.given_up = story.lost = 0
    for name, order in ours.items():
        rows = by_order.get(name, [])
        filled = units.from_micro(sum(int(row["filled_micro"]) for row in rows))
        if order.filled_shares != filled:
            story.wrong.append(f"{name}: {order.filled_shares} filled, the exchange says {filled}")
        if rows and order.venue_order_id != rows[0]["hash"]:
            story.wrong.append(f"{name}: the exchange knows it by another hash")
        if not rows and order.shares == CURSED:
            story.given_up += order.status == Order.Status.EXPIRED
        elif not rows:
            story.lost += 1
    if len(ours) != story.intents or set(by_order) - set(ours):
        story.wrong.append(f"{story.intents} intents, {len(ours)} orders, {len(by_order)} there")


def _check_money(story: Story) -> None:
    """Cash is the deposit less what the trades cost, to 1e-6, and nothing is reserved any more."""
    from config.kernel import units
    from tests.trading.http_venue import FEE
    from trading.books import ledger
    from trading.models import Account, Fill

    spent = units.ZERO
    for fill in Fill.objects.all():
        spent += units.pay(fill.price * fill.shares) + FEE
    totals = ledger.summed(mode=MODE, wallet=WALLET)
    if totals[Account.CASH] != DEPOSIT - spent or totals[Account.RESERVED]:
        story.wrong.append(f"cash {totals[Account.CASH]}, by the trades {DEPOSIT - spent}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
