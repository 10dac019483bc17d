"""DRF defaults: fast JSON, newest-first cursor pages, errors a program can read."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler


class FastJSON(BaseRenderer):
    """JSON through orjson; decimals as text so that no cent is lost."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The bytes of `data`."""
        return (
            b"" if data is None else orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)
        )


class NewestFirst(CursorPagination):
    """Cursor pages: any depth costs the same."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
    ordering = "-id"


def explain_error(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Every error has the shape `{code, message, fields}`."""
    response = exception_handler(exc, dict(context))
    if response is None:
        return None
    detail = response.data
    message = detail.get("detail") if isinstance(detail, dict) else None
    fields = detail if message is None else {}
    response.data = {
        "code": getattr(message, "code", None) or getattr(exc, "default_code", "error"),
        "message": str(message or "the request was not valid; see fields"),
        "fields": fields if isinstance(fields, dict) else {"request": fields},
    }
    return response
