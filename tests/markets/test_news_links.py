"""A headline is linked to the markets it is about: measured on pairs made by hand."""

import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from markets.core import links
from markets.core.vectors import normalised
from markets.nlp import BackendMissing, EmbeddingBackend, embedding, tfidf
from tests.markets.stories import QUESTIONS, STORIES
from tests.moments import NOW

TITLES = [title for title, _about in STORIES]
WANTED = {(item, market) for item, (_title, about) in enumerate(STORIES) for market in about}


def pairs(reader: EmbeddingBackend, *, least: float = 0.3, most: int = 10) -> set[tuple[int, int]]:
    found = links.find(
        TITLES,
        reader.encode(TITLES),
        reader.encode(QUESTIONS),
        links.rare_words(QUESTIONS, share=0.02),
        least=least,
        most=most,
    )
    return set(zip(found.item.tolist(), found.market.tolist(), strict=True))


def judged(found: set[tuple[int, int]]) -> tuple[float, float]:
    """Precision and recall."""
    right = len(found & WANTED)
    return right / len(found), right / len(WANTED)


@pytest.fixture(scope="module")
def fitted() -> tfidf.TfidfSvd:
    return tfidf.fit(QUESTIONS, as_of=NOW)


def test_most_links_are_right_and_few_are_missed(fitted: tfidf.TfidfSvd) -> None:
    precision, recall = judged(pairs(fitted))

    print(f"tfidf-svd: precision {precision:.3f}, recall {recall:.3f}")  # noqa: T201
    assert precision >= 0.75
    assert recall >= 0.9


def test_a_sentence_encoder_links_better() -> None:
    """Runs where requirements/nlp.txt is installed."""
    pytest.importorskip("transformers", reason="requirements/nlp.txt is not installed")
    try:
        reader = embedding.load(
            "minilm", Path(os.environ.get("NLP_MODELS", "")), questions=list, as_of=NOW
        )
    except BackendMissing as missing:
        pytest.skip(str(missing))

    precision, recall = judged(pairs(reader))

    print(f"minilm: precision {precision:.3f}, recall {recall:.3f}")  # noqa: T201
    assert reader.encode(["one", ""]).shape == (2, 384)
    assert precision >= 0.85
    assert recall >= 0.9


def test_a_word_that_every_market_holds_links_nothing() -> None:
    questions = [f"Will Bitcoin be above ${n},000?" for n in range(100, 200)]
    reader = tfidf.fit(questions, as_of=NOW)
    titles = ["Bitcoin crashes", "Bitcoin nears 150,000"]

    found = links.find(
        titles,
        reader.encode(titles),
        reader.encode(questions),
        links.rare_words(questions, share=0.02),
        least=0.0,
        most=100,
    )

    assert found.item.tolist() == [1]
    assert questions[found.market[0]] == "Will Bitcoin be above $150,000?"


def test_an_item_has_at_most_so_many_links_and_the_likest_come_first() -> None:
    vectors = normalised(np.array([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5]], np.float32))
    rare = {"rarity": np.arange(3)}

    found = links.find(["Rarity"], vectors[:1], vectors, rare, least=0.1, most=2)

    assert found.market.tolist() == [0, 1]
    assert np.all(np.diff(found.similarity) <= 0)


def test_nothing_is_linked_to_nothing() -> None:
    none = np.zeros((0, 2), np.float32)

    assert links.find([], none, none, {}, least=0.1, most=2).item.size == 0
    assert links.find(["a"], np.ones((1, 2), np.float32), none, {}, least=0, most=2).item.size == 0


def test_the_same_questions_give_the_same_fit_in_any_order(fitted: tfidf.TfidfSvd) -> None:
    again = tfidf.fit(QUESTIONS[::-1], as_of=NOW)

    assert again.name == fitted.name
    assert np.array_equal(again.encode(TITLES), fitted.encode(TITLES))
    assert tfidf.fit(QUESTIONS[1:], as_of=NOW).name != fitted.name


def test_vectors_have_length_one_or_are_zero(fitted: tfidf.TfidfSvd) -> None:
    rows = fitted.encode(["Newsom leads", "", "日本", "\0", "x" * 10_000])

    lengths = np.linalg.norm(rows, axis=1)
    assert rows.dtype == np.float32
    assert rows.shape == (5, fitted.dimension)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
    assert fitted.encode([]).shape == (0, fitted.dimension)


def test_a_fit_is_kept_as_plain_arrays_and_renewed_after_a_day(
    tmp_path: Path, fitted: tfidf.TfidfSvd
) -> None:
    def questions() -> list[str]:
        return [*QUESTIONS, f"Question {len(asked)}?"]

    asked: list[int] = []
    tfidf.save(fitted, tmp_path)

    def load(hours: float) -> str:
        at = NOW + timedelta(hours=hours)
        return embedding.load("tfidf", tmp_path, questions=questions, as_of=at).name

    assert load(23) == fitted.name
    renewed = load(25)
    assert renewed != fitted.name
    assert load(26) == renewed
    assert [p.name for p in tmp_path.iterdir()] == [tfidf.FILE]


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"not a file of arrays"])
def test_a_damaged_fit_counts_as_none(tmp_path: Path, body: bytes) -> None:
    (tmp_path / tfidf.FILE).write_bytes(body)

    assert tfidf.load(tmp_path) is None


def test_readers_that_cannot_be_used_name_the_remedy(tmp_path: Path) -> None:
    def load(name: str, questions: list[str]) -> EmbeddingBackend:
        return embedding.load(name, tmp_path, questions=lambda: questions, as_of=NOW)

    with pytest.raises(BackendMissing, match="choose tfidf or minilm"):
        load("tarot", [])
    with pytest.raises(BackendMissing, match="sync the catalogue first"):
        load("tfidf", ["Only one?"])
