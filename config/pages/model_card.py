"""The model card of a training: what it learned from, how it did against the price, and why."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from config.pages.experts import last_moves, moved_by_hand
from config.pages.model_words import UNITS, part, rung
from mlops import wording
from mlops.models import TrainingRun
from predictions.core import roster
from predictions.models import Expert, ExpertState

LEAST_EVENTS: Final = 100  # a score on fewer says "few" beside itself
SHOWN: Final = 5  # of the most important features
SIDE: Final = 200  # of the calibration plot, in its own units
PARTS: Final = (("domains", "Domain"), ("buckets", "Time left"))


@login_required
def page(request: HttpRequest, training_id: int) -> HttpResponse:
    """One training; 404 where it left no card."""
    row = get_object_or_404(TrainingRun.objects.select_related("version"), pk=training_id)
    card = _read(row.card)
    if not card:
        raise Http404(f"training {training_id} left no model card; it ended {row.status}")
    metrics, listed = _read(row.metrics), Expert.objects.only("slug", "name", "state")
    taken = [each["name"] for each in card.get("rungs", ()) if each.get("climbed")]
    told = experts(card, listed, weights=weights(taken, metrics))
    shown: dict[str, Any] = {
        "nav": "learning",
        "row": row,
        "card": card,
        "span": span(card),
        "scores": scores(card),
        "calibration": calibration(card),
        "cells": cells(metrics),
        "rungs": [{**each, "name": rung(each["name"])} for each in card.get("rungs", ())],
        "combined": {
            "way": rung(taken[-1]) if taken else "",
            "weight": metrics.get("weight") if taken and metrics.get("used") else None,
        },
        "experts": [each for each in told if each.get("trained")],
        "untrained": [each for each in told if not each.get("trained")],
        "features": sorted({(d["name"], d["unit"]) for e in told for d in e["drivers"]}),
        "simulated": "sandbox" in card.get("span", {}).get("sources", {}),
    }
    return render(request, "pages/model_card.html", shown)


def span(card: Mapping[str, Any]) -> dict[str, Any]:
    """What was learned from, its moments as moments."""
    told = dict(card.get("span", {}))
    for end in ("from", "until"):
        if end in told:
            told[end] = datetime.fromisoformat(told[end])
    told["first"] = told.pop("from", None)
    return told


def scores(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Out-of-fold scores: overall first, then by domain and by time left."""
    told = card.get("scores", {})
    rows = [{"name": "All decisions", "part": "", **told.get("out_of_fold", {})}]
    for key, heading in PARTS:
        rows += [
            {"name": part(name), "part": heading, **each}
            for name, each in told.get(key, {}).items()
        ]
    return [{**row, "few": row.get("events", 0) < LEAST_EVENTS} for row in rows if row.get("rows")]


def calibration(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Points of the plot, in units of `SIDE`, the origin at the top left; bars show 95 %."""
    points = []
    for tenth in card.get("calibration", ()):
        share, events = tenth["outcome"], max(tenth["events"], 1)
        error = 1.96 * (share * (1 - share) / events) ** 0.5
        points.append(
            {
                **tenth,
                "x": SIDE * tenth["forecast"],
                "y": SIDE * (1 - share),
                "top": SIDE * (1 - min(share + error, 1.0)),
                "bottom": SIDE * (1 - max(share - error, 0.0)),
            }
        )
    return points


def cells(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where the correction applies, domain by time left, and why not elsewhere; used ones first."""
    used = set(metrics.get("used", ()))
    found = [
        {**each, "name": part(each["name"]), "used": each["cell"] in used}
        for each in metrics.get("cells", ())
    ]
    for each in found:
        each["why"] = _why(each)
    return sorted(found, key=lambda each: (not each["used"], -each["events"]))


def weights(taken: Sequence[str], metrics: Mapping[str, Any]) -> dict[str, float]:
    """Weights in the blend by slug, where the way to combine fixes them; empty elsewhere."""
    if not taken or not metrics.get("used") or not taken[-1].startswith("recalibrated"):
        return {}
    return {roster.RECALIBRATION.slug: float(metrics.get("weight", 0.0))}


def experts(
    card: Mapping[str, Any], listed: Iterable[Expert], *, weights: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The trained ones, admitted first; what admitted them, and what drives them."""
    known, moves = {row.slug: row for row in listed}, last_moves()
    told = []
    for slug, each in card.get("experts", {}).items():
        row = known.get(slug)
        active = row is not None and row.state == ExpertState.ACTIVE
        move = moves.get(slug)
        hand = active and move is not None and moved_by_hand(move)
        told.append(
            {
                "slug": slug,
                "name": row.name if row else slug,
                **each,
                "route": wording.route(each.get("route", "")),
                "proof": wording.proof(each),
                "person": move.actor if hand and move is not None else "",
                "weight": weights.get(slug, 0.0) if weights and each.get("admitted") else None,
                "drivers": [
                    {"name": name, "share": share, "unit": UNITS.get(name, "")}
                    for name, share in each.get("importance", ())[:SHOWN]
                ],
            }
        )
    return sorted(
        told, key=lambda e: (not e.get("admitted"), not e.get("trained"), -(e.get("rows") or 0))
    )


def _why(cell: Mapping[str, Any]) -> str:
    """Why a cell is used, or not."""
    own = cell["enough"] and (cell["log_loss_low"] or 0) > 0 and (cell["brier_low"] or 0) > 0
    if cell["used"]:
        return "proven here" if own else "carried by its domain or by all"
    if min(cell["log_loss_gain"] or 0.0, cell["brier_gain"] or 0.0) <= 0:
        return "no gain on the price"
    return "gain within chance" if cell["enough"] else "too few events"


def _read(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
