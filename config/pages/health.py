"""`/live` for a supervisor, `/health` for a monitor, `/api/v1/status/` for a program."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config import health as checks
from config.kernel.listing import Dollars
from config.pages import situation


def live(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return _json({"status": "ok"})


def health(request: HttpRequest) -> HttpResponse:
    """`ok`, or `degraded` with status 503; the components for staff only."""
    report = checks.examine(as_of=timezone.now())
    body = report if request.user.is_staff else {"status": report["status"]}
    return _json(body, status=200 if report["status"] == "ok" else 503)


def _json(body: dict[str, Any], *, status: int = 200) -> HttpResponse:
    response = HttpResponse(orjson.dumps(body), content_type="application/json", status=status)
    response["Cache-Control"] = "no-store"
    return response


class StatusReport(serializers.Serializer[Any]):
    """Mode, state, money and freshness; ages in seconds, null = never."""

    as_of = serializers.DateTimeField()
    mode = serializers.CharField()
    simulated = serializers.BooleanField(help_text="true: no real money moves")
    state = serializers.CharField(help_text="ACTIVE, LISTEN_ONLY, REDUCING or HALTED")
    halts = serializers.ListField(child=serializers.CharField())
    risk_equity = Dollars(allow_null=True)
    drawdown = serializers.FloatField(allow_null=True)
    unknown_orders = serializers.IntegerField()
    tracked = serializers.IntegerField()
    data_age_s = serializers.FloatField(allow_null=True)
    prediction_age_s = serializers.FloatField(allow_null=True)
    not_understood = serializers.IntegerField()
    late = serializers.ListField(child=serializers.CharField(), help_text="silent components")
    funnel = serializers.ListField(
        child=serializers.DictField(), help_text="stage, reason, count: the last hour"
    )


class Status(APIView):
    """What is going on now."""

    @extend_schema(summary="Status", operation_id="status", responses=StatusReport)
    def get(self, request: Request) -> Response:
        """One reading."""
        return Response(checks.describe(situation.read(as_of=timezone.now())))


class Health(APIView):
    """The same as `/health`."""

    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Health",
        operation_id="health",
        responses=inline_serializer("HealthReport", {"status": serializers.CharField()}),
    )
    def get(self, request: Request) -> HttpResponse:
        """`ok` or `degraded`."""
        return health(request._request)  # noqa: SLF001 - DRF's documented way back to Django's request
