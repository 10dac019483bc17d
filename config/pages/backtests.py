"""Backtests: what was replayed, what came of it, and the report that the run wrote."""

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from mlops.models import Backtest

REPORT = "report.html"
ATTACHMENTS = {".html", ".png", ".svg", ".json", ".csv", ".parquet"}


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """The newest fifty."""
    rows = Backtest.objects.order_by("-id")[:50]
    listed = [{"row": row, "figures": _figures(row.result)} for row in rows]
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
    folder = (settings.ENV.state_dir / row.folder).resolve()
    file = (folder / name).resolve()
    inside = bool(row.folder) and file.parent == folder
    if not inside or file.suffix not in ATTACHMENTS or not file.is_file():
        raise Http404(f"backtest {backtest_id} has no file {name} on this machine")
    response = FileResponse(file.open("rb"))
    response["Content-Security-Policy"] = (
        "sandbox allow-same-origin; default-src 'self' data: 'unsafe-inline'"
    )
    return response  # type: ignore[return-value]


def _figures(result: str) -> dict[str, Any]:
    try:
        body = json.loads(result)
    except ValueError:
        return {}
    return {k: v for k, v in body.items() if isinstance(v, int | float | str)} if body else {}
