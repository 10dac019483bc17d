"""What every page shows: mode, state, open halts, and a sentence that says what is simulated."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from config.pages import situation


def trading_banner(request: HttpRequest) -> dict[str, Any]:
    """`banner` for signed-in users; read when a template first asks for it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"banner": None}
    return {"banner": SimpleLazyObject(lambda: of(request))}


def of(request: HttpRequest) -> situation.Banner:
    """The banner of this request, read once."""
    known = request.META.get("oddsmith.banner")
    if not isinstance(known, situation.Banner):
        known = request.META["oddsmith.banner"] = situation.banner(as_of=timezone.now())
    return known
