"""What the venue refuses is told in a sentence; its own words stand behind it."""

import pytest

from trading.adapters.clob_client import failure
from trading.core.refusals import Answer
from trading.venue import Rejected

TOKEN = "7" * 77


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"the orderbook {TOKEN} does not exist", "the market takes no orders any more"),
        ("the market is not yet ready to process new orders", "the market takes no orders at"),
        ("no orders found to match with FAK order", "nothing was there at its price any more"),
        ("order couldn't be fully filled. FOK orders are fully filled or killed.", "nothing was"),
        ("invalid expiration value", "its date is past or too near"),
        ("something that no release ever said", "the venue refused it"),
    ],
)
def test_a_refusal_is_a_sentence_with_the_venues_words_behind_it(text: str, sentence: str) -> None:
    told = failure(Answer(status=400, text=text))

    assert isinstance(told, Rejected)
    assert str(told).startswith(sentence)
    assert "(HTTP 400: " in str(told)
    assert len(str(told)) < 330
