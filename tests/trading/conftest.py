"""After every trading test with a database, the books must add up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import invariants

if TYPE_CHECKING:
    from tests.trading.clob_stub import Stub
    from trading.adapters.clob import Clob


@pytest.fixture(autouse=True)
def books_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that write single rows by hand ask for `loose_books` and are left alone."""
    uses_rows = {"db", "transactional_db"} & set(request.fixturenames)
    if not uses_rows and request.node.get_closest_marker("django_db") is None:
        yield
        return
    transactional = "transactional_db" in request.fixturenames
    request.getfixturevalue("transactional_db" if transactional else "db")
    yield
    if "loose_books" not in request.fixturenames:
        invariants.check_everything()


@pytest.fixture
def loose_books() -> None:
    """For tests that write single rows which no trade ever made."""


# Persons who decide, and an intent that waits for them.


@pytest.fixture
def ada(db: None) -> Any:
    from tests import factories
    from tests.trading.approvers import may_approve

    return may_approve(factories.UserFactory())


@pytest.fixture
def grace(db: None) -> Any:
    from tests import factories
    from tests.trading.approvers import may_approve

    return may_approve(factories.UserFactory(username="grace"))


@pytest.fixture
def pending(db: None) -> Any:
    from tests import factories
    from tests.trading.approvers import waits
    from tests.trading.world import an_intent
    from trading.models import ApprovalSettings

    factories.revise(ApprovalSettings, ask_in_simulated=True)
    return waits(an_intent())


# The real adapter over a loopback venue: its client is dear to import and to make.


@pytest.fixture(scope="module")
def server() -> "Iterator[Stub]":
    from tests.trading.clob_stub import serving

    with serving() as stub:
        yield stub


@pytest.fixture
def stub(server: "Stub") -> "Stub":
    """As new for each test, on the same port."""
    return _as_new(server)


@pytest.fixture(scope="module")
def connected(server: "Stub") -> "Iterator[Clob]":
    """One for all: the client makes nine TLS contexts each time, and keeps no state of ours."""
    from tests.trading.clob_venue import a_venue

    venue = a_venue(_as_new(server))
    yield venue
    venue.close()


@pytest.fixture
def venue(connected: "Clob", stub: "Stub") -> "Clob":
    """The adapter whose venue says what `stub` was told."""
    return connected


def _as_new(server: "Stub") -> "Stub":
    server.__dict__.update(type(server)().__dict__, url=server.url)
    return server
