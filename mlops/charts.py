"""Figures of reports: the same numbers give the same bytes."""

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "oddsmith",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "figure.dpi": 110,
    }
)

from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402 - after the backend
from matplotlib.figure import Figure  # noqa: E402 - after the backend

METADATA = re.compile("<metadata>.*?</metadata>", re.DOTALL)
INK, MARKET, FAINT = "#1f3a5f", "#c27a1a", "#9aa3ad"


def overview(report: dict[str, Any]) -> Figure:
    """Equity and drawdown above, calibration and the funnel below."""
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 2, height_ratios=[2.2, 1, 2])
    _equity(figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, :]), report["equity"])
    _calibration(figure.add_subplot(grid[2, 0]), report["calibration"])
    _funnel(figure.add_subplot(grid[2, 1]), report["funnel"])
    figure.suptitle(f"{report['title']} — BACKTEST, simulated orders", fontsize=11)
    return figure


def as_png(figure: Figure) -> bytes:
    """PNG without anything that changes from run to run."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def as_svg(figure: Figure) -> str:
    """SVG for a page, without header, date or anything that changes from run to run."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = METADATA.sub("", out.getvalue())
    return text[text.index("<svg") :]


def _equity(above: Any, below: Any, curves: dict[str, Sequence[dict[str, Any]]]) -> None:
    for (name, points), colour in zip(curves.items(), (INK, MARKET, FAINT), strict=False):
        times = [datetime.fromtimestamp(p["at"], UTC) for p in points]
        above.plot(times, [p["risk_equity"] for p in points], color=colour, lw=1.3, label=name)
        below.plot(times, [-100 * p["drawdown"] for p in points], color=colour, lw=1)
    above.set_ylabel("risk equity, $")
    above.legend(loc="best", frameon=False)
    below.set_ylabel("drawdown, %")


def _calibration(axes: Any, bins: Sequence[dict[str, Any]]) -> None:
    axes.plot([0, 1], [0, 1], color=MARKET, lw=0.8)
    axes.plot(
        [b["price"] for b in bins],
        [b["outcome"] for b in bins],
        "o-",
        color=MARKET,
        ms=3,
        label="market",
    )
    axes.plot(
        [b["forecast"] for b in bins],
        [b["outcome"] for b in bins],
        "o-",
        color=INK,
        ms=3,
        label="forecast",
    )
    axes.set_xlabel("probability stated")
    axes.set_ylabel("share that happened")
    axes.legend(loc="upper left", frameon=False)


def _funnel(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    shown = [r for r in rows if r["count"]][:12][::-1]
    axes.barh(
        [f"{r['stage']} · {r['reason']}" for r in shown], [r["count"] for r in shown], color=INK
    )
    axes.set_xscale("symlog")
    axes.set_xlabel("rows")
    axes.tick_params(axis="y", labelsize=7)
