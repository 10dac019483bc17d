"""What was learned and replayed, over REST."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.kernel.listing import RowList
from mlops import collect
from mlops.models import Backtest, CohortScore, DriftReport, OnlineWeights, TrainingRun


class TrainingRow(serializers.Serializer[Any]):
    """One training and what came of it."""

    id = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    status = serializers.CharField()
    horizon = serializers.CharField()
    trials = serializers.IntegerField(help_text="configurations tried on its data")
    seed = serializers.IntegerField()
    version_id = serializers.IntegerField(allow_null=True)
    metrics = serializers.CharField(help_text="JSON")
    error = serializers.CharField()


@extend_schema_view(get=extend_schema(summary="Training runs", operation_id="trainings_list"))
class Trainings(RowList):
    """Training runs, newest first."""

    rows = TrainingRun.objects.order_by()
    serializer_class = TrainingRow
    filterset_fields = ("status", "horizon")


class ModelCard(serializers.ModelSerializer[TrainingRun]):
    """What a training learned from, how it did against the price, and what drove it."""

    card = serializers.CharField(help_text="JSON model card")

    class Meta:
        model = TrainingRun
        fields = ("id", "status", "horizon", "version_id", "card")


@extend_schema_view(get=extend_schema(summary="Model card of a training", operation_id="card"))
class OneCard(RetrieveAPIView[TrainingRun]):
    """The model card of one training."""

    serializer_class = ModelCard
    queryset = TrainingRun.objects.all()


class BarRow(serializers.Serializer[Any]):
    """One thing that must be there: `have` of `need`."""

    name = serializers.CharField()
    have = serializers.IntegerField()
    need = serializers.IntegerField()


class CollectingRow(serializers.Serializer[Any]):
    """How far the collecting has come."""

    phase = serializers.ChoiceField(
        [collect.OFF, collect.COLLECTING, collect.READY, collect.FORECASTING]
    )
    forecasts = serializers.IntegerField(allow_null=True, help_text="all, an estimate")
    forecasts_of_day = serializers.IntegerField()
    answered_markets = serializers.IntegerField(help_text="forecast before, with a strong answer")
    imported_markets = serializers.IntegerField()
    ended_markets = serializers.IntegerField()
    labelling_rate = serializers.FloatField(allow_null=True)
    minimum = BarRow(many=True)
    experts = BarRow(many=True)


class Collecting(APIView):
    """What was collected, and what is needed before experts may forecast."""

    @extend_schema(summary="Collecting", operation_id="learning_progress", responses=CollectingRow)
    def get(self, request: Request) -> Response:
        """The state now."""
        return Response(CollectingRow(collect.progress(as_of=timezone.now())).data)


class ScoreRow(serializers.Serializer[Any]):
    """One version on the events answered on one day, against the price; means over events."""

    id = serializers.IntegerField()
    expert_id = serializers.CharField()
    version_id = serializers.IntegerField()
    horizon = serializers.CharField()
    origin = serializers.CharField(source="source", help_text="LIVE, or OOF: out of fold")
    cohort = serializers.DateField()
    events = serializers.IntegerField()
    brier_market = serializers.FloatField()
    brier_expert = serializers.FloatField()
    log_loss_market = serializers.FloatField()
    log_loss_expert = serializers.FloatField()


@extend_schema_view(get=extend_schema(summary="Scores of experts", operation_id="scores_list"))
class Scores(RowList):
    """Performance of every version by day, newest first."""

    rows = CohortScore.objects.order_by()
    serializer_class = ScoreRow
    filterset_fields = ("expert", "version", "horizon", "source")


class TrustRow(serializers.Serializer[Any]):
    """How much market and gate were trusted after so many answered events."""

    id = serializers.IntegerField()
    as_of = serializers.DateTimeField()
    horizon = serializers.CharField()
    method = serializers.CharField()
    events = serializers.IntegerField()
    weights = serializers.CharField(help_text="JSON: name → share")
    losses = serializers.CharField(help_text="JSON: name → cumulative log loss")


@extend_schema_view(get=extend_schema(summary="Online weights", operation_id="trust_list"))
class Trust(RowList):
    """Online weights, newest first."""

    rows = OnlineWeights.objects.order_by()
    serializer_class = TrustRow
    filterset_fields = ("horizon",)


class DriftRow(serializers.Serializer[Any]):
    """One look at what moved since a version was trained."""

    id = serializers.IntegerField()
    checked_at = serializers.DateTimeField()
    horizon = serializers.CharField()
    version_id = serializers.IntegerField(allow_null=True)
    kind = serializers.CharField()
    verdict = serializers.CharField()
    rows = serializers.IntegerField()
    worst = serializers.CharField()
    statistic = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)


@extend_schema_view(get=extend_schema(summary="Drift", operation_id="drift_list"))
class Drift(RowList):
    """Drift reports, newest first."""

    rows = DriftReport.objects.order_by()
    serializer_class = DriftRow
    filterset_fields = ("kind", "verdict", "horizon")


class BacktestRow(serializers.Serializer[Any]):
    """One replay over history."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()
    seed = serializers.IntegerField()
    events = serializers.IntegerField()
    trades = serializers.IntegerField()
    data_digest = serializers.CharField()
    result = serializers.CharField(help_text="JSON report")


@extend_schema_view(get=extend_schema(summary="Backtests", operation_id="backtests_list"))
class Backtests(RowList):
    """Backtests, newest first."""

    rows = Backtest.objects.order_by()
    serializer_class = BacktestRow
