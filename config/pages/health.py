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
    """`ok`, `starting`, or `degraded` with status 503; details for staff, names for anybody."""
    report = checks.examine(as_of=timezone.now(), up_s=checks.uptime_s())
    body = report if request.user.is_staff else checks.summary(report)
    return _json(body, status=503 if report["status"] == "degraded" else 200)


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
    honesty = serializers.CharField(help_text="one sentence that says what is simulated")
    placing_orders = serializers.BooleanField(help_text="false: watching only")
    dry_run = serializers.BooleanField(help_text="true: intents end before an order is made")
    risk_equity = Dollars(allow_null=True)
    peak = Dollars(allow_null=True)
    cash = Dollars(allow_null=True)
    reserved = Dollars(allow_null=True)
    open_cost = Dollars(allow_null=True)
    open_liquidation = Dollars(allow_null=True)
    redeemable = Dollars(allow_null=True)
    realised = Dollars(allow_null=True)  # the ledger's account, before fees
    realised_after_fees = Dollars(allow_null=True)
    fees = Dollars(allow_null=True)
    drawdown = serializers.FloatField(
        allow_null=True, help_text="fraction of the peak of risk equity, in [0, 1]"
    )
    drawdown_since_start = serializers.FloatField(help_text="the same, whatever peak was reset")
    unknown_orders = serializers.IntegerField()
    tracked = serializers.IntegerField()
    data_age_s = serializers.FloatField(allow_null=True)
    prediction_age_s = serializers.FloatField(allow_null=True)
    not_understood = serializers.IntegerField()
    late = serializers.ListField(child=serializers.CharField(), help_text="silent components")
    beats = serializers.ListField(
        child=serializers.DictField(), help_text="component, age_s, period_s, late, note"
    )
    funnel = serializers.ListField(
        child=serializers.DictField(),
        help_text="stage, reason, count, unit: markets as of now, forecasts and orders of an hour",
    )


class Status(APIView):
    """What is going on now."""

    @extend_schema(summary="Status", operation_id="status", responses=StatusReport)
    def get(self, request: Request) -> Response:
        """One reading."""
        return Response(checks.describe(situation.read(as_of=timezone.now())))


class Health(APIView):
    """The same as `/health`: money and components need `/api/v1/status/`."""

    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Health",
        operation_id="health",
        responses=inline_serializer(
            "HealthReport",
            {
                "status": serializers.ChoiceField(["ok", "starting", "degraded"]),
                "failing": serializers.ListField(child=serializers.CharField(), required=False),
                "silent": serializers.ListField(child=serializers.CharField(), required=False),
            },
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        """`ok`, `starting` or `degraded`."""
        return health(request._request)  # noqa: SLF001 - DRF's documented way back to Django's request
