"""What every page shows: mode and trading state."""

from typing import Any

from django.http import HttpRequest


def trading_banner(request: HttpRequest) -> dict[str, Any]:
    """Mode for the banner."""
    return {}
