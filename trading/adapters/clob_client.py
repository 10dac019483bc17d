"""The official client, held so that it can do no harm: without a key, and with its errors read.

This is the only module that imports it. What it touches of the client's private names is all in
`without_key`; a contract test fails when a release moves one.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import httpx
from polymarket import SecureClient, environments, errors
from polymarket.models.clob import ApiKeyCreds, BalanceAllowance
from polymarket.models.clob.orders import SignedOrder as ClientOrder

from trading.adapters.credentials import Credentials
from trading.adapters.signer import Signer
from trading.core.order_payload import SignedOrder
from trading.core.refusals import RETRY_AFTER_S, Answer, Proof, in_words, judge
from trading.core.signing import SignatureType, is_v2_position
from trading.core.venue_reports import MakerEntry, OrderReport, TradeReport
from trading.venue import OutcomeUnknown, Rejected, Restricted, Unauthorised, Unsent, WrongHeartbeat

BEFORE_ANY_BYTE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""No connection, so no request: the only silence that proves anything."""
WALLET_TYPES = {
    SignatureType.EOA: "EOA",
    SignatureType.PROXY: "POLY_PROXY",
    SignatureType.SAFE: "GNOSIS_SAFE",
    SignatureType.DEPOSIT: "DEPOSIT_WALLET",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a venue answers."""

    clob: str
    gamma: str
    data: str
    relayer: str
    rpc: str
    market_ws: str
    user_ws: str


class Hosts(Protocol):
    """What is read of the environment (`config.env.Env`)."""

    @property
    def venue_clob_url(self) -> str:
        """Where to reach orders, books and trades."""
        ...

    @property
    def venue_gamma_url(self) -> str:
        """Where to reach the catalogue."""
        ...

    @property
    def venue_data_url(self) -> str:
        """Where to reach wallets and history."""
        ...

    @property
    def venue_relayer_url(self) -> str:
        """Where to reach chain transactions without gas."""
        ...

    @property
    def venue_ws_url(self) -> str:
        """Where to reach the market channel."""
        ...

    @property
    def venue_user_ws_url(self) -> str:
        """Where to reach the user channel."""
        ...

    @property
    def polygon_rpc_url(self) -> str:
        """Where to reach the chain."""
        ...


def endpoints(env: Hosts) -> Endpoints:
    """The hosts that the environment names."""
    return Endpoints(
        clob=env.venue_clob_url,
        gamma=env.venue_gamma_url,
        data=env.venue_data_url,
        relayer=env.venue_relayer_url,
        rpc=env.polygon_rpc_url,
        market_ws=env.venue_ws_url,
        user_ws=env.venue_user_ws_url,
    )


@dataclass(frozen=True, slots=True)
class _NoKey:
    """Stands where the client keeps its account: an address to name in headers, nothing to sign."""

    address: str


def without_key(
    signer: Signer, credentials: Credentials, hosts: Endpoints, *, timeout_s: float
) -> SecureClient:
    """The official client, pointed at these hosts, with credentials and without a key.

    Everything private that is touched of it is touched here.
    """
    config = dataclasses.replace(
        environments.PRODUCTION._config,  # noqa: SLF001 - no public way to another host
        clob_url=hosts.clob,
        gamma_url=hosts.gamma,
        data_url=hosts.data,
        relayer_url=hosts.relayer,
        rpc_url=hosts.rpc,
        clob_market_ws_url=hosts.market_ws,
        clob_user_ws_url=hosts.user_ws,
    )
    environment = environments._create_environment(name="oddsmith", config=config)  # noqa: SLF001
    client = SecureClient._construct_for_wallet(  # noqa: SLF001 - `create` demands the key
        signer=cast(Any, _NoKey(signer.address)),
        wallet=signer.wallet,
        wallet_type=cast(Any, WALLET_TYPES[signer.signature_type]),
        signer_type="SESSION_KEY" if signer.is_session_key else "OWNER",
        environment=environment,
        config=config,
        credentials=ApiKeyCreds.model_validate(
            {
                "apiKey": credentials.key,
                "secret": credentials.secret,
                "passphrase": credentials.passphrase,
            }
        ),
        api_key=None,
        logger=None,
        on_rate_limit_update=None,
    )
    client._ctx.secure_clob._client.timeout = httpx.Timeout(timeout_s, connect=min(5.0, timeout_s))  # noqa: SLF001
    return client


class Refused(Exception):
    """The venue answered, and refused; what it proves depends on what was asked."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


@contextmanager
def told_apart(*, everything: bool = False) -> Iterator[None]:
    """Turn the client's errors into `Unsent`, `OutcomeUnknown` or an answer to judge.

    With `everything` refusals become failures too: right for all that is no order.
    """
    try:
        yield
    except errors.OrderHeartbeatMismatchError as other:
        raise WrongHeartbeat(other.heartbeat_id) from None
    except (errors.RequestRejectedError, errors.RateLimitError) as refused:
        answer = Answer(
            status=getattr(refused, "status", 429),
            text=str(refused),
            restriction=getattr(refused, "restriction", None) or "",
            retry_after_s=refused.retry_after,
        )
        if not everything:
            raise Refused(answer) from refused
        raise failure(answer) from refused
    except errors.TransportError as silence:
        if isinstance(silence.__cause__, BEFORE_ANY_BYTE):
            raise Unsent(f"no connection: {silence}") from silence
        raise OutcomeUnknown(f"no answer: {silence}") from silence
    except errors.UserInputError as ours:
        raise Rejected(f"the client refuses to send this: {ours}") from ours
    except errors.PolymarketError as unreadable:
        raise OutcomeUnknown(f"the answer cannot be read: {unreadable}") from unreadable


def failure(answer: Answer) -> Exception:
    """The failure that an answer proves."""
    judged = judge(answer)
    said = f"HTTP {answer.status}: {answer.text[:200]}"
    match judged.proof:
        case Proof.UNAUTHORISED:
            return Unauthorised(said)
        case Proof.REFUSED | Proof.KILLED:
            return Rejected(in_words(answer))
        case Proof.RESTRICTED:
            wait = answer.retry_after_s
            return Restricted(
                judged.restriction,
                retry_after_s=RETRY_AFTER_S[judged.restriction] if wait is None else wait,
                message=said,
            )
        case _:
            return OutcomeUnknown(said)


def find_order(client: SecureClient, order_hash: str) -> OrderReport | None:
    """What the venue says of an order; None where it keeps none under this hash.

    Raises the client's errors: call it within `told_apart`.
    """
    try:
        found = client.get_order(order_id=order_hash)
    except errors.RequestRejectedError as refused:
        if refused.status != httpx.codes.NOT_FOUND:
            raise
        return None
    except errors.UnexpectedResponseError:
        # An empty body or null: not kept. The list of live orders says so in so many words.
        listed = client.list_open_orders(id=order_hash).iter_items()
        live = [order for order in listed if order.id.lower() == order_hash.lower()]
        if not live:
            return None
        found = live[0]
    return OrderReport(
        status=found.status, original_size=found.original_size, size_matched=found.size_matched
    )


def balance(client: SecureClient, token_id: str = "") -> BalanceAllowance:
    """What the wallet has of a token, or of collateral, and who may take it; in 1e-6."""
    if not token_id:
        return client.get_balance_allowance(asset_type="COLLATERAL")
    if is_v2_position(token_id):
        return client.get_balance_allowance(asset_type="CONDITIONAL-V2", asset_id=token_id)
    return client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=token_id)


def as_client_order(signed: SignedOrder) -> ClientOrder:
    """A stored order in the form that the client hands in."""
    order = signed.order
    return ClientOrder(
        builder=cast(Any, order.builder),
        expiration=signed.expiration,
        maker=cast(Any, order.maker),
        maker_amount=order.maker_amount,
        metadata=cast(Any, order.metadata),
        order_type=cast(Any, signed.type),
        salt=order.salt,
        side="BUY" if order.is_buy else "SELL",
        signature=cast(Any, signed.signature),
        signature_type=int(order.signature_type),
        signer=cast(Any, order.signer),
        taker_amount=order.taker_amount,
        timestamp=order.timestamp_ms,
        token_id=cast(Any, order.token_id),
        post_only=signed.post_only,
    )


def trade_of(found: Any) -> TradeReport:
    """A trade as the client read it, in our words."""
    return TradeReport(
        trade_id=found.id,
        taker_hash=found.taker_order_id,
        token_id=str(found.asset_id),
        is_buy=found.side == "BUY",
        price=found.price,
        shares=found.size,
        status=found.status,
        matched_at=found.matched_at,
        transaction_hash=found.transaction_hash or "",
        is_taker=found.trader_side == "TAKER",
        makers=tuple(_makers(found.maker_orders)),
    )


def _makers(entries: Iterable[Any]) -> Iterator[MakerEntry]:
    for entry in entries:
        yield MakerEntry(
            order_hash=entry.order_id,
            token_id=str(entry.asset_id),
            is_buy=entry.side == "BUY",
            price=entry.price,
            shares=entry.matched_amount,
            owner=entry.owner,
            maker_address=entry.maker_address,
        )
