"""A document's marks, turned into the sections that chunks are cut from.

A section runs from one heading to the next. It lies inside one container (a
page, slide or sheet), because a chunk that crosses a page has no place that a
person could look up.

Refused: guessing headings from the text. That is the reader's work, and a
reader knows the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openbook.types import Document, Mark

_CONTAINERS = ("page", "slide", "sheet")
_FRONT_MATTER = re.compile(r"(?sm)\A(?:\ufeff)?---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_INK = re.compile(r"\S")
_FRONT_MATTER_LIMIT = 20_000
_PROSE_WORDS = 8


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one heading path, inside one container.

    `path` is outermost first. `opens` says that the section begins with its
    own heading line; a section that continues on the next page does not.
    `body` is where that line ends (`start` without one).
    """

    start: int
    body: int
    end: int
    path: tuple[str, ...]
    container: Mark | None
    opens: bool


def sections(document: Document) -> Iterator[list[Section]]:
    """The sections of each container in turn, in the order of the text.

    Text between containers is a container of its own, without a mark. Blank
    sections are left out; so is front matter that says nothing but settings.
    """
    headings = [mark for mark in document.marks if mark.kind == "heading" and mark.label.strip()]
    walker = _HeadingPath(headings)
    for container, start, end in _containers(document):
        if container is not None and container.kind in ("slide", "sheet"):
            walker.reset()
        every = walker.cut(container, start, end)
        found = [section for section in every if not is_blank(document.text, section.start, section.end)]
        if found:
            yield found


def _containers(document: Document) -> Iterator[tuple[Mark | None, int, int]]:
    position = front_matter_end(document)
    for mark in document.marks:
        if mark.kind not in _CONTAINERS or mark.end <= position:
            continue
        if mark.start > position:
            yield None, position, mark.start
        yield mark, max(mark.start, position), mark.end
        position = mark.end
    if position < len(document.text):
        yield None, position, len(document.text)


def is_blank(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is white space only, without copying a slice of many megabytes."""
    return _INK.search(text, start, end) is None


class _HeadingPath:
    """Walks the headings in order and knows the path at every point."""

    def __init__(self, headings: list[Mark]) -> None:
        self._headings = headings
        self._next = 0
        self._stack: list[tuple[int, str]] = []

    def reset(self) -> None:
        self._stack.clear()

    def cut(self, container: Mark | None, start: int, end: int) -> Iterator[Section]:
        opens, body = False, start
        while self._next < len(self._headings) and self._headings[self._next].start < end:
            heading = self._headings[self._next]
            self._next += 1
            if heading.start > start:
                yield Section(start, body, heading.start, self._path(), container, opens)
            start = max(start, heading.start)
            opens, body = True, min(max(start, heading.end), end)
            self._enter(heading)
        if start < end:
            yield Section(start, body, end, self._path(), container, opens)

    def _enter(self, heading: Mark) -> None:
        while self._stack and self._stack[-1][0] >= heading.level:
            self._stack.pop()
        self._stack.append((heading.level, " ".join(heading.label.split())))

    def _path(self) -> tuple[str, ...]:
        return tuple(label for _, label in self._stack)


def front_matter_end(document: Document) -> int:
    """Where the body begins, after front matter that holds nothing to be found.

    Front matter is metadata already, and a chunk of `layout: post` is noise.
    It stays in the text to be chunked when some value in it is a sentence of
    its own (an abstract, a description), so that no prose is ever lost.
    """
    if "markdown" not in document.media_type:
        return 0
    match = _FRONT_MATTER.match(document.text[:_FRONT_MATTER_LIMIT])
    if match is None:
        return 0
    return 0 if _holds_prose(match.group(1), document.title, document.metadata) else match.end()


def _holds_prose(front_matter: str, title: str, metadata: Mapping[str, object]) -> bool:
    known = {title.strip().casefold(), str(metadata.get("title", "")).strip().casefold()}
    for line in front_matter.splitlines():
        value = line.partition(":")[2] if re.match(r"\s*[\w.-]+\s*:", line) else line
        words = re.findall(r"[^\W\d_]{2,}", value)
        if len(words) >= _PROSE_WORDS and value.strip(" \"'").casefold() not in known:
            return True
    return False
