"""Rules about the code of trading itself."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

WRITES = {"create", "update", "delete", "get_or_create", "update_or_create", "bulk_create"}
ROOT = Path(__file__).resolve().parent.parent.parent
DECISION_CODE = (
    "trading/core/decision.py",
    "trading/core/edge.py",
    "trading/core/allocation.py",
    "trading/core/baseline.py",
    "trading/core/consensus.py",
    "trading/core/exits.py",
    "risk/core/checks.py",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "trading/deciding").glob("*.py"))),
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


def written_by(tree: ast.AST) -> set[str]:
    """The models whose `objects` begin a query here that ends in a write."""
    found = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        root: ast.AST = node.func
        while isinstance(root, ast.Attribute | ast.Call):
            root = root.value if isinstance(root, ast.Attribute) else root.func
        if node.func.attr in WRITES and isinstance(root, ast.Name):
            found.add(root.id)
    return found


@cache
def writes() -> dict[Path, set[str]]:
    """What each file of trading writes; every file is parsed once."""
    files = (ROOT / "trading").rglob("*.py")
    return {
        path: written_by(ast.parse(path.read_text()))
        for path in files
        if "migrations" not in path.parts
    }


@pytest.mark.parametrize(
    ("model", "writers"),
    [
        # Fills, conversions and payouts write through `positions`; `rebuild` writes what they say.
        ("Position", {"positions.py", "rebuild.py"}),
        ("LedgerBalance", {"ledger.py"}),
        ("Settlement", {"settlements.py"}),
        ("Fill", {"fills.py"}),
        ("Transfer", set()),
        ("Redemption", {"redeem.py"}),
        ("Claim", {"claims.py"}),
    ],
)
def test_money_tables_are_only_written_by_their_own_service(model, writers):
    found = {path.name for path, written in writes().items() if model in written}

    assert found == writers
