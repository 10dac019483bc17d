"""Backtests: what was replayed, what came of it, and the report that the run wrote."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from mlops.models import Backtest

REPORT = "report.html"
PICTURE = "report.png"
MONEY = {"pnl", "pnl_low", "pnl_high"}
ATTACHMENTS = {".html", ".png", ".svg", ".json", ".csv", ".parquet"}


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """The newest fifty."""
    rows = Backtest.objects.order_by("-id")[:50]
    listed = [listing(row) for row in rows]
    return render(request, "pages/backtests.html", {"nav": "backtests", "listed": listed})


@login_required
def report(request: HttpRequest, backtest_id: int) -> HttpResponse:
    """The report page of one backtest, as it was written."""
    return _serve(backtest_id, REPORT)


@login_required
def attachment(request: HttpRequest, backtest_id: int, name: str) -> HttpResponse:
    """A file beside the report: its picture, its trades."""
    return _serve(backtest_id, name)


def _serve(backtest_id: int, name: str) -> HttpResponse:
    row = get_object_or_404(Backtest, pk=backtest_id)
    folder = _folder(row)
    file = (folder / name).resolve()
    inside = bool(row.folder) and file.parent == folder
    if not inside or file.suffix not in ATTACHMENTS or not file.is_file():
        raise Http404(f"backtest {backtest_id} has no file {name} on this machine")
    response = FileResponse(file.open("rb"))
    response["Content-Security-Policy"] = (
        "sandbox allow-same-origin; default-src 'self' data: 'unsafe-inline'"
    )
    return response  # type: ignore[return-value]


def listing(row: Backtest) -> dict[str, Any]:
    """What the list shows of one backtest: the model's figures first, then the baselines'."""
    body = _body(row.result)
    strategies = [_money(s) for s in body.get("strategies", ()) if isinstance(s, dict)]
    return {
        "row": row,
        "summary": _money(body.get("summary", {})),
        "assumptions": body.get("assumptions", {}).get("name", ""),
        "strategies": strategies,
        "picture": PICTURE if (_folder(row) / PICTURE).is_file() and row.folder else "",
    }


def _money(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures with their dollars as numbers; they are stored as text to keep every cent."""
    return {k: Decimal(v) if k in MONEY else v for k, v in figures.items()}


def _folder(row: Backtest) -> Path:
    """Where the report lies; a relative folder is one of the state folder."""
    return (settings.ENV.state_dir / row.folder).resolve()


def _body(result: str) -> dict[str, Any]:
    try:
        body = json.loads(result)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
