"""Which hits are what a question needs: gold quotes, files, pages and sections, found in a library.

A quote counts as found by the rule of `quotes`. A place without a quote counts
as found by a hit in that file that overlaps its page, or its section: from the
heading to the next one of the same or a higher level.

Refused: comparing the words of hits with a quote alone (the same sentence in another
document is another place), and reading all documents for each question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from openbook.lab.labelled_sets import Gold, Question
from openbook.lab.quotes import NormalisedText, covers, normalise

if TYPE_CHECKING:
    from openbook.library import Library
    from openbook.types import Document, Hit, Mark

PAGE: Final = 10
"""Hits of the search that is timed and that decides the first ten places: what a person looks at."""


class Judge:
    """Decides which hits are which gold places. Keeps the texts of the gold files."""

    def __init__(self, library: Library, questions: Iterable[Question] = ()) -> None:
        """Make ready for `questions`: quotes without a file are looked for in all documents, once."""
        self._library = library
        self._names = {record.path: record.id for record in library.documents()}
        self._documents: dict[str, Document | None] = {}
        self._texts: dict[str, NormalisedText] = {}
        self._spans: dict[Gold, list[tuple[int, int]]] = {}
        self._absent: dict[Gold, str] = {}
        anywhere = {gold for q in questions for golds in q.needs for gold in golds if not gold.file}
        self._holders = self._files_with(anywhere)

    def run(self, question: Question, page: Sequence[Hit], deep: Sequence[Hit]) -> list[str]:
        """Return the question's parts in the order in which they are found, with fillers for other hits.

        The first ten places are those of a page of ten hits. A part found
        only further down stands behind them.
        """
        ranks: dict[int, list[str]] = {}
        for number, golds in enumerate(question.needs):
            above, below = self._first(golds, page), self._first(golds, deep)
            if above or below:
                ranks.setdefault(above or max(below, PAGE + 1), []).append(f"part {number}")
        return [
            name
            for rank in range(1, max(len(deep), PAGE + 1) + 1)
            for name in ranks.get(rank, [f"other {rank}"])
        ]

    def notes(self) -> tuple[str, ...]:
        """Say which gold places are not in the library, so that nothing could find them."""
        ordered = sorted(self._absent.items(), key=lambda item: (item[0].file, item[0].quote, item[1]))
        return tuple(why for _, why in ordered)

    def _first(self, golds: Sequence[Gold], hits: Sequence[Hit]) -> int:
        """The 1-based rank of the first hit that contains one of the places; 0 if none does."""
        wanted = [place for gold in golds for place in self._places(gold)]
        for rank, hit in enumerate(hits, start=1):
            spans = [(hit.path, hit.start, hit.end), *((c.path, c.start, c.end) for c in hit.locations)]
            if any(self._contains(gold, *span) for gold in wanted for span in spans):
                return rank
        return 0

    def _places(self, gold: Gold) -> Iterable[Gold]:
        """The place itself, or for a quote without a file one in each document that holds it."""
        if gold.file:
            return (gold,)
        return [Gold(path, gold.quote) for path in self._holders.get(gold, ())]

    def _contains(self, gold: Gold, path: str, start: int, end: int) -> bool:
        if not is_file(path, gold.file):
            self._document(gold)  # notes an absent one, although no hit was ever compared with it
            return False
        document = self._document(gold)
        if document is None:
            return False
        if gold.quote:
            text = self._text(gold, document)
            return covers(text, start, end, gold.quote)
        return any(start < last and first < end for first, last in self._span(gold, document))

    def _document(self, gold: Gold) -> Document | None:
        if gold.file not in self._documents:
            found = next((id_ for path, id_ in self._names.items() if is_file(path, gold.file)), None)
            self._documents[gold.file] = None if found is None else self._library.document(found)
        document = self._documents[gold.file]
        if document is None:
            missing = f"There is no document {gold.file!r}"
            lost = f", so that nothing holds the gold quote {gold.quote[:60]!r}." if gold.quote else "."
            self._absent.setdefault(gold, missing + lost)
        elif gold.quote:
            self._text(gold, document)
        return document

    def _text(self, gold: Gold, document: Document) -> NormalisedText:
        if gold.file not in self._texts:
            self._texts[gold.file] = NormalisedText(document.text)
        text = self._texts[gold.file]
        if gold not in self._absent and gold not in self._spans:
            self._spans[gold] = text.places(gold.quote)
            if not self._spans[gold]:
                self._absent[gold] = f"{gold.file} does not hold the gold quote {gold.quote[:60]!r}."
        return text

    def _span(self, gold: Gold, document: Document) -> list[tuple[int, int]]:
        """The characters of the page or section that a place without a quote means."""
        if gold not in self._spans:
            self._spans[gold] = list(_spans(gold, document))
            if not self._spans[gold]:
                where = f"page {gold.page}" if not gold.heading else f"a heading {gold.heading!r}"
                if gold.page is not None and gold.heading:
                    where = f"a heading {gold.heading!r} on page {gold.page}"
                self._absent[gold] = f"{gold.file} has no {where.removeprefix('a ')}."
        return self._spans[gold]

    def _files_with(self, golds: set[Gold]) -> dict[Gold, list[str]]:
        """The documents that hold each quote: one pass over the library, one document in memory."""
        holders: dict[Gold, list[str]] = {gold: [] for gold in golds}
        for path, document_id in self._names.items() if golds else ():
            text = normalise(self._library.document(document_id).text)
            for gold in golds:
                if normalise(gold.quote) in text:
                    holders[gold].append(path)
        for gold in golds:
            if not holders[gold]:
                self._absent[gold] = f"No document holds the gold quote {gold.quote[:60]!r}."
        return holders


def is_file(path: str, file: str) -> bool:
    """Whether a document's path is that file, seen from the folder that was added or one above it."""
    return path == file or path.endswith(f"/{file}")


def _spans(gold: Gold, document: Document) -> Iterator[tuple[int, int]]:
    whole = [(0, len(document.text))]
    pages = whole if gold.page is None else [
        (mark.start, mark.end) for mark in document.marks
        if mark.kind in ("page", "slide", "sheet") and mark.level == gold.page
    ]  # fmt: skip
    sections = list(_sections(gold.heading, document)) if gold.heading else whole
    for page_start, page_end in pages:
        for start, end in sections:
            if max(page_start, start) < min(page_end, end):
                yield max(page_start, start), min(page_end, end)


def _sections(heading: str, document: Document) -> Iterator[tuple[int, int]]:
    """What stands under each heading of these words, however they are spaced and written."""
    headings: list[Mark] = [mark for mark in document.marks if mark.kind == "heading"]
    wanted = normalise(heading).casefold()
    for number, mark in enumerate(headings):
        if normalise(mark.label).casefold() == wanted:
            next_one = (after.start for after in headings[number + 1 :] if after.level <= mark.level)
            yield mark.start, next(next_one, len(document.text))
