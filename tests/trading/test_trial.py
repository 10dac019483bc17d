"""The round trip goes on where a question failed, and where it ends it names what is held."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest

from tests import factories
from tests.factories import NOW
from trading.guard import trial
from trading.guard.trial import Offer, RoundTrip
from trading.venue import Execution, Prepared, Receipt, Restricted, Unsent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loose_books")]
REFUSED = Unsent("connection refused")
TOO_OFTEN = Restricted("RATE_LIMITED", retry_after_s=1, message="429")


@dataclass
class Venue:
    """Fills each order whole at its price; of each kind of question the first ones fail."""

    failing: dict[str, list[Exception]] = field(default_factory=dict)
    fee: Decimal | None = Decimal(0)
    dollars: Decimal = Decimal(100)
    tokens: Decimal = Decimal(0)
    told: dict = field(default_factory=dict)

    def _asked(self, what):
        if self.failing.get(what):
            raise self.failing[what].pop(0)

    def prepare(self, ticket, *, as_of):
        self._asked("sign the sale" if not ticket.is_buy else "sign")
        return Prepared(venue_order_id=f"0x{len(self.told)}", payload="{}")

    def place(self, ticket, *, as_of):
        self._asked("place" if ticket.is_buy else "place the sale")
        sign = 1 if ticket.is_buy else -1
        self.dollars -= sign * ticket.price * ticket.shares
        self.tokens += sign * ticket.shares
        part = Execution(
            trade_id="t", price=ticket.price, shares=ticket.shares, fee=self.fee, observed_at=as_of
        )
        receipt = Receipt(venue_order_id=ticket.venue_order_id, status="FILLED", executions=(part,))
        self.told[ticket.order_id] = receipt
        return receipt

    def look_up(self, tickets, *, as_of):
        self._asked("look_up")
        return {t.order_id: self.told[t.order_id] for t in tickets}

    def shares(self, token_ids):
        self._asked("shares")
        return dict.fromkeys(token_ids, self.tokens)

    def cash(self):
        self._asked("cash")
        return self.dollars


def trip(venue, *, hold=False):
    """The trip over a venue; its clock goes by its pauses."""
    market = factories.MarketFactory(tick_size=Decimal("0.01"))
    outcome = market.outcomes.get(index=0)
    offer = Offer(
        market=market, outcome=outcome, shares=Decimal(5), ask=Decimal("0.40"),
        bid=Decimal("0.39"), fee_rate=Decimal(0), fee_exponent=Decimal(1),
    )  # fmt: skip
    passed = [0.0]

    def pause(seconds):
        passed[0] += seconds

    run = RoundTrip(
        venue=venue, mode="REHEARSAL", wallet="0xw", say=lambda _line: None, pause=pause,
        clock=lambda: NOW + timedelta(seconds=passed[0]),
    )  # fmt: skip
    return run.run(offer, hold=hold)


@pytest.mark.parametrize("failure", [REFUSED, TOO_OFTEN], ids=["refused", "too often"])
@pytest.mark.parametrize("question", ["look_up", "shares"])
def test_a_question_that_failed_is_asked_again(question, failure):
    venue = Venue(failing={question: [failure, failure]})

    assert "sold 5" in trip(venue)
    assert venue.tokens == 0


def test_the_last_question_may_fail_too():
    @dataclass
    class Late(Venue):
        """Tells the cash before, then fails twice."""

        def cash(self):
            found = super().cash()
            if not self.told:
                self.failing["cash"] = [REFUSED, REFUSED]
            return found

    assert "sold 5" in trip(Late())


@pytest.mark.parametrize(
    ("question", "seen"),
    [("shares", "within 90 s (nobody tells"), ("place the sale", "refused"),
     ("sign the sale", "refused"), ("look_up", "fate")],
)  # fmt: skip
def test_a_trip_that_ends_between_says_what_is_held(question, seen):
    venue = Venue(failing={question: [REFUSED] * 1000})

    with pytest.raises(trial.Stuck) as stuck:
        trip(venue)

    assert seen in str(stuck.value)
    assert venue.tokens == 5
    assert ("5 shares of" in str(stuck.value)) == (question != "look_up")


def test_an_unknown_fee_ends_it_with_what_is_held():
    with pytest.raises(trial.Stuck, match=r"FEES: .*5 shares of .* are held"):
        trip(Venue(fee=None))


def test_before_anything_is_bought_a_refusal_is_a_refusal():
    with pytest.raises(Unsent):
        trip(Venue(failing={"place": [REFUSED]}))
