"""What is going on now: mode, state, money, what needs a person. One reading serves every face."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, OuterRef, Subquery, Sum

from config.kernel.models import Heartbeat
from config.kernel.modes import Mode
from config.kernel.units import ZERO
from config.pages.words import STAGES, phrase
from markets.models import Market, Quote, RawMessage
from predictions.models import Prediction
from risk import equity, halts
from risk.models import EquityPoint, Halt, TradingState
from trading import queries as trading_queries
from trading.models import Order, Position
from trading.settings import TradingSettings

HONESTY = {
    Mode.DEMO: "Demo: a simulated world. No market, price or dollar on this page is real; "
    "its crowd errs on purpose, so a profit here proves nothing.",
    Mode.REHEARSAL: "Rehearsal: a simulated world. Orders are signed and sent as real ones are, "
    "to a stand-in exchange on this machine. No dollar here is real.",
    Mode.PAPER: "Paper trading: real prices, simulated orders. No real money moves.",
    Mode.LIVE: "Live: real money.",
}
FUNNEL_SPAN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What every page shows at its top."""

    mode: str
    state: TradingState
    halts: Sequence[Halt]
    placing_orders: bool
    dry_run: bool

    @property
    def honesty(self) -> str:
        """One sentence that says what is simulated."""
        # A demo's prices are simulated whatever a row says about the mode of its books.
        simulated = settings.ENV.mode == Mode.DEMO and self.mode != Mode.REHEARSAL
        return HONESTY[Mode.DEMO if simulated else Mode(self.mode)]

    @property
    def simulated(self) -> bool:
        """Whether no real money moves."""
        return self.mode != Mode.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A component's heartbeat; `late` after two periods without one."""

    component: str
    age_s: float
    period_s: int
    late: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One reading of the whole installation at `as_of`; ages in seconds, None = never."""

    as_of: datetime
    banner: Banner
    equity: EquityPoint | None
    realised_after_fees: Decimal | None
    drawdown_since_start: Decimal
    unknown_orders: int
    beats: Sequence[Beat]
    data_age_s: float | None
    prediction_age_s: float | None
    tracked: int
    not_understood: int
    funnel: Sequence[tuple[str, str, int]]

    @property
    def late(self) -> list[Beat]:
        """The components that should have been heard."""
        return [beat for beat in self.beats if beat.late]

    @property
    def funnel_bars(self) -> list[dict[str, Any]]:
        """The funnel as labelled bars, widths in percent of the largest of their unit.

        A stage without reasons is one bar; reasons are bars under the name of their stage.
        """
        sums: Counter[str] = Counter()
        for stage, _, count in self.funnel:
            sums[stage] += count
        bars: list[dict[str, Any]] = []
        for stage, reason, count in self.funnel:
            unit = trading_queries.UNITS[stage]
            largest = max(n for s, n in sums.items() if trading_queries.UNITS[s] == unit) or 1
            if reason and bars[-1]["stage"] != stage:
                bars.append(_bar(stage, "", sums[stage], largest))
            bars.append(_bar(stage, reason, count, largest))
        for before, bar in pairwise([{"unit": ""}, *bars]):
            bar["heading"] = unit_of(bar) if before["unit"] != bar["unit"] else ""
        return bars


def unit_of(bar: Mapping[str, Any]) -> str:
    """What a bar counts, e.g. `forecasts, last hour`."""
    when = " now" if bar["unit"] == trading_queries.MARKETS else ", last hour"
    return f"{bar['unit']}{when}"


def _bar(stage: str, reason: str, count: int, largest: int) -> dict[str, Any]:
    width = min(max(round(100 * count / largest), 1 if count else 0), 100)
    said = phrase(reason) if reason else None
    return {
        "stage": stage,
        "of": bool(reason),
        "unit": trading_queries.UNITS[stage],
        "label": said.short if said else STAGES[stage],
        "title": said.long if said else "",
        "count": count,
        "width": width,
    }


def banner(*, as_of: datetime) -> Banner:
    """Mode, state and open halts, read uncached."""
    config = TradingSettings.objects.newest()
    open_now = Halt.objects.filter(released_at__isnull=True).order_by("-opened_at")
    return Banner(
        mode=config.mode,
        state=halts.state(as_of=as_of, mode=config.mode),
        halts=list(open_now),
        placing_orders=config.placing_orders,
        dry_run=config.dry_run,
    )


def read(*, as_of: datetime, known: Banner | None = None) -> Situation:
    """Gather everything a person or a monitor asks first; the number of queries does not grow."""
    top = known or banner(as_of=as_of)
    fresh = freshness(as_of=as_of)
    books = latest_equity(top.mode)
    return Situation(
        as_of=as_of,
        banner=top,
        equity=books,
        realised_after_fees=None if books is None else _realised(top.mode),
        drawdown_since_start=equity.drawdown_since_start(top.mode, as_of=as_of),
        unknown_orders=Order.objects.filter(status=Order.Status.UNKNOWN).count(),
        beats=beats(as_of=as_of),
        data_age_s=fresh["data_age_s"],
        prediction_age_s=fresh["prediction_age_s"],
        tracked=fresh["tracked"],
        not_understood=RawMessage.objects.aggregate(n=Sum("seen"))["n"] or 0,
        funnel=trading_queries.funnel(since=as_of - FUNNEL_SPAN, as_of=as_of),
    )


def beats(*, as_of: datetime) -> list[Beat]:
    """Every known component with the age of its last beat."""
    return [
        Beat(
            component=row.component,
            age_s=max((as_of - row.beat_at).total_seconds(), 0.0),
            period_s=row.period_s,
            late=row.is_late(as_of=as_of),
            note=row.note,
        )
        for row in Heartbeat.objects.order_by("component")
    ]


def freshness(*, as_of: datetime) -> dict[str, Any]:
    """Ages of the newest quote and forecast, and the size of the universe."""
    newest = Quote.objects.filter(market=OuterRef("pk")).order_by("-observed_at")
    universe = (
        Market.objects.filter(tracked=True)
        .annotate(heard=Subquery(newest.values("received_at")[:1]))
        .aggregate(tracked=Count("pk"), heard_at=Max("heard"))
    )
    predicted_at = Prediction.objects.aggregate(at=Max("as_of"))["at"]
    return {
        "tracked": universe["tracked"],
        "known": universe["tracked"] or Market.objects.exists(),
        "data_age_s": _age(universe["heard_at"], as_of),
        "prediction_age_s": _age(predicted_at, as_of),
    }


def _realised(mode: str) -> Decimal:
    """Proceeds and payouts less their cost, fees included; the ledger's account leaves fees out."""
    booked = Position.objects.filter(mode=mode).aggregate(sum=Sum("realised"))["sum"]
    return booked or ZERO


def latest_equity(mode: str) -> EquityPoint | None:
    """The newest snapshot of a mode's books."""
    return EquityPoint.objects.filter(mode=mode).order_by("-observed_at").first()


def _age(then: datetime | None, as_of: datetime) -> float | None:
    return None if then is None else max((as_of - then).total_seconds(), 0.0)
