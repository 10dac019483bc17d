"""Record the trades of anybody, once each, whoever tells them: the data service or the stream.

A row is one transaction's taker, as the stream tells it; its makers stand in `WalletTrade`.
The venue numbers no trades, so a trade is known by its transaction, token, side, price and shares
(`core.public_trades`). Exact within each source but for one case, and not always between both:

- a taker who met several prices is one row of the service, at the mean price, but may be several
  messages of the stream: whichever source told of the transaction first is believed alone;
- equal matches of one transaction that the stream tells in separate calls count once;
- a trade told without a transaction hash is left to the service, which has them all.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import polars as pl
import structlog
from django.db import transaction

from config.kernel import locks, vendor
from config.kernel.clocks import Clock, given
from config.kernel.units import ConditionId
from markets import coverage, unknown
from markets.adapters import data_api, http
from markets.adapters.data_api import CONDITIONS_PER_CALL, DataApi, TooDeep
from markets.adapters.gamma import StuckCursor
from markets.core import public_trades
from markets.core.public_trades import Heard
from markets.core.wire import NotUnderstood
from markets.core.wire_data import PublicTrade as Row
from markets.models import Backfill, Market, Outcome, PublicTrade

log = structlog.get_logger()
ADDED, KNOWN, TOLD = "added", "known", "told_by_the_other_source"
NO_HASH, FOREIGN = "without_hash", "of_no_market"
FUTURE, EMPTY = "from_the_future", "empty"
# A block follows its match within seconds; a hash is never used twice.
SAME_TRADE = timedelta(minutes=15)
CLOCKS_DIFFER = timedelta(minutes=1)
# The service lags the chain by minutes: what is younger may still be incomplete.
SETTLED = timedelta(minutes=5)
FIRST_LOOK = timedelta(hours=1)
# A longer silence is the backfill's work, in its own windows.
LONGEST_LOOK = timedelta(days=1)
GIVE_UP_AFTER = 3
Refusals = (http.VenueRefused, NotUnderstood, StuckCursor, TooDeep)


def record(heard: Iterable[Heard], *, as_of: datetime) -> Counter[str]:
    """Append the trades that no source told yet, learned at `as_of`; counts what became of each.

    All trades of a transaction must come in one call.
    """
    counts: Counter[str] = Counter()
    trades = [t for t in heard if _is_usable(t, counts, as_of=as_of)]
    owners = _owners(trades)
    counts[FOREIGN] += sum(t.token_id not in owners for t in trades)
    ours = [t for t in trades if t.token_id in owners]
    if ours:
        with transaction.atomic():
            # The stream and the poll look before they write: not at the same time.
            locks.hold("public trades")
            rows = _unknown(ours, owners, counts)
            counts[ADDED] += vendor.append(PublicTrade, _frame(rows, owners, as_of=as_of))
    return +counts


def follow(
    *, as_of: datetime, venue: DataApi | None = None, clock: Clock | None = None
) -> Counter[str]:
    """Record what tracked markets traded since the last look; counts as `record`, and `failed`.

    A market is asked from where it is covered; a longer silence than a day is left to the backfill.
    Raises `http.VenueUnreachable` at the third call in a row without an answer.
    """
    now = given(clock, as_of)
    markets = dict(
        Market.objects.filter(tracked=True, condition_id__isnull=False)
        .order_by("pk")
        .values_list("pk", "condition_id")
    )
    held = coverage.held(markets, Backfill.Kind.TRADES)
    since = {pk: _since(held.get(pk), as_of=as_of) for pk in markets}
    due = [
        pk
        for pk in sorted(markets, key=lambda pk: (since[pk], pk))
        if coverage.is_due(held.get(pk), as_of=as_of) and as_of - since[pk] <= LONGEST_LOOK
    ]
    counts: Counter[str] = Counter(left_to_backfill=len(markets) - len(due))
    source, silent = venue or data_api.connect(), 0
    for start in range(0, len(due), CONDITIONS_PER_CALL):
        batch = due[start : start + CONDITIONS_PER_CALL]
        try:
            _look(source, {pk: str(markets[pk]) for pk in batch}, since, counts, now=now)
            silent = 0
        except http.VenueUnreachable as failure:
            silent += 1
            counts["failed"] += len(batch)
            log.warning("trades.unreachable", markets=len(batch), error=str(failure))
            if silent >= GIVE_UP_AFTER:
                raise
    log.info("trades.followed", asked=len(due), **counts)
    return +counts


def fetch(
    source: DataApi,
    condition_ids: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    as_of: datetime,
) -> list[Heard]:
    """The takers' trades of at most 20 markets in [since, until), oldest first.

    Rows that could not be read are kept raw. Raises the adapter's errors.
    """
    found: list[Heard] = []
    ids = [ConditionId(c) for c in condition_ids]
    for page in source.trades(ids, since=since, until=until, taker_only=True):
        for wrong in page.refused:
            unknown.refused(wrong, as_of=as_of)
        found.extend(_heard(row) for row in page.rows)
    return found[::-1]


def _look(
    source: DataApi,
    markets: dict[int, str],
    since: dict[int, datetime],
    counts: Counter[str],
    *,
    now: Clock,
) -> None:
    """One call for all; where it is refused, each alone, so that one market cannot hide others."""
    at, earliest = now(), min(since[pk] for pk in markets)
    try:
        heard = fetch(
            source, list(markets.values()), since=earliest, until=at + CLOCKS_DIFFER, as_of=at
        )
    except Refusals as refused:
        if len(markets) > 1:
            for pk, condition in markets.items():
                _look(source, {pk: condition}, since, counts, now=now)
            return
        (pk,) = markets
        counts["failed"] += 1
        coverage.fail(pk, Backfill.Kind.TRADES, str(refused), as_of=at)
        log.warning("trades.refused", market_id=pk, error=str(refused))
        return
    with transaction.atomic():
        counts.update(record(heard, as_of=at))
        for pk in markets:
            begin = since[pk]
            until = max(begin, at - SETTLED)
            coverage.extend(pk, Backfill.Kind.TRADES, since=begin, until=until, rows=0, as_of=at)


def _since(row: Backfill | None, *, as_of: datetime) -> datetime:
    if row is None or row.covered_from == row.covered_until:
        return as_of - FIRST_LOOK
    return row.covered_until


def _heard(row: Row) -> Heard:
    return Heard(
        token_id=row.token_id,
        side=row.side,
        price=row.price,
        shares=row.shares,
        traded_at=row.traded_at,
        tx_hash=row.transaction_hash,
        wallet=row.wallet,
    )


def _is_usable(trade: Heard, counts: Counter[str], *, as_of: datetime) -> bool:
    """A trade that can be recorded; the others are counted by the reason."""
    reasons = (
        (NO_HASH, not trade.tx_hash),
        (FUTURE, trade.traded_at > as_of + CLOCKS_DIFFER),
        (EMPTY, trade.shares <= 0 or not 0 < trade.price < 1),
    )
    reason = next((name for name, holds in reasons if holds), None)
    if reason is not None:
        counts[reason] += 1
    return reason is None


def _owners(trades: Sequence[Heard]) -> dict[str, tuple[int, int]]:
    """Token → (market, outcome)."""
    found = Outcome.objects.filter(asset_id__in={t.token_id for t in trades})
    return {
        str(asset): (market_id, index)
        for asset, market_id, index in found.values_list("asset_id", "market_id", "index")
    }


def _unknown(
    trades: Sequence[Heard], owners: dict[str, tuple[int, int]], counts: Counter[str]
) -> list[tuple[str, Heard]]:
    stamps = [t.traded_at for t in trades]
    stored = PublicTrade.objects.filter(
        market_id__in={owners[t.token_id][0] for t in trades},
        observed_at__gte=min(stamps) - SAME_TRADE,
        observed_at__lte=max(stamps) + SAME_TRADE,
    ).values_list("trade_key", "market_id", "outcome_index", "tx_hash", "wallet")
    have: set[str] = set()
    tellers: set[tuple[object, ...]] = set()
    for key, market_id, index, tx_hash, wallet in stored:
        have.add(key)
        tellers.add((market_id, index, tx_hash, bool(wallet)))
    fresh = []
    for key, trade in zip(public_trades.keys(trades), trades, strict=True):
        other = (*owners[trade.token_id], trade.tx_hash.lower()[:68], not trade.wallet)
        if key in have:
            counts[KNOWN] += 1
        elif other in tellers:
            counts[TOLD] += 1
        else:
            fresh.append((key, trade))
    return fresh


def _frame(
    rows: Sequence[tuple[str, Heard]], owners: dict[str, tuple[int, int]], *, as_of: datetime
) -> pl.DataFrame:
    moment = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "trade_key": [key for key, _ in rows],
            "market_id": [owners[t.token_id][0] for _, t in rows],
            "outcome_index": [owners[t.token_id][1] for _, t in rows],
            "observed_at": [t.traded_at for _, t in rows],
            "received_at": [max(as_of, t.traded_at) for _, t in rows],
            "side": [t.side for _, t in rows],
            "price": [float(t.price) for _, t in rows],
            "shares": [float(t.shares) for _, t in rows],
            "wallet": [t.wallet[:44] for _, t in rows],
            "tx_hash": [t.tx_hash.lower()[:68] for _, t in rows],
        },
        schema_overrides={
            "market_id": pl.Int64,
            "outcome_index": pl.Int16,
            "observed_at": moment,
            "received_at": moment,
        },
    )
