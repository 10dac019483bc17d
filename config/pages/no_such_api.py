"""An address under /api/ that leads nowhere: told as JSON, like every other mistake there."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect, JsonResponse
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def page(request: HttpRequest) -> HttpResponseBase:
    """404 as `{code, message, fields}`; to read, an address that lacks its last slash is led on."""
    with_slash = f"{request.path_info}/"
    if not request.path_info.endswith("/") and resolve(with_slash).func is not page:
        if request.method in ("GET", "HEAD"):
            query = f"?{request.META['QUERY_STRING']}" if request.META.get("QUERY_STRING") else ""
            return HttpResponsePermanentRedirect(f"{request.path}/{query}")
        return _told(f"there is nothing at {request.path}; write {with_slash}")
    return _told(f"there is nothing at {request.path}; /api/v1/docs/ lists what there is")


def _told(message: str) -> JsonResponse:
    body = {"code": "not_found", "message": message, "fields": {}}
    return JsonResponse(body, status=HTTPStatus.NOT_FOUND)
