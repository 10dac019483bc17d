"""One intent with what it is worth by now, and a person's yes or no to it, over REST."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.kernel.listing import Dollars, Price, Problem, StaffOnly
from trading import market_data
from trading.approving import waiting
from trading.approving.waiting import Waiting
from trading.core.approval import MAY_DECIDE
from trading.models import TradeIntent


class ApprovalRow(serializers.Serializer[Any]):
    """What somebody, or a rule, said."""

    actor = serializers.CharField()
    approved = serializers.BooleanField()
    reason = serializers.CharField()
    decided_at = serializers.DateTimeField()


class IntentNow(serializers.Serializer[Any]):
    """An intent as it was made and as it stands; edges in dollars a share after the fee.

    `edge_at_limit` is what the gate judges at a yes, `edge_now` the forecast against today's price.
    """

    id = serializers.UUIDField(source="intent.id")
    mode = serializers.CharField(source="intent.mode")
    market_id = serializers.IntegerField(source="intent.market_id")
    outcome_name = serializers.CharField(source="intent.outcome.name")
    side = serializers.CharField(source="intent.side")
    purpose = serializers.CharField(source="intent.purpose")
    type = serializers.CharField(source="intent.type")
    shares = Dollars(source="intent.shares")
    limit_price = serializers.DecimalField(
        max_digits=7, decimal_places=6, source="intent.limit_price"
    )
    strategy = serializers.CharField(source="intent.strategy")
    status = serializers.CharField(source="intent.status")
    reason = serializers.CharField(source="intent.reason")
    created_at = serializers.DateTimeField(source="intent.created_at")
    expires_at = serializers.DateTimeField(source="intent.expires_at")
    seconds_left = serializers.FloatField()
    cost = Dollars()
    edge_then = serializers.FloatField(allow_null=True)
    edge_now = serializers.FloatField(allow_null=True)
    edge_at_limit = serializers.FloatField(allow_null=True)
    believed = serializers.FloatField(allow_null=True)
    chance_then = serializers.FloatField(allow_null=True)
    chance_now = serializers.FloatField(allow_null=True)
    price_now = Price(allow_null=True)
    offered = Dollars()
    depth = Dollars()
    book_age_s = serializers.FloatField(allow_null=True)
    stopped = serializers.CharField(help_text="what halts it; empty where a yes could count")
    refusal = serializers.SerializerMethodField(
        help_text="why the gate would refuse now, by the same book; empty where it would agree, "
        "null for what no longer waits"
    )
    approvals_needed = serializers.IntegerField(source="intent.approvals_needed")
    approvals = ApprovalRow(many=True, source="intent.approval_set.all")

    def get_refusal(self, found: Waiting) -> str | None:
        """By the book and at the instant of the other figures."""
        if found.intent.status != TradeIntent.Status.PENDING or found.seconds_left <= 0:
            return None
        from trading.approving import review  # noqa: PLC0415 - loads the decision's libraries, rarely needed

        return review.would_refuse(found, as_of=self.context["as_of"])


class Reason(serializers.Serializer[Any]):
    """Why, in one sentence."""

    reason = serializers.CharField(max_length=400)


class ManyIntents(Reason):
    """Which ones, and why."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=500)


class Rejected(serializers.Serializer[Any]):
    """What became of many at once."""

    rejected = serializers.ListField(child=serializers.UUIDField())
    late = serializers.ListField(child=serializers.UUIDField())


class Conflict(APIException):
    """The intent can no longer be decided, or not by this person, or the gate disagrees."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class OneIntent(APIView):
    """One intent."""

    @extend_schema(
        summary="One intent, with its edge now",
        operation_id="intents_detail",
        responses={200: IntentNow, 404: Problem},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(_now(pk))


class _Deciding(APIView):
    permission_classes = (StaffOnly,)
    required = MAY_DECIDE


class Approve(_Deciding):
    """A person's yes."""

    @extend_schema(
        summary="Approve an intent; the risk gate is asked again",
        operation_id="intents_approve",
        request=Reason,
        responses={200: IntentNow, 400: Problem, 403: Problem, 404: Problem, 409: Problem},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """409 with code `late`, `halted`, `said_before` or `gate_refused` where not approved."""
        from trading.approving import intents  # noqa: PLC0415 - loads the decision's libraries, rarely needed

        said, intent = _said(request), _found(pk)
        try:
            result = intents.approve(
                intent, refresh=market_data.from_venue, clock=timezone.now, **said
            )
        except intents.NotPending as late:
            raise Conflict(str(late), code="late") from late
        except intents.Stopped as halt:
            raise Conflict(str(halt), code="halted") from halt
        except intents.SaidYesBefore as twice:
            raise Conflict(str(twice), code="said_before") from twice
        if result.status == TradeIntent.Status.REJECTED:
            raise Conflict(result.reason, code="gate_refused")
        return Response(_now(pk))


class Reject(_Deciding):
    """A person's no."""

    @extend_schema(
        summary="Reject an intent",
        operation_id="intents_reject",
        request=Reason,
        responses={200: IntentNow, 400: Problem, 403: Problem, 404: Problem, 409: Problem},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """409 with code `late` where it was decided or had expired."""
        from trading.approving import intents  # noqa: PLC0415 - loads the decision's libraries, rarely needed

        said, intent = _said(request), _found(pk)
        try:
            intents.reject(intent, clock=timezone.now, **said)
        except intents.NotPending as late:
            raise Conflict(str(late), code="late") from late
        return Response(_now(pk))


class RejectMany(_Deciding):
    """A person's no to several."""

    @extend_schema(
        summary="Reject several intents",
        operation_id="intents_reject_many",
        request=ManyIntents,
        responses={200: Rejected, 400: Problem, 403: Problem},
    )
    def post(self, request: Request) -> Response:
        """`late` names those that had been decided or had expired; an unknown id is neither."""
        from trading.approving import intents  # noqa: PLC0415 - loads the decision's libraries, rarely needed

        wish = ManyIntents(data=request.data)
        wish.is_valid(raise_exception=True)
        done = intents.reject_many(
            TradeIntent.objects.filter(pk__in=wish.validated_data["ids"]),
            user=request.user,
            reason=wish.validated_data["reason"],
            as_of=timezone.now(),
            clock=timezone.now,
        )
        told = {"rejected": [i.pk for i in done.rejected], "late": [i.pk for i in done.late]}
        return Response(Rejected(told).data)


def _said(request: Request) -> dict[str, Any]:
    wish = Reason(data=request.data)
    wish.is_valid(raise_exception=True)
    return {
        "user": request.user,
        "reason": wish.validated_data["reason"],
        "as_of": timezone.now(),
    }


def _found(pk: UUID) -> TradeIntent:
    intent = TradeIntent.objects.filter(pk=pk).first()
    if intent is None:
        raise NotFound(f"there is no intent {pk}")
    return intent


def _now(pk: UUID) -> Any:
    now = timezone.now()
    found = waiting.looked_at(TradeIntent.objects.filter(pk=pk), as_of=now)
    if not found:
        raise NotFound(f"there is no intent {pk}")
    return IntentNow(found[0], context={"as_of": now}).data
