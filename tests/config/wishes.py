"""An intent that waits for a person right now, for tests of pages, API and commands."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests import factories as make
from tests.trading.world import nobody_answers
from trading.books import portfolio
from trading.deciding import decide, signals
from trading.models import ApprovalSettings, TradeIntent


def a_wish(*, persons: int = 1, **market: Any) -> TradeIntent:
    """Made by the whole way from a forecast of 0.70 and a book of 0.49 to 0.51, in paper."""
    now = timezone.now()
    if not ApprovalSettings.objects.exists():
        make.revise(ApprovalSettings, ask_in_simulated=True, approval_expiry_s=120)
    wanted = make.MarketFactory(
        **{"scheduled_end_at": now + timedelta(days=7), "category": "politics"} | market
    )
    make.QuoteFactory(market=wanted, at=now - timedelta(seconds=1))
    make.PredictionFactory(market=wanted, as_of=now - timedelta(seconds=1))
    portfolio.mark("PAPER", as_of=now)
    signals.find(as_of=now)
    decide.run(as_of=now, refresh=nobody_answers)
    intent = TradeIntent.objects.get(market=wanted)
    TradeIntent.objects.filter(pk=intent.pk).update(approvals_needed=persons)
    intent.refresh_from_db()
    return intent
