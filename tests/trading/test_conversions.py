"""A dollar is a share of each side, and the other way round."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.kernel.units import from_micro
from tests import factories
from tests.factories import NOW, ahead
from tests.trading.wallets import MODE, WALLET, an_order, funded
from trading.books import conversions, fills, ledger, rebuild
from trading.core.holdings import Kind, conversion, fold
from trading.models import Account, Claim, Conversion, Position
from trading.orders import transitions


@pytest.fixture
def venue(db):
    return funded()


def convert(kind, market, shares, *, key="", at=NOW):
    return conversions.record(
        kind,
        market,
        Decimal(shares),
        mode=MODE,
        wallet=WALLET,
        key=key or f"{kind}:{at.timestamp()}",
        as_of=at,
    )


def accounts():
    return ledger.standing(mode=MODE, wallet=WALLET)


@given(st.integers(1, 10**12))
def test_both_sides_of_a_set_cost_what_was_paid_to_the_last_millionth(micro):
    shares = from_micro(micro)

    sides = [conversion(split=True, shares=shares, index=index, at=NOW) for index in (0, 1)]

    assert sum(side.dollars for side in sides) == shares
    assert abs(sides[0].dollars - sides[1].dollars) <= Decimal("0.000001")
    assert fold([sides[1]]).cost == sides[1].dollars
    assert conversion(split=False, shares=shares, index=0, at=NOW).kind is Kind.MERGE


def test_a_split_and_a_merge_leave_the_cash_that_was_there(venue):
    market = an_order().market
    before = accounts()

    convert("SPLIT", market, 10)

    assert accounts()[Account.CASH] == before[Account.CASH] - 10
    assert accounts()[Account.POSITIONS] == 10
    assert [(p.shares, p.cost) for p in Position.objects.all()] == [(10, 5), (10, 5)]

    convert("MERGE", market, 10, at=ahead(1))

    assert accounts() == before
    assert [(p.shares, p.realised) for p in Position.objects.all()] == [(0, 0), (0, 0)]


def test_merging_what_was_bought_below_a_dollar_is_a_gain(venue):
    order = an_order()
    fills.record(order, venue.trade(order, 100, price=Decimal("0.40")), as_of=NOW)
    convert("SPLIT", order.market, 1)
    other = Position.objects.get(outcome__index=1)

    convert("MERGE", order.market, 1, at=ahead(1))

    other.refresh_from_db()
    assert other.shares == 0
    assert sum(p.realised for p in Position.objects.all()) == -accounts()[Account.REALISED]
    assert rebuild.positions(apply=False, as_of=ahead(2)) == []


def test_the_same_conversion_twice_is_one(venue):
    market = an_order().market

    first = convert("SPLIT", market, 10, key="k")

    assert convert("SPLIT", market, 10, key="k", at=ahead(5)) == first
    assert accounts()[Account.POSITIONS] == 10
    with pytest.raises(ledger.KeyReused):
        convert("SPLIT", market, 11, key="k")


def test_a_set_needs_a_claim_and_shares_of_both_sides(venue):
    with pytest.raises(conversions.Unclaimed):
        convert("SPLIT", factories.MarketFactory(), 10)
    order = an_order()
    with pytest.raises(conversions.NotASet, match="0 are held"):
        convert("MERGE", order.market, 10)
    with pytest.raises(conversions.NotASet, match="is none"):
        convert("SPLIT", order.market, 0)
    assert not Conversion.objects.exists()


def test_the_claim_goes_with_the_last_set(venue):
    order = an_order()
    convert("SPLIT", order.market, 10)
    transitions.end(order, to="CANCELED", reason="enough", as_of=ahead(1))
    assert Claim.objects.filter(released_at__isnull=True).exists()

    convert("MERGE", order.market, 10, at=ahead(2))

    assert not Claim.objects.filter(released_at__isnull=True).exists()
