"""How markets ended: results to look at, and the queue of those that a person decides."""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.text import Truncator

from config.kernel.admin import FactAdmin
from markets import resolution_cases as cases
from markets.core import wire_resolution
from markets.models import Origin, Resolution, ResolutionCase

SAID = {
    "RESULT": ("names a result", "good"),
    "NOT_YET": ("not yet", ""),
    "DISPUTED": ("disputed", "warn"),
    "UNCLEAR": ("unclear", "bad"),
    "UNSTATED": ("names no result", "warn"),
    "NOT_THERE": ("knows no such market", ""),
    "SILENT": ("no answer", "warn"),
}


@admin.register(Resolution)
class ResolutionAdmin(FactAdmin):
    list_display = (
        "market",
        "payout_0",
        "payout_1",
        "strength",
        "source",
        "resolved_at",
        "received_at",
    )
    list_filter = ("strength",)
    search_fields = ("market__question",)
    list_select_related = ("market",)


class Standing(admin.SimpleListFilter):
    """Open cases unless others are asked for."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("closed", "Closed"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for key, label in self.lookup_choices:
            yield {
                "selected": (self.value() or "open") == key,
                "query_string": changelist.get_query_string({self.parameter_name: key}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value() or "open"
        return queryset if wanted == "all" else queryset.filter(settled_at__isnull=wanted == "open")


@admin.register(ResolutionCase)
class ResolutionCaseAdmin(FactAdmin):
    list_display = ("question", "why", "opened_at", "checked_at", "standing")
    list_display_links = None
    list_filter = (Standing,)
    search_fields = ("market__question", "reason")
    list_select_related = ("market",)
    ordering = ("settled_at", "opened_at")
    DECISIONS: ClassVar[tuple[str, ...]] = ("0", "1", "half", "ask", "keep")

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide_view)
        return [path("<int:case_id>/decide/", decide, name="resolution_case"), *super().get_urls()]

    @admin.display(description="Market", ordering="market__question")
    def question(self, obj: ResolutionCase) -> str:
        address = reverse("admin:resolution_case", args=[obj.pk])
        text = Truncator(obj.market.question).chars(110)
        return format_html('<a href="{}"><b>{}</b></a>', address, text)

    @admin.display(description="Why")
    def why(self, obj: ResolutionCase) -> str:
        return Truncator(obj.reason).chars(160)

    @admin.display(description="Now")
    def standing(self, obj: ResolutionCase) -> str:
        if obj.settled_at is not None:
            return f"closed by {obj.settled_by}, {obj.settled_at:%Y-%m-%d %H:%M} UTC"
        address = reverse("admin:resolution_case", args=[obj.pk])
        return format_html('<a href="{}">Decide…</a>', address)

    def decide_view(self, request: HttpRequest, case_id: int) -> HttpResponse:
        """The evidence in words; a decision with its reason; what it does; and then it is done."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = ResolutionCase.objects.select_related("market__event", "market__resolution")
        case = get_object_or_404(rows.prefetch_related("market__outcomes"), pk=case_id)
        may = request.user.has_perm("markets.change_resolutioncase")
        decision, reason = request.POST.get("decision", ""), request.POST.get("reason", "")
        problem = ""
        if request.method == "POST":
            if not may:
                raise PermissionDenied
            problem = self._problem(case, decision, reason)
            if not problem and request.POST.get("confirmed"):
                return self._act(request, case, decision, reason)
        context = {
            **self.admin_site.each_context(request),
            **_described(case),
            "title": "How did it end?",
            "may": may,
            "problem": problem,
            "decision": decision,
            "reason": reason,
            "least": cases.LEAST_REASON,
        }
        confirming = request.method == "POST" and not problem
        if confirming:
            context["consequence"] = dict(context["choices"])[decision]
        page = "confirm" if confirming else "case"
        return render(request, f"admin/markets/{page}.html", context)

    def _problem(self, case: ResolutionCase, decision: str, reason: str) -> str:
        if decision not in dict(_choices(case)):
            return "Choose what is to be done."
        wrong = cases.reason_problem(reason)
        return f"{wrong[0].upper()}{wrong[1:]}." if wrong else ""

    def _act(
        self, request: HttpRequest, case: ResolutionCase, decision: str, reason: str
    ) -> HttpResponse:
        who = {
            "person": request.user.get_username(),
            "reason": reason,
            "as_of": timezone.now(),
        }
        try:
            if decision == "ask":
                cases.ask_again(case, **who)  # type: ignore[arg-type]
                said = "The sources are asked again with the next round; the case stays open."
            elif decision == "keep":
                cases.keep(case, **who)  # type: ignore[arg-type]
                said = "The result stays, the case is closed."
            else:
                filed = cases.settle(case, decision, **who)  # type: ignore[arg-type]
                said = f"Booked {filed} in your name; the case is closed."
        except cases.CannotSettle as refused:
            messages.error(request, f"Not done: {refused}.")
            return HttpResponseRedirect(reverse("admin:resolution_case", args=[case.pk]))
        messages.success(request, f"“{Truncator(case.market.question).chars(80)}”: {said}")
        return HttpResponseRedirect(reverse("admin:markets_resolutioncase_changelist"))


def _described(case: ResolutionCase) -> dict[str, Any]:
    """The case in words, for its page."""
    market = case.market
    names = _names(case)
    address = ""
    if market.origin == Origin.VENUE and market.event.slug:
        address = f"https://polymarket.com/event/{market.event.slug}"
    return {
        "case": case,
        "market": market,
        "names": names,
        "booked": getattr(market, "resolution", None),
        "evidence": [_in_words(row, names) for row in json.loads(case.evidence)],
        "venue_address": address,
        "choices": _choices(case) if case.settled_at is None else [],
    }


def _names(case: ResolutionCase) -> tuple[str, str]:
    found = {outcome.index: outcome.name for outcome in case.market.outcomes.all()}
    return found.get(0, "outcome 0"), found.get(1, "outcome 1")


def _choices(case: ResolutionCase) -> list[tuple[str, str]]:
    """(decision, what it does) of those that are possible."""
    first, second = _names(case)
    ask = ("ask", "Ask all sources again; nothing is booked")
    if getattr(case.market, "resolution", None) is not None:
        return [("keep", "Keep the booked result and close the case"), ask]
    both = f"50/50: a share of either pays $0.50 ({first} and {second})"
    return [
        ("0", f"{first} won: a share of {first} pays $1, of {second} nothing"),
        ("1", f"{second} won: a share of {second} pays $1, of {first} nothing"),
        *([] if case.market.neg_risk else [("half", both)]),
        ask,
    ]


def _in_words(row: dict[str, Any], names: tuple[str, str]) -> dict[str, Any]:
    """One source's word for a person."""
    said, tone = SAID.get(row["said"], (row["said"], ""))
    verdicts = {"1": f"{names[0]} won", "0": f"{names[1]} won", "0.5": "50/50"}
    return {
        "source": wire_resolution.NAMES.get(row["source"], row["source"]).capitalize(),
        "said": verdicts.get(row["payout"] or "", said),
        "tone": tone,
        "detail": row["detail"],
        "resolved_at": parse_datetime(row["resolved_at"] or ""),
        "asked_at": parse_datetime(row["asked_at"]),
    }
