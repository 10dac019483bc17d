"""Signals, intents, orders, trades and positions over REST."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from config.kernel.listing import Dollars, Price, RowList
from trading.models import Fill, Order, Position, Signal, TradeIntent


class SignalRow(serializers.Serializer[Any]):
    """What one forecast was worth against the book, and why it passed or died."""

    id = serializers.IntegerField()
    prediction_id = serializers.IntegerField()
    market_id = serializers.IntegerField()
    as_of = serializers.DateTimeField()
    outcome_index = serializers.IntegerField()
    probability = serializers.FloatField()
    cost = serializers.FloatField(allow_null=True)
    fee = serializers.FloatField(allow_null=True)
    gross_edge = serializers.FloatField(allow_null=True)
    net_edge = serializers.FloatField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    strength = serializers.CharField()
    reason = serializers.CharField(help_text="PASSED, or the first gate that stopped it")


class SignalFilter(filters.FilterSet):  # type: ignore[misc]
    """By market, reason and time."""

    market = filters.NumberFilter(field_name="market_id")
    since = filters.IsoDateTimeFilter(field_name="as_of", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="as_of", lookup_expr="lt")

    class Meta:
        model = Signal
        fields = ("reason", "strength")


@extend_schema_view(get=extend_schema(summary="Signals", operation_id="signals_list"))
class Signals(RowList):
    """Signals, newest first."""

    rows = Signal.objects.order_by()
    serializer_class = SignalRow
    filterset_class = SignalFilter


class IntentRow(serializers.Serializer[Any]):
    """A sized wish on its way to an order."""

    id = serializers.UUIDField()
    mode = serializers.CharField()
    market_id = serializers.IntegerField()
    outcome_name = serializers.CharField(source="outcome.name")
    side = serializers.CharField()
    shares = Dollars()
    limit_price = Price()
    strategy = serializers.CharField()
    status = serializers.CharField()
    net_edge = serializers.FloatField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    reason = serializers.CharField()


@extend_schema_view(get=extend_schema(summary="Intents", operation_id="intents_list"))
class Intents(RowList):
    """Intents, newest first."""

    rows = TradeIntent.objects.order_by()
    serializer_class = IntentRow
    filterset_fields = ("mode", "status", "market", "strategy")
    newest_by = "-created_at"


class OrderRow(serializers.Serializer[Any]):
    """One instruction to a venue."""

    id = serializers.UUIDField()
    intent_id = serializers.UUIDField()
    mode = serializers.CharField()
    market_id = serializers.IntegerField()
    outcome_name = serializers.CharField(source="outcome.name")
    side = serializers.CharField()
    type = serializers.CharField()
    price = Price()
    shares = Dollars()
    filled_shares = Dollars()
    status = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()


@extend_schema_view(get=extend_schema(summary="Orders", operation_id="orders_list"))
class Orders(RowList):
    """Orders, newest first."""

    rows = Order.objects.order_by()
    serializer_class = OrderRow
    filterset_fields = ("mode", "status", "market")
    newest_by = "-created_at"


class TradeRow(serializers.Serializer[Any]):
    """One execution."""

    id = serializers.IntegerField()
    mode = serializers.CharField()
    order_id = serializers.UUIDField()
    market_id = serializers.IntegerField(source="order.market_id")
    question = serializers.CharField(source="order.market.question")
    outcome_name = serializers.CharField(source="order.outcome.name")
    side = serializers.CharField(source="order.side")
    price = Price()
    shares = Dollars()
    fee = Dollars()
    observed_at = serializers.DateTimeField()


class TradeFilter(filters.FilterSet):  # type: ignore[misc]
    """By market, mode and time."""

    market = filters.NumberFilter(field_name="order__market_id")
    since = filters.IsoDateTimeFilter(field_name="observed_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="observed_at", lookup_expr="lt")

    class Meta:
        model = Fill
        fields = ("mode",)


@extend_schema_view(get=extend_schema(summary="Trades", operation_id="trades_list"))
class Trades(RowList):
    """Executions, newest first."""

    rows = Fill.objects.order_by()
    serializer_class = TradeRow
    filterset_class = TradeFilter


@extend_schema_view(
    get=extend_schema(summary="Fills: the same rows as trades", operation_id="fills_list")
)
class Fills(Trades):
    """Executions by the name that they have everywhere else, newest first."""


class PositionRow(serializers.Serializer[Any]):
    """Shares held of one outcome."""

    id = serializers.IntegerField()
    mode = serializers.CharField()
    market_id = serializers.IntegerField()
    question = serializers.CharField(source="market.question")
    outcome_name = serializers.CharField(source="outcome.name")
    shares = Dollars()
    cost = Dollars()
    realised = Dollars()
    fees = Dollars()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class PositionFilter(filters.FilterSet):  # type: ignore[misc]
    """Open ones only, or of one mode or market."""

    open = filters.BooleanFilter(field_name="closed_at", lookup_expr="isnull")

    class Meta:
        model = Position
        fields = ("mode", "market")


@extend_schema_view(get=extend_schema(summary="Positions", operation_id="positions_list"))
class Positions(RowList):
    """Positions, newest first."""

    rows = Position.objects.order_by()
    serializer_class = PositionRow
    filterset_class = PositionFilter
