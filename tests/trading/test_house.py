"""Rules about the code of trading itself."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

WRITES = {"create", "update", "delete", "get_or_create", "update_or_create", "bulk_create"}
ROOT = Path(__file__).resolve().parent.parent.parent
DECISION_CODE = (
    "trading/core/decision.py",
    "trading/core/edge.py",
    "trading/decide.py",
    "trading/signals.py",
    "risk/core/checks.py",
)
HARMLESS = {-1, 0, 1}
"""Zero and one are the ends of a probability, not thresholds."""


@pytest.mark.parametrize("path", DECISION_CODE)
def test_no_numeric_threshold_literals_in_decision_code(path):
    tree = ast.parse((ROOT / path).read_text())

    compared = [
        node.value
        for compare in ast.walk(tree)
        if isinstance(compare, ast.Compare)
        for node in ast.walk(compare)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ]

    assert set(compared) <= HARMLESS


@pytest.mark.parametrize("path", DECISION_CODE)
def test_missing_price_never_defaults(path):
    text = (ROOT / path).read_text()

    assert not re.search(r"""\.get\([^)]*price[^)]*,\s*[\d.]+\)""", text)


def writes_to(model: str, tree: ast.AST) -> bool:
    """Whether somewhere a query that begins with `model.objects` ends in a write."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        root: ast.AST = node.func
        while isinstance(root, ast.Attribute | ast.Call):
            root = root.value if isinstance(root, ast.Attribute) else root.func
        if node.func.attr in WRITES and isinstance(root, ast.Name) and root.id == model:
            return True
    return False


@pytest.mark.parametrize(
    ("model", "writers"),
    [
        # `rebuild` writes what fills and redemptions say, and nothing else.
        ("Position", {"fills.py", "redeem.py", "rebuild.py"}),
        ("Fill", {"fills.py"}),
        ("Transfer", set()),
        ("Redemption", {"redeem.py"}),
        ("Claim", {"claims.py"}),
    ],
)
def test_money_tables_are_only_written_by_their_own_service(model, writers):
    found = {
        path.name
        for path in (ROOT / "trading").rglob("*.py")
        if "migrations" not in path.parts and writes_to(model, ast.parse(path.read_text()))
    }

    assert found == writers


def test_a_paper_worker_loads_no_signing_library():
    program = (
        "import django, sys; django.setup(); "
        "import trading.tasks, trading.cycle, trading.submit; "
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('web3', 'eth_account', 'eth_keys', 'coincurve', 'polymarket')])"
    )

    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.strip() == "[]"
