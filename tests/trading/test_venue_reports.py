"""Sizes in shares or in millionths of one: what was sent tells which."""

from decimal import Decimal

import pytest

from tests.factories import NOW
from trading.core import venue_reports
from trading.core.venue_reports import MakerEntry, OrderReport, Own, TradeReport


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
