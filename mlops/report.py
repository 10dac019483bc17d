"""Write a replay's report: JSON with everything, a self-contained page, a picture."""

import json
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.utils.text import slugify

from mlops import charts

SHOWN_TRADES = 200
FILES = ("report.json", "report.html", "report.png")


def write(body: dict[str, Any], *, root: Path) -> Path:
    """Write the three files into a folder named after the replay; same body, same bytes."""
    folder = root / f"{slugify(body['title'])}-{body['data_digest'][:8]}-{body['seed']}"
    folder.mkdir(parents=True, exist_ok=True)
    figure = charts.overview(body)
    text = json.dumps(body, indent=1, sort_keys=True, default=str)
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(page(body, charts.as_svg(figure)), encoding="utf-8")
    (folder / "report.png").write_bytes(charts.as_png(figure))
    return folder


def page(body: dict[str, Any], svg: str) -> str:
    """The report as one HTML page without any outside asset."""
    trades = body["trades"]["model"]
    return render_to_string(
        "backtests/report.html",
        {
            "r": {**body, "trades_shown": SHOWN_TRADES},
            "svg": svg,
            "trades": trades[:SHOWN_TRADES],
            "assumptions": sorted(body["assumptions"].items()),
            "settings": sorted(body["settings"].items()),
        },
    )
