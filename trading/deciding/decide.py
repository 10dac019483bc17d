"""Signal → sized intent → gate → approved intent, claim and reservation: one transaction."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Required, TypedDict

import numpy as np
import structlog
from django.db import transaction

from config.kernel import locks
from config.kernel.clocks import Clock, given
from predictions.models import PredictionSettings
from risk import gate
from risk.core.contracts import (
    BASELINE_STRATEGY,
    Denial,
    DenialReason,
    LimitsConfig,
    OrderIntent,
    PortfolioSnapshot,
    Verdict,
)
from risk.models import RiskDecision, RiskLimits
from trading.books import claims, ledger, portfolio
from trading.core.allocation import sampled_growth, uniform
from trading.core.contracts import TradingConfig
from trading.core.decision import Candidate, Refusal, growth, propose
from trading.core.reasons import Reason
from trading.deciding import approvals, candidates, wishes
from trading.deciding.budgets import Budgets
from trading.market_data import Refresh, from_venue
from trading.models import Signal, TimeInForce, TradeIntent
from trading.settings import ExecutionSettings, TradingSettings
from trading.settings.strategy import THOMPSON
from trading.watching import failures

log = structlog.get_logger()
ACTOR = "decide"


class Terms(TypedDict, total=False):
    """The terms of an order that are the same for every entry of one turn."""

    expires_at: Required[datetime]
    type: str
    post_only: bool
    rest_until: datetime


class AlreadyDecided(RuntimeError):
    """Another worker put this signal to the gate first."""


def run(*, as_of: datetime, refresh: Refresh | None = None, clock: Clock | None = None) -> int:
    """Decide every passed signal that waits, best first; returns how many intents were made.

    Books too old for the gate are fetched anew first; what is decided with them is decided after
    they came, as `clock` tells it. What goes wrong is counted, and raised.
    """
    fetch = refresh or partial(from_venue, clock=clock)
    limits = RiskLimits.objects.current(as_of=as_of).as_config()
    rows = waiting(limits, as_of=as_of)
    found = candidates.gather(rows, as_of=as_of)
    old = candidates.stale(found.values(), older_than_s=limits.max_book_age_s)
    old += [s.market_id for s in rows if s.pk not in found]
    if old and fetch(old, as_of):
        as_of = given(clock, as_of)()
        found = candidates.gather(rows, as_of=as_of)
    turn = Turn(limits, as_of=as_of)
    made = 0
    for signal in turn.ranked(rows):
        try:
            made += turn.decide(signal, found.get(signal.pk)) is not None
        except AlreadyDecided:
            log.info("decision.already_made", signal_id=signal.pk)
        except Exception as failure:
            mode = TradingSettings.objects.current(as_of=as_of).mode
            failures.note_decision(mode, failure, signal_id=signal.pk, as_of=as_of)
            raise
    return made


def waiting(limits: LimitsConfig, *, as_of: datetime) -> list[Signal]:
    """The newest passed signal of each market that the gate has not seen."""
    oldest = as_of - timedelta(seconds=limits.max_prediction_age_s)
    rows = (
        Signal.objects.filter(
            reason=Reason.PASSED.value,
            decision__isnull=True,
            prediction__as_of__gt=oldest,
            as_of__lte=as_of,
        )
        .select_related("prediction", "market__event", "market__fees")
        .prefetch_related("market__outcomes")
        .order_by("as_of", "id")
    )
    return list({row.market_id: row for row in rows}.values())


class Turn:
    """The decisions of one turn: each in a transaction of its own, the books read once for all.

    Limits and thresholds are those of `as_of`; mode, switches and halts are read in every deciding
    transaction, and the books again whenever somebody else moved them.
    """

    def __init__(self, limits: LimitsConfig, *, as_of: datetime) -> None:
        self.as_of = as_of
        self._limits = limits
        self._config = TradingSettings.objects.current(as_of=as_of).as_config()
        self._rules = approvals.rules(as_of=as_of)
        self._execution = ExecutionSettings.objects.current(as_of=as_of).as_config()
        self._kept = asdict(self._config) | {
            "entry_style": self._execution.entry_style,
            "rest_s": self._execution.rest_s,
        }
        self._budgets = Budgets(limits, self._config, as_of=as_of)
        self._books: dict[str, portfolio.Carried] = {}

    def ranked(self, rows: Sequence[Signal]) -> list[Signal]:
        """By expected growth of wealth: scarce cash goes to the price that is most wrong.

        Thompson sampling draws by signal and instant: a replay draws the same.
        """
        cost = np.array([(s.cost or 1.0) + (s.fee or 0.0) for s in rows])
        probability = np.array([s.probability for s in rows])
        if self._config.ranking == THOMPSON:
            sigma = np.array([s.prediction.sigma for s in rows])
            draw = uniform([f"{s.pk}:{self.as_of.isoformat()}" for s in rows])
            value = sampled_growth(probability, sigma, cost, draw=draw)
        else:
            value = growth(probability, cost)
        return [rows[i] for i in np.argsort(-value, kind="stable")]

    @transaction.atomic
    def decide(self, signal: Signal, candidate: Candidate | None) -> TradeIntent | None:
        """One signal: everything that may forbid it is read here, under the lock."""
        mode, placing_orders = _switches()
        config = self._config if mode == self._config.mode else replace(self._config, mode=mode)
        locks.hold(f"portfolio:{config.mode}")
        carried = self._carried(config.mode)
        if candidate is None:
            refusal = Refusal(reason=DenialReason.STALE_BOOK, message="the market has no book")
            _settle(signal, self._refuse(signal, refusal, mode=config.mode))
            return None
        books = carried.now(
            strategy=candidate.strategy,
            market_id=candidate.market,
            placing_orders=placing_orders,
        )
        proposal = self._propose(candidate, books, config)
        if isinstance(proposal, Refusal):
            _settle(signal, self._refuse(signal, proposal, mode=config.mode))
            return None
        intent, decision = self._review(signal, proposal, books, mode=config.mode)
        _settle(signal, decision)
        if intent is not None:
            carried.add(intent, wishes.cost(intent.shares, intent.limit_price, signal.market))
        return intent

    def _propose(
        self, candidate: Candidate, books: PortfolioSnapshot, config: TradingConfig
    ) -> OrderIntent | Refusal:
        """The order that we would like, or why there is none."""
        if candidate.strategy == BASELINE_STRATEGY:
            # Read uncached: whoever switches learning on stops everything else at once.
            if PredictionSettings.objects.newest().enable_ml:
                return Refusal(
                    reason=DenialReason.PURE_MODE,
                    message="machine learning is on: nothing but its forecasts may order",
                )
            candidate = replace(candidate, sigma=config.baseline_sigma)
        arm = (candidate.strategy, candidate.horizon)
        budget = self._budgets.of(arm, equity=books.risk_equity)
        proposal = propose(
            replace(candidate, budget=budget),
            books,
            self._limits,
            config,
            rests=self._execution.entries_rest,
        )
        if isinstance(proposal, OrderIntent) and proposal.skipped:
            log.info(
                "gate.skipped", market_id=candidate.market, gates=proposal.skipped, why="unknown"
            )
        return proposal

    def _carried(self, mode: str) -> portfolio.Carried:
        if mode not in self._books:
            ledger.open_books(mode, as_of=self.as_of)
            self._books[mode] = portfolio.Carried(mode, as_of=self.as_of)
        return self._books[mode]

    def _review(
        self, signal: Signal, proposal: OrderIntent, books: PortfolioSnapshot, *, mode: str
    ) -> tuple[TradeIntent | None, RiskDecision]:
        """The gate's answer, and the intent where it is yes and nobody holds the market."""
        intent = None
        try:
            with transaction.atomic():
                decision = gate.review(
                    proposal,
                    books,
                    mode=mode,
                    as_of=self.as_of,
                    limits=self._limits,
                    settings=self._kept,
                )
                if decision.approved_shares:
                    intent = self._make(signal, proposal, decision, mode=mode)
        except claims.AlreadyHeld as held:
            # The approval went with the savepoint: nothing on record says yes to what was refused.
            denial = Denial(reason=DenialReason.ALREADY_HELD, message=str(held))
            verdict = Verdict(approved_shares=Decimal(0), denials=(denial,))
            decision = gate.record(
                proposal,
                books,
                verdict,
                self._limits,
                mode=mode,
                as_of=self.as_of,
                settings=self._kept,
            )
        return intent, decision

    def _make(
        self, signal: Signal, proposal: OrderIntent, decision: RiskDecision, *, mode: str
    ) -> TradeIntent:
        sides = {outcome.index: outcome for outcome in signal.market.outcomes.all()}
        wish = wishes.Wish(
            market=signal.market,
            outcome=sides[proposal.outcome_index],
            key=f"decide:{signal.prediction_id}:{mode}",
            mode=mode,
            wallet=portfolio.wallet(mode),
            signal=signal,
            net_edge=signal.net_edge,
            **self._terms(mode),
        )
        return wishes.write_down(
            proposal, decision, wish, as_of=self.as_of, rules=self._rules, actor=ACTOR
        )

    def _terms(self, mode: str) -> Terms:
        """How long the intent may wait, and how its order meets the book.

        One that rests is not sent any more once it should have been cancelled.
        """
        expires_at = self.as_of + self._rules.expiry(
            mode, intent_expiry_s=self._config.intent_expiry_s
        )
        if not self._execution.entries_rest:
            return {"expires_at": expires_at}
        until = self.as_of + timedelta(seconds=self._execution.rest_s)
        return {
            "expires_at": min(expires_at, until),
            "type": TimeInForce.GTD,
            "post_only": True,
            "rest_until": until,
        }

    def _refuse(self, signal: Signal, refusal: Refusal, *, mode: str) -> RiskDecision:
        """Record why no order could be written down at all."""
        detail = {
            "denials": [{"reason": refusal.reason.value, "message": refusal.message}],
            "probability": signal.probability,
            "limits": asdict(self._limits),
            "settings": self._kept,
        }
        decision: RiskDecision = RiskDecision.objects.create(
            market_id=signal.market_id,
            mode=mode,
            decided_at=self.as_of,
            requested_shares=0,
            approved_shares=0,
            denials=refusal.reason.value,
            detail=json.dumps(detail, default=str),
            limits_version=self._limits.version,
        )
        return decision


def _switches() -> tuple[str, bool]:
    """Mode and master switch as they were saved last, whatever the clock says."""
    rows = TradingSettings.objects.order_by("-version").values_list("mode", "placing_orders")
    found: tuple[str, bool] | None = rows.first()
    if found is None:
        unsaved = TradingSettings.objects.newest()
        return unsaved.mode, unsaved.placing_orders
    return found


def _settle(signal: Signal, decision: RiskDecision) -> None:
    """Tie the gate's answer to the signal, once."""
    if not Signal.objects.filter(pk=signal.pk, decision__isnull=True).update(decision=decision):
        raise AlreadyDecided(f"signal {signal.pk} has been decided by another worker")
