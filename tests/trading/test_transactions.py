"""Nonces, fees, steps and bytes of transactions: without a chain and without a database."""

from datetime import timedelta

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.core import abi
from trading.core.redemption import POLYGON
from trading.core.signing import keccak
from trading.core.transactions import (
    FeeCapReached,
    Fees,
    Patience,
    Seen,
    Step,
    bumped,
    fees_for,
    next_nonce,
    next_step,
    replacement,
)
from trading.core.transactions_wire import Unsigned, hash_of

WEI = st.integers(0, 10**13)
PATIENCE = Patience(confirmations=3, stuck_after=timedelta(seconds=60))
SOON, LATE = timedelta(seconds=5), timedelta(seconds=60)
KEY = (7).to_bytes(32, "big")


def step(status: str, seen: Seen, **changes: object) -> Step:
    facts = {"age": SOON, "head": 100, "settled_nonce": False, "patience": PATIENCE} | changes
    return next_step(status, seen, **facts)


@given(max_fee=WEI, tip=WEI, base=WEI, market_tip=WEI)
@settings(max_examples=200)
def test_a_replacement_pays_a_tenth_more_on_both_fees(max_fee, tip, base, market_tip):
    """A node refuses less, whatever this chain's test double accepts."""
    old = Fees(max_fee=max_fee, priority_fee=min(tip, max_fee))
    market = fees_for(base, market_tip, cap=10**15)

    new = replacement(old, market, cap=10**15)

    assert new.max_fee * 10 >= old.max_fee * 11
    assert new.priority_fee * 10 >= old.priority_fee * 11
    assert new.max_fee >= market.max_fee
    assert new.priority_fee <= new.max_fee
    assert new.max_fee > old.max_fee


def test_no_fee_is_ever_above_the_cap():
    assert fees_for(500, 600, cap=1000) == Fees(max_fee=1000, priority_fee=600)
    with pytest.raises(FeeCapReached, match="raise it in the chain settings"):
        replacement(Fees(max_fee=950, priority_fee=10), fees_for(1, 1, cap=1000), cap=1000)


def test_one_wei_more_is_never_enough():
    assert bumped(1_000_000_000) == 1_100_000_000
    assert bumped(1) == 2


@given(pending=st.integers(0, 9), own=st.lists(st.integers(0, 9)))
def test_a_nonce_is_used_by_nobody_before(pending, own):
    nonce = next_nonce(pending, own)

    assert nonce >= pending
    assert nonce not in own


@pytest.mark.parametrize(
    ("status", "seen", "changes", "expected"),
    [
        ("SIGNED", Seen(), {}, Step.SEND),
        ("SIGNED", Seen(known=True), {}, Step.SEND),
        ("SIGNED", Seen(), {"age": LATE}, Step.SEND),
        ("SIGNED", Seen(), {"age": LATE, "underpriced": True}, Step.REPLACE),
        ("SENT", Seen(known=True), {}, Step.WAIT),
        ("SENT", Seen(), {}, Step.SEND),
        ("SENT", Seen(), {"age": LATE}, Step.SEND),
        ("SENT", Seen(known=True), {"age": LATE}, Step.REPLACE),
        ("SENT", Seen(), {"settled_nonce": True}, Step.NOTE_SUPERSEDED),
        ("SENT", Seen(known=True, block_number=99, succeeded=True), {}, Step.NOTE_MINED),
        ("SENT", Seen(known=True, block_number=101, succeeded=True), {}, Step.NOTE_MINED),
        ("MINED", Seen(known=True, block_number=98, succeeded=True), {}, Step.NOTE_CONFIRMED),
        ("MINED", Seen(known=True, block_number=98), {}, Step.NOTE_REVERTED),
        ("MINED", Seen(known=True, block_number=99), {}, Step.NOTE_MINED),
        ("MINED", Seen(known=True), {}, Step.NOTE_REORGANISED),
        ("MINED", Seen(), {"settled_nonce": True}, Step.NOTE_REORGANISED),
    ],
)
def test_what_follows_is_a_table(status, seen, changes, expected):
    assert step(status, seen, **changes) is expected


@given(nonce=WEI, max_fee=WEI, tip=WEI, gas=WEI, data=st.binary(max_size=300))
@settings(max_examples=50)
def test_the_bytes_are_those_of_the_reference_implementation(nonce, max_fee, tip, gas, data):
    target = "0x1212121200000000000000000000000000000600"
    unsigned = Unsigned(
        chain_id=137,
        nonce=nonce,
        fees=Fees(max_fee=max_fee, priority_fee=tip),
        gas=gas,
        target=target,
        data=f"0x{data.hex()}",
    )
    reference = Account.sign_transaction(
        {
            "type": 2,
            "chainId": 137,
            "nonce": nonce,
            "to": target,
            "value": 0,
            "data": data,
            "gas": gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
        },
        KEY,
    )
    r, s, v = reference.r, reference.s, reference.v

    raw = unsigned.signed(r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + v]))

    assert raw == bytes(reference.raw_transaction)
    assert hash_of(raw) == f"0x{bytes(reference.hash).hex()}"


def test_a_signature_of_another_length_is_refused():
    unsigned = Unsigned(
        chain_id=1,
        nonce=0,
        fees=Fees(max_fee=1, priority_fee=1),
        gas=1,
        target=POLYGON.router,
        data="0x",
    )

    with pytest.raises(ValueError, match="65 bytes"):
        unsigned.signed(bytes(64))


@pytest.mark.parametrize(
    ("constant", "signature"),
    [
        (abi.BALANCE_OF, "balanceOf(address)"),
        (abi.BALANCE_OF_BATCH, "balanceOfBatch(address[],uint256[])"),
        (abi.PAYOUT_DENOMINATOR, "payoutDenominator(bytes32)"),
        (abi.PAYOUT_NUMERATORS, "payoutNumerators(bytes32,uint256)"),
        (abi.REDEEM_POSITIONS, "redeemPositions(address,bytes32,bytes32,uint256[])"),
        (abi.ROUTER_REDEEM, "redeem(bytes31,uint256,uint256)"),
        (abi.GET_PAYOUT, "getPayout(uint256,uint256)"),
        (abi.TRANSFER, "Transfer(address,address,uint256)"),
        (abi.TRANSFER_SINGLE, "TransferSingle(address,address,address,uint256,uint256)"),
        (abi.TRANSFER_BATCH, "TransferBatch(address,address,address,uint256[],uint256[])"),
    ],
)
def test_selectors_and_topics_are_hashes_of_their_signatures(constant, signature):
    assert f"0x{keccak(signature.encode()).hex()}".startswith(constant)
