"""Signing libraries are named by the adapters of the guard, and loaded by nothing else."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from config.env import ROOT
from tests.config.test_up_processes import environment

SIGNING = {"polymarket", "web3", "eth_account", "eth_keys", "eth_keyfile", "coincurve"}
ALLOWED = {
    Path("trading/adapters") / f"{name}.py"
    for name in ("signer", "custody", "clob", "clob_client", "chain", "relayer", "user_stream")
}
OURS = ("config", "markets", "predictions", "risk", "trading", "mlops")


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports when it runs, wherever in it."""
    text = path.read_text()
    if not any(name in text for name in SIGNING):
        return set()
    tree = ast.parse(text)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_only_the_adapters_of_the_guard_name_a_signing_library() -> None:
    files = [path for app in OURS for path in (ROOT / app).rglob("*.py")]
    found = {path.relative_to(ROOT) for path in files if imported(path) & SIGNING}

    assert Path("trading/adapters/signer.py") in found
    assert not found - ALLOWED


LOADED = """
import sys, json
import config.clock, config.celery as ours, config.wsgi, config.urls, config.beat, config.doctor
ours.app.loader.import_default_modules()
import trading.orders.submit, trading.cycle, trading.tasks, trading.deciding.exits
import trading.adapters.paper
import trading.admin, trading.api, trading.watching.readiness
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.process
@pytest.mark.timeout(120)
def test_worker_beat_web_and_doctor_together_can_sign_nothing(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()\n" + LOADED],
        cwd=ROOT, env=environment(tmp_path), check=True, capture_output=True, text=True,
    )  # fmt: skip

    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert "trading.adapters.paper" in loaded
    assert not {name.partition(".")[0] for name in loaded} & SIGNING
    assert not loaded & {"trading.adapters.signer", "trading.adapters.clob", "trading.core.signing"}
