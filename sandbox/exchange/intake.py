"""An order at the door: whose it is, who signed it, and whether its terms can be kept."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.core import order_checks as checks
from sandbox.core import signed_orders, wallets
from sandbox.core.keys import ApiKey
from sandbox.core.matching import Take
from sandbox.core.order_checks import Refusal
from sandbox.core.placed import Placed, fee
from sandbox.core.signed_orders import BadSignature, SignedOrder, WrongVersion
from sandbox.core.world import UnknownMarket
from sandbox.exchange.listed import Listed
from sandbox.exchange.state import Wallet

if TYPE_CHECKING:
    from sandbox.exchange.desk import Exchange


class PostOnlyMode(Refusal):
    """The engine has just restarted, or was told to take only post-only orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order, who hands it in and when, and what it is about."""

    order: SignedOrder
    key: ApiKey
    market: Listed
    outcome: int
    order_id: str
    now: float


def asked(exchange: "Exchange", order: SignedOrder, key: ApiKey, now: float) -> Asked:
    """The order with its market and its id; raises `Refusal` for a token that never was."""
    try:
        market, outcome = exchange.listing.by_token(order.token)
    except UnknownMarket:
        raise _no_book(order) from None
    order_id = signed_orders.order_hash(order, neg_risk=market.is_neg_risk)
    return Asked(order=order, key=key, market=market, outcome=outcome, order_id=order_id, now=now)


def check_caller(exchange: "Exchange", found: Asked) -> None:
    """Whether the key's owner may speak for the maker, and did; raises `Refusal`."""
    order, address = found.order, found.key.address
    if order.owner != found.key.key:
        raise Refusal(checks.NOT_THE_OWNER)
    known = exchange.state.wallets.get(order.maker, Wallet())
    own = wallets.of_owner(address).get(order.maker)
    session = order.signature_type == wallets.DEPOSIT and address in known.signers
    if not session and own != order.signature_type:
        raise Refusal(checks.NOT_OURS if own is None else "invalid signature")
    if own == wallets.EOA and order.maker not in exchange.state.wallets:
        raise Refusal(checks.NOT_OURS)
    if order.signature_type != wallets.DEPOSIT and order.signer != address:
        raise Refusal(checks.NOT_THE_SIGNER)
    _check_signature(found)


def _check_signature(found: Asked) -> None:
    order, address = found.order, found.key.address
    try:
        signer = signed_orders.signed_by(order, neg_risk=found.market.is_neg_risk)
    except WrongVersion:
        raise Refusal(checks.WRONG_VERSION) from None
    except BadSignature:
        raise Refusal("invalid signature") from None
    if signer != address:
        retired = signed_orders.is_for_retired(order, address)
        raise Refusal(checks.WRONG_VERSION if retired else "invalid signature")


def kept(exchange: "Exchange", found: Asked) -> Placed:
    """The order as it would be kept; raises `Refusal` where the venue refuses its terms."""
    order, market, now = found.order, found.market, found.now
    _check_mood(exchange, found)
    if not market.takes_orders(now):
        raise _no_book(order)
    tick = market.tick(int(now))
    lead = f"order {found.order_id} is invalid. "
    try:
        terms = checks.terms(order, tick=tick, spends=exchange.conduct.buys_spend_dollars)
        checks.check_amounts(order, tick=tick)
    except Refusal as refusal:
        raise Refusal(lead + str(refusal)) from None
    checks.check_times(order, now=now)
    placed = _placed(exchange, found, terms)
    takes = exchange.would_take(placed, market, now)
    try:
        checks.check_size(order, terms, marketable=bool(takes), least=market.least)
    except Refusal as refusal:
        raise Refusal(lead + str(refusal)) from None
    _check_funds(exchange, placed, market, takes, needed=order.maker_amount)
    if order.post_only and takes:
        raise Refusal(checks.CROSSES, soft=True)
    return placed


def _placed(exchange: "Exchange", found: Asked, terms: checks.Terms) -> Placed:
    order, market, outcome = found.order, found.market, found.outcome
    return Placed(
        id=found.order_id,
        key=found.key.key,
        wallet=order.maker,
        token=order.token,
        market=market.number,
        condition=market.condition,
        outcome=outcome,
        outcome_name=market.outcomes[outcome],
        is_buy=order.is_buy,
        price=terms.price,
        shares=terms.shares,
        budget=terms.budget,
        order_type=order.order_type,
        post_only=order.post_only,
        expiration=order.expiration,
        at=found.now,
        number=0,
        visible_at=found.now + exchange.conduct.hidden_s,
    )


def _check_mood(exchange: "Exchange", found: Asked) -> None:
    conduct, address = exchange.conduct, found.key.address
    if address in conduct.banned:
        raise Refusal(checks.BANNED)
    if address in conduct.closed_only and found.order.is_buy:
        raise Refusal(checks.CLOSED_ONLY)
    if exchange.timers.is_post_only(found.now) and not found.order.post_only:
        raise PostOnlyMode(checks.POST_ONLY)


def _check_funds(
    exchange: "Exchange", placed: Placed, market: Listed, takes: list[Take], *, needed: int
) -> None:
    if placed.is_buy:
        needed += sum(fee(take.shares, take.offer.price, market.fee_rate) for take in takes)
    wallet = exchange.state.wallets.get(placed.wallet, Wallet())
    spender = signed_orders.NEG_RISK if market.is_neg_risk else signed_orders.STANDARD
    checks.check_funds(
        needed=needed,
        held=wallet.assets.get(placed.asset, 0),
        kept=exchange.state.kept.get((placed.wallet, placed.asset), 0),
        allowed=wallet.allowances.get(spender.lower(), 0),
    )


def _no_book(order: SignedOrder) -> Refusal:
    return Refusal(f"the orderbook {order.token} does not exist")
