"""What surrounds the markets over REST: wallets, calendar, news, spot prices, notices."""

from dataclasses import asdict
from math import isnan
from typing import Any

from django.db.models import BooleanField, Case, OuterRef, QuerySet, Subquery, Value, When
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.listing import RowList, columns
from markets import spot_prices
from markets.core.spot import Consensus
from markets.models import (
    CalendarEvent,
    Market,
    NewsItem,
    Notice,
    Quote,
    QuoteKind,
    SpotSettings,
    SpotTick,
    WalletScore,
)


class WhaleRow(serializers.Serializer[Any]):
    """A wallet's newest score in one category; only wallets with enough ended events."""

    address = serializers.CharField(source="wallet_id")
    name = serializers.CharField(source="wallet.name")
    category = serializers.CharField(help_text="blank = all")
    as_of = serializers.DateTimeField()
    events = serializers.IntegerField(help_text="ended events in the sample")
    skilled = serializers.BooleanField(help_text="survives the test over all wallets")
    skill = serializers.FloatField(help_text="return on cost, shrunk towards zero")
    skill_low = serializers.FloatField()
    skill_high = serializers.FloatField()
    informed = serializers.FloatField(allow_null=True, help_text="0 … 1; null = too few")
    pnl = serializers.FloatField(help_text="dollars")


class WhaleFilter(filters.FilterSet):  # type: ignore[misc]
    """By category and by whether the skill survives the test."""

    category = filters.CharFilter(method="_chosen", help_text="one category; without it: all")

    class Meta:
        model = WalletScore
        fields = ("skilled",)

    def _chosen(self, rows: QuerySet[Any], _name: str, _value: str) -> QuerySet[Any]:
        """The view chose by it already: only one judgement of one category is read."""
        return rows


@extend_schema_view(get=extend_schema(summary="Best wallets", operation_id="whales_top"))
class TopWhales(RowList):
    """The newest judgement of a category, the surest skill first."""

    rows = WalletScore.objects.order_by()
    serializer_class = WhaleRow
    filterset_class = WhaleFilter
    newest_by = "-skill_low"

    def get_queryset(self) -> QuerySet[Any]:
        """The wallets with enough ended events when the category was judged last."""
        asked = getattr(self.request, "query_params", {}) if self.request else {}
        scores = WalletScore.objects.filter(category=asked.get("category", ""))
        newest = scores.order_by("-as_of").values("as_of")[:1]
        found = super().get_queryset().filter(category=asked.get("category", ""), enough=True)
        return found.filter(as_of=Subquery(newest))


class CalendarRow(serializers.Serializer[Any]):
    """A scheduled release or meeting."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    title = serializers.CharField()
    country = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    scheduled_at = serializers.DateTimeField()
    all_day = serializers.BooleanField(help_text="true: no time of day was published")
    importance = serializers.IntegerField(help_text="1 low, 2 medium, 3 high")
    cancelled = serializers.BooleanField()
    received_at = serializers.DateTimeField()


class CalendarFilter(filters.FilterSet):  # type: ignore[misc]
    """By kind, importance, market and time."""

    since = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="scheduled_at", lookup_expr="lt")
    market = filters.NumberFilter(field_name="impacts__market_id")
    min_importance = filters.NumberFilter(field_name="importance", lookup_expr="gte")

    class Meta:
        model = CalendarEvent
        fields = ("kind", "country", "cancelled")


@extend_schema_view(get=extend_schema(summary="Calendar", operation_id="calendar_events"))
class CalendarEvents(RowList):
    """Scheduled events by time, the earliest first; `since` leaves out what is over."""

    rows = CalendarEvent.objects.order_by()
    serializer_class = CalendarRow
    filterset_class = CalendarFilter
    newest_by = "scheduled_at"


class NewsRow(serializers.Serializer[Any]):
    """A headline or post."""

    digest = serializers.CharField()
    kind = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    publisher = serializers.CharField()
    title = serializers.CharField()
    url = serializers.CharField()
    published_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    sentiment = serializers.FloatField(allow_null=True, help_text="-1 … 1; null = not read")
    simulated = serializers.BooleanField()


class NewsFilter(filters.FilterSet):  # type: ignore[misc]
    """By source, market, words and time."""

    search = filters.CharFilter(field_name="title", lookup_expr="icontains")
    since = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="lt")
    market = filters.NumberFilter(field_name="links__market_id")

    class Meta:
        model = NewsItem
        fields = ("kind", "source", "simulated")


@extend_schema_view(get=extend_schema(summary="News", operation_id="news_list"))
class News(RowList):
    """Headlines and posts, the newest first."""

    rows = NewsItem.objects.order_by()
    serializer_class = NewsRow
    filterset_class = NewsFilter
    newest_by = "-received_at"


class ReadingRow(serializers.Serializer[Any]):
    """The newest price of one source."""

    source = serializers.CharField()  # type: ignore[assignment]
    price = serializers.FloatField(help_text="dollars")
    age_s = serializers.FloatField()
    fresh = serializers.BooleanField(help_text="false: too old to count")
    deviation_bps = serializers.FloatField(allow_null=True, help_text="null = not fresh")
    outlier = serializers.BooleanField()


class SpotRow(serializers.Serializer[Any]):
    """What the sources agree on about one asset now."""

    asset = serializers.CharField()
    price = serializers.FloatField(allow_null=True, help_text="dollars; null = no consensus")
    reason = serializers.CharField(help_text="why there is no consensus")
    readings = ReadingRow(many=True)


@extend_schema_view(
    get=extend_schema(
        summary="Spot prices now",
        operation_id="spot_list",
        parameters=[OpenApiParameter("asset", str, description="one asset, e.g. btc")],
    )
)
class Spot(GenericAPIView[Any]):
    """The consensus of each followed asset, in one page."""

    queryset = SpotTick.objects.none()
    serializer_class = SpotRow

    def get(self, request: Request) -> Response:
        """One row an asset."""
        now = timezone.now()
        asked = request.query_params.get("asset")
        assets = SpotSettings.objects.current(as_of=now).as_config().assets
        wanted = [asset for asset in assets if asked in (None, asset)]
        found = spot_prices.spot_all(wanted, as_of=now)
        rows = [_spot_row(consensus) for consensus in found.values()]
        return Response({"next": None, "previous": None, "results": rows})


def _spot_row(found: Consensus) -> dict[str, Any]:
    readings = [asdict(reading) for reading in found.readings]
    for reading in readings:
        if isnan(reading["deviation_bps"]):
            reading["deviation_bps"] = None
    return {
        "asset": found.asset,
        "price": found.price,
        "reason": found.reason,
        "readings": readings,
    }


class NoticeRow(serializers.Serializer[Any]):
    """Something noteworthy that ingestion saw."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    severity = serializers.CharField()
    subject = serializers.CharField()
    text = serializers.CharField()
    market_id = serializers.IntegerField(allow_null=True)
    observed_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()


class NoticeFilter(filters.FilterSet):  # type: ignore[misc]
    """By kind, severity, market and time."""

    market = filters.NumberFilter(field_name="market_id")
    since = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="lt")

    class Meta:
        model = Notice
        fields = ("kind", "severity")


@extend_schema_view(get=extend_schema(summary="Notices", operation_id="notices_list"))
class Notices(RowList):
    """Notices, the newest first."""

    rows = Notice.objects.order_by()
    serializer_class = NoticeRow
    filterset_class = NoticeFilter


LIVE = Case(
    When(kind=QuoteKind.BOOK_TOP, then=Value(True)),  # noqa: FBT003 - SQL's value
    default=Value(False),  # noqa: FBT003 - SQL's value
    output_field=BooleanField(),
)


class LiveRow(serializers.Serializer[Any]):
    """A followed market with its newest book top; prices are those of outcome 0."""

    id = serializers.IntegerField()
    question = serializers.CharField()
    profile = serializers.CharField()
    scheduled_end_at = serializers.DateTimeField(allow_null=True)
    bid = serializers.FloatField(allow_null=True)
    ask = serializers.FloatField(allow_null=True)
    bid_depth = serializers.FloatField(allow_null=True, help_text="shares")
    ask_depth = serializers.FloatField(allow_null=True, help_text="shares")
    book_at = serializers.DateTimeField(
        allow_null=True, help_text="with bid and ask null: the live stream broke then"
    )
    is_live = serializers.BooleanField(
        allow_null=True, help_text="true: told by the stream; false: polled; null: no book"
    )


class LiveFilter(filters.FilterSet):  # type: ignore[misc]
    """By universe, category and asset."""

    class Meta:
        model = Market
        fields = ("profile", "category", "asset")


@extend_schema_view(
    get=extend_schema(summary="Followed markets, live", operation_id="live_markets")
)
class LiveMarkets(RowList):
    """Followed markets with the newest top of their book, the newest market first."""

    rows = Market.objects.filter(tracked=True).order_by()
    serializer_class = LiveRow
    filterset_class = LiveFilter

    def get_queryset(self) -> QuerySet[Any]:
        """One probe of the quotes' index a column and market of the page, in one query."""
        newest = Quote.objects.filter(
            market=OuterRef("pk"), kind__in=(QuoteKind.BOOK, QuoteKind.BOOK_TOP)
        ).order_by("-observed_at")
        top = {name: Subquery(newest.values(name)[:1]) for name in ("bid", "ask", "bid_depth")}
        found: QuerySet[Any] = self.rows.annotate(
            **top,
            ask_depth=Subquery(newest.values("ask_depth")[:1]),
            book_at=Subquery(newest.values("observed_at")[:1]),
            is_live=Subquery(newest.annotate(live=LIVE).values("live")[:1]),
        ).values(*columns(LiveRow))
        return found
