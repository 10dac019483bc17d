"""What the watched wallets are worth following: their results, their skill, their mood."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import structlog
from django.db.models import F, Max, Q, QuerySet

from config.kernel import vendor
from config.kernel.clocks import Clock, given
from config.kernel.copy_format import Schema
from config.kernel.units import ConditionId
from markets import unknown
from markets.adapters import data_api, http
from markets.adapters.data_api import CONDITIONS_PER_CALL, DataApi, Status, TooDeep
from markets.adapters.gamma import StuckCursor
from markets.core import wallets
from markets.core.series import Floats
from markets.core.wallets import LargeTrade
from markets.core.wire import NotUnderstood
from markets.core.wire_data import Position
from markets.models import (
    CohortMood,
    ContextSettings,
    Market,
    Wallet,
    WalletResult,
    WalletScore,
    WalletTrade,
)

log = structlog.get_logger()
# Without the lost ones, which nobody redeems, every wallet looks brilliant.
ENDED: tuple[Status, ...] = ("CLOSED", "REDEEMABLE", "REDEEMABLE_LOST")
WALLETS_A_RUN = 20
MARKETS_A_RUN = 40
ASK_AGAIN_AFTER = timedelta(hours=12)
MOOD_LOOKS_BACK = timedelta(days=7)
TIMING = (
    "wallet_id",
    "outcome_index",
    "side",
    "price",
    "seconds_left",
    "market__resolution__payout_0",
)
EARNED = ("token_id", "cost", "realized_pnl")
FELT = ("mood", "wallets", "dollars")
SKILLED, WHALES = "SKILLED", "WHALES"
TIME = pl.Datetime("us", "UTC")
MOODS: Schema = {
    "market_id": pl.Int64,
    "cohort": pl.String,
    "as_of": TIME,
    "mood": pl.Float64,
    "wallets": pl.Int64,
    "dollars": pl.Float64,
}
Refusals = (http.VenueRefused, NotUnderstood, StuckCursor, TooDeep)


def refresh_results(
    *, as_of: datetime, venue: DataApi | None = None, clock: Clock | None = None
) -> Counter[str]:
    """Ask how the positions of watched wallets ended, the longest waiting first; counts.

    At most so many wallets a run. Raises `http.VenueUnreachable`; a wallet that is refused waits
    for its next turn.
    """
    config = ContextSettings.objects.current(as_of=as_of).as_config()
    now, source = given(clock, as_of), venue or data_api.connect()
    _choose(config.max_wallets)
    due = Wallet.objects.filter(watched=True).filter(
        Q(checked_at__isnull=True) | Q(checked_at__lte=as_of - ASK_AGAIN_AFTER)
    )
    counts: Counter[str] = Counter()
    for wallet in due.order_by(F("checked_at").asc(nulls_first=True), "address")[:WALLETS_A_RUN]:
        at = now()
        try:
            rows = _ended(source, wallet.address, as_of=at)
        except Refusals as refused:
            counts["failed"] += 1
            log.warning("wallet.refused", wallet=wallet.address, error=str(refused))
            rows = []
        added, changed = _keep(wallet.address, rows, as_of=at)
        counts.update(wallets=1, added=added, changed=changed)
        Wallet.objects.filter(pk=wallet.pk).update(checked_at=at)
    return +counts


def discover(*, as_of: datetime, venue: DataApi | None = None) -> int:
    """Meet the biggest holders of the followed markets with most volume; returns how many are new.

    Raises the adapter's errors.
    """
    source, before = venue or data_api.connect(), Wallet.objects.count()
    followed = Market.objects.filter(tracked=True, condition_id__isnull=False)
    biggest = followed.order_by(F("volume").desc(nulls_last=True), "pk")[:MARKETS_A_RUN]
    condition_ids = [ConditionId(str(market.condition_id)) for market in biggest]
    for start in range(0, len(condition_ids), CONDITIONS_PER_CALL):
        found: set[str] = set()
        for page in source.holders(condition_ids[start : start + CONDITIONS_PER_CALL]):
            for wrong in page.refused:
                unknown.refused(wrong, as_of=as_of)
            found |= {h.wallet.lower()[:44] for row in page.rows for h in row.holders}
        Wallet.objects.bulk_create(
            [
                Wallet(address=address, watched=True, first_seen_at=as_of, last_seen_at=as_of)
                for address in sorted(found)
            ],
            ignore_conflicts=True,
        )
    return Wallet.objects.count() - before


def score(*, as_of: datetime) -> int:
    """Judge every wallet that has results, on what was known at `as_of`; rows written."""
    config = ContextSettings.objects.current(as_of=as_of).as_config()
    results = _results(as_of=as_of)
    rows = wallets.scores(results, min_events=config.min_wallet_events)
    if rows.is_empty():
        return 0
    timing = _timing(as_of=as_of, within_s=config.informed_hours * 3600)
    values = [timing.get(wallet) for wallet in rows["wallet_id"].to_list()]
    frame = rows.with_columns(
        as_of=pl.lit(as_of, dtype=TIME), informed=pl.Series(values, dtype=pl.Float64)
    )
    written = vendor.append(WalletScore, frame)
    log.info("wallets.scored", rows=written, skilled=int(rows["skilled"].sum()))
    return written


def feel(*, as_of: datetime) -> int:
    """The mood of each cohort on each followed market, from its large trades of the last week.

    One that is as before is not written again; returns rows written.
    """
    skilled = set(
        _newest_scores(as_of=as_of).filter(skilled=True).values_list("wallet_id", flat=True)
    )
    trades = WalletTrade.objects.filter(
        market__tracked=True, observed_at__gt=as_of - MOOD_LOOKS_BACK, received_at__lte=as_of
    ).values_list("market_id", "wallet_id", "outcome_index", "side", "dollars", "is_whale")
    net: dict[tuple[int, str], dict[str, float]] = {}
    for market_id, wallet, outcome, side, dollars, is_whale in trades:
        signed = dollars if (outcome == 0) == (side == "BUY") else -dollars
        for cohort, member in ((SKILLED, wallet in skilled), (WHALES, is_whale)):
            if member:
                held = net.setdefault((market_id, cohort), {})
                held[wallet] = held.get(wallet, 0.0) + signed
    rows = [
        {
            "market_id": market_id,
            "cohort": cohort,
            "as_of": as_of,
            "mood": value,
            "wallets": len(by_wallet),
            "dollars": float(sum(map(abs, by_wallet.values()))),
        }
        for (market_id, cohort), by_wallet in net.items()
        if (value := wallets.mood(list(by_wallet.values()))) is not None
    ]
    fresh = _changed(rows, as_of=as_of)
    if not fresh:
        return 0
    return vendor.append(CohortMood, pl.DataFrame(fresh, schema_overrides={"as_of": TIME}))


def moods(market_ids: Sequence[int], *, cohort: str, as_of: datetime) -> Floats:
    """The newest mood of a cohort per market known at `as_of`; NaN = none, never zero."""
    newest = _newest_moods(market_ids, as_of=as_of).filter(pl.col("cohort") == cohort)
    felt = dict(newest.select("market_id", "mood").iter_rows())
    return np.array([felt.get(pk, np.nan) for pk in market_ids], dtype=np.float64)


def top(*, category: str, limit: int, as_of: datetime) -> list[WalletScore]:
    """The best judged wallets of a category that have enough events, best first."""
    scores = _newest_scores(as_of=as_of, category=category).filter(enough=True)
    return list(scores.select_related("wallet").order_by("-skilled", "-skill_low")[:limit])


def _newest_moods(market_ids: Sequence[int], *, as_of: datetime) -> pl.DataFrame:
    """The last row of each market and cohort; the database reads no more than these."""
    last = (
        CohortMood.objects.filter(market_id__in=market_ids, as_of__lte=as_of)
        .values("market_id", "cohort")
        .annotate(last=Max("as_of"))
    )
    newest = {(row["market_id"], row["cohort"], row["last"]) for row in last}
    stamps = {at for _, _, at in newest}
    rows = CohortMood.objects.filter(market_id__in=market_ids, as_of__in=stamps)
    kept = [
        row for row in rows.values_list("market_id", "cohort", "as_of", *FELT) if row[:3] in newest
    ]
    return pl.DataFrame(kept, schema=MOODS, orient="row")


def _changed(rows: Sequence[dict[str, object]], *, as_of: datetime) -> list[dict[str, object]]:
    """Rows that differ from the newest of their market and cohort."""
    asked = [row["market_id"] for row in rows]
    stored = _newest_moods([pk for pk in asked if isinstance(pk, int)], as_of=as_of)
    newest = {(pk, cohort): felt for pk, cohort, _, *felt in stored.iter_rows()}
    return [
        row
        for row in rows
        if newest.get((row["market_id"], row["cohort"])) != [row[name] for name in FELT]
    ]


def _newest_scores(*, as_of: datetime, category: str = "") -> QuerySet[WalletScore]:
    scores = WalletScore.objects.filter(category=category, as_of__lte=as_of)
    newest = scores.order_by("-as_of").values_list("as_of", flat=True).first()
    return scores.filter(as_of=newest) if newest else scores.none()


def _choose(most: int) -> None:
    """Only the most recently active wallets stay watched: each costs requests."""
    kept = Wallet.objects.filter(watched=True).order_by("-last_seen_at", "address")
    surplus = list(kept.values_list("pk", flat=True)[most:])
    Wallet.objects.filter(pk__in=surplus).update(watched=False)


def _ended(source: DataApi, wallet: str, *, as_of: datetime) -> list[tuple[Status, Position]]:
    found: list[tuple[Status, Position]] = []
    for status in ENDED:
        for page in source.positions(wallet, status=status):
            for wrong in page.refused:
                unknown.refused(wrong, as_of=as_of)
            found.extend((status, row) for row in page.rows)
    return found


def _keep(
    wallet: str, rows: Sequence[tuple[Status, Position]], *, as_of: datetime
) -> tuple[int, int]:
    """Results as rows; a position that two lists show is that of the later list."""
    if not rows:
        return 0, 0
    conditions = {str(row.condition_id) for _, row in rows}
    known = Market.objects.filter(condition_id__in=conditions)
    categories = {str(c): word for c, word in known.values_list("condition_id", "category")}
    frame = pl.DataFrame(
        [_result(wallet, status, row, categories, as_of=as_of) for status, row in rows],
        schema_overrides={"ended_at": TIME, "received_at": TIME},
    )
    key = ["wallet_id", "token_id"]
    # A result that changed was learned now: whoever asks about the past must not see it.
    update = [name for name in frame.columns if name not in key]
    return vendor.upsert(WalletResult, _news(frame, wallet), key=key, update=update)


def _news(frame: pl.DataFrame, wallet: str) -> pl.DataFrame:
    """Results that are new or differ in what was earned or paid."""
    stored = WalletResult.objects.filter(wallet_id=wallet).values_list(*EARNED)
    known = {token: tuple(rest) for token, *rest in stored}
    fresh = [known.get(token) != tuple(rest) for token, *rest in frame.select(EARNED).iter_rows()]
    return frame.filter(pl.Series(fresh, dtype=pl.Boolean))


def _result(
    wallet: str, status: Status, row: Position, categories: dict[str, str], *, as_of: datetime
) -> dict[str, object]:
    bought = row.bought if row.bought is not None else row.shares
    earned = row.total_pnl if row.total_pnl is not None else row.realized_pnl
    return {
        "wallet_id": wallet,
        "token_id": str(row.token_id),
        "condition_id": str(row.condition_id),
        "event_key": (row.event_slug or row.slug or str(row.condition_id))[:300],
        "category": categories.get(str(row.condition_id), ""),
        "status": status,
        "average_price": float(row.average_price),
        "cost": float(bought * row.average_price),
        "realized_pnl": float(earned),
        "ended_at": row.changed_at or row.end_date,
        "received_at": as_of,
    }


def _results(*, as_of: datetime) -> pl.DataFrame:
    columns = {
        "wallet_id": pl.String,
        "category": pl.String,
        "event_key": pl.String,
        "cost": pl.Float64,
        "pnl": pl.Float64,
    }
    return vendor.read(
        "SELECT wallet_id, category, event_key, cost, realized_pnl AS pnl "
        "FROM markets_walletresult WHERE received_at <= %s",
        [vendor.instant(as_of)],
        columns,
    )


def _timing(*, as_of: datetime, within_s: float) -> dict[str, float | None]:
    """Wallet → how informed its large trades look, over markets that have resolved by now."""
    trades = WalletTrade.objects.filter(
        market__resolution__received_at__lte=as_of, received_at__lte=as_of
    ).values_list(*TIMING)
    by_wallet: dict[str, list[LargeTrade]] = {}
    for wallet, outcome, side, price, seconds_left, payout in trades:
        # Selling one side at p is buying the other at 1 − p.
        for_first = (outcome == 0) == (side == "BUY")
        cost = price if side == "BUY" else 1 - price
        won = float(payout) if for_first else 1 - float(payout)
        trade = LargeTrade(price=cost, won=won, seconds_left=seconds_left)
        by_wallet.setdefault(wallet, []).append(trade)
    return {w: wallets.informed(some, within_s=within_s) for w, some in by_wallet.items()}
