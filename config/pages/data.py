"""How fresh and complete is what we know? Streams, sources, catalogue, history, open questions."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from config.pages import data_kept, data_sources


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Everything on one page; the number of queries does not grow with rows."""
    now = timezone.now()
    # What a source answered may name addresses and keys of others: only staff read it.
    staff = bool(getattr(request.user, "is_staff", False))
    shown: dict[str, Any] = {
        "nav": "data",
        **data_sources.read(as_of=now, staff=staff),
        **data_kept.read(as_of=now, staff=staff),
    }
    return render(request, "pages/data.html", shown)
