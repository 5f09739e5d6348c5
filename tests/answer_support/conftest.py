"""Evidence and checkers for the tests of verification, with the simplest analysis of words there is."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from openbook.answer.support import SupportChecker
from openbook.embed import HashEmbedder
from openbook.types import Evidence

STOP_WORDS = (
    "a an the of to in on at by for from with as and or but not is are was were be been it its he she they"
    " that this which who what how does do did has have had"
).split()


def content_words(text: str) -> list[str]:
    """Lower-cased words without a final s that are not stop words."""
    return [word.rstrip("s") or word for word in re.findall(r"\w+", text.lower()) if word not in STOP_WORDS]


DOCUMENTS = {
    1: "Insulin is a peptide hormone made by beta cells of the pancreas. It was discovered in 1921 by "
    "Frederick Banting and Charles Best in Toronto. Low levels of insulin promote catabolism.",
    2: "The O2 Arena stands on the Greenwich peninsula in London. It opened on 24 June 2007 and holds "
    "20,000 people. Before that, the Millennium Dome stood there.",
    3: "Mount Logan is the highest mountain in Canada. Its summit is 5,959 metres high and had never been "
    "climbed before 1925. Use `fct_reorder()` to sort the levels of a factor.",
}


@pytest.fixture
def evidence() -> list[Evidence]:
    titles = {1: "Insulin", 2: "The O2", 3: "Mount Logan"}
    return [
        Evidence(n, f"doc-{n}.md", n, 0, len(text), None, "", text, 0.5, title=titles[n])
        for n, text in DOCUMENTS.items()
    ]


@pytest.fixture
def read_text() -> Callable[[int, int, int], str]:
    return lambda document_id, start, end: DOCUMENTS[document_id][start:end]


@pytest.fixture(params=["words", "vectors"])
def checker(request: pytest.FixtureRequest) -> SupportChecker:
    embed = HashEmbedder(384).embed if request.param == "vectors" else None
    return SupportChecker(content_words=content_words, embed=embed, language="en")
