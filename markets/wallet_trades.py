"""Keep the large trades with the wallets behind them; say which are whales, which look informed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import F

from config.kernel.clocks import Clock, given
from config.kernel.units import ConditionId
from markets import notices, unknown
from markets.adapters import data_api, http
from markets.adapters.data_api import CONDITIONS_PER_CALL, DataApi, TooDeep
from markets.adapters.gamma import StuckCursor
from markets.core import public_trades, wallets
from markets.core.contracts import ContextConfig
from markets.core.public_trades import Heard
from markets.core.wire import NotUnderstood
from markets.core.wire_data import PublicTrade as Row
from markets.models import (
    ContextSettings,
    Market,
    Notice,
    Outcome,
    Wallet,
    WalletScore,
    WalletTrade,
)

log = structlog.get_logger()
# The service lags the chain by minutes and its pages overlap: what is known is not stored again.
LOOK_BACK = timedelta(minutes=30)
GIVE_UP_AFTER = 3
# From this reputation on (nine in ten by luck's own measure) a new large trade is told at once.
INFORMED_FROM = 0.9
Refusals = (http.VenueRefused, NotUnderstood, StuckCursor, TooDeep)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Market:
    """What judging a trade needs to know of its market."""

    pk: int
    condition_id: str
    question: str
    volume: float | None
    scheduled_end_at: datetime | None


def follow(
    *, as_of: datetime, venue: DataApi | None = None, clock: Clock | None = None
) -> Counter[str]:
    """Look through the newest trades of the followed markets; counts of what was kept.

    Takers and makers both: behind a large maker order stands a wallet as well. Raises
    `http.VenueUnreachable` at the third call in a row without an answer.
    """
    config = ContextSettings.objects.current(as_of=as_of).as_config()
    now, source = given(clock, as_of), venue or data_api.connect()
    markets = _markets(as_of=as_of)
    counts: Counter[str] = Counter()
    silent = 0
    for start in range(0, len(markets), CONDITIONS_PER_CALL):
        batch = {m.condition_id.lower(): m for m in markets[start : start + CONDITIONS_PER_CALL]}
        at = now()
        try:
            rows = _large(source, list(batch), config, since=at - LOOK_BACK, as_of=at)
        except http.VenueUnreachable as failure:
            silent += 1
            counts["failed"] += len(batch)
            log.warning("wallets.unreachable", markets=len(batch), error=str(failure))
            if silent >= GIVE_UP_AFTER:
                raise
            continue
        except Refusals as refused:
            counts["failed"] += len(batch)
            log.warning("wallets.refused", markets=len(batch), error=str(refused))
            continue
        silent = 0
        counts.update(record(rows, batch, config, as_of=at))
    log.info("wallets.followed", markets=len(markets), **counts)
    return +counts


@transaction.atomic
def record(
    rows: Sequence[Row], markets: Mapping[str, _Market], config: ContextConfig, *, as_of: datetime
) -> Counter[str]:
    """Keep large trades with their wallets, learned at `as_of`; each once, whales told once."""
    heard = [_heard(row) for row in rows]
    keyed = dict(zip(public_trades.keys(heard), rows, strict=True))
    known = set(WalletTrade.objects.filter(trade_key__in=keyed).values_list("trade_key", flat=True))
    sides = _sides(rows)
    fresh = [
        _trade(
            key,
            row,
            market=markets[row.condition_id.lower()],
            side=sides[row.token_id],
            config=config,
            as_of=as_of,
        )
        for key, row in keyed.items()
        if key not in known and row.token_id in sides
    ]
    _meet(fresh, as_of=as_of)
    WalletTrade.objects.bulk_create(fresh, ignore_conflicts=True)
    questions = {m.pk: m.question for m in markets.values()}
    _tell(fresh, questions, as_of=as_of)
    return Counter(kept=len(fresh), whales=sum(trade.is_whale for trade in fresh))


def _markets(*, as_of: datetime) -> list[_Market]:
    rows = (
        Market.objects.filter(tracked=True, condition_id__isnull=False, received_at__lte=as_of)
        .order_by("pk")
        .values_list("pk", "condition_id", "question", "volume", "scheduled_end_at")
    )
    return [
        _Market(
            pk=pk,
            condition_id=str(condition),
            question=question,
            volume=volume,
            scheduled_end_at=end,
        )
        for pk, condition, question, volume, end in rows
    ]


def _large(
    source: DataApi,
    condition_ids: Sequence[str],
    config: ContextConfig,
    *,
    since: datetime,
    as_of: datetime,
) -> list[Row]:
    found: list[Row] = []
    for page in source.trades([ConditionId(c) for c in condition_ids], since=since):
        for wrong in page.refused:
            unknown.refused(wrong, as_of=as_of)
        found.extend(r for r in page.rows if _dollars(r) >= config.large_trade_usd and r.wallet)
    return found


def _dollars(row: Row) -> float:
    return float(row.price * row.shares)


def _heard(row: Row) -> Heard:
    """The trade with its wallet in the key: a taker and a maker of one match are two wallets'."""
    return Heard(
        token_id=row.token_id,
        side=row.side,
        price=row.price,
        shares=row.shares,
        traded_at=row.traded_at,
        tx_hash=f"{row.transaction_hash}|{row.wallet.lower()}",
        wallet=row.wallet,
    )


def _sides(rows: Sequence[Row]) -> dict[str, int]:
    """Token → outcome."""
    tokens = {row.token_id for row in rows}
    found = Outcome.objects.filter(asset_id__in=tokens).values_list("asset_id", "index")
    return {str(asset): index for asset, index in found}


def _trade(
    key: str, row: Row, *, market: _Market, side: int, config: ContextConfig, as_of: datetime
) -> WalletTrade:
    dollars, end = _dollars(row), market.scheduled_end_at
    volume = market.volume
    return WalletTrade(
        trade_key=key,
        wallet_id=row.wallet.lower()[:44],
        market_id=market.pk,
        outcome_index=side,
        side=row.side,
        price=float(row.price),
        shares=float(row.shares),
        dollars=dollars,
        volume_share=None if not volume else dollars / volume,
        is_whale=wallets.is_whale(dollars, volume, config),
        seconds_left=None if end is None else (end - row.traded_at).total_seconds(),
        observed_at=row.traded_at,
        received_at=max(as_of, row.traded_at),
    )


def _meet(trades: Sequence[WalletTrade], *, as_of: datetime) -> None:
    """Wallets that traded large are watched from now on."""
    addresses = {trade.wallet_id for trade in trades}
    Wallet.objects.bulk_create(
        [
            Wallet(address=address, watched=True, first_seen_at=as_of, last_seen_at=as_of)
            for address in sorted(addresses)
        ],
        ignore_conflicts=True,
    )
    Wallet.objects.filter(address__in=addresses, last_seen_at__lt=as_of).update(
        last_seen_at=as_of, watched=True
    )


def _tell(trades: Sequence[WalletTrade], questions: Mapping[int, str], *, as_of: datetime) -> None:
    reputations = _reputations({trade.wallet_id for trade in trades})
    for trade in trades:
        what = (
            f"{trade.wallet_id[:10]}… {'bought' if trade.side == 'BUY' else 'sold'} outcome "
            f"{trade.outcome_index} of “{questions[trade.market_id]}” for ${trade.dollars:,.0f} "
            f"at {trade.price:.2f}"
        )
        told = partial(
            notices.note,
            key=trade.trade_key,
            as_of=as_of,
            subject=trade.wallet_id,
            market_id=trade.market_id,
            observed_at=trade.observed_at,
        )
        if trade.is_whale:
            told(Notice.Kind.WHALE_TRADE, text=what)
        reputation = reputations.get(trade.wallet_id, 0.0)
        if reputation >= INFORMED_FROM:
            timed = f"{what}; its large trades were timed better than {reputation:.0%} of luck"
            told(Notice.Kind.INFORMED_WALLET, text=timed, severity=Notice.Severity.WARNING)


def _reputations(addresses: set[str]) -> dict[str, float]:
    rows = (
        WalletScore.objects.filter(wallet_id__in=addresses, category="", informed__isnull=False)
        .order_by("wallet_id", F("as_of").asc())
        .values_list("wallet_id", "informed")
    )
    return {wallet: informed for wallet, informed in rows if informed is not None}
