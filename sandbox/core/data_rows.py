"""Trades, positions, holders and results as the data service writes them, both versions."""

from typing import Any

from sandbox.core import names, shapes
from sandbox.core.portfolio import Holding, Leg
from sandbox.core.world import Happening

Row = dict[str, Any]
UNSET = "69"  # the service's word for "no price yet"
OLD_NAMES = {
    "proxy_wallet": "proxyWallet",
    "token_id": "asset",
    "condition_id": "conditionId",
    "current_size": "size",
    "avg_price": "avgPrice",
    "current_price": "curPrice",
    "current_value": "currentValue",
    "realized_pnl": "realizedPnl",
    "event_slug": "eventSlug",
    "outcome_index": "outcomeIndex",
    "transaction_hash": "transactionHash",
    "negative_risk": "negativeRisk",
    "end_date": "endDate",
    "total_size": "totalBought",
    "usdc_size": "usdcSize",
}


def old(row: Row) -> Row:
    """The same row as version 1 writes it."""
    return {OLD_NAMES.get(name, name): value for name, value in row.items() if name != "status"}


def trade(happening: Happening, child: int, leg: Leg) -> Row:
    """One wallet's side of a trade."""
    return {
        "proxy_wallet": leg.wallet.address,
        "side": "BUY" if leg.buys else "SELL",
        **market_row(happening, child, leg.outcome),
        "size": leg.trade.shares,
        "price": leg.price,
        "timestamp": leg.trade.second,
        "transaction_hash": leg.trade.transaction_hash,
        "name": "",
        "pseudonym": f"Simulated-{leg.wallet.style.name.title()}-{leg.wallet.index}",
    }


def activity(happening: Happening, child: int, leg: Leg) -> Row:
    """The same as one thing that a wallet did; a taker's purchase includes its fee."""
    row = trade(happening, child, leg)
    dollars = leg.trade.shares * leg.price
    if leg.is_taker and leg.buys:
        rate = happening.family.fee_rate
        dollars += leg.trade.shares * rate * leg.price * (1 - leg.price)
    return {**row, "type": "TRADE", "usdc_size": round(dollars, 6)}


def status(holding: Holding, second: int) -> str:
    """OPEN, REDEEMABLE, REDEEMABLE_LOST or CLOSED."""
    if not holding.left:
        return "CLOSED"
    if second < holding.happening.settled_at:
        return "OPEN"
    if not holding.payout():
        return "REDEEMABLE_LOST"
    return "CLOSED" if holding.redeemed_by(second) else "REDEEMABLE"


def position(holding: Holding, second: int) -> Row:
    """One wallet's position in one token; a lost one says REDEEMABLE as the service does."""
    h, child, outcome = holding.happening, holding.child, holding.outcome
    kind = status(holding, second)
    redeemed = kind == "CLOSED" and holding.left > 0
    price = shapes.price_now(h, child, outcome, second)
    size = 0.0 if redeemed else holding.left
    realized = holding.proceeds - holding.sold * holding.average
    if redeemed:
        realized += holding.left * (holding.payout() - holding.average)
    unrealized = size * (price - holding.average)
    return {
        "proxy_wallet": holding.wallet.address,
        **market_row(h, child, outcome),
        "current_size": round(size, 6),
        "avg_price": round(holding.average, 10),
        "entry_cost_usdc": round(size * holding.average, 6),
        "entry_fees_usdc": round(holding.fees, 6),
        "total_cost_usdc": round(holding.cost + holding.fees, 6),
        "current_price": price,
        "current_value": round(size * price, 6),
        "total_size": round(holding.bought, 6),
        "realized_pnl": round(realized, 6),
        "unrealized_pnl": round(unrealized, 6),
        "total_pnl": round(realized + unrealized, 6),
        "status": "REDEEMABLE" if kind == "REDEEMABLE_LOST" else kind,
        "redeemable": kind.startswith("REDEEMABLE"),
        "mergeable": False,
        "archived": False,
        "event_id": str(h.number),
        "opposite_outcome": names.outcomes(h)[1 - outcome],
        "opposite_token_id": names.token_id(h, child, 1 - outcome),
        "end_date": shapes.iso(h.ends_at),
        "first_entry_at": holding.first_at,
        "last_event_at": holding.last_at,
    }


def holder(holding: Holding) -> Row:
    """One holder of a token."""
    return {
        "proxy_wallet": holding.wallet.address,
        "token_id": names.token_id(holding.happening, holding.child, holding.outcome),
        "amount": round(holding.left, 6),
        "outcome_index": holding.outcome,
        "avg_price": round(holding.average, 10),
    }


def resolution(happening: Happening, child: int, second: int) -> Row:
    """Where a question stands with its oracle."""
    condition = names.condition_id(happening, child)
    first = happening.payouts(child)[0]
    void = sum(happening.payouts(child)) == 0
    settled = second >= happening.settled_at and not void
    disputed = happening.disputed_at(second)
    state = "resolved" if settled else "disputed" if disputed else "posed"
    proposed = f"{1 - first:g}" if disputed else f"{first:g}" if settled else UNSET
    return {
        "question_id": condition[:-1] + "0",
        "condition_id": condition,
        "status": state,
        "extended_review": False,
        "was_disputed": disputed or (settled and happening.is_disputed),
        "new_version_q": True,
        "proposed_price": proposed,
        "reproposed_price": UNSET,
        "price": f"{first:g}" if settled else UNSET,
        "transaction_hash": "0x" + condition[2:][::-1],
        "log_index": "1",
        "last_update_timestamp": str(happening.settled_at if settled else happening.opens_at),
        **(
            {
                "payouts": [round(part * 1_000_000) for part in happening.payouts(child)],
                "resolved_at": shapes.iso(happening.settled_at),
            }
            if settled
            else {}
        ),
    }


def token(happening: Happening, child: int, outcome: int, second: int) -> Row:
    """What a token is, and its final price once resolved."""
    payouts = happening.payouts(child)
    settled = second >= happening.settled_at and sum(payouts) > 0
    return {
        "token_id": names.token_id(happening, child, outcome),
        "condition_id": names.condition_id(happening, child),
        "module": "ctf",
        "outcome_index": outcome,
        "outcome": names.outcomes(happening)[outcome],
        "opposite_token_id": names.token_id(happening, child, 1 - outcome),
        "resolved": settled,
        "final_price": payouts[outcome] if settled else None,
        "market_slug": names.market_slug(happening, child),
        "closed": second >= happening.closed_at,
        "neg_risk": shapes.neg_risk(happening),
        "event_id": str(happening.number),
    }


def market_row(happening: Happening, child: int, outcome: int) -> Row:
    """What every row says of its token."""
    return {
        "token_id": names.token_id(happening, child, outcome),
        "condition_id": names.condition_id(happening, child),
        "title": names.question(happening, child),
        "slug": names.market_slug(happening, child),
        "event_slug": names.slug(happening),
        "outcome": names.outcomes(happening)[outcome],
        "outcome_index": outcome,
        "negative_risk": shapes.neg_risk(happening),
    }
