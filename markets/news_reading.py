"""Read collected news: what it feels, what it is like, and which markets it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import structlog
from django.conf import settings
from django.db import transaction

from config.kernel.clocks import Clock, given
from markets import notices, queries
from markets.core import links
from markets.core.contracts import ContextConfig
from markets.core.series import Floats
from markets.core.vectors import Vectors
from markets.models import ContextSettings, Market, NewsItem, NewsLink, Notice
from markets.nlp import BackendMissing, EmbeddingBackend, embedding, sentiment

log = structlog.get_logger()
BATCH = 500
# What waited longer is no news any more; reading it late would only cost.
READ_WITHIN = timedelta(days=2)
UNREAD = "missing:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one pass read: `understood` of `items` have a sentiment."""

    items: int = 0
    understood: int = 0
    linked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Likeness:
    """The tracked markets as a reader of likeness sees them."""

    reader: EmbeddingBackend
    ids: list[int]
    questions: list[str]
    vectors: Vectors


def read(*, as_of: datetime, clock: Clock | None = None) -> Reading:
    """Read the items that nobody read yet, once: sentiment, vector and links in one transaction.

    A reader that cannot be used leaves its values null, says so in the item's backend and in a
    notice. A value once written stays: what was known of an item never changes afterwards.
    """
    config = ContextSettings.objects.current(as_of=as_of).as_config()
    items = list(
        NewsItem.objects.filter(
            sentiment_backend="", received_at__gt=as_of - READ_WITHIN, received_at__lte=as_of
        ).order_by("received_at", "digest")[:BATCH]
    )
    if not items:
        return Reading()
    texts = [f"{item.title}. {item.summary[:300]}".strip() for item in items]
    scores, scorer = _scores(texts, config, as_of=as_of)
    like = _likeness(config, as_of=as_of)
    vectors = None if like is None else like.reader.encode([item.title for item in items])
    found = None
    if like is not None and vectors is not None:
        found = links.find(
            [item.title for item in items],
            vectors,
            like.vectors,
            links.rare_words(like.questions, share=config.rare_word_share),
            least=config.min_similarity,
            most=config.max_links,
        )
    for place, item in enumerate(items):
        item.sentiment = None if np.isnan(scores[place]) else float(scores[place])
        item.sentiment_backend = scorer
        if like is not None and vectors is not None and vectors[place].any():
            item.embedding = vectors[place].tobytes()
            item.embedding_backend = like.reader.name
    linked = _save(items, like, found, at=given(clock, as_of)())
    reading = Reading(items=len(items), understood=int(np.isfinite(scores).sum()), linked=linked)
    log.info("news.read", items=reading.items, understood=reading.understood, linked=linked)
    return reading


def _scores(texts: Sequence[str], config: ContextConfig, *, as_of: datetime) -> tuple[Floats, str]:
    """Sentiment of each text and who read it; all NaN where the chosen reader is missing."""
    try:
        reader = sentiment.load(config.sentiment_backend, _folder())
    except BackendMissing as missing:
        _note_missing(config.sentiment_backend, missing, as_of=as_of)
        return np.full(len(texts), np.nan), UNREAD + config.sentiment_backend
    return np.clip(reader.score(texts), -1.0, 1.0), reader.name


def _likeness(config: ContextConfig, *, as_of: datetime) -> _Likeness | None:
    """The tracked markets with their vectors; None where the chosen reader is missing."""
    ids = queries.tracked_ids(as_of=as_of)
    told = dict(Market.objects.filter(pk__in=ids).values_list("pk", "question"))
    questions = [told[market_id] for market_id in ids]
    try:
        reader = embedding.load(
            config.embedding_backend, _folder(), questions=lambda: questions, as_of=as_of
        )
    except BackendMissing as missing:
        _note_missing(config.embedding_backend, missing, as_of=as_of)
        return None
    return _Likeness(reader=reader, ids=ids, questions=questions, vectors=reader.encode(questions))


def _folder() -> Path:
    return Path(settings.ENV.artefact_dir) / "nlp"


def _note_missing(name: str, missing: BackendMissing, *, as_of: datetime) -> None:
    notices.note(
        Notice.Kind.SOURCE_DOWN,
        f"reader:{name}:{as_of.date()}",
        f"the reader {name} cannot be used: {missing}",
        as_of=as_of,
        subject=name,
        severity=Notice.Severity.WARNING,
    )


def _save(
    items: Sequence[NewsItem],
    like: _Likeness | None,
    found: links.Links | None,
    *,
    at: datetime,
) -> int:
    rows = []
    if like is not None and found is not None:
        rows = [
            NewsLink(
                item_id=items[i].pk,
                market_id=like.ids[m],
                similarity=float(s),
                backend=like.reader.name,
                received_at=at,
            )
            for i, m, s in zip(found.item, found.market, found.similarity, strict=True)
        ]
    columns = ["sentiment", "sentiment_backend", "embedding", "embedding_backend"]
    with transaction.atomic():
        NewsItem.objects.bulk_update(items, columns, batch_size=100)
        NewsLink.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    return len(rows)
