"""Results are inferred strictly: only what is stated counts, and what is disputed never does."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from eth_utils import function_signature_to_4byte_selector
from hypothesis import given
from hypothesis import strategies as st

from markets.adapters import chain
from markets.core import wire_clob, wire_data, wire_gamma
from markets.core import wire_resolution as wire
from markets.core.wire_resolution import Evidence, NotYet, Ours, Result, Said, Unclear
from tests.markets import wire_payloads as say
from tests.moments import NOW

IDS = (say.token(1), say.token(1, 1))
HALVES = '["0.5", "0.5"]'


def catalogue(**changes: Any) -> Evidence:
    said = {"closed": True, "outcomePrices": '["0", "1"]', "closedTime": "2026-11-20 11:00:00+00"}
    row = wire_gamma.market(say.encoded(say.market(1, **(said | changes))))
    return wire.from_catalogue(row, ours=Ours(key="1", condition_id=None, asset_ids=IDS))


def engine(**changes: Any) -> Evidence:
    state = wire_clob.market(say.encoded(say.engine_market(**changes)))
    return wire.from_engine(state, asset_ids=IDS)


def oracle(*, neg_risk: bool = False, **changes: Any) -> Evidence:
    row = {
        "question_id": "0x1",
        "condition_id": say.condition(1),
        "status": "resolved",
        "was_disputed": False,
        "price": "1",
        "proposed_price": "1",
        "last_update_timestamp": "1795176000",
        "payouts": [1_000_000, 0],
    }
    state = wire_data.rows(wire_data.OracleState, say.encoded([row | changes])).rows
    return wire.from_oracle(state, neg_risk=neg_risk)


def said(source: str, word: Said, payout: str = "") -> Evidence:
    paid = Decimal(payout) if payout else None
    return Evidence(source=source, said=word, detail="…", payout=paid)


def test_exact_prices_of_a_closed_market_are_its_result() -> None:
    found = catalogue()

    assert (found.said, found.payout) == (Said.RESULT, Decimal(0))
    assert found.resolved_at == datetime(2026, 11, 20, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"acceptingOrders": True}, Said.RESULT),
        ({"outcomePrices": HALVES, "umaResolutionStatus": "resolved"}, Said.RESULT),
        ({"outcomePrices": HALVES}, Said.UNCLEAR),
        ({"outcomePrices": HALVES, "umaResolutionStatus": "resolved", "negRisk": True}, "UNCLEAR"),
        ({"outcomePrices": HALVES, "umaResolutionStatus": "Settled"}, Said.RESULT),
        ({"outcomePrices": '["0", "0"]'}, Said.UNSTATED),
        ({"outcomePrices": '["0.3", "0.7"]'}, Said.UNCLEAR),
        ({"outcomePrices": '["0.999", "0.001"]'}, Said.UNCLEAR),
        ({"outcomePrices": None}, Said.UNSTATED),
        ({"umaResolutionStatus": "proposed"}, Said.NOT_YET),
        ({"umaResolutionStatus": "flagged"}, Said.UNCLEAR),
        ({"umaResolutionStatus": " CHALLENGED"}, Said.DISPUTED),
        ({"umaResolutionStatus": "disputed"}, Said.DISPUTED),
        ({"clobTokenIds": json.dumps(IDS[::-1])}, Said.UNCLEAR),
        ({"closed": False, "outcomePrices": '["0.9995", "0.0005"]'}, Said.NOT_YET),
        ({"closed": False, "outcomePrices": '["1", "0"]'}, Said.NOT_YET),
        ({"closed": None}, Said.NOT_YET),
        ({"closed": False, "umaResolutionStatus": "disputed"}, Said.DISPUTED),
    ],
)
def test_the_catalogue_is_read_strictly(changes: dict[str, Any], word: str) -> None:
    found = catalogue(**changes)

    assert found.said == word
    assert (found.payout is not None) == (word == Said.RESULT)


def test_the_engine_names_one_winner() -> None:
    assert engine(winner=1).payout == 0
    assert engine(winner=0).payout == 1
    assert engine(closed=False).said == Said.NOT_YET


def test_an_engine_without_winner_or_with_strange_tokens_is_unclear() -> None:
    strange = wire_clob.market(say.encoded(say.engine_market()))

    assert engine(winner=None).said == Said.UNCLEAR
    assert wire.from_engine(strange, asset_ids=("1", "2")).said == Said.UNCLEAR
    assert wire.from_engine(strange, asset_ids=()).said == Said.UNSTATED


def test_the_engine_may_split_a_market_in_halves() -> None:
    tokens = [{"token_id": t, "outcome": "?", "price": 0.5, "winner": False} for t in IDS]

    assert engine(tokens=tokens, is_50_50_outcome=True).payout == wire.HALF
    assert engine(tokens=tokens, is_50_50_outcome=False).said == Said.UNCLEAR
    assert engine(tokens=tokens, is_50_50_outcome=True, neg_risk=True).said == Said.UNCLEAR


@pytest.mark.parametrize(
    ("changes", "word", "payout"),
    [
        ({}, Said.RESULT, 1),
        ({"price": "0", "payouts": []}, Said.RESULT, 0),
        ({"price": "0.5", "payouts": [500_000, 500_000]}, Said.RESULT, Decimal("0.5")),
        ({"price": "0.5", "payouts": [], "neg_risk": True}, Said.UNCLEAR, None),
        ({"price": "69", "payouts": []}, Said.UNCLEAR, None),
        ({"price": "69", "payouts": [0, 1_000_000]}, Said.RESULT, 0),
        ({"price": "1", "payouts": [0, 1_000_000]}, Said.UNCLEAR, None),
        ({"price": "1", "payouts": [0, 0]}, Said.UNCLEAR, None),
        ({"status": "disputed"}, Said.DISPUTED, None),
        ({"status": "challenged"}, Said.DISPUTED, None),
        ({"status": "arbitration"}, Said.DISPUTED, None),
        ({"status": "proposed"}, Said.NOT_YET, None),
        ({"status": "posed", "price": "69"}, Said.NOT_YET, None),
    ],
)
def test_the_oracle_is_read_strictly(
    changes: dict[str, Any], word: str, payout: Decimal | None
) -> None:
    found = oracle(**changes)

    assert (found.said, found.payout) == (word, payout)


def test_of_a_question_asked_again_the_newest_row_counts() -> None:
    rows = [
        wire_data.OracleState(
            question_id="0x1",
            condition_id=say.condition(1),  # type: ignore[arg-type]
            status=status,
            was_disputed=True,
            price=Decimal(1),
            proposed_price=Decimal(1),
            updated_at=NOW + timedelta(hours=hours),
        )
        for status, hours in (("resolved", 2), ("disputed", 1))
    ]

    assert wire.from_oracle(rows, neg_risk=False).said == Said.RESULT
    assert wire.from_oracle([], neg_risk=False).said == Said.NOT_THERE


@pytest.mark.parametrize(
    ("denominator", "numerators", "word", "payout"),
    [
        (0, (0, 0), Said.NOT_YET, None),
        (1, (1, 0), Said.RESULT, Decimal(1)),
        (1, (0, 1), Said.RESULT, Decimal(0)),
        (2, (1, 1), Said.RESULT, Decimal("0.5")),
        (10, (3, 7), Said.UNCLEAR, None),
        (3, (1, 2), Said.UNCLEAR, None),
        (2, (1, 0), Said.UNCLEAR, None),
        (1, (0, 0), Said.UNCLEAR, None),
    ],
)
def test_the_ledger_pays_shares_of_its_denominator(
    denominator: int, numerators: tuple[int, int], word: str, payout: Decimal | None
) -> None:
    found = wire.from_chain(denominator, numerators)

    assert (found.said, found.payout) == (word, payout)


YES, NO = ("gamma", Said.RESULT, "1"), ("clob", Said.RESULT, "0")
CLOB_YES, PAID = ("clob", Said.RESULT, "1"), ("chain", Said.RESULT, "1")
OPEN, UNPAID = ("clob", Said.NOT_YET), ("chain", Said.NOT_YET)
ODD, FIGHT = ("gamma", Said.UNCLEAR), ("gamma", Said.DISPUTED)
BLANK, SCALAR = ("gamma", Said.UNSTATED), ("chain", Said.UNCLEAR)
MUTE, GONE = ("data", Said.SILENT), ("gamma", Said.NOT_THERE)


@pytest.mark.parametrize(
    ("words", "needed", "now", "later"),
    [
        ([YES], 1, Result, Result),
        ([YES], 2, NotYet, Unclear),
        ([YES, CLOB_YES], 2, Result, Result),
        ([YES, NO], 1, Unclear, Unclear),
        ([YES, OPEN], 1, NotYet, Unclear),
        ([YES, UNPAID, CLOB_YES], 2, NotYet, Unclear),
        ([PAID], 2, Result, Result),
        ([PAID, OPEN], 2, Result, Result),
        ([FIGHT], 1, NotYet, NotYet),
        ([FIGHT, CLOB_YES], 1, NotYet, Unclear),
        ([FIGHT, PAID], 1, NotYet, Unclear),
        ([ODD, CLOB_YES], 1, Unclear, Unclear),
        ([YES, CLOB_YES, SCALAR], 2, Unclear, Unclear),
        ([BLANK, CLOB_YES], 1, Result, Result),
        ([BLANK], 1, Unclear, Unclear),
        ([ODD], 1, Unclear, Unclear),
        ([ODD, OPEN], 1, NotYet, Unclear),
        ([ODD, MUTE], 1, NotYet, Unclear),
        ([OPEN], 1, NotYet, NotYet),
        ([OPEN, GONE], 1, NotYet, NotYet),
        ([GONE], 1, NotYet, Unclear),
        ([MUTE], 1, NotYet, NotYet),
        ([], 1, NotYet, NotYet),
    ],
)
def test_what_follows_from_several_words(
    words: list[tuple[Any, ...]], needed: int, now: type, later: type
) -> None:
    evidence = [said(*word) for word in words]

    assert isinstance(wire.decide(evidence, needed=needed, overdue=False), now)
    assert isinstance(wire.decide(evidence, needed=needed, overdue=True), later)


WORDS = st.builds(
    lambda source, word, payout: said(source, word, payout if word == Said.RESULT else ""),
    st.sampled_from(["gamma", "clob", "data", "chain"]),
    st.sampled_from(list(Said)),
    st.sampled_from(["0", "0.5", "1"]),
)


@given(st.lists(WORDS, max_size=4), st.integers(1, 2), st.booleans())
def test_nothing_is_booked_that_is_disputed_contradicted_or_not_stated(
    evidence: list[Evidence],
    needed: int,
    overdue: bool,
) -> None:
    verdict = wire.decide(evidence, needed=needed, overdue=overdue)

    if isinstance(verdict, Result):
        assert all(e.said not in (Said.DISPUTED, Said.UNCLEAR) for e in evidence)
        assert {e.payout for e in evidence if e.said == Said.RESULT} == {verdict.payout}
        named = [e.source for e in evidence if e.said == Said.RESULT]
        assert "chain" in named or len(named) >= needed


def test_a_later_word_contradicts_by_another_payout_or_a_dispute() -> None:
    words = [said(*YES), said(*NO), said(*FIGHT), said(*OPEN), said(*ODD)]

    assert wire.contradicts(Decimal("1.000000"), words) == [words[1], words[2], words[4]]
    assert wire.contradicts(Decimal(1), words, by_hand=True) == [words[1], words[2]]


def test_evidence_is_written_canonically() -> None:
    text = wire.as_json([catalogue(), wire.silent("data", "no answer")], as_of=NOW)

    assert text == wire.as_json([catalogue(), wire.silent("data", "no answer")], as_of=NOW)
    first, second = json.loads(text)
    assert (first["source"], first["said"], first["payout"]) == ("gamma", "RESULT", "0")
    assert (second["said"], second["payout"], second["resolved_at"]) == ("SILENT", None, None)


def test_the_selectors_are_those_of_the_contract() -> None:
    for signature, selector in (
        ("payoutDenominator(bytes32)", chain.PAYOUT_DENOMINATOR),
        ("payoutNumerators(bytes32,uint256)", chain.PAYOUT_NUMERATORS),
    ):
        assert "0x" + function_signature_to_4byte_selector(signature).hex() == selector


def recorded(name: str) -> bytes:
    if settings.ENV.history_dir is None:
        pytest.skip("set HISTORY_DIR to the folder that holds reference/payloads")
    folder = settings.ENV.history_dir / "reference/payloads/nautilus/rust_test_data"
    return bytes((folder / name).read_bytes())


@pytest.mark.history
@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("gamma_market_closed_binary_accepting_false.json", Said.RESULT),
        ("gamma_market_closed_binary_accepting_true.json", Said.RESULT),
        ("gamma_market_closed_zero_zero_legacy.json", Said.UNSTATED),
        ("gamma_market_closed_nonbinary_legacy.json", Said.UNCLEAR),
    ],
)
def test_recorded_shapes_of_closed_markets(name: str, word: str) -> None:
    row = wire_gamma.market(recorded(name))

    ours = Ours(key=row.id, condition_id=row.condition_id, asset_ids=row.asset_ids)
    assert wire.from_catalogue(row, ours=ours).said == word


@pytest.mark.history
@pytest.mark.parametrize("accepting", ["false", "true"])
def test_a_recorded_engine_market_names_its_winner(accepting: str) -> None:
    state = wire_clob.market(recorded(f"clob_market_closed_binary_accepting_{accepting}.json"))

    assert wire.from_engine(state, asset_ids=[t.token_id for t in state.tokens]).said == "RESULT"
