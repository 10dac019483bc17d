"""Sentiment is read offline, in microseconds, and is unknown where nothing was understood."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from markets.core import lexicon
from markets.nlp import BackendMissing, sentiment
from markets.nlp.lexicon import Lexicon
from tests.markets.headlines import FRESH, HELD_OUT, LATER, TUNED

NEUTRAL = 0.05  # VADER's own bound between calm and feeling
Labelled = tuple[tuple[str, int], ...]


def accuracy(scores: np.ndarray, labelled: Labelled) -> float:
    """Share of three-way labels hit; a text that was not understood counts as neutral."""
    said = np.where(np.abs(scores) >= NEUTRAL, np.sign(scores), 0.0)
    return float(np.mean(said == [label for _text, label in labelled]))


def plain_vader(labelled: Labelled) -> float:
    analyzer = SentimentIntensityAnalyzer()
    scores = [analyzer.polarity_scores(text)["compound"] for text, _label in labelled]
    return accuracy(np.array(scores), labelled)


def ours(labelled: Labelled) -> float:
    return accuracy(Lexicon().score([text for text, _label in labelled]), labelled)


def test_the_market_lexicon_reads_headlines_that_a_general_one_does_not() -> None:
    known = TUNED + HELD_OUT + LATER
    floor = 0.85

    for name, labelled in (("known", known), ("fresh", FRESH)):
        print(f"{name}: ours {ours(labelled):.3f}, plain VADER {plain_vader(labelled):.3f}")  # noqa: T201

    assert len(known) >= 80
    assert ours(known) >= floor > plain_vader(known)
    # Written after the lexicon stood still: nobody tunes on these.
    assert ours(FRESH) > plain_vader(FRESH)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("Unemployment falls again", "Unemployment rises again"),
        ("Senator not expected to resign", "Senator expected to resign"),
        ("Regulator approves fund", "Regulator rejects fund"),
        ("Lawmakers avert shutdown", "Government faces shutdown"),
        ("Strike ends at port", "Strike begins as talks fail"),
        ("Candidate pulls ahead", "Candidate drops out"),
    ],
)
def test_direction_and_negation_turn_a_headline(good: str, bad: str) -> None:
    first, second = Lexicon().score([good, bad])

    assert first > NEUTRAL
    assert second < -NEUTRAL


@pytest.mark.parametrize("text", ["", "   ", "Meeting in Geneva on Monday", "12345", "会议", "\0"])
def test_what_is_not_understood_is_unknown_and_not_zero(text: str) -> None:
    assert np.isnan(Lexicon().score([text])).all()


@given(st.lists(st.text(max_size=200), max_size=5))
def test_any_text_has_a_bounded_score_or_none(texts: list[str]) -> None:
    scores = Lexicon().score(texts)

    assert scores.shape == (len(texts),)
    assert np.all(np.isnan(scores) | (np.abs(scores) <= 1))
    assert np.array_equal(scores, Lexicon().score(texts), equal_nan=True)


def test_every_weight_lies_on_the_scale_and_every_line_has_its_reason() -> None:
    assert all(-4 <= weight <= 4 and why for weight, why, _words in lexicon.GROUPS)
    words = [word for _weight, _why, held in lexicon.GROUPS for word in held.split()]
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_an_unknown_reader_and_a_missing_model_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BackendMissing, match="choose lexicon or finbert"):
        sentiment.load("tea leaves", tmp_path)
    with pytest.raises(BackendMissing, match="put a FinBERT model there"):
        sentiment.load("finbert", tmp_path)


def test_a_transformer_agrees_that_a_crash_is_bad() -> None:
    """Runs where requirements/nlp.txt is installed and NLP_MODELS holds a `finbert` folder."""
    pytest.importorskip("transformers", reason="requirements/nlp.txt is not installed")
    folder = Path(os.environ.get("NLP_MODELS", "")) / "finbert"
    if not (folder / "config.json").exists():
        pytest.skip("NLP_MODELS names no folder with a model in `finbert`")

    bad, good, none = sentiment.load("finbert", folder.parent).score(
        ["Shares crash after profit warning", "Profit beats all expectations", ""]
    )

    assert bad < 0 < good
    assert np.isnan(none)


@pytest.mark.process
def test_a_process_that_only_schedules_or_serves_loads_no_reader() -> None:
    code = (
        "import django, sys; django.setup(); import markets.tasks, markets.news_signal; "
        "heavy = {'sklearn', 'vaderSentiment', 'transformers', 'torch'} & sys.modules.keys(); "
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stderr == ""
    assert run.returncode == 0
