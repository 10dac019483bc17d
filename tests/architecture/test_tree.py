"""Rules of the tree that no other tool keeps."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "markets", "predictions", "risk", "trading", "mlops", "sandbox")
MAX_FUNCTION, MAX_MODULE = 60, 400


def modules() -> Iterator[Path]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{f.lineno} {f.name}"
        for path in modules()
        for f in functions(parsed(path))
        if (f.end_lineno or f.lineno) - f.lineno + 1 > MAX_FUNCTION
    ]

    assert long == []


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    long = [
        str(p.relative_to(ROOT)) for p in modules() if len(p.read_text().splitlines()) > MAX_MODULE
    ]

    assert long == []


def test_no_module_is_called_after_nothing() -> None:
    vague = {"utils.py", "helpers.py", "managers.py", "services.py", "signals_handlers.py"}

    assert [p for p in modules() if p.name in vague] == []


def test_no_price_is_invented_by_a_default() -> None:
    """`.get("no_price", 50)` once turned a missing price into a trade."""
    invented = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and len(node.args) == 2
        and isinstance(node.args[0], ast.Constant)
        and "price" in str(node.args[0].value)
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, int | float)
    ]

    assert invented == []


def test_positions_are_written_only_where_fills_and_redemptions_are() -> None:
    writers = {
        str(path.relative_to(ROOT))
        for path in modules()
        if any(
            f"Position.objects.{verb}" in path.read_text()
            for verb in ("create", "update", "bulk_create", "get_or_create", "update_or_create")
        )
    }

    assert writers <= {
        "trading/books/fills.py",
        "trading/redeeming/redeem.py",
        "trading/books/positions.py",
        "trading/books/rebuild.py",
    }


def test_tasks_declare_their_queue_and_both_time_limits() -> None:
    """A task that is told its queue (the canary of each) declares the time limits only."""
    careless = []
    for path in modules():
        if path.name != "tasks.py":
            continue
        for f in functions(parsed(path)):
            told = {"queue"} & {argument.arg for argument in f.args.kwonlyargs}
            for decorator in f.decorator_list:
                if isinstance(decorator, ast.Call) and "shared_task" in ast.dump(decorator.func):
                    declared = {k.arg for k in decorator.keywords}
                    if not {"queue", "soft_time_limit", "time_limit"} <= declared | told:
                        careless.append(f"{path.relative_to(ROOT)}:{f.name}")

    assert careless == []


def test_no_artefact_is_ever_unpickled() -> None:
    unsafe = {"pickle", "joblib", "dill"}
    importing = [
        str(p.relative_to(ROOT))
        for p in modules()
        for node in ast.walk(parsed(p))
        if (isinstance(node, ast.Import) and unsafe & {a.name.split(".")[0] for a in node.names})
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in unsafe)
    ]

    assert importing == []


def test_the_repository_holds_no_recorded_history_and_no_secret() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert [p for p in tracked if p.endswith((".parquet", ".sqlite3", ".pem", ".key"))] == []
    assert [p for p in tracked if Path(p).name == ".env"] == []
