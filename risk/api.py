"""Portfolio, decisions and halts over REST."""

from typing import Any

from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.kernel.listing import Dollars, Problem, RowList, StaffOnly, values
from risk import halts
from risk.models import EquityPoint, Halt, RiskDecision, TradingState


class EquityRow(serializers.Serializer[Any]):
    """The books of one mode; risk equity = cash + redeemable + Σ min(cost, liquidation value)."""

    id = serializers.IntegerField()
    mode = serializers.CharField()
    observed_at = serializers.DateTimeField()
    cash = Dollars()
    reserved = Dollars()
    redeemable = Dollars()
    open_cost = Dollars()
    open_mark = Dollars()
    open_liquidation = Dollars()
    risk_equity = Dollars()
    peak = Dollars()
    drawdown = serializers.FloatField()
    realised = Dollars()
    fees = Dollars()


class EquityFilter(filters.FilterSet):  # type: ignore[misc]
    """By mode and time."""

    since = filters.IsoDateTimeFilter(field_name="observed_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="observed_at", lookup_expr="lt")

    class Meta:
        model = EquityPoint
        fields = ("mode",)


@extend_schema_view(
    get=extend_schema(summary="Equity over time", operation_id="portfolio_equity_list")
)
class Equity(RowList):
    """Snapshots of the books, newest first."""

    rows = EquityPoint.objects.order_by()
    serializer_class = EquityRow
    filterset_class = EquityFilter


class LatestPortfolio(APIView):
    """The newest snapshot of the books."""

    @extend_schema(
        summary="Portfolio now",
        operation_id="portfolio_latest",
        responses={200: EquityRow, 404: Problem},
        parameters=[],
    )
    def get(self, request: Request) -> Response:
        """Of the mode in `?mode=`, else of whichever was written last."""
        points = EquityPoint.objects.order_by("-observed_at")
        if mode := request.query_params.get("mode"):
            points = points.filter(mode=mode)
        row = values(points, EquityRow).first()
        if row is None:
            raise NotFound("no snapshot of the books exists yet; the first cycle writes one")
        return Response(row)


class DecisionRow(serializers.Serializer[Any]):
    """What the gate said to one intended order."""

    id = serializers.IntegerField()
    market_id = serializers.IntegerField()
    mode = serializers.CharField()
    decided_at = serializers.DateTimeField()
    requested_shares = Dollars()
    approved_shares = Dollars()
    denials = serializers.CharField(help_text="reason codes, separated by spaces")
    limits_version = serializers.IntegerField()


class DecisionFilter(filters.FilterSet):  # type: ignore[misc]
    """By market, mode and time."""

    market = filters.NumberFilter(field_name="market_id")
    since = filters.IsoDateTimeFilter(field_name="decided_at", lookup_expr="gte")
    denial = filters.CharFilter(field_name="denials", lookup_expr="contains")

    class Meta:
        model = RiskDecision
        fields = ("mode",)


@extend_schema_view(
    get=extend_schema(summary="Decisions of the risk gate", operation_id="decisions_list")
)
class Decisions(RowList):
    """Decisions of the gate, newest first."""

    rows = RiskDecision.objects.order_by()
    serializer_class = DecisionRow
    filterset_class = DecisionFilter


class HaltRow(serializers.Serializer[Any]):
    """A stop, open while `released_at` is null."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    scope = serializers.CharField()
    scope_key = serializers.CharField()
    state = serializers.CharField()
    reason = serializers.CharField()
    resume_rule = serializers.CharField()
    opened_by = serializers.CharField()
    opened_at = serializers.DateTimeField()
    released_by = serializers.CharField()
    released_at = serializers.DateTimeField(allow_null=True)


class HaltRequest(serializers.Serializer[Any]):
    """Stop everything, in all modes, until a person resumes in the admin."""

    state = serializers.ChoiceField(
        choices=[c for c in TradingState.choices if c[0] != TradingState.ACTIVE],
        default=TradingState.HALTED.value,
    )
    reason = serializers.CharField(max_length=400)


class HaltFilter(filters.FilterSet):  # type: ignore[misc]
    """Open ones only, or of one state."""

    open = filters.BooleanFilter(field_name="released_at", lookup_expr="isnull")

    class Meta:
        model = Halt
        fields = ("state", "kind")


class Halts(RowList):
    """Halts, newest first; staff may open one."""

    rows = Halt.objects.order_by()
    serializer_class = HaltRow
    filterset_class = HaltFilter
    required = "risk.add_halt"

    def get_permissions(self) -> Any:
        return [StaffOnly()] if self.request.method == "POST" else super().get_permissions()

    @extend_schema(summary="Halts", operation_id="halts_list")
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        summary="Halt everything",
        operation_id="halts_open",
        request=HaltRequest,
        responses={201: HaltRow, 400: Problem, 403: Problem},
    )
    def post(self, request: Request) -> Response:
        wish = HaltRequest(data=request.data)
        wish.is_valid(raise_exception=True)
        halt = halts.open_halt(
            "MANUAL",
            state=TradingState(wish.validated_data["state"]),
            reason=wish.validated_data["reason"],
            resume_rule=Halt.Resume.MANUAL,
            actor=request.user.get_username(),
            as_of=timezone.now(),
        )
        return Response(HaltRow(halt).data, status=status.HTTP_201_CREATED)
