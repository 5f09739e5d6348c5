"""Evidence and ranking for the tests of answers, made with the shipped fake embedder."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from openbook.answer.ranking import SentenceRanker
from openbook.embed import HashEmbedder
from openbook.types import Evidence, Hit, Legs

STOP_WORDS = "a an the of to in is are do does how what which who i my it and or"


def content_words(text: str) -> list[str]:
    """Lower-cased words that are not stop words: the simplest analysis there is."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in STOP_WORDS.split()]


@pytest.fixture
def ranker() -> SentenceRanker:
    return SentenceRanker(content_words=content_words, embed=HashEmbedder(384).embed)


@pytest.fixture
def words_only_ranker() -> SentenceRanker:
    return SentenceRanker(content_words=content_words)


@pytest.fixture
def make_evidence() -> Callable[..., Evidence]:
    def make(number: int, text: str, *, document_id: int = 1, start: int = 0, score: float = 0.5) -> Evidence:
        path = f"document-{document_id}.md"
        end = start + len(text)
        return Evidence(number, path, document_id, start, end, None, "", text, score, title="Title")

    return make


@pytest.fixture
def make_hit() -> Callable[..., Hit]:
    def make(
        text: str, *, document_id: int = 1, start: int = 0, page: int | None = None, score: float = 0.5
    ) -> Hit:
        return Hit(
            path=f"document-{document_id}.md",
            document_id=document_id,
            chunk_id=document_id * 1000 + start,
            start=start,
            end=start + len(text),
            page=page,
            heading="Chapter > Section",
            text=text,
            score=score,
            ranks=Legs(1, 2),
            scores=Legs(4.0, 0.6),
            title="Title",
            place="Section",
        )

    return make
