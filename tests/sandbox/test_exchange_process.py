"""The sandbox as a process: it serves the exchange, and writes down what has to outlive it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from config.settings.base import BASE_DIR as ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]
WALLET = "0x" + "ab" * 20


@contextmanager
def sandbox(journal, *more: str) -> Iterator[str]:
    argv = [sys.executable, "manage.py", "sandbox", "--port", "0", "--journal", str(journal), *more]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def test_the_command_serves_an_exchange_whose_accounts_outlive_it(tmp_path):
    journal = tmp_path / "state" / "exchange.jsonl"
    with sandbox(journal, "--conduct", json.dumps({"ghosts": 0.5})) as url:
        said = {"wallet": WALLET, "dollars": "12.5"}
        assert httpx.post(f"{url}/sandbox/faucet", json=said).json()["cash"] == 12_500_000
        assert httpx.get(f"{url}/sandbox/exchange/faults").json()["ghosts"] == 0.5
        state = httpx.get(f"{url}/sandbox/exchange/state").json()
        assert httpx.get(f"{url}/geoblock").json()["blocked"] is False
        assert httpx.delete(f"{url}/clob/order").status_code == 401

    assert state["balances"] == {WALLET: {"cash": 12_500_000}}
    # That a journal brings everything back is shown without a process.
    assert WALLET in journal.read_text()
