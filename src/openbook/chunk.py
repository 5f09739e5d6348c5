"""Document → chunks: the pieces that are embedded and found. Pure.

A chunk lies inside one page, slide or sheet, starts at a heading where it can,
keeps table rows whole and fits the embedder, its context included. What a
reader of the chunk alone would miss (title, heading path, a table's header
row) goes in front as `context`; measured, that is worth more than any other
choice made here.

Refused: overlap between chunks. Neighbours are found and merged at search
time, and every character belongs to one chunk, so nothing is counted twice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openbook.chunk_breaks import Blocks, Break, find_breaks, finer_breaks
from openbook.chunk_packing import Candidate, pack
from openbook.chunk_sections import Section, is_blank, sections
from openbook.chunk_tokens import EstimatingCounter, ExactCounter, TokenCounter
from openbook.errors import UsageError
from openbook.types import Chunk, Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH_CHARACTERS = 200_000
_CROSSING_COST = 0.5
_AFTER_STUB_COST = 3.0


@dataclass(frozen=True, slots=True)
class _Cut:
    """A chunk before it has words: its span, and the sections that it starts and ends in."""

    start: int
    end: int
    first: Section
    last: Section


def chunk_document(
    document: Document, *, max_tokens: int = 240, tokenizer: Tokenizer | None = None
) -> list[Chunk]:
    """Cut a document into chunks of at most `max_tokens` tokens, context included.

    Tokens are the tokenizer's, without special tokens; `tokenizer` must not
    truncate or pad. Without one, tokens are estimated on the high side.
    `document.text[chunk.start:chunk.end] == chunk.text` always; every character
    that is not white space is in exactly one chunk, but for front matter that
    holds settings only. Only a single character (as a reader sees it) of several
    tokens may go over the budget. Raises UsageError for a budget below 1.
    """
    if max_tokens < 1:
        raise UsageError(f"max_tokens is {max_tokens!r}; expected 1 or more.")
    counter: TokenCounter = EstimatingCounter() if tokenizer is None else ExactCounter(tokenizer)
    chunker = _Chunker(document, counter, max_tokens)
    return [chunker.chunk(position, cut, context) for position, (cut, context) in enumerate(chunker.cuts())]


class _Chunker:
    """One document being cut: what all of its sections share."""

    def __init__(self, document: Document, counter: TokenCounter, max_tokens: int) -> None:
        self._document = document
        self._text = document.text
        self._counter = counter
        self._max_tokens = max_tokens
        self._blocks = Blocks(document.marks)
        self._contexts: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}
        self._lines = _LineNumbers(document.text)

    def cuts(self) -> Iterator[tuple[_Cut, str]]:
        """Every chunk's span and context, in the order of the text."""
        for container in sections(self._document):
            for batch in _batches(self._text, container):
                yield from self._fit(self._cut(batch))

    def chunk(self, position: int, cut: _Cut, context: str) -> Chunk:
        """The finished chunk. Call in the order of the text."""
        heading = self._path(cut)
        container = cut.first.container
        return Chunk(
            position=position,
            start=cut.start,
            end=cut.end,
            text=self._text[cut.start : cut.end],
            context=context,
            heading=" > ".join(heading),
            page=container.level if container is not None else None,
            place=self._place(cut, heading),
        )

    def _cut(self, batch: Sequence[Section]) -> list[_Cut]:
        """The cheapest partition of some neighbouring sections of one container."""
        text, start, end = self._text, batch[0].start, batch[-1].end
        tokens = [start + offset for offset in self._counter.starts(text[start:end])]
        places = self._breaks(batch, tokens)
        candidates = [self._candidate(place, batch, tokens) for place in places]
        starts = pack(candidates, len(tokens), self._max_tokens)
        section_starts = [section.start for section in batch]
        cuts: list[_Cut] = []
        for index, chosen in enumerate(starts):
            begin = places[chosen].start
            stop = places[starts[index + 1]].start if index + 1 < len(starts) else end
            stop = begin + len(text[begin:stop].rstrip())
            first = batch[max(bisect_right(section_starts, begin) - 1, 0)]
            last = batch[max(bisect_right(section_starts, stop - 1) - 1, 0)]
            cuts.append(_Cut(begin, stop, first, last))
        return cuts

    def _breaks(self, batch: Sequence[Section], tokens: Sequence[int]) -> list[Break]:
        """The candidates of all sections; stretches that no chunk could hold are opened up."""
        found: list[Break] = []
        for section in batch:
            found += find_breaks(
                self._text, section.start, section.end, blocks=self._blocks, long_line=self._max_tokens
            )
        opened: list[Break] = []
        for index, place in enumerate(found):
            opened.append(place)
            stop = found[index + 1].start if index + 1 < len(found) else batch[-1].end
            room = max(self._max_tokens // 2, 1)
            if bisect_left(tokens, stop) - bisect_left(tokens, place.start) > room:
                step = max(min(60, self._max_tokens // 3), 1)
                finer = finer_breaks(self._text, place.start, stop, characters=step)
                opened += [fine for fine in finer if fine.start > place.start]
        return opened

    def _candidate(self, place: Break, batch: Sequence[Section], tokens: Sequence[int]) -> Candidate:
        index = max(bisect_right(batch, place.start, key=lambda section: section.start) - 1, 0)
        section = batch[index]
        cost, crossing = place.cost, 0.0
        if index > 0 and is_blank(self._text, section.start, place.start):
            before = batch[index - 1]
            if before.opens and is_blank(self._text, before.body, before.end):
                cost = _AFTER_STUB_COST
            else:
                crossing = _crossing_cost(before.path, section.path)
        _, head = self._context(section, section.path, place.start)
        return Candidate(bisect_left(tokens, place.start), head, cost, crossing)

    def _path(self, cut: _Cut) -> tuple[str, ...]:
        """The heading path that holds for all of a chunk, or for its beginning."""
        if cut.first is cut.last or not cut.first.opens or cut.start > cut.first.body:
            return cut.first.path
        return cut.first.path[: _common(cut.first.path, cut.last.path)]

    def _context(self, section: Section, path: tuple[str, ...], start: int) -> tuple[str, int]:
        """The context of a chunk that starts here, and its number of tokens."""
        table = self._blocks.table_at(start)
        label = " ".join(table.label.split()) if table is not None else ""
        parts = path
        if section.container is not None and section.container.kind == "sheet" and section.container.label:
            parts = (section.container.label, *path)
        key = (parts, label)
        if key not in self._contexts:
            quarter = self._max_tokens // 4
            titled = _titled(self._document.title, parts)
            lines = [self._outermost_cut(titled, quarter), self._tail_cut(label, quarter)]
            context = "\n".join(line for line in lines if line)
            # One more than its own tokens: a tokenizer may count the line break that follows.
            self._contexts[key] = (context, self._counter.counts([context])[0])
        return self._contexts[key]

    def _outermost_cut(self, parts: tuple[str, ...], limit: int) -> str:
        """As many of the innermost parts as `limit` tokens hold; a part of the last if not even it fits."""
        while len(parts) > 1 and self._counter.counts([" > ".join(parts)])[0] > limit:
            parts = parts[1:]
        return self._tail_cut(" > ".join(parts), limit)

    def _tail_cut(self, line: str, limit: int) -> str:
        while line and self._counter.counts([line])[0] > limit:
            starts = self._counter.starts(line)
            line = line[: starts[min(limit, len(starts) - 1)]].rstrip()
        return line

    def _fit(self, cuts: Sequence[_Cut]) -> Iterator[tuple[_Cut, str]]:
        """Check every chunk with the tokenizer itself; halve those that are too large."""
        contexts = [self._context(cut.first, self._path(cut), cut.start)[0] for cut in cuts]
        texts = [self._text[cut.start : cut.end] for cut in cuts]
        embedded = [
            f"{context}\n{text}" if context else text for context, text in zip(contexts, texts, strict=True)
        ]
        for cut, context, count in zip(cuts, contexts, self._counter.counts(embedded), strict=True):
            halves = list(self._halves(cut)) if count > self._max_tokens else [cut]
            if len(halves) == 1:
                yield halves[0], context
            else:
                yield from self._fit(halves)

    def _halves(self, cut: _Cut) -> Iterator[_Cut]:
        """Two parts of a chunk that is too large, cut near its middle; itself if it is one character."""
        text = self._text[cut.start : cut.end]
        fine = finer_breaks(text, 0, len(text), characters=max(len(text) // 8, 1))
        inner = [place.start for place in fine if place.start > 0]
        if not inner:
            yield cut
            return
        middle = cut.start + min(inner, key=lambda start: abs(2 * start - len(text)))
        for start, end in ((cut.start, middle), (middle, cut.end)):
            start += len(self._text[start:end]) - len(self._text[start:end].lstrip())
            end = start + len(self._text[start:end].rstrip())
            if start < end:
                yield _Cut(start, end, cut.first, cut.last)

    def _place(self, cut: _Cut, heading: tuple[str, ...]) -> str:
        """The spot in words that a person would use."""
        container = cut.first.container
        if container is not None and container.kind == "page":
            page = f"p. {container.label or container.level}"
            return f"{page}, {heading[-1]}" if heading else page
        if container is not None and container.kind == "sheet":
            sheet = f"sheet {container.level}"
            return f"{sheet} ({container.label})" if container.label else sheet
        if container is not None:
            return f"slide {container.level}"
        return heading[-1] if heading else self._lines.place(cut.start, cut.end)


class _LineNumbers:
    """1-based line numbers of spans that are asked for in the order of the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1

    def place(self, start: int, end: int) -> str:
        self._line += self._text.count("\n", self._position, start)
        self._position = start
        last = self._line + self._text.count("\n", start, end)
        return f"line {self._line}" if last == self._line else f"lines {self._line}–{last}"


def _batches(text: str, container: Sequence[Section]) -> Iterator[list[Section]]:
    """Neighbouring sections together, up to a size that bounds the memory of one packing."""
    batch: list[Section] = []
    size = 0
    for section in container:
        for piece in _pieces(text, section):
            if batch and size + piece.end - piece.start > _BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
            batch.append(piece)
            size += piece.end - piece.start
    if batch:
        yield batch


def _pieces(text: str, section: Section) -> Iterator[Section]:
    """A very long section in parts, cut between paragraphs or lines where there are any."""
    start = section.start
    while section.end - start > _BATCH_CHARACTERS:
        limit = start + _BATCH_CHARACTERS
        cut = -1
        for separator in ("\n\n", "\n", " "):
            if (cut := text.rfind(separator, start + _BATCH_CHARACTERS // 2, limit)) > 0:
                break
        cut = cut + 1 if cut > 0 else limit
        opens = section.opens and start == section.start
        body = min(section.body, cut) if opens else start
        yield Section(start, body, cut, section.path, section.container, opens)
        start = cut
    if start == section.start:
        yield section
    elif not is_blank(text, start, section.end):
        yield Section(start, start, section.end, section.path, section.container, False)


def _crossing_cost(before: tuple[str, ...], after: tuple[str, ...]) -> float:
    """Price of a chunk over a heading: from one child to the next is cheap, out of a parent dear."""
    climbed = max(len(before) - _common(before, after) - 1, 0)
    return _CROSSING_COST * (1 + climbed)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        count += 1
    return count


def _titled(title: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Put the title in front, unless the first part says the same."""
    title = " ".join(title.split())
    if not title or (parts and parts[0].casefold() == title.casefold()):
        return parts
    return (title, *parts)
