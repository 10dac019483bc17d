"""Hashes and ids equal the venue's, on its recorded vectors and on some computed by hand."""

import json
from decimal import Decimal
from typing import Any

import coincurve
import pytest
from django.conf import settings
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from polymarket._internal import wallet as peer
from polymarket._internal.actions.orders import typed_data
from polymarket._internal.actions.orders.limit import _compute_limit_order_amounts
from polymarket._internal.actions.orders.market import _compute_market_order_amounts
from polymarket._internal.actions.orders.types import UnsignedOrder as PeerOrder
from polymarket.environments import PRODUCTION

from trading.adapters.signer import Signer
from trading.core import order_payload, signing, token_ids, wallets
from trading.core.amounts import AMOUNT_PLACES, NotOnWire, wire_amounts
from trading.core.signing import Exchange, SignatureType, UnsignedOrder

KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""The first account of every local test chain, known to everybody."""
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
TOKEN = "48418917734180607831833027288777571190488909295977497623601373906809754084036"
V2_TOKEN = str(int("01" + "ab" * 18 + "00" * 8 + "cdcdcdcd" + "00", 16))
WALLET = "0x" + "11" * 20


def an_order(**changes: Any) -> UnsignedOrder:
    values: dict[str, Any] = {
        "salt": 123456789,
        "maker": OWNER,
        "signer": OWNER,
        "token_id": TOKEN,
        "maker_amount": 5_200_000,
        "taker_amount": 10_000_000,
        "is_buy": True,
        "signature_type": SignatureType.EOA,
        "timestamp_ms": 1778584200000,
    }
    return UnsignedOrder(**values | changes)


def vectors() -> dict[str, Any]:
    folder = settings.ENV.history_dir
    path = folder and folder / "reference/payloads/generated/signing_and_id_vectors.json"
    if not path or not path.exists():
        pytest.skip("set HISTORY_DIR to the folder that holds reference/payloads")
    return json.loads(path.read_bytes())


@pytest.mark.history
def test_recorded_orders_have_their_ids_and_signatures() -> None:
    known = vectors()
    for row in known["orders"]:
        order = an_order(
            token_id=known["token_id"], maker=row["maker"], signer=row["signer"],
            maker_amount=int(row["maker_amount"]), taker_amount=int(row["taker_amount"]),
            is_buy=row["side"] == 0, signature_type=SignatureType(row["signature_type"]),
        )  # fmt: skip
        exchange = Exchange(address=row["verifying_contract"], version=row["domain_version"])
        owner = Signer(KEY, wallet=OWNER)

        assert owner.order(order, exchange) == (row["order_id"], row["signature"]), row["name"]
        assert exchange in signing.EXCHANGES


@pytest.mark.history
def test_recorded_requests_and_ids_come_out_the_same() -> None:
    known = vectors()
    auth = known["l1_clob_auth"]
    signature = Signer(KEY).credentials_request(timestamp_s=int(auth["timestamp"]))
    assert signature == auth["signature"]
    for row in known["l2_hmac"]:
        found = signing.l2_signature(
            row["secret"], timestamp_s=int(row["timestamp"]), method=row["method"],
            path=row["path"], body=row["body"],
        )  # fmt: skip
        assert found == row["signature"]
    for row in known["ctf_position_ids"]:
        neg_risk = row["collateral"].startswith("Wrapped")
        condition = row["condition_id"]
        assert [token_ids.collection_id(condition, n) for n in (1, 2)] == row["collection_ids"]
        assert list(token_ids.position_ids(condition, neg_risk=neg_risk)) == row["position_ids"]


@pytest.mark.parametrize(
    ("exchange", "is_buy", "order_id"),
    [
        (
            signing.STANDARD, True,
            "0x63b922516aabcddf646e6bd99be7a68781830cebe920b8f74a52f43ffd3ffa72",
        ),
        (
            signing.NEG_RISK, True,
            "0xf7750cb384879357d873777b019059f9dce8c947353c1495bc47c8d51775374c",
        ),
        (
            signing.STANDARD, False,
            "0x087532576026a094e6068db4270a3c58cc407b2a742bb9db17bdbd858bd0b800",
        ),
        (
            signing.V3, True,
            "0x449f9b54b3493ca75423a7458f7c6f9b2a8773279fb0c6a423352923eb78eb9d",
        ),
    ],
    ids=["standard", "neg-risk", "sell", "v3"],
)  # fmt: skip
def test_an_order_is_named_before_it_is_signed(exchange, is_buy, order_id):
    amounts = (5_200_000, 10_000_000) if is_buy else (10_000_000, 5_200_000)
    order = an_order(is_buy=is_buy, maker_amount=amounts[0], taker_amount=amounts[1])

    assert signing.order_hash(order, exchange) == order_id


def test_a_deposit_wallet_signs_around_the_order_and_keeps_its_id() -> None:
    order = an_order(maker=WALLET, signer=WALLET, signature_type=SignatureType.DEPOSIT)

    order_id, signature = Signer(KEY, wallet=OWNER).order(order, signing.STANDARD)

    assert order_id == "0x67dab90f63746294d53bc7bc8c041fea419bf7427286b2a4527cb3f92af7c450"
    assert len(signature) == 636
    assert signature.endswith(signing.ORDER_TYPE.hex() + "00ba")


numbers = st.integers(0, 2**256 - 1)
orders = st.builds(
    an_order,
    salt=st.integers(0, 2**53),
    token_id=numbers.map(str),
    maker_amount=numbers,
    taker_amount=numbers,
    is_buy=st.booleans(),
    signature_type=st.sampled_from(SignatureType),
    timestamp_ms=st.integers(0, 2**60),
    builder=st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()),
)


@given(orders, st.sampled_from(signing.EXCHANGES))
@budget(max_examples=25)
def test_any_order_is_signed_as_the_official_client_signs_it(order, exchange):
    theirs = PeerOrder(
        chain_id=137, builder=order.builder, exchange_address=exchange.address, expiration=0,
        maker=order.maker, maker_amount=order.maker_amount, metadata=order.metadata,
        order_type="GTC", salt=order.salt, side="BUY" if order.is_buy else "SELL",
        signature_type=order.signature_type, signer=order.signer, token_id=order.token_id,
        taker_amount=order.taker_amount, timestamp=order.timestamp_ms,
        protocol_version=exchange.version,
    )  # fmt: skip
    signed = Account.from_key(KEY).sign_typed_data(
        full_message=typed_data.build_order_typed_data(theirs)
    )
    expected = typed_data.build_order_signature(theirs, "0x" + signed.signature.hex())
    plain = encode_typed_data(
        full_message=typed_data._build_standard_typed_data(
            theirs, protocol_version=exchange.version
        )
    )

    order_id, signature = Signer(KEY, wallet=OWNER).order(order, exchange)

    assert signature == expected
    assert (
        order_id == "0x" + signing.keccak(b"\x19" + plain.version + plain.header + plain.body).hex()
    )


def test_a_key_finds_its_wallets_and_their_kind() -> None:
    factories = PRODUCTION._config.wallet_derivation

    assert wallets.wallets_of(OWNER) == {
        OWNER: SignatureType.EOA,
        peer.derive_beacon_deposit_wallet_address(OWNER, factories): SignatureType.DEPOSIT,
        peer.derive_uups_deposit_wallet_address(OWNER, factories): SignatureType.DEPOSIT,
        peer.derive_proxy_wallet_address(OWNER, factories): SignatureType.PROXY,
        peer.derive_safe_wallet_address(OWNER, factories): SignatureType.SAFE,
    }
    for wallet, kind in wallets.wallets_of(OWNER).items():
        signer = Signer(KEY, wallet=wallet.lower())
        assert (signer.wallet, signer.signature_type, signer.is_session_key) == (
            wallet,
            kind,
            False,
        )


def test_a_key_that_is_not_the_owners_signs_as_a_session_key() -> None:
    signer = Signer(KEY, wallet=WALLET)
    order = an_order(maker=WALLET, signer=WALLET, signature_type=SignatureType.DEPOSIT)

    _, signature = signer.order(order, signing.STANDARD)

    plain = Signer(KEY, wallet=OWNER).order(order, signing.STANDARD)[1]
    assert signer.is_session_key
    assert signature == peer.wrap_deposit_wallet_session_signer_signature(OWNER, plain)


def test_catalogue_and_token_must_agree_on_the_exchange() -> None:
    assert signing.exchange_of(protocol="v1", neg_risk=True, token_id=TOKEN) == signing.NEG_RISK
    assert signing.exchange_of(protocol="v2", neg_risk=True, token_id=V2_TOKEN) == signing.V3
    for protocol, token in (("v2", TOKEN), ("v1", V2_TOKEN), ("", TOKEN)):
        with pytest.raises(signing.UnknownExchange, match="sync the catalogue"):
            signing.exchange_of(protocol=protocol, neg_risk=False, token_id=token)


def test_tokens_that_are_not_the_conditions_own_are_noticed() -> None:
    condition = "0xa5c6d0c4cef71fe53c0235790b5568574343551fe67c62db39e9ebf3387b415a"
    ids = token_ids.position_ids(condition, neg_risk=False)
    newer = f"0x{int(V2_TOKEN):064x}"[:-2]

    assert ids[0] == TOKEN
    assert token_ids.belongs(ids, condition, protocol="v1", neg_risk=False)
    assert not token_ids.belongs(ids[::-1], condition, protocol="v1", neg_risk=False)
    assert not token_ids.belongs(ids, condition, protocol="v1", neg_risk=True)
    assert token_ids.v2_condition(V2_TOKEN) == (newer, 0)
    assert token_ids.belongs(
        (V2_TOKEN, str(int(V2_TOKEN) + 1)), newer, protocol="v2", neg_risk=False
    )
    assert not token_ids.belongs(ids, condition, protocol="v2", neg_risk=False)


ticks = st.sampled_from(sorted(AMOUNT_PLACES))
wishes = st.integers(1, 10_000_000).map(lambda cents: Decimal(cents).scaleb(-4))


@given(ticks, st.integers(1, 9_999), wishes, st.booleans(), st.sampled_from(["GTC", "FAK"]))
@budget(max_examples=200)
def test_amounts_are_the_clients_and_never_exceed_the_wish(tick, step, shares, is_buy, kind):
    price = min(max(tick * (step % int(1 / tick)), tick), 1 - tick)
    try:
        given_, asked = wire_amounts(
            order_type=kind, is_buy=is_buy, price=price, shares=shares, tick=tick
        )
    except NotOnWire:
        return

    side = "BUY" if is_buy else "SELL"
    if kind == "GTC":
        expected = _compute_limit_order_amounts(price=price, size=shares, side=side, tick_size=tick)
    else:
        wish = (shares.quantize(Decimal("0.01"), "ROUND_FLOOR") * price) if is_buy else shares
        expected = _compute_market_order_amounts(
            amount=wish, price=price, side=side, tick_size=tick
        )
    assert (given_, asked) == expected
    named, dollars = (asked, given_) if is_buy else (given_, asked)
    assert named <= shares * 1_000_000
    if is_buy:
        assert dollars <= shares * price * 1_000_000
        assert Decimal(dollars) / named < price + Decimal("0.0001")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"price": Decimal("0.525")}, "not on the grid"),
        ({"price": Decimal(1)}, "not on the grid"),
        ({"tick": Decimal("0.03")}, "not known"),
        ({"shares": Decimal("0.001")}, "round to nothing"),
    ],
)
def test_an_order_that_the_venue_cannot_read_is_not_written(changes, why):
    wish = {
        "order_type": "FAK",
        "is_buy": True,
        "price": Decimal("0.52"),
        "shares": Decimal(10),
        "tick": Decimal("0.01"),
    }
    with pytest.raises(NotOnWire, match=why):
        wire_amounts(**wish | changes)


@given(orders, st.booleans())
@budget(max_examples=20)
def test_a_stored_order_is_read_back_as_it_was_signed(order, post_only):
    signed = order_payload.SignedOrder(
        order=order, signature="0xab", type="GTD", expiration=1778584400, post_only=post_only
    )

    assert order_payload.read(order_payload.write(signed)) == signed


def test_a_stored_order_that_is_torn_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        order_payload.read('{"order":{}}')


def test_a_signature_names_its_signer() -> None:
    digest = signing.clob_auth_digest(OWNER, timestamp_s=1)
    raw = Signer(KEY).digest(digest)
    public = coincurve.PublicKey.from_signature_and_message(
        raw[:64] + bytes([raw[64] - 27]), digest, hasher=None
    )

    assert signing.address_of(public.format(compressed=False)) == OWNER
