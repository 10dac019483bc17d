"""Markets over REST."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import RetrieveAPIView

from config.kernel.listing import Dollars, Price, RowList
from markets.models import Market


class MarketRow(serializers.Serializer[Any]):
    """One binary question; prices elsewhere are those of outcome 0."""

    id = serializers.IntegerField()
    venue = serializers.CharField()
    question = serializers.CharField()
    slug = serializers.CharField()
    condition_id = serializers.CharField(allow_null=True)
    category = serializers.CharField()
    event_id = serializers.IntegerField()
    origin = serializers.CharField(help_text="VENUE, IMPORT or SANDBOX (simulated)")
    tracked = serializers.BooleanField()
    filter_reason = serializers.CharField()
    opens_at = serializers.DateTimeField(allow_null=True)
    scheduled_end_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    accepting_orders = serializers.BooleanField(allow_null=True)
    volume = serializers.FloatField(allow_null=True)
    liquidity = serializers.FloatField(allow_null=True)


class OutcomeRow(serializers.Serializer[Any]):
    """One side of a market."""

    index = serializers.IntegerField()
    name = serializers.CharField()
    asset_id = serializers.CharField(allow_null=True)


class ResolutionRow(serializers.Serializer[Any]):
    """How a market ended."""

    payout_0 = Price()
    payout_1 = Price()
    source = serializers.CharField()  # type: ignore[assignment]
    strength = serializers.CharField()
    resolved_at = serializers.DateTimeField()


class MarketDetail(MarketRow):
    """A market with its sides and, once known, its end."""

    outcomes = OutcomeRow(many=True)
    resolution = ResolutionRow(allow_null=True, default=None)
    tick_size = Price(allow_null=True)
    min_shares = Dollars(allow_null=True)


class MarketFilter(filters.FilterSet):  # type: ignore[misc]
    """What a list of markets can be narrowed to."""

    search = filters.CharFilter(field_name="question", lookup_expr="icontains")
    ends_before = filters.IsoDateTimeFilter(field_name="scheduled_end_at", lookup_expr="lt")
    ends_after = filters.IsoDateTimeFilter(field_name="scheduled_end_at", lookup_expr="gte")

    class Meta:
        model = Market
        fields = ("category", "origin", "tracked", "filter_reason", "event")


@extend_schema_view(get=extend_schema(summary="Markets", operation_id="markets_list"))
class Markets(RowList):
    """Markets, newest first."""

    rows = Market.objects.order_by()
    serializer_class = MarketRow
    filterset_class = MarketFilter


@extend_schema_view(get=extend_schema(summary="One market", operation_id="markets_read"))
class OneMarket(RetrieveAPIView[Market]):
    """One market with its sides and, once known, its end."""

    serializer_class = MarketDetail

    def get_queryset(self) -> QuerySet[Market]:
        return Market.objects.select_related("resolution").prefetch_related("outcomes")
