"""What each strategy may have at risk on each horizon, by what its answered decisions earned."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import F

from risk.core.contracts import LimitsConfig
from trading import horizons
from trading.core import allocation
from trading.core.allocation import Answer, Arm
from trading.core.contracts import TradingConfig
from trading.core.reasons import Reason
from trading.deciding import candidates
from trading.models import Signal
from trading.settings.strategy import EVENLY


class Budgets:
    """The trust in every arm, read once a turn; dollars follow risk equity."""

    def __init__(self, limits: LimitsConfig, config: TradingConfig, *, as_of: datetime) -> None:
        self._limits = limits
        self._config = config
        self._even = config.capital_by == EVENLY
        self._trusted = {} if self._even else trusted(config, as_of=as_of)

    def of(self, arm: Arm, *, equity: Decimal) -> Decimal | None:
        """Dollars that the arm may have at risk in all; None where every arm may use all."""
        if self._even:
            return None
        capital = self._limits.max_total * equity
        floor = self._config.capital_floor
        return allocation.budgets([arm], self._trusted, capital=capital, floor=floor)[arm]


def trusted(config: TradingConfig, *, as_of: datetime) -> dict[Arm, float]:
    """How far each arm is trusted; one without an answered decision is absent."""
    found = answers(days=config.capital_days, as_of=as_of)
    return allocation.trust(found, method=config.capital_by, share=config.capital_share)


def answers(*, days: int, as_of: datetime) -> list[Answer]:
    """Approved signals of markets whose result is known, in the order in which it became known."""
    rows = (
        Signal.objects.filter(
            reason=Reason.PASSED.value,
            decision__approved_shares__gt=0,
            prediction__price__isnull=False,
            as_of__gt=as_of - timedelta(days=days),
            market__resolution__received_at__lte=as_of,
        )
        .select_related("prediction", "market")
        .annotate(payout=F("market__resolution__payout_0"))
        .order_by("market__resolution__received_at", "id")
    )
    return [_answer(row, payout=float(row.payout)) for row in rows]


def _answer(row: Signal, *, payout: float) -> Answer:
    horizon = horizons.of(row.market, as_of=row.as_of)
    first = row.probability if row.outcome_index == 0 else 1 - row.probability
    price = row.prediction.price
    assert price is not None  # noqa: S101 - the query asks for it
    return Answer(
        arm=(candidates.strategy_of(row), horizon),
        event=row.market.event_id,
        price=price,
        probability=first,
        payout=payout,
    )
