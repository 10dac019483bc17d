"""The folder broker never shows a message that is still being written."""

import threading
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError

from config.kernel import file_broker

MESSAGES = 150


@pytest.fixture
def connection(tmp_path: Path):
    folder = tmp_path / "messages"
    control = tmp_path / "control"
    folder.mkdir()
    control.mkdir()
    file_broker.register()
    options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(control),
    }
    with Connection("filesystem://", transport_options=options) as made:
        yield made


def test_the_address_of_the_broker_leads_here(connection):
    assert isinstance(connection.transport, file_broker.Transport)


def test_a_reader_beside_a_writer_gets_every_message_whole_and_once(connection):
    channel = connection.default_channel
    sent = [{"body": f"{n}" * 20_000, "n": n} for n in range(MESSAGES)]
    received: list[dict] = []

    def write() -> None:
        for message in sent:
            channel._put("ingest", message)

    writer = threading.Thread(target=write)
    writer.start()
    while len(received) < MESSAGES:
        if channel._size("ingest"):
            received.append(channel._get("ingest"))
        elif not writer.is_alive() and not channel._size("ingest"):
            break
    writer.join()

    assert sorted(m["n"] for m in received) == list(range(MESSAGES))


def test_a_folder_that_is_gone_is_named(connection, tmp_path):
    (tmp_path / "messages").rmdir()

    with pytest.raises(ChannelError, match="messages"):
        connection.default_channel._put("ingest", {"body": ""})
