"""Valid rows with one knob per test: every factory makes what it needs, and nothing more."""

from decimal import Decimal
from typing import Any

import factory
import factory.django
import numpy as np
from django.contrib.auth import get_user_model

from config.kernel.modes import Mode
from markets import models as markets
from predictions import models as predictions
from risk import models as risk
from tests.moments import NOW as NOW
from tests.moments import ago as ago
from tests.moments import ahead as ahead
from tests.revised import ingest_settings as ingest_settings
from tests.revised import learning_settings as learning_settings
from tests.revised import prediction_settings as prediction_settings
from tests.revised import revise as revise
from tests.revised import risk_limits as risk_limits
from tests.revised import trading_settings as trading_settings
from trading import models as trading

Levels = list[tuple[float, float]]


def packed(bids: Levels, asks: Levels) -> bytes:
    """Order book levels of outcome 0, (price, shares) best first, as a quote stores them."""
    from markets.core import book

    def side(levels: Levels) -> tuple[Any, ...]:
        return tuple(
            book.Level(price=Decimal(str(price)), shares=Decimal(str(shares)))
            for price, shares in levels
        )

    return book.pack(book.Book(observed_at=NOW, bids=side(bids), asks=side(asks)))


class UserFactory(factory.django.DjangoModelFactory):
    """A member of staff."""

    class Meta:
        model = get_user_model()
        django_get_or_create = ("username",)

    username = "ada"
    is_staff = True


class EventFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = markets.Event

    venue = "polymarket"
    venue_key = factory.Sequence("event-{}".format)
    title = "Who wins the election?"
    category = "politics"
    neg_risk = False
    received_at = ago(86400)


class FeeScheduleFactory(factory.django.DjangoModelFactory):
    """One market's own schedule; rate 0.04 as the venue charges politics."""

    class Meta:
        model = markets.FeeSchedule

    condition_key = factory.Sequence("condition-{}".format)
    rate = Decimal("0.04")
    exponent = Decimal(1)
    valid_from = ago(30 * 86400)
    source = "test"


class MarketFactory(factory.django.DjangoModelFactory):
    """An open, tracked market with two outcomes, fees of 4 %, ticks of one cent, 5 shares minimum.

    `outcomes=("Up", "Down")` names the sides; `outcomes=()` makes none.
    """

    class Meta:
        model = markets.Market
        skip_postgeneration_save = True

    venue = "polymarket"
    venue_key = factory.Sequence("market-{}".format)
    condition_id = factory.Sequence("0x{:064x}".format)
    slug = factory.SelfAttribute("venue_key")
    event = factory.SubFactory(EventFactory, category=factory.SelfAttribute("..category"))
    question = "Will it happen?"
    category = "politics"
    protocol = markets.Protocol.V1
    opens_at = ago(7 * 86400)
    scheduled_end_at = ahead(7 * 86400)
    accepting_orders = True
    tick_size = Decimal("0.01")
    min_shares = Decimal(5)
    neg_risk = False
    fees = factory.SubFactory(FeeScheduleFactory)
    tracked = True
    received_at = ago(86400)

    @factory.post_generation
    def outcomes(self, create: bool, names: Any, **_unused: Any) -> None:
        for index, name in enumerate(("Yes", "No") if names is None else names):
            markets.Outcome.objects.create(
                market=self, index=index, name=name, asset_id=f"{self.pk}{index}"
            )


class EpochMarketFactory(MarketFactory):
    """BTC up or down over the fifteen minutes that began at `NOW`."""

    category = "crypto"
    question = "Bitcoin up or down, 12:00 to 12:15 UTC?"
    asset = "btc"
    window_s = 900
    epoch_start_at = NOW
    reference_price = 100_000.0
    scheduled_end_at = ahead(900)

    @factory.post_generation
    def outcomes(self, create: bool, names: Any, **_unused: Any) -> None:
        for index, name in enumerate(("Up", "Down") if names is None else names):
            markets.Outcome.objects.create(
                market=self, index=index, name=name, asset_id=f"{self.pk}{index}"
            )


class QuoteFactory(factory.django.DjangoModelFactory):
    """A book snapshot of outcome 0: bid 0.49, ask 0.51, 10 000 shares on each side.

    Levels follow bid, ask and depth; pass `book=(bids, asks)` for your own, `book=None` for none,
    `at=` for one instant of observation and receipt.
    """

    class Meta:
        model = markets.Quote

    class Params:
        at = NOW
        book: Any = "synthetic"

    market = factory.SubFactory(MarketFactory)
    observed_at = factory.SelfAttribute("at")
    received_at = factory.SelfAttribute("at")
    kind = markets.QuoteKind.BOOK
    bid = 0.49
    ask = 0.51
    bid_depth = 10_000.0
    ask_depth = 10_000.0
    volume_24h = 5_000.0
    price = factory.LazyAttribute(
        lambda q: None if q.bid is None or q.ask is None else (q.bid + q.ask) / 2
    )

    @factory.lazy_attribute
    def levels(self: Any) -> bytes | None:
        if self.book is None:
            return None
        if self.book != "synthetic":
            return packed(*self.book)
        bids = [] if self.bid is None else [(self.bid, self.bid_depth)]
        asks = [] if self.ask is None else [(self.ask, self.ask_depth)]
        return packed(bids, asks)


class ResolutionFactory(factory.django.DjangoModelFactory):
    """Outcome 0 won; `payout_0=` changes that."""

    class Meta:
        model = markets.Resolution

    market = factory.SubFactory(MarketFactory)
    payout_0 = Decimal(1)
    payout_1 = factory.LazyAttribute(lambda r: 1 - r.payout_0)
    source = "venue"
    resolved_at = NOW
    received_at = factory.SelfAttribute("resolved_at")


class ExpertFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = predictions.Expert
        django_get_or_create = ("slug",)

    slug = "gate"
    name = "Combination"
    algorithm = predictions.Algorithm.GATE
    state = predictions.ExpertState.SHADOW


class ModelVersionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = predictions.ModelVersion

    expert = factory.SubFactory(ExpertFactory)
    number = factory.Sequence(lambda n: n + 1)
    horizon = predictions.Horizon.OUTCOME
    file = "gate.bin"
    sha256 = "0" * 64
    schema_hash = "1" * 64
    manifest = "{}"
    data_from = ago(365 * 86400)
    data_until = ago(30 * 86400)
    rows = 1000
    events = 500
    seed = 1
    created_at = ago(86400)


class PredictionFactory(factory.django.DjangoModelFactory):
    """A forecast of 0.70 against a price of 0.50, sure to 0.02."""

    class Meta:
        model = predictions.Prediction

    market = factory.SubFactory(MarketFactory)
    horizon = predictions.Horizon.OUTCOME
    as_of = NOW
    price = 0.5
    probability = 0.7
    sigma = 0.02
    source = predictions.Source.EXPERTS
    schema_hash = "1" * 64
    vector = np.zeros(3).tobytes()
    settings_version = 0


class SignalFactory(factory.django.DjangoModelFactory):
    """A signal that passed every gate: buy outcome 0."""

    class Meta:
        model = trading.Signal

    prediction = factory.SubFactory(PredictionFactory)
    market = factory.SelfAttribute("prediction.market")
    as_of = factory.SelfAttribute("prediction.as_of")
    outcome_index = 0
    probability = 0.7
    cost = 0.51
    fee = 0.01
    gross_edge = 0.19
    net_edge = 0.18
    confidence = 0.99
    strength = "STRONG"
    reason = "PASSED"
    settings_version = 0


class RiskDecisionFactory(factory.django.DjangoModelFactory):
    """The gate said yes to 100 shares."""

    class Meta:
        model = risk.RiskDecision

    market = factory.SubFactory(MarketFactory)
    mode = Mode.PAPER
    decided_at = NOW
    requested_shares = Decimal(100)
    approved_shares = factory.SelfAttribute("requested_shares")
    limits_version = 0


class IntentFactory(factory.django.DjangoModelFactory):
    """A pending wish to buy 100 shares of outcome 0 at 0.52; `index=1` for the other side."""

    class Meta:
        model = trading.TradeIntent

    class Params:
        index = 0

    mode = Mode.PAPER
    market = factory.SubFactory(MarketFactory)
    outcome = factory.LazyAttribute(lambda i: i.market.outcomes.get(index=i.index))
    side = trading.Side.BUY
    shares = Decimal(100)
    limit_price = Decimal("0.52")
    strategy = "default"
    fingerprint = factory.Sequence("fingerprint-{}".format)
    key = factory.Sequence("decide-{}".format)
    decision = factory.SubFactory(
        RiskDecisionFactory,
        market=factory.SelfAttribute("..market"),
        mode=factory.SelfAttribute("..mode"),
    )
    net_edge = 0.18
    created_at = NOW
    expires_at = ahead(60)


class OrderFactory(factory.django.DjangoModelFactory):
    """An approved order for its intent."""

    class Meta:
        model = trading.Order

    intent = factory.SubFactory(IntentFactory, status=trading.TradeIntent.Status.EXECUTED)
    mode = factory.SelfAttribute("intent.mode")
    market = factory.SelfAttribute("intent.market")
    outcome = factory.SelfAttribute("intent.outcome")
    side = factory.SelfAttribute("intent.side")
    price = factory.SelfAttribute("intent.limit_price")
    shares = factory.SelfAttribute("intent.shares")
    created_at = NOW


class FillFactory(factory.django.DjangoModelFactory):
    """The whole order at its price, without a fee."""

    class Meta:
        model = trading.Fill

    order = factory.SubFactory(OrderFactory)
    key = factory.Sequence("fill-{}".format)
    mode = factory.SelfAttribute("order.mode")
    price = factory.SelfAttribute("order.price")
    shares = factory.SelfAttribute("order.shares")
    fee = Decimal(0)
    observed_at = NOW
    received_at = NOW


class PositionFactory(factory.django.DjangoModelFactory):
    """100 shares of outcome 0 that cost $52; `index=1` for the other side."""

    class Meta:
        model = trading.Position

    class Params:
        index = 0

    mode = Mode.PAPER
    market = factory.SubFactory(MarketFactory)
    outcome = factory.LazyAttribute(lambda p: p.market.outcomes.get(index=p.index))
    shares = Decimal(100)
    cost = Decimal(52)
    opened_at = NOW


class TransferFactory(factory.django.DjangoModelFactory):
    """A deposit of $1 000."""

    class Meta:
        model = trading.Transfer

    key = factory.Sequence("transfer-{}".format)
    mode = Mode.PAPER
    debit = trading.Account.EXTERNAL
    credit = trading.Account.CASH
    amount = Decimal(1000)
    kind = "deposit"
    posted_at = NOW


class HaltFactory(factory.django.DjangoModelFactory):
    """Everything stands still until a person says otherwise."""

    class Meta:
        model = risk.Halt

    kind = "MANUAL"
    scope = risk.Halt.Scope.GLOBAL
    state = risk.TradingState.HALTED
    reason = "somebody pulled the plug"
    resume_rule = risk.Halt.Resume.MANUAL
    opened_by = "ada"
    opened_at = ago(60)


class EquityPointFactory(factory.django.DjangoModelFactory):
    """$10 000 in cash, nothing open."""

    class Meta:
        model = risk.EquityPoint

    mode = Mode.PAPER
    observed_at = ago(60)
    cash = Decimal(10_000)
    reserved = Decimal(0)
    redeemable = Decimal(0)
    open_cost = Decimal(0)
    open_mark = Decimal(0)
    open_liquidation = Decimal(0)
    risk_equity = factory.SelfAttribute("cash")
    peak = factory.SelfAttribute("risk_equity")
    drawdown = 0.0
    realised = Decimal(0)
    fees = Decimal(0)
