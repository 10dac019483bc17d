"""What the real contracts on a local chain say through our reader."""

from decimal import Decimal

import pytest

from tests.chain.world import WALLET
from tests.support.local_chain import DOLLAR, LocalChain
from trading.adapters.chain import Chain, WouldRevert, connect
from trading.core.redemption import POLYGON, Call, redeem_call


@pytest.fixture
def reader(chain: LocalChain) -> Chain:
    return connect(chain.url, wallet=WALLET)


def test_cash_and_shares_are_read_from_the_production_addresses(chain, reader):
    first, second, third = (
        chain.condition(1),
        chain.condition(2, neg_risk=True),
        chain.condition_v2(3),
    )
    chain.pay(WALLET, 100)
    chain.split(WALLET, first, 30)
    chain.split(WALLET, second, 20)
    chain.split(WALLET, third, 10)

    held = reader.shares([*first.token_ids, *second.token_ids, *third.token_ids])

    assert reader.cash() == 40
    assert list(held.values()) == [30, 30, 20, 20, 10, 10]


def test_a_condition_pays_nothing_until_its_oracle_reported(chain, reader):
    yes, half, open_one = chain.condition(1), chain.condition(2), chain.condition(3)
    second, waiting = chain.condition_v2(4), chain.condition_v2(5)
    chain.resolve(1, (1, 0), yes)
    chain.resolve(2, (1, 1), half)
    chain.resolve(4, (0, 1), second)

    assert reader.payouts([yes, half, open_one, second, waiting]) == {
        yes.condition_id: (1, 0),
        half.condition_id: (Decimal("0.5"), Decimal("0.5")),
        second.condition_id: (0, 1),
    }


def test_a_redemption_before_the_result_is_never_sent(chain, reader):
    condition = chain.condition(1)
    chain.pay(WALLET, 10)
    chain.split(WALLET, condition, 10)

    with pytest.raises(WouldRevert, match="result for condition not received yet"):
        reader.gas(redeem_call(condition, held=[0]))


def test_asking_the_tokens_contract_itself_pays_nothing(chain, reader):
    """It succeeds with the venue's collateral, and moves not a cent."""
    condition = chain.condition(1)
    chain.pay(WALLET, 10)
    chain.split(WALLET, condition, 10)
    chain.resolve(1, (1, 0), condition)
    call = redeem_call(condition, held=[0])

    with chain.acting_as(WALLET):
        chain.ask(
            "eth_sendTransaction",
            {"from": WALLET, "to": POLYGON.conditional_tokens, "data": call.data},
        )
    chain.mine()

    assert chain.dollars(WALLET) == 0
    assert chain.shares(WALLET, condition.token_ids[0]) == 10 * DOLLAR


def test_fees_and_nonces_are_numbers_of_the_network(chain, reader):
    base, tip = reader.market_fees()

    assert base > 0
    assert tip >= 0
    assert reader.nonce() == reader.nonce_at(reader.head()) > 0
    assert reader.gas(Call(target=chain.accounts[3], data="0x")) == 21_000
