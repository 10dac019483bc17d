"""Forecasts and experts over REST."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from config.kernel.listing import RowList
from predictions.models import Expert, Prediction


class PredictionRow(serializers.Serializer[Any]):
    """A forecast of outcome 0 at one instant."""

    id = serializers.IntegerField()
    market_id = serializers.IntegerField()
    horizon = serializers.CharField()
    as_of = serializers.DateTimeField()
    price = serializers.FloatField(
        allow_null=True, help_text="market mid at as_of: the baseline; null: none was fresh"
    )
    probability = serializers.FloatField()
    sigma = serializers.FloatField(help_text="standard error of probability")
    source = serializers.CharField(help_text="EXPERTS, ENSEMBLE, RECALIBRATED, PRICE or NEUTRAL")  # type: ignore[assignment]
    version_id = serializers.IntegerField(allow_null=True)
    weights = serializers.CharField(help_text="effective weights, as JSON")
    cap = serializers.FloatField(help_text="largest weight of the correction that applied")


class PredictionFilter(filters.FilterSet):  # type: ignore[misc]
    """By market, source and time."""

    market = filters.NumberFilter(field_name="market_id")
    since = filters.IsoDateTimeFilter(field_name="as_of", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="as_of", lookup_expr="lt")

    class Meta:
        model = Prediction
        fields = ("source", "horizon")


@extend_schema_view(get=extend_schema(summary="Forecasts", operation_id="predictions_list"))
class Predictions(RowList):
    """Forecasts, newest first."""

    rows = Prediction.objects.order_by()
    serializer_class = PredictionRow
    filterset_class = PredictionFilter


class ExpertRow(serializers.Serializer[Any]):
    """One forecaster; only ACTIVE ones are served."""

    slug = serializers.CharField()
    name = serializers.CharField()
    family = serializers.CharField()
    algorithm = serializers.CharField()
    horizon = serializers.CharField()
    state = serializers.CharField()
    served_id = serializers.IntegerField(allow_null=True)
    challenger_id = serializers.IntegerField(allow_null=True)
    validated_at = serializers.DateTimeField(allow_null=True)
    note = serializers.CharField()


@extend_schema_view(get=extend_schema(summary="Experts", operation_id="experts_list"))
class Experts(RowList):
    """Experts by name."""

    rows = Expert.objects.order_by()
    serializer_class = ExpertRow
    filterset_fields = ("state", "family", "algorithm", "horizon")
    newest_by = "slug"
