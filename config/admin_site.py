"""The admin's front page: the control room."""

from typing import Any

from django.http import HttpRequest


def environment_label(request: HttpRequest) -> list[str]:
    """Text and colour of the label beside the title."""
    return ["PAPER", "info"]


def control_room(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds state, halts and heartbeats."""
    return context
