"""A database that is busy for a moment says nothing of what the venue told: it is asked again."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection

from config.kernel import audit, locks
from risk.models import Halt
from tests.factories import ahead
from tests.kernel.test_locks import impatient, other, postgresql_only
from tests.trading.wallets import MODE, WALLET, an_order, funded
from tests.trading.world import SilentVenue
from trading.models import Fill
from trading.orders import following
from trading.venue import Execution, Receipt

__all__ = ["impatient", "other"]


class Venue(SilentVenue):
    """The venue of the one wallet."""

    wallet = WALLET


def answered(order, executions):
    return Receipt(venue_order_id=order.venue_order_id, status="OPEN", executions=executions)


def a_part(order):
    return Execution(
        trade_id="t1", price=order.price, shares=Decimal(4), fee=Decimal(0), observed_at=ahead(1)
    )


class Busy:
    """Trades during whose booking the database says that somebody else is at it."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def __iter__(self) -> Iterator[Any]:
        raise self.failure


@pytest.mark.django_db
@pytest.mark.parametrize("failure", [locks.LockTimeout, OperationalError])
def test_a_busy_database_is_no_answer_that_cannot_be_booked(failure):
    funded()
    order = an_order()
    venue = Venue(answers={order.pk: answered(order, Busy(failure("somebody is at it")))})

    with pytest.raises(failure):
        following.follow(MODE, venue, now=lambda: ahead(100))

    assert not Halt.objects.exists()
    assert not audit.alerts().exists()


@postgresql_only
@pytest.mark.usefixtures("impatient")
def test_while_the_books_are_locked_nothing_is_told_and_afterwards_it_is_booked(other):
    funded()
    order = an_order()
    venue = Venue(answers={order.pk: answered(order, (a_part(order),))})
    key = locks._key(f"portfolio:{MODE}")
    other.execute("SELECT pg_advisory_lock(%s)", [key])
    with pytest.raises(locks.LockTimeout):
        following.follow(MODE, venue, now=lambda: ahead(100))
    assert connection.is_usable()
    assert not Halt.objects.exists()
    other.execute("SELECT pg_advisory_unlock(%s)", [key])

    assert following.follow(MODE, venue, now=lambda: ahead(101)) == (1, 0)
    assert Fill.objects.get().shares == 4
