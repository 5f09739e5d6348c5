"""Questions that a library can probably answer, made of the titles and headings of its own documents."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from openbook.errors import UsageError
from openbook.index.records import DocumentRecord
from openbook.serve.desk import Desk
from openbook.types import Document
from openbook.wording import one_line

SHOWN: Final = 3
LOOKED_AT: Final = 12
"""Documents that are read for examples."""
SHORTEST: Final = 200
"""Characters of a document that has something to ask about."""
_LONGEST: Final = 70
_PROSE: Final = ("text/markdown", "application/pdf", "text/html", "text/x-rst")


def examples_of(desk: Desk) -> tuple[list[str], int]:
    """Up to three questions, each about another document, and the number of documents."""
    records = list(desk.documents())
    worth = [record for record in records if record.characters >= SHORTEST]
    worth.sort(key=lambda record: record.media_type not in _PROSE)
    found: list[str] = []
    for record in _spread(worth):
        question = next(_questions(desk, record), None)
        if question is not None and question not in found:
            found.append(question)
        if len(found) == SHOWN:
            break
    return sorted(found, key=len), len(records)


def _spread(records: list[DocumentRecord]) -> Iterator[DocumentRecord]:
    return itertools.islice(records, LOOKED_AT)


def _questions(desk: Desk, record: DocumentRecord) -> Iterator[str]:
    """A heading that is a question as it stands; else what a document says about a heading."""
    try:
        document = desk.document(record.id)
    except UsageError:  # removed since it was listed
        return
    headings = _headings(document)
    yield from (words for words in headings if words.endswith("?"))
    name = one_line(document.title) or record.path.rpartition("/")[2]
    if len(name) > _LONGEST:
        return
    for words in headings:
        if words.casefold() not in name.casefold():
            yield f"What does “{name}” say about “{words}”?"


def _headings(document: Document) -> list[str]:
    """Headings below the title, short enough to be read at a glance."""
    found = (one_line(mark.label) for mark in document.marks if mark.kind == "heading" and mark.level > 1)
    return [words for words in found if 4 <= len(words) <= _LONGEST]
