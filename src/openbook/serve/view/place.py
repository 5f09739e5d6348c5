"""Where in its document a stretch of text is, in words that a person would use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from openbook.types import Document, Mark

_NAMES: Final = {"page": "Page", "slide": "Slide", "sheet": "Sheet", "cell": "Cell"}


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a range. `numbers` are 1-based, of the pages, slides, sheets or cells that it touches.

    `kind` says which of these they are, "" if the document has none. `heading`
    is the path of headings above the range, outermost first, joined by " > ".
    `words` says all of it: "Page 3, Truing".
    """

    kind: str
    numbers: tuple[int, ...]
    label: str
    heading: str
    words: str


def place_of(document: Document, start: int, end: int) -> Place:
    """The pages (slides, sheets, cells) and the heading of document.text[start:end]."""
    end = max(end, start + 1)
    touched = [
        mark for mark in document.marks if mark.kind in _NAMES and mark.start < end and mark.end > start
    ]
    heading = " > ".join(_headings(document.marks, start))
    if not touched:
        return Place("", (), "", heading, heading)
    label = place_label(touched[0])
    if len(touched) > 1:
        label = f"{label} to {touched[-1].label or touched[-1].level}"
    words = ", ".join(part for part in (label, heading.rpartition(" > ")[2]) if part)
    return Place(touched[0].kind, tuple(mark.level for mark in touched), label, heading, words)


def place_label(mark: Mark) -> str:
    """What a page, slide, sheet or cell is called: "Page 3", "Sheet Prices", "Cell 4, code"."""
    name, label = _NAMES.get(mark.kind, ""), mark.label.strip()
    if mark.kind == "cell":
        kind = label.rpartition(" ")[0]
        return f"Cell {mark.level}, {kind}" if kind else f"Cell {mark.level}"
    return f"{name} {label or mark.level}"


def _headings(marks: Sequence[Mark], offset: int) -> list[str]:
    path: list[Mark] = []
    for mark in marks:
        if mark.start > offset:
            break
        if mark.kind == "heading" and mark.label:
            while path and path[-1].level >= mark.level:
                path.pop()
            path.append(mark)
    return [mark.label for mark in path]
