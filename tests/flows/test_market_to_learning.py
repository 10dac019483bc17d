"""The loop, told once: a market is listed, forecast, traded on paper, settled, and learned from.

The venue is the simulated one, over HTTP, on a clock that the test moves; nothing of ours is faked.
"""

from pathlib import Path
from typing import Any

import pytest

from config import cycle
from config.kernel import audit
from markets import history
from markets.models import Market, Resolution
from mlops import labels, train
from mlops.models import ExpertTransition
from predictions import registry
from predictions.models import Prediction
from risk import halts
from risk.models import EquityPoint, RiskDecision
from sandbox import history as simulated_past
from sandbox.core.world import World
from tests.support import invariants
from tests.support.simulated import MODE, NOON, SEED, Clock, clock
from trading.books import ledger
from trading.models import Account, Claim, Fill, Order, Position, Redemption, Signal, TradeIntent

__all__ = ["clock"]

PAST_S = 2 * 3600


def let_pass(clock: Clock, seconds: int) -> dict[str, Any]:
    clock.second += seconds
    report = cycle.everything(as_of=clock.now)
    assert not [stage for stage in report.values() if isinstance(stage, dict) and "error" in stage]
    return report


@pytest.mark.django_db
@pytest.mark.timeout(90)
def test_from_a_listed_market_to_a_lesson_learned(clock: Clock, tmp_path: Path) -> None:  # noqa: PLR0915 - one story, told in order
    # The past of the world teaches: experts are fitted, weighed against the price, and served.
    simulated_past.write(tmp_path / "past", World(SEED), since=NOON - PAST_S, until=NOON)
    past = history.load(tmp_path / "past")
    trained = train.run(until=clock.now, seed=7, as_of=clock.now, history=past)
    assert trained.status == trained.Status.SUCCEEDED, trained.error
    assert registry.served() is not None
    assert ExpertTransition.objects.filter(expert_id="gate", after="ACTIVE").exists()

    # Markets are listed and forecast; where a forecast pays after all costs, it is traded on paper.
    let_pass(clock, 10)
    assert Market.objects.filter(tracked=True, origin="SANDBOX").count() > 10
    while not Fill.objects.exists() and clock.second < NOON + 900:
        let_pass(clock, 15)
    bought = Fill.objects.select_related("order__intent__signal__prediction").first()
    assert bought is not None, list(Signal.objects.values_list("reason", flat=True).distinct())

    # Every step left a row that says why.
    intent = bought.order.intent
    assert intent.signal.reason == "PASSED"
    assert intent.decision.denials == ""
    assert intent.decision.detail != "{}"
    assert len(bytes(intent.signal.prediction.vector)) > 40 * 8
    assert bought.price <= bought.order.price
    assert Position.objects.get(outcome=intent.outcome, mode=MODE).shares > 0
    assert Claim.objects.filter(market=intent.market, released_at=None).count() == 1
    invariants.check_everything()

    # A halt stops entries, not settlement.
    halts.open_halt("MANUAL", actor="ann", reason="lunch", as_of=clock.now)
    intents = TradeIntent.objects.count()
    while (
        not Redemption.objects.filter(market=intent.market).exists() and clock.second < NOON + 2400
    ):
        let_pass(clock, 30)
    assert TradeIntent.objects.count() == intents

    # The market resolved: what it owed is cash, the claim is free, the books add up.
    resolution = Resolution.objects.get(market=intent.market)
    redemption = Redemption.objects.get(market=intent.market, mode=MODE)
    payout = (resolution.payout_0, resolution.payout_1)[intent.outcome.index]
    assert redemption.payout == pytest.approx(redemption.shares * payout)
    assert not Claim.objects.filter(market=intent.market, released_at=None).exists()
    assert Position.objects.get(outcome=intent.outcome, mode=MODE).shares == 0
    assert not Order.objects.filter(status__in=["SUBMITTING", "UNKNOWN", "OPEN"]).exists()
    assert ledger.balance(Account.RESERVED, mode=MODE, as_of=clock.now) == 0
    for _ in range(3):  # every cycle marks the books, whether or not money is at stake
        let_pass(clock, 15)
    assert EquityPoint.objects.filter(mode=MODE).count() > 5
    assert RiskDecision.objects.filter(market=intent.market).exists()
    invariants.check_everything()

    # The answer became an example: the vector that was used, the price it was weighed against.
    learned = labels.learned(as_of=clock.now)
    assert learned.rows > 0
    assert set(learned.y) <= {0.0, 1.0}
    asked = Prediction.objects.get(pk=intent.signal.prediction_id)
    assert bytes(asked.vector) in {row.astype("<f8").tobytes() for row in learned.x}
    assert (learned.as_of < learned.known_at).all()

    # And nobody rewrote the story.
    assert audit.first_broken() is None
