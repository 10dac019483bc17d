"""What became of an order, by its report and its trades; sizes in shares or in millionths."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.factories import NOW
from trading.core import venue_reports
from trading.core.venue_reports import MakerEntry, Misattributed, OrderReport, Own, TradeReport


def own(**changes):
    values = {
        "order_hash": "0x1", "token_id": "5", "is_buy": True, "shares": Decimal(100),
        "type": "GTC", "submitted_at": NOW,
    }  # fmt: skip
    return Own(**values | changes)


def rested(size, price="0.5"):
    """A trade in which our order rested."""
    entry = MakerEntry(
        order_hash="0x1", token_id="5", is_buy=True, price=Decimal(price), shares=Decimal(size)
    )
    return TradeReport(
        trade_id="t", taker_hash="0x9", token_id="5", is_buy=False, price=Decimal(price),
        shares=Decimal(size), status="MINED", matched_at=NOW, is_taker=False, makers=(entry,),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "shares"),
    [
        ("50000", "0.05"),
        ("500000", "0.5"),
        ("99999999", "99.999999"),
        ("100", "100"),
        ("0.05", "0.05"),
        ("101", "101"),
        ("10000.5", "10000.5"),
    ],
)
def test_a_size_beyond_what_was_sent_counts_in_millionths(size, shares):
    assert venue_reports.execution(own(), rested(size)).shares == Decimal(shares)


def test_an_immediate_purchase_may_bring_more_at_better_prices_and_no_more_than_its_dollars():
    order = own(type="FAK", shares=Decimal(20_000))

    assert venue_reports.execution(order, rested("190000", "0.1")).shares == 190_000
    assert venue_reports.execution(order, rested("210000", "0.1")).shares == Decimal("0.21")


def test_what_was_matched_is_counted_as_the_whole_size_is():
    report = OrderReport(
        status="CANCELED", original_size=Decimal(100_000_000), size_matched=Decimal(9_000)
    )

    receipt = venue_reports.receipt(own(), report, [], as_of=NOW)

    assert (receipt.status, receipt.reason) == ("CANCELED", "the venue says CANCELED")


# ── What became of it ───────────────────────────────────────────────────────────────────────────


def took(size, status="CONFIRMED", name="t", price="0.5", token_id="5", *, is_buy=True):
    """A trade in which our order took."""
    return TradeReport(
        trade_id=name, taker_hash="0x1", token_id=token_id, is_buy=is_buy, price=Decimal(price),
        shares=Decimal(size), status=status, matched_at=NOW,
    )  # fmt: skip


def report(status, matched, original="100"):
    return OrderReport(
        status=status, original_size=Decimal(original), size_matched=Decimal(matched)
    )


def fate(order, said, *trades, after_s=1):
    as_of = NOW + timedelta(seconds=after_s)
    return venue_reports.receipt(order, said, trades, as_of=as_of)


def test_a_trade_that_failed_fills_nothing_while_the_order_is_alive():
    trades = took(40, "FAILED", "a"), took(60, name="b")

    receipt = fate(own(), report("LIVE", 60), *trades)

    assert receipt.status == "OPEN"
    assert {part.status for part in receipt.executions} == {"FAILED", "CONFIRMED"}


def test_an_order_that_is_alive_at_the_venue_is_not_filled_whatever_its_trades_add_up_to():
    assert fate(own(), report("LIVE", 60), took(100)).status == "OPEN"
    assert fate(own(), report("MATCHED", 100), took(100)).status == "FILLED"


def test_what_is_matched_and_not_told_yet_keeps_the_order_open():
    order = own(type="FAK")

    assert fate(order, report("MATCHED", 130), took(100)).status == "OPEN"
    assert fate(order, report("MATCHED", 130), took(130)).status == "FILLED"


@pytest.mark.parametrize("matched", [100, 0])
def test_an_order_whose_only_trade_failed_ends_without_being_filled(matched):
    receipt = fate(own(), report("MATCHED", matched), took(100, "FAILED"))

    assert (receipt.status, receipt.reason) == ("CANCELED", "a trade of it failed on the chain")


@pytest.mark.parametrize("kind", ["FAK", "FOK"])
def test_dollars_that_are_left_may_have_bought_more_than_is_told(kind):
    order = own(type=kind, dollars=Decimal(50))

    assert fate(order, None, took(100, price="0.4"), after_s=59).status == "OPEN"
    assert fate(order, None, took(100, price="0.4"), after_s=60).status == "FILLED"
    assert fate(order, None, took(100, price="0.5"), after_s=1).status == "FILLED"
    assert fate(order, None, took(125, price="0.4"), after_s=1).status == "FILLED"


def test_an_immediate_sale_binds_shares_and_is_filled_with_the_last_of_them():
    order = own(type="FAK", is_buy=False)

    assert fate(order, None, took(100, is_buy=False)).status == "FILLED"


@pytest.mark.parametrize("kind", ["GTC", "GTD"])
def test_a_partly_filled_order_that_rests_and_is_not_found_once_is_in_doubt_and_not_over(kind):
    order = own(type=kind, rest_until=NOW + timedelta(seconds=300))

    receipt = fate(order, None, rested("40"), after_s=299)

    assert receipt.status == "UNKNOWN"
    assert [part.shares for part in receipt.executions] == [40]


def test_only_an_order_that_the_venue_ends_by_itself_is_over_with_its_date():
    until = NOW + timedelta(seconds=300)

    assert fate(own(type="GTD", rest_until=until), None, rested("40"), after_s=300).status == (
        "EXPIRED"
    )
    assert fate(own(type="GTC", rest_until=until), None, rested("40"), after_s=300).status == (
        "UNKNOWN"
    )


@pytest.mark.parametrize(
    ("token_id", "is_buy"), [("999", True), ("5", False), ("999", False), ("6", True), ("", False)]
)
def test_a_trade_of_another_token_or_side_is_none_of_our_orders(token_id, is_buy):
    told = took(100, token_id=token_id, is_buy=is_buy)

    with pytest.raises(Misattributed, match="under the id of our order"):
        venue_reports.execution(own(other_token_id="6"), told)


def test_a_sale_of_the_other_outcome_is_our_purchase_at_what_is_left_of_a_dollar():
    told = took(100, token_id="6", is_buy=False, price="0.47")

    assert venue_reports.execution(own(other_token_id="6"), told).price == Decimal("0.53")
    with pytest.raises(Misattributed):
        venue_reports.execution(own(), told)
