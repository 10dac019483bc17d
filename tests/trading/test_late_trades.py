"""What the venue tells late, wrongly or of somebody else: booked or named, and never forgotten."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config.kernel import audit
from risk import halts
from risk.models import Halt
from tests.factories import NOW, ahead, revise
from tests.trading.wallets import MODE, WALLET, Wallet, an_order, funded, listed
from trading.models import Discrepancy, Fill, Order, Position, VenueState
from trading.orders import transitions
from trading.reconciling import reconcile
from trading.settings import ReconciliationSettings
from trading.venue import Execution, Unsent, VenueTrade

pytestmark = pytest.mark.django_db
FOREVER = 5_000


def look(venue: Wallet, at: float) -> reconcile.Report:
    return reconcile.everything(MODE, WALLET, venue, chain=venue, as_of=ahead(at))


def state(at: float = FOREVER) -> str:
    return halts.state(as_of=ahead(at), mode=MODE)


def somebody_else_trades(venue: Wallet, *, at: float = 1, shares: int = 400) -> None:
    told = VenueTrade(
        venue_order_id="0xdead",
        token_id="999",
        is_buy=True,
        execution=Execution(
            trade_id="foreign",
            price=Decimal("0.5"),
            shares=Decimal(shares),
            fee=Decimal(0),
            observed_at=ahead(at),
        ),
    )
    venue.told.append(told)
    venue.carry_out(told)


def a_trade_that_was_kept_from_us(venue: Wallet) -> list[VenueTrade]:
    """An order in doubt was filled at once; the venue says neither, and it is given up."""
    order = an_order(status="UNKNOWN")
    venue.trade(order, 100, at=NOW)
    hidden, venue.told = venue.told, []
    look(venue, 30)
    transitions.end(order, to="EXPIRED", reason="probes found no trace of it", as_of=ahead(150))
    return hidden


def test_tokens_of_an_order_that_was_given_up_stop_entries_though_no_trade_is_told():
    venue = funded()
    a_trade_that_was_kept_from_us(venue)

    assert look(venue, 160).clean
    for second in (280, 340):
        assert not look(venue, second).clean

    assert state() == "LISTEN_ONLY"
    row = Discrepancy.objects.get(kind="POSITION", explained=False)
    assert (row.ours, row.theirs) == (0, 100)


def test_a_fill_of_an_order_that_was_given_up_is_booked_whenever_it_is_told():
    venue = funded()
    hidden = a_trade_that_was_kept_from_us(venue)
    for second in (160, 280, 340):
        look(venue, second)

    venue.told = hidden
    look(venue, 4_000)

    assert Position.objects.get().shares == 100
    assert Fill.objects.get().observed_at == NOW
    assert look(venue, 4_600).clean
    assert state() == "ACTIVE"


@pytest.mark.parametrize(("days", "held"), [(3, []), (5, [100])])
def test_a_person_says_how_long_a_fill_of_an_ended_order_is_looked_for(days, held):
    revise(ReconciliationSettings, late_fill_days=days)
    venue = funded()
    hidden = a_trade_that_was_kept_from_us(venue)
    look(venue, 340)
    four_days = 4 * 86_400
    look(venue, four_days)

    venue.told = hidden
    look(venue, four_days + 60)

    assert list(Position.objects.values_list("shares", flat=True)) == held


def test_a_trade_of_nobody_stops_entries_until_a_person_resumes_knowing_of_it():
    venue = funded()
    assert look(venue, 0).clean
    somebody_else_trades(venue)

    for second in (5, 80, 200, 400):
        assert not look(venue, second).clean
    assert state() == "LISTEN_ONLY"
    assert audit.alerts().filter(subject__contains="foreign").count() == 1

    halts.release(Halt.objects.get(), actor="ann", reason="it was me", as_of=ahead(500))

    assert look(venue, 560).clean
    assert state() == "ACTIVE"
    assert look(venue, 620).clean


def test_a_trade_of_nobody_is_on_record_though_the_chain_does_not_answer():
    venue = funded()
    assert look(venue, 0).clean
    somebody_else_trades(venue)

    class Silent(Wallet):
        def cash(self) -> Decimal:
            raise Unsent("the node is down")

    silent = Silent(**vars(venue))
    for second in (5, 65):
        with pytest.raises(Unsent):
            look(silent, second)

    assert VenueState.objects.get().reconciled_at == NOW
    assert state() == "LISTEN_ONLY"
    assert Discrepancy.objects.get(subject="foreign").theirs == 400
    assert not look(venue, 200).clean


def test_a_trade_of_nobody_that_is_met_between_two_looks_is_not_lost():
    venue = funded()
    assert look(venue, 0).clean
    order = an_order()
    venue.orders = [listed(order)]
    somebody_else_trades(venue)

    reconcile.in_doubt(MODE, WALLET, venue, as_of=ahead(5))

    assert state() == "LISTEN_ONLY"
    assert not look(venue, 300).clean


def test_a_trade_told_anew_as_it_was_booked_is_no_contradiction_any_more():
    venue = funded()
    venue.trade(an_order(), 40)
    look(venue, 1)
    right = venue.told[0]
    venue.told = [replace(right, execution=replace(right.execution, shares=Decimal(41)))]
    assert not look(venue, 2).clean
    venue.told = []
    assert not look(venue, 900).clean

    venue.told = [replace(right, execution=replace(right.execution, observed_at=ahead(890)))]
    venue.orders = []

    assert look(venue, 930).clean
    assert state() == "ACTIVE"


def a_lie(venue: Wallet, **changes: Any) -> None:
    """The venue tells a trade of our purchase at 0.50, with a word of it changed."""
    order = an_order()
    venue.orders = [listed(order, matched=100)]
    venue.trade(order, 100, at=ahead(1))
    (told,) = venue.told
    execution = replace(told.execution, **changes.pop("execution", {}))
    venue.told = [replace(told, execution=execution, **changes)]


@pytest.mark.parametrize("change", [{"token_id": "666"}, {"is_buy": False}], ids=str)
def test_a_trade_of_another_token_or_side_is_not_booked_and_stops_entries(change):
    venue = funded()
    a_lie(venue, **change)

    assert not look(venue, 5).clean

    assert not Fill.objects.exists()
    assert state() == "LISTEN_ONLY"
    assert "under the id of our order" in Discrepancy.objects.get(subject="t0").explanation


def test_a_price_that_no_order_of_ours_permits_is_booked_and_stops_entries():
    venue = funded()
    a_lie(venue, execution={"price": Decimal("0.99")})

    assert not look(venue, 5).clean
    assert not look(venue, 900).clean

    assert Fill.objects.get().price == Decimal("0.99")
    assert state() == "LISTEN_ONLY"
    row = Discrepancy.objects.get(subject="t0")
    assert (row.ours, row.theirs) == (Decimal("0.5"), Decimal("0.99"))


def test_a_sale_below_its_limit_stops_entries_and_a_better_price_does_not():
    venue = funded()
    a_lie(venue, execution={"price": Decimal("0.49")})
    reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(5))
    assert state() == "ACTIVE"
    market = Position.objects.get().market
    sale = an_order(market=market, side="SELL", shares=Decimal(100))

    venue.trade(sale, 100, price=Decimal("0.3"), at=ahead(6))
    reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(10))

    assert state() == "LISTEN_ONLY"


def test_a_part_told_in_millionths_of_a_share_is_booked_as_that_part():
    venue = funded()
    a_lie(venue, execution={"shares": Decimal(500_000), "fee": Decimal(9_000)})

    reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(5))

    fill = Fill.objects.get()
    assert (fill.shares, fill.fee) == (Decimal("0.5"), Decimal("0.009"))
    assert not Halt.objects.exists()


@pytest.mark.parametrize(
    "broken",
    [{"price": Decimal("1.7")}, {"price": Decimal("NaN")}, {"shares": Decimal("Infinity")}],
    ids=str,
)
def test_a_trade_that_cannot_be_stored_is_told_once_and_ends_with_a_persons_word(broken):
    venue = funded()
    halts.open_halt(
        "RECONCILIATION", reason="before", actor="reconciliation", as_of=NOW,
        scope=Halt.Scope.MODE, scope_key=MODE,
    )  # fmt: skip
    a_lie(venue, execution=broken)
    venue.orders, venue.tokens, venue.dollars = [], {}, Decimal(1000)

    for second in (5, 70, 130):
        assert not look(venue, second).clean
    assert state() == "LISTEN_ONLY"
    assert audit.alerts().filter(subject=f"reconciliation:{MODE}:TRADE:t0").count() == 1

    halts.release(Halt.objects.get(), actor="ann", reason="it is void", as_of=ahead(200))

    assert look(venue, 260).clean
    assert state() == "ACTIVE"


def test_a_name_with_a_character_that_no_database_takes_is_stored_without_it():
    venue = funded()
    a_lie(venue, execution={"trade_id": "t\x00\ud800", "transaction_hash": "0x\x00"})

    assert look(venue, 5).clean
    assert Fill.objects.get().trade_id == "t??"


def test_a_trade_told_in_terms_of_the_other_outcome_is_booked_in_ours():
    venue = funded()
    a_lie(venue, is_buy=False, execution={"price": Decimal("0.52")})
    other = Order.objects.get().market.outcomes.get(index=1)
    venue.told = [replace(venue.told[0], token_id=other.asset_id)]

    reconcile.read_trades(MODE, WALLET, venue, as_of=ahead(5))

    assert Fill.objects.get().price == Decimal("0.48")
    assert state() == "ACTIVE"
