"""Every opportunity that was seen is one row, with what it would have brought and why it was not.

A row says how many sets the visible depth allows, whatever was then bought of them.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import structlog

from config.kernel.clocks import Clock, given
from markets.models import Market
from risk.core.contracts import LimitsConfig
from risk.models import RiskLimits
from trading.arbitrage import detection, legs
from trading.arbitrage.detection import Hit
from trading.core import arbitrage
from trading.core.arbitrage import Bundle, Sets, Why
from trading.core.arbitrage_terms import ArbitrageConfig
from trading.deciding import candidates
from trading.market_data import Refresh, from_venue
from trading.models import IntentGroup, Opportunity
from trading.settings import ArbitrageSettings, TradingSettings

log = structlog.get_logger()
DAY = timedelta(days=1)
LASTING = (Why.AUGMENTED, Why.STALE_BOOK, Why.UNKNOWN_RULES)
"""What does not pass from minute to minute is said once a day."""

Key = tuple[str, int, tuple[tuple[int, int], ...]]


def run(*, as_of: datetime, refresh: Refresh | None = None, clock: Clock | None = None) -> int:
    """Look, keep on record what is seen, buy what is worth it; returns groups begun."""
    config = ArbitrageSettings.objects.current(as_of=as_of).as_config()
    if not config.detecting:
        return 0
    limits = RiskLimits.objects.current(as_of=as_of).as_config()
    hits, rows = detection.look(as_of=as_of, max_legs=config.max_legs)
    if not hits:
        return 0
    found = list(detection.bundles(hits, rows, as_of=as_of))
    if config.trading and (old := _old([bundle for _, bundle in found], limits, as_of=as_of)):
        fetch = refresh or partial(from_venue, clock=clock)
        if fetch(old, as_of):
            as_of = given(clock, as_of)()
            found = list(detection.bundles(hits, rows, as_of=as_of))
    return _Turn(config, limits, hits, as_of=as_of).take(found)


def _old(bundles: Iterable[Bundle], limits: LimitsConfig, *, as_of: datetime) -> list[int]:
    return sorted(
        {leg.market for b in bundles for leg in b.legs if not _is_fresh(leg, limits, as_of=as_of)}
    )


def _is_fresh(leg: arbitrage.Leg, limits: LimitsConfig, *, as_of: datetime) -> bool:
    return 0 <= (as_of - leg.book.observed_at).total_seconds() <= limits.max_book_age_s


class _Turn:
    """The opportunities of one turn: the best first, for they compete for the same cash."""

    def __init__(
        self,
        config: ArbitrageConfig,
        limits: LimitsConfig,
        hits: Sequence[Hit],
        *,
        as_of: datetime,
    ) -> None:
        self.as_of, self._config, self._limits = as_of, config, limits
        self._mode = TradingSettings.objects.newest().mode
        keys = {market for hit in hits for market, _ in hit.legs}
        related = Market.objects.select_related("event", "fees").prefetch_related("outcomes")
        self._markets = related.in_bulk(keys)
        self._before = self._seen({hit.event for hit in hits})

    def take(self, found: Iterable[tuple[Hit, Bundle]]) -> int:
        """Judge all of them; returns groups begun."""
        walked = [
            (hit, sets)
            for hit, bundle in found
            if (sets := arbitrage.most(bundle, at_most=self._config.max_sets)) is not None
        ]
        walked.sort(key=lambda each: -each[1].net)
        begun = 0
        for hit, sets in walked:
            group, why = self._judge(hit, sets)
            self._keep(sets, group, why)
            begun += group is not None
        return begun

    def _judge(self, hit: Hit, sets: Sets) -> tuple[IntentGroup | None, str]:
        """The group that buys it, or why there is none."""
        fitting = arbitrage.within_risk(
            sets, budget=self._config.leg_risk_budget_usd, slip=self._config.unwind_slip
        )
        obstacles = {
            Why.AUGMENTED: hit.augmented,
            Why.UNKNOWN_RULES: not all(self._is_known(leg) for leg in sets.bundle.legs),
            Why.STALE_BOOK: bool(_old([sets.bundle], self._limits, as_of=self.as_of)),
            Why.CROSSED_BOOK: arbitrage.is_crossed(sets.bundle),
            Why.TOO_MANY_LEGS: len(sets.bought) > self._config.max_legs,
            Why.TOO_SMALL: arbitrage.is_too_small(sets, self._config),
            Why.LEG_RISK: fitting is None or arbitrage.is_too_small(fitting, self._config),
            Why.DISABLED: not self._config.trading,
        }
        why = next((reason for reason, holds in obstacles.items() if holds), None)
        if why is not None or fitting is None:
            return None, str(why)
        return legs.enter(
            fitting, self._markets, config=self._config, limits=self._limits, as_of=self.as_of
        )

    def _is_known(self, leg: arbitrage.Leg) -> bool:
        known = leg.tick is not None and leg.min_shares is not None
        return known and candidates.takes_orders(self._markets[leg.market])

    def _keep(self, sets: Sets, group: IntentGroup | None, why: str) -> None:
        """One row, unless the last one says the same."""
        bundle = sets.bundle
        places = tuple((leg.market, leg.outcome_index) for leg in bundle.legs)
        key: Key = (bundle.kind.value, bundle.event, places)
        if group is None and self._is_said(key, why, sets):
            return
        Opportunity.objects.create(
            mode=self._mode,
            kind=bundle.kind,
            event_id=bundle.event,
            seen_at=self.as_of,
            sets=sets.sets,
            cost=sets.cost,
            payout=sets.payout,
            net_profit=sets.net,
            reason=why[:40],
            legs=json.dumps([_told(leg) for leg in sets.bought]),
            group=group,
        )
        log.info(
            "arbitrage.seen", kind=bundle.kind, event_id=bundle.event, net=str(sets.net), why=why
        )

    def _is_said(self, key: Key, why: str, sets: Sets) -> bool:
        last = self._before.get(key)
        if last is None or last.reason != why:
            return False
        if (last.sets, last.cost) == (sets.sets, sets.cost):
            return True
        again = DAY if why in LASTING else timedelta(seconds=self._config.log_again_s)
        return bool(last.seen_at > self.as_of - again)

    def _seen(self, events: Iterable[int]) -> dict[Key, Any]:
        """The last row of each set within a day; one read."""
        rows = Opportunity.objects.filter(
            mode=self._mode, event__in=list(events), seen_at__gt=self.as_of - DAY
        ).order_by("seen_at", "id")
        columns = ("kind", "event_id", "legs", "reason", "sets", "cost", "seen_at")
        return {
            (row.kind, row.event_id, _places(row.legs)): row
            for row in rows.values_list(*columns, named=True)
        }


def _places(told: str) -> tuple[tuple[int, int], ...]:
    return tuple((leg["market"], leg["outcome"]) for leg in json.loads(told))


def _told(bought: arbitrage.Bought) -> dict[str, Any]:
    average: Decimal = bought.notional / bought.shares
    return {
        "market": bought.leg.market,
        "outcome": bought.leg.outcome_index,
        "price": str(average.quantize(Decimal("0.000001"))),
        "limit": str(bought.limit),
        "shares": str(bought.shares),
        "fee": str(bought.fee),
    }
