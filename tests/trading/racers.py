"""Processes that want the same markets at the same moment: `python -m tests.trading.racers 8`."""

import os
import random
import sys

MODE = "PAPER"


def main(count: int) -> int:
    """Fork the racers, let them go together, and say how many failed by themselves."""
    import django

    django.setup()
    from django.db import connections

    from tests import factories  # noqa: F401 - imported before the fork, for all of them
    from trading.books import claims  # noqa: F401 - imported before the fork, for all of them

    connections.close_all()
    gate, starter = os.pipe()
    racers = [_started(number, gate, starter) for number in range(count)]
    os.close(starter)
    failed = [pid for pid in racers if os.waitpid(pid, 0)[1]]
    return len(failed)


def _started(number: int, gate: int, starter: int) -> int:
    """The process id of a racer that waits at the gate."""
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        os.close(starter)
        # Opens for everybody at once: when the parent, too, has let go of the other end.
        os.read(gate, 1)
        _race(random.Random(number))
        code = 0
    finally:
        os._exit(code)


def _race(dice: random.Random) -> None:
    """Want a random side of every market, and make an intent where the claim is ours."""
    from django.db import transaction

    from markets.models import Market
    from risk.models import RiskDecision
    from tests import factories
    from trading.books import claims

    markets = list(Market.objects.all())
    dice.shuffle(markets)
    decision = RiskDecision.objects.get()
    for market in markets:
        try:
            with transaction.atomic():
                intent = factories.IntentFactory(
                    mode=MODE,
                    market=market,
                    index=dice.randrange(2),
                    decision=decision,
                    key=f"race:{market.pk}:{os.getpid()}",
                    fingerprint=f"race:{market.pk}:{os.getpid()}",
                )
                claims.take(intent, as_of=factories.NOW)
        except claims.AlreadyHeld:
            continue


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
