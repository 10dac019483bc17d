"""After every trading test with a database, the books must add up."""

from collections.abc import Iterator

import pytest

from tests.support import invariants


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
