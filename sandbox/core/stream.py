"""What the market channel says between two seconds: the books' world, message by message."""

import hashlib
from collections.abc import Iterator
from typing import Any

from sandbox.core import names, shapes, tape
from sandbox.core.families import Kind
from sandbox.core.ladder import Ladder, ladder
from sandbox.core.world import Happening, World

Message = dict[str, Any]
Sides = dict[str, dict[int, float]]
EMPTY = {"BUY": "0", "SELL": "1"}
GRID = 1000  # prices as whole thousandths


def snapshot(
    happening: Happening, child: int, outcome: int, second: int, *, levels: Ladder | None = None
) -> Message:
    """The whole book of one token, as sent on subscribing and after trades."""
    return {"event_type": "book", **shapes.book(happening, child, outcome, second, levels=levels)}


def between(
    happening: Happening, child: int, before: int, after: int, *, extras: bool,
    old: Ladder | None = None, new: Ladder | None = None,
) -> Iterator[Message]:  # fmt: skip
    """What happened to one market in (before, after]; `extras` are the custom features.

    `old` and `new` are the books then and now where they are not the world's own.

    In order: tick changes, level changes of both tokens, trades, the books after trades, best
    prices; for a market that closed only its result.
    """
    if before >= happening.closed_at:
        return
    if after >= happening.closed_at:
        if extras and 1.0 in happening.payouts(child):
            yield resolved(happening, child)
        return
    old = old or ladder(happening, child, before)
    new = new or ladder(happening, child, after)
    yield from _tick_changes(happening, child, old, new, after)
    changes = list(_changes(happening, child, old, new, after))
    if changes:
        yield {
            "event_type": "price_change",
            "market": names.condition_id(happening, child),
            "price_changes": changes,
            "timestamp": _ms(after),
        }
    trades = [t for t in tape.until(happening, child, after) if t.second > before]
    for trade in trades:
        yield traded(happening, child, trade)
    if trades:
        yield from (snapshot(happening, child, outcome, after, levels=new) for outcome in (0, 1))
    if extras and old.best() != new.best():
        yield from (_top(happening, child, outcome, new, after) for outcome in (0, 1))


def traded(happening: Happening, child: int, trade: tape.Trade) -> Message:
    """One trade, of the taker's token and side."""
    return {
        "event_type": "last_trade_price",
        "market": names.condition_id(happening, child),
        "asset_id": names.token_id(happening, child, trade.outcome),
        "price": f"{trade.price:g}",
        "size": shapes.number_text(trade.shares),
        "fee_rate_bps": "0",
        "side": "BUY" if trade.buys else "SELL",
        "timestamp": _ms(trade.second),
        "transaction_hash": trade.transaction_hash,
    }


def listed(world: World, before: int, after: int) -> Iterator[Message]:
    """Markets that were listed in (before, after]; sent to everybody who wants custom features."""
    for happening in world.opened(before, after):
        for child in range(happening.markets):
            yield _new_market(happening, child)


def resolved(happening: Happening, child: int) -> Message:
    """The result of one market."""
    won = 0 if happening.winners[child] else 1
    return {
        "event_type": "market_resolved",
        "id": str(happening.market_number(child)),
        "market": names.condition_id(happening, child),
        "assets_ids": [names.token_id(happening, child, outcome) for outcome in (0, 1)],
        "winning_asset_id": names.token_id(happening, child, won),
        "winning_outcome": names.outcomes(happening)[won],
        "tags": [happening.family.category],
        "timestamp": _ms(happening.closed_at),
        "simulated": True,
    }


def _new_market(happening: Happening, child: int) -> Message:
    tokens = [names.token_id(happening, child, outcome) for outcome in (0, 1)]
    condition = names.condition_id(happening, child)
    family, slug = happening.family, names.slug(happening)
    return {
        "event_type": "new_market",
        "id": str(happening.market_number(child)),
        "question": names.question(happening, child),
        "market": condition,
        "condition_id": condition,
        "slug": names.market_slug(happening, child),
        "description": names.notice(happening),
        "assets_ids": tokens,
        "clob_token_ids": tokens,
        "outcomes": list(names.outcomes(happening)),
        "event_message": {
            "id": str(happening.number),
            "ticker": slug,
            "slug": slug,
            "title": names.title(happening),
            "description": names.notice(happening),
        },
        "active": True,
        "tags": [family.category] + (["up-or-down"] if family.kind is Kind.EPOCH else []),
        "order_price_min_tick_size": "0.01",
        "group_item_title": names.child_title(happening, child),
        "taker_base_fee": "1000",
        "fees_enabled": True,
        "fee_schedule": {
            "exponent": "1",
            "rate": f"{family.fee_rate:g}",
            "taker_only": True,
            "rebate_rate": "0.25",
        },
        "timestamp": _ms(happening.opens_at),
        "simulated": True,
    }


def _tick_changes(
    happening: Happening, child: int, old: Ladder, new: Ladder, second: int
) -> Iterator[Message]:
    if old.tick == new.tick:
        return
    for outcome in (0, 1):
        yield {
            "event_type": "tick_size_change",
            "market": names.condition_id(happening, child),
            "asset_id": names.token_id(happening, child, outcome),
            "old_tick_size": f"{old.tick:g}",
            "new_tick_size": f"{new.tick:g}",
            "timestamp": _ms(second),
        }


def _changes(
    happening: Happening, child: int, old: Ladder, new: Ladder, second: int
) -> Iterator[Message]:
    """Level by level, what is gone first: both tokens see each change, with the best after it."""
    have, want = _sides(old), _sides(new)
    digits = 3 if new.tick < 0.01 or old.tick < 0.01 else 2
    tokens = [names.token_id(happening, child, outcome) for outcome in (0, 1)]
    gone = [(s, p, 0.0) for s in have for p in have[s] if p not in want[s]]
    new_totals = [
        (s, p, shares) for s in want for p, shares in want[s].items() if have[s].get(p) != shares
    ]
    for side, price, shares in [*gone, *new_totals]:
        have[side].pop(price, None)
        if shares:
            have[side][price] = shares
        opposite = "SELL" if side == "BUY" else "BUY"
        for token, seen, at, mirrored in (
            (tokens[0], side, price, False),
            (tokens[1], opposite, GRID - price, True),
        ):
            bid, ask = _best(have, mirrored=mirrored)
            text = f"{token}{second}{seen}{at}{shares}"
            yield {
                "asset_id": token,
                "price": f"{at / GRID:.{digits}f}",
                "size": shapes.number_text(shares),
                "side": seen,
                "hash": hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
                "best_bid": bid,
                "best_ask": ask,
            }


def _sides(levels: Ladder) -> Sides:
    """Shares by price in thousandths."""
    step = round(levels.tick * GRID)
    return {
        "BUY": {price * step: shares for price, shares in levels.bids},
        "SELL": {price * step: shares for price, shares in levels.asks},
    }


def _best(sides: Sides, *, mirrored: bool) -> tuple[str, str]:
    bid, ask = max(sides["BUY"], default=None), min(sides["SELL"], default=None)
    if mirrored:
        bid, ask = (None if p is None else GRID - p for p in (ask, bid))
    return (
        EMPTY["BUY"] if bid is None else f"{bid / GRID:g}",
        EMPTY["SELL"] if ask is None else f"{ask / GRID:g}",
    )


def _top(happening: Happening, child: int, outcome: int, levels: Ladder, second: int) -> Message:
    bid, ask = _best(_sides(levels), mirrored=bool(outcome))
    return {
        "event_type": "best_bid_ask",
        "market": names.condition_id(happening, child),
        "asset_id": names.token_id(happening, child, outcome),
        "best_bid": bid,
        "best_ask": ask,
        "spread": f"{round(float(ask) - float(bid), 3):g}",
        "timestamp": _ms(second),
    }


def _ms(second: int) -> str:
    return str(second * 1000)
