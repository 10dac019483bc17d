"""What was learned and replayed, over REST."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from config.kernel.listing import RowList
from mlops.models import Backtest, TrainingRun


class TrainingRow(serializers.Serializer[Any]):
    """One training and what came of it."""

    id = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    status = serializers.CharField()
    seed = serializers.IntegerField()
    version_id = serializers.IntegerField(allow_null=True)
    metrics = serializers.CharField(help_text="JSON")
    error = serializers.CharField()


@extend_schema_view(get=extend_schema(summary="Training runs", operation_id="trainings_list"))
class Trainings(RowList):
    """Training runs, newest first."""

    rows = TrainingRun.objects.order_by()
    serializer_class = TrainingRow
    filterset_fields = ("status",)


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
