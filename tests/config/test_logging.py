"""Log lines: events with keys, and never a secret."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config import logging as ours

PRIVATE_KEY = "0x" + "5e" * 32


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Log through the real chain into memory; call it for what was logged so far."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    ours.configure()
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = handlers, level


def test_an_event_is_one_line_of_json_with_its_keys(lines: Any) -> None:
    structlog.get_logger().warning("fill.recorded", shares="5.2")

    (line,) = lines()
    assert (line["event"], line["shares"], line["level"]) == ("fill.recorded", "5.2", "warning")
    assert line["timestamp"].endswith("Z")


SECRETS = (
    *("private_key", "SECRET_KEY", "passphrase", "db_password", "api_secret"),
    *("access_token", "Authorization", "signature", "set_cookie"),
)


@pytest.mark.parametrize("name", SECRETS)
def test_what_is_named_like_a_secret_is_masked(lines: Any, name: str) -> None:
    structlog.get_logger().warning("order.sent", **{name: "hunter2"})

    assert lines()[0][name] == "***"


def test_what_looks_like_a_private_key_is_masked_wherever_it_hides(lines: Any) -> None:
    log = structlog.get_logger()
    said = f"sent {PRIVATE_KEY}"
    log.warning(said, note=PRIVATE_KEY, deep={"inner": [1, PRIVATE_KEY]})
    logging.getLogger("someone.else").warning("got %s", PRIVATE_KEY)
    try:
        int(PRIVATE_KEY)
    except ValueError:
        log.exception("order.failed")
        logging.getLogger("someone.else").exception("failed")

    written = lines()
    assert len(written) == 4
    assert PRIVATE_KEY not in json.dumps(written)
    assert written[0]["deep"]["inner"] == [1, "***"]
    assert "ValueError: invalid literal" in written[2]["exception"]


def test_a_secret_within_a_mapping_is_masked_by_its_own_name(lines: Any) -> None:
    structlog.get_logger().warning("call.failed", headers={"Authorization": "x", "Accept": "y"})

    assert lines()[0]["headers"] == {"Authorization": "***", "Accept": "y"}


def test_the_password_of_an_address_is_masked(lines: Any) -> None:
    structlog.get_logger().warning("database.lost", url="postgresql://ann:hunter2@db/odds")

    assert lines()[0]["url"] == "postgresql://***@db/odds"


def test_public_names_and_hashes_stay_readable(lines: Any) -> None:
    structlog.get_logger().warning("market.seen", market_key="k1", condition_id=PRIVATE_KEY)

    assert lines()[0]["market_key"] == "k1"
    assert lines()[0]["condition_id"] == PRIVATE_KEY
