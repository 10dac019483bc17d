"""Entries that rest first: at what price, for how long, and what becomes of them."""

from decimal import Decimal

import pytest

from markets.core.book import Book
from markets.models import PublicTrade
from risk.core.contracts import OrderIntent
from tests import factories
from tests.factories import NOW, ahead
from tests.revised import revise
from tests.trading.candidates import AT, book, candidate, ladder, limits, portfolio, trading_config
from tests.trading.world import LATER, a_market_worth_buying, an_intent, decided, only_order, paper
from trading.approving import review
from trading.books import ledger
from trading.core.decision import Refusal, propose
from trading.core.resting import prices_beside
from trading.deciding import wishes
from trading.models import Account, ExecutionSettings, Fill, Order, TradeIntent
from trading.orders import submit

CENT = Decimal("0.01")


def beside(bid: str | None, ask: str | None, tick: Decimal = CENT) -> list[str]:
    levels = [() if price is None else ladder((price, "10")) for price in (bid, ask)]
    both = Book(observed_at=AT, bids=levels[0], asks=levels[1])
    return [str(price) for price in prices_beside(both, tick=tick)]


@pytest.mark.parametrize(
    ("bid", "ask", "prices"),
    [
        ("0.45", "0.51", ["0.46", "0.45"]),
        ("0.50", "0.51", ["0.50"]),
        ("0.45", None, ["0.46", "0.45"]),
        ("0.99", None, ["0.99"]),
        ("0.455", "0.46", ["0.45"]),
        ("0.005", "0.01", []),
        (None, "0.51", []),
    ],
)
def test_an_order_waits_a_tick_above_the_bid_or_at_it_and_never_crosses(bid, ask, prices):
    assert beside(bid, ask) == prices


def proposed(**changes) -> OrderIntent | Refusal:
    return propose(candidate(**changes), portfolio(), limits(), trading_config(), rests=True)


def test_a_resting_entry_is_sized_with_the_fee_of_a_taker_and_slips_nothing():
    order = proposed(book=book(bids=ladder(("0.45", "10000"))))

    assert isinstance(order, OrderIntent)
    assert order.limit_price == order.expected_price == order.best_price == Decimal("0.46")
    assert order.fee > 0
    assert order.visible_depth == 20_000


def test_a_price_that_leaves_nothing_after_costs_is_not_waited_at():
    dear = book(bids=ladder(("0.74", "10")), asks=ladder(("0.80", "10")))
    # 0.75 would cost more than is believed with the fee, 0.74 would not.
    just = {"probability": 0.7525, "sigma": 0.0001, "price": 0.75}

    (at_bid, nowhere) = (proposed(book=dear, **just), proposed(book=dear))

    assert at_bid.limit_price == Decimal("0.74")
    assert isinstance(nowhere, Refusal)
    assert nowhere.reason == "NO_EDGE_LEFT"


def test_a_side_that_nobody_bids_for_is_not_waited_at():
    assert isinstance(proposed(book=book(bids=())), Refusal)


@pytest.fixture
def makers(db):
    """Entries rest for 150 seconds."""
    revise(ExecutionSettings, entry_style="MAKER", rest_s=150)


def swept(at):
    return submit.run(as_of=ahead(at), venues=paper())


def sold_to_us(order: Order, at: int, shares: int) -> None:
    PublicTrade.objects.create(
        trade_key=f"sale-{at}",
        market=order.market,
        outcome_index=0,
        observed_at=ahead(at),
        received_at=ahead(at),
        side="SELL",
        price=float(order.price),
        shares=shares,
    )


@pytest.mark.usefixtures("makers")
def test_a_wish_rests_below_the_ask_for_the_configured_time():
    intent = an_intent(quote={"bid": 0.48, "ask": 0.51})

    assert (intent.type, intent.post_only, intent.rest_until) == ("GTD", True, ahead(150))
    assert intent.limit_price == Decimal("0.49")
    assert intent.expires_at <= intent.rest_until
    reserved = ledger.balance(Account.RESERVED, mode="PAPER", as_of=NOW)
    assert reserved == wishes.cost(intent.shares, intent.limit_price, intent.market)
    assert reserved > intent.shares * intent.limit_price
    assert '"entry_style": "MAKER"' in intent.decision.detail
    assert not review.refusal(review.again(intent, as_of=NOW), intent)


@pytest.mark.usefixtures("makers")
def test_a_maker_entry_rests_fills_from_prints_and_is_gone_when_its_time_is_over():
    an_intent(quote={"bid": 0.48, "ask": 0.51})
    swept(0)
    order = only_order()
    factories.QuoteFactory(market=order.market, at=LATER, bid=0.48, ask=0.51)
    swept(3)
    assert (only_order().status, Fill.objects.count()) == ("OPEN", 0)

    sold_to_us(order, 10, 30)
    swept(11)
    fill = Fill.objects.get()
    assert (fill.price, fill.shares, fill.fee, fill.is_maker) == (order.price, 30, 0, True)
    assert only_order().status == "OPEN"

    swept(152)
    assert only_order().cancel_asked_at is not None
    swept(175)

    ended = only_order()
    assert (ended.status, ended.filled_shares) in {("EXPIRED", 30), ("CANCELED", 30)}
    assert ledger.standing(mode="PAPER")[Account.RESERVED] == 0


@pytest.mark.usefixtures("makers")
def test_a_resting_entry_that_would_cross_by_now_takes_nothing():
    an_intent(quote={"bid": 0.48, "ask": 0.51})
    swept(0)
    order = only_order()
    factories.QuoteFactory(market=order.market, at=LATER, bid=0.40, ask=0.44)

    swept(3)

    assert (only_order().status, Fill.objects.count()) == ("CANCELED", 0)
    assert "crossed" in only_order().reason


@pytest.mark.django_db
def test_without_the_setting_an_entry_takes_what_is_there():
    a_market_worth_buying()
    decided()

    intent = TradeIntent.objects.get()
    assert (intent.type, intent.post_only, intent.rest_until) == ("FAK", False, None)
