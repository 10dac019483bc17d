"""The venue's words about an order and its trades, read in terms of our own order.

Words may carry prefixes, sizes may be multiplied by 1e6, and a trade in which we rested describes
whoever took. What we sent is the measure for all three.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import Final

from config.kernel.units import MICRO, ONE, ZERO
from trading.core.amounts import IMMEDIATE
from trading.core.fees import fee_if_known
from trading.core.holdings import DUST
from trading.venue import Execution, Receipt

MILLION: Final = Decimal(1_000_000)
BEST: Final = Decimal("0.001")
"""No price is below the finest tick: so much more than asked for may a bound of dollars buy."""
LEAST_SCALED: Final = Decimal(10_000)
"""The venue trades hundredths of a share: in integers of 1e-6 it says at least this."""
INDEXED_WITHIN: Final = timedelta(seconds=60)
"""Trades of an order that was killed at once may appear one after the other for so long."""

OPEN_WORDS: Final = ("LIVE", "DELAYED", "UNMATCHED", "OPEN")
EXPIRED_WORDS: Final = ("CANCELED_EXPIRED_ORDER", "EXPIRED")
FAILED: Final = "FAILED"
"""What the chain undid: such a trade never happened."""
ROUNDED_OFF: Final = Decimal("0.001")
"""Dollars that rounding its shares to the wire may leave of a purchase that was filled whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What we sent: the measure of everything that is said about it.

    `dollars` are those that an immediate purchase binds, None where nobody says; `other_token_id`
    is the market's other outcome, empty where it does not matter.
    """

    order_hash: str
    token_id: str
    is_buy: bool
    shares: Decimal
    type: str
    submitted_at: datetime
    rest_until: datetime | None = None
    dollars: Decimal | None = None
    fee_rate: Decimal | None = None
    fee_exponent: Decimal = ONE
    other_token_id: str = ""


class Misattributed(ValueError):
    """A trade under our order's id is of another token or side; the message names both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What the venue says of an order."""

    status: str
    original_size: Decimal
    size_matched: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerEntry:
    """One resting order in a trade, in its own terms."""

    order_hash: str
    token_id: str
    is_buy: bool
    price: Decimal
    shares: Decimal
    owner: str = ""
    maker_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeReport:
    """One trade as the venue tells it: the taker's terms, and the resting orders it met."""

    trade_id: str
    taker_hash: str
    token_id: str
    is_buy: bool
    price: Decimal
    shares: Decimal
    status: str
    matched_at: datetime
    transaction_hash: str = ""
    is_taker: bool = True
    makers: tuple[MakerEntry, ...] = field(default_factory=tuple)


def plain(word: str) -> str:
    """A status without the prefixes of older replies.

    >>> plain("ORDER_STATUS_LIVE"), plain("TRADE_STATUS_MINED"), plain("MATCHED_NOT_BROADCASTED")
    ('LIVE', 'MINED', 'MATCHED')
    """
    bare = word.upper().removeprefix("ORDER_STATUS_").removeprefix("TRADE_STATUS_")
    return "MATCHED" if bare == "MATCHED_NOT_BROADCASTED" else bare


def in_shares(size: Decimal, *, most: Decimal) -> Decimal:
    """A size that may be an integer of 1e-6, in shares; `most` is what the order can have got.

    More than that in plain shares it cannot be; a small excess is an overfill, and stays one.

    >>> in_shares(Decimal(50_000), most=Decimal(100)), in_shares(Decimal(4), most=Decimal(100))
    (Decimal('0.050000'), Decimal('4'))
    >>> in_shares(Decimal(101), most=Decimal(100))
    Decimal('101')
    """
    plain_shares = size <= most + DUST or size < LEAST_SCALED or size % 1 != ZERO
    return size if plain_shares else (size / MILLION).quantize(MICRO)


def most_shares(sent: Decimal, *, order_type: str, is_buy: bool, price: Decimal = BEST) -> Decimal:
    """What an order can have got at a price: immediate purchases bind dollars, not shares.

    >>> most_shares(Decimal(100), order_type="FAK", is_buy=True, price=Decimal("0.5")) == 200
    True
    """
    return sent / max(price, BEST) if is_buy and order_type in IMMEDIATE else sent


def measured(execution: Execution, *, sent: Decimal, order_type: str, is_buy: bool) -> Execution:
    """A trade that was told without knowing the order, by the measure of what was sent."""
    most = most_shares(sent, order_type=order_type, is_buy=is_buy, price=execution.price)
    shares = in_shares(execution.shares, most=most)
    if shares == execution.shares:
        return execution
    fee = execution.fee
    if fee is not None:
        fee = (fee / MILLION).quantize(MICRO, rounding=ROUND_UP)
    return replace(execution, shares=shares, fee=fee)


def executions(own: Own, trades: Iterable[TradeReport]) -> tuple[Execution, ...]:
    """Our part in each trade that names our order, oldest first."""
    found = [part for trade in trades if (part := execution(own, trade)) is not None]
    return tuple(sorted(found, key=lambda part: (part.observed_at, part.trade_id)))


def execution(own: Own, trade: TradeReport) -> Execution | None:
    """Our part in a trade; None where it does not name our order. Only takers pay.

    Raises `Misattributed` where what was exchanged is not what our order asked for.
    """
    if trade.taker_hash == own.order_hash:
        price = _own_price(own, trade.price, trade.token_id, is_buy=trade.is_buy)
        shares = _size(own, trade.shares, price)
        fee = fee_if_known(shares, price, rate=own.fee_rate, exponent=own.fee_exponent)
        return _part(trade, price=price, shares=shares, fee=fee, is_maker=False)
    ours = [entry for entry in trade.makers if entry.order_hash == own.order_hash]
    if not ours:
        return None
    prices = [_own_price(own, e.price, e.token_id, is_buy=e.is_buy) for e in ours]
    sizes = [_size(own, entry.shares, price) for entry, price in zip(ours, prices, strict=True)]
    shares = sum(sizes, ZERO)
    if shares <= ZERO:
        return None
    paid = sum((price * size for price, size in zip(prices, sizes, strict=True)), ZERO)
    price = (paid / shares).quantize(MICRO)
    return _part(trade, price=price, shares=shares, fee=ZERO, is_maker=True)


def _size(own: Own, size: Decimal, price: Decimal) -> Decimal:
    most = most_shares(own.shares, order_type=own.type, is_buy=own.is_buy, price=price)
    return in_shares(size, most=most)


def _matched(own: Own, order: OrderReport) -> Decimal:
    """What was matched, in shares: the whole size tells in what it is counted."""
    if in_shares(order.original_size, most=own.shares) != order.original_size:
        return (order.size_matched / MILLION).quantize(MICRO)
    most = most_shares(own.shares, order_type=own.type, is_buy=own.is_buy)
    return in_shares(order.size_matched, most=most)


def _own_price(own: Own, price: Decimal, token_id: str, *, is_buy: bool) -> Decimal:
    """To sell the other outcome is to buy ours at what is left of a dollar: it may be told so."""
    if (token_id, is_buy) == (own.token_id, own.is_buy):
        return price
    if token_id and token_id == own.other_token_id and is_buy != own.is_buy:
        return ONE - price
    side = "BUY" if is_buy else "SELL"
    raise Misattributed(f"a {side} of token {token_id[:80]} under the id of our order")


def _part(
    trade: TradeReport, *, price: Decimal, shares: Decimal, fee: Decimal | None, is_maker: bool
) -> Execution:
    return Execution(
        trade_id=trade.trade_id,
        price=price,
        shares=shares,
        fee=fee,
        observed_at=trade.matched_at,
        is_maker=is_maker,
        status=plain(trade.status),
        transaction_hash=trade.transaction_hash,
    )


def receipt(
    own: Own, order: OrderReport | None, trades: Sequence[TradeReport], *, as_of: datetime
) -> Receipt | None:
    """What became of an order; None where neither an order nor a trade bears its hash.

    An ending is told only when all its trades are: until then the order counts as alive, so its
    reservation stays. A trade that failed fills nothing.
    """
    parts = executions(own, trades)
    if order is None:
        return _vanished(own, parts, as_of=as_of) if parts else None
    word = plain(order.status)
    complete = _complete(_matched(own, order), parts)
    if word in OPEN_WORDS or not complete:
        return _told(own, "OPEN", parts, reason="" if complete else "its trades are not all told")
    if _happened(parts) >= own.shares - DUST:
        return _told(own, "FILLED", parts)
    status, reason = _ending(own, order, parts)
    return _told(own, status, parts, reason=reason)


def _ending(own: Own, order: OrderReport, parts: tuple[Execution, ...]) -> tuple[str, str]:
    """How an order ended that the venue keeps, and that is neither alive nor filled."""
    word = plain(order.status)
    if word in EXPIRED_WORDS:
        return "EXPIRED", f"the venue says {order.status}"
    if word.startswith(("CANCELED", "CANCELLED", "INVALID")):
        return "CANCELED", f"the venue says {order.status}"
    if word == "MATCHED" and any(part.status == FAILED for part in parts):
        return "CANCELED", "a trade of it failed on the chain"
    if word == "MATCHED" and own.type in IMMEDIATE and _matched(own, order) > ZERO:
        return "CANCELED", "what was not there at once was cancelled"
    # MATCHED before its trades are listed, or a word of a later release: alive until proved.
    return "OPEN", f"the venue says {order.status}"


def _happened(parts: Iterable[Execution]) -> Decimal:
    return sum((part.shares for part in parts if part.status != FAILED), ZERO)


def _complete(matched: Decimal, parts: tuple[Execution, ...]) -> bool:
    """Whether every trade of what was matched is told; the venue may count failed ones or not."""
    told = sum((part.shares for part in parts), ZERO)
    return _happened(parts) >= matched - DUST or abs(told - matched) <= DUST


def _vanished(own: Own, parts: tuple[Execution, ...], *, as_of: datetime) -> Receipt:
    """An order that is not kept any more, of which some trades are known.

    "Not found" once proves nothing of what could still rest: it is UNKNOWN, which is silence.
    """
    immediate = own.type in IMMEDIATE
    filled = _happened(parts) >= own.shares - DUST
    if filled and not (immediate and own.is_buy):
        return _told(own, "FILLED", parts)
    if immediate:
        if as_of < own.submitted_at + INDEXED_WITHIN and not _is_spent(own, parts):
            return _told(own, "OPEN", parts, reason="more of its trades may follow")
        return _told(own, "FILLED" if filled else "CANCELED", parts, reason="it left the book")
    if own.type == "GTD" and own.rest_until is not None and as_of >= own.rest_until:
        return _told(own, "EXPIRED", parts, reason="it is gone from the book, and its time is over")
    return _told(own, "UNKNOWN", parts, reason="it is gone from the book, and nobody says how")


def _is_spent(own: Own, parts: tuple[Execution, ...]) -> bool:
    """Whether an immediate purchase has nothing left to buy with."""
    if own.dollars is None:
        return False
    paid = (part.price * part.shares for part in parts if part.status != FAILED)
    return own.is_buy and sum(paid, ZERO) >= own.dollars - ROUNDED_OFF


def _told(own: Own, status: str, parts: tuple[Execution, ...], *, reason: str = "") -> Receipt:
    return Receipt(venue_order_id=own.order_hash, status=status, executions=parts, reason=reason)
