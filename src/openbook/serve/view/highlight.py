"""Characters of a text as HTML: escaped, highlighted and styled, none added and none left out.

Highlights may overlap, and may begin and end anywhere; each stretch between
two of their ends becomes one `<mark>`, so that the HTML nests whatever the
ranges do. Refused: string replacement in finished HTML, which finds the wrong
occurrence, and nested `<mark>`s, which cannot express two ranges that cross.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

HighlightKind: TypeAlias = Literal["cited", "evidence", "found"]
"""A verbatim quote, the evidence around it, or a word that a search was for."""

Style: TypeAlias = tuple[int, int, str]
"""[start, end) of a text and the class of its characters."""

_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": "&#13;", "\0": "\ufffd"}
)


@dataclass(frozen=True, slots=True)
class Highlight:
    """The characters [start, end) of a document's text, and the number of the citation that means them."""

    start: int
    end: int
    number: int = 1
    kind: HighlightKind = "cited"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch over which the same highlights lie; `members` are their places in the marker's list."""

    start: int
    end: int
    members: tuple[int, ...]


def escaped(text: str) -> str:
    """Text as it may stand in HTML, in attributes too.

    A carriage return is written as a reference, since a parser would take it
    for a line feed. U+0000 cannot stand in HTML at all and becomes U+FFFD, one
    character for one.
    """
    return text.translate(_ESCAPES)


class Marker:
    """Writes stretches of one text as HTML. Each highlight's first `<mark>` has its id: `cite-3`."""

    def __init__(self, text: str, highlights: Iterable[Highlight]) -> None:
        self._text = text
        self._highlights = [
            Highlight(max(one.start, 0), min(one.end, len(text)), one.number, one.kind)
            for one in highlights
            if max(one.start, 0) < min(one.end, len(text))
        ]
        self._ids = dict(enumerate(_ids(self._highlights)))
        self._pieces = list(_pieces(self._highlights))
        self._starts = [piece.start for piece in self._pieces]
        self._ends = [piece.end for piece in self._pieces]

    def write(self, start: int, end: int, styles: Sequence[Style] = ()) -> str:
        """The characters [start, end) as HTML. `styles` are sorted and do not overlap each other."""
        parts: list[str] = []
        position = start
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        for piece in self._pieces[first:last]:
            low, high = max(piece.start, start), min(piece.end, end)
            parts.append(self._styled(position, low, styles))
            parts += [self._opening(piece), self._styled(low, high, styles), "</mark>"]
            position = high
        parts.append(self._styled(position, end, styles))
        return "".join(parts)

    def _opening(self, piece: _Piece) -> str:
        """The tag of a piece, and anchors for those of its highlights that it cannot give its id to."""
        members = [self._highlights[index] for index in piece.members]
        ids = [self._ids.pop(index) for index in piece.members if index in self._ids]
        numbers = " ".join(str(number) for number in dict.fromkeys(one.number for one in members))
        kinds = " ".join(f"ob-mark--{kind}" for kind in dict.fromkeys(one.kind for one in members))
        anchors = "".join(f'<span class="ob-anchor" id="{identity}"></span>' for identity in ids[1:])
        identity = f' id="{ids[0]}"' if ids else ""
        return f'{anchors}<mark class="ob-mark {kinds}"{identity} data-number="{numbers}">'

    def _styled(self, start: int, end: int, styles: Sequence[Style]) -> str:
        if not styles or start >= end:
            return escaped(self._text[start:end])
        parts: list[str] = []
        position = start
        for low, high, name in styles:
            low, high = max(low, position), min(high, end)
            if low < high:
                parts.append(escaped(self._text[position:low]))
                parts.append(f'<span class="{name}">{escaped(self._text[low:high])}</span>')
                position = high
        parts.append(escaped(self._text[position:end]))
        return "".join(parts)


def _ids(highlights: Sequence[Highlight]) -> Iterator[str]:
    """`cite-3` for the first highlight of number 3, `cite-3-2` for its second."""
    seen: dict[int, int] = {}
    for one in highlights:
        seen[one.number] = count = seen.get(one.number, 0) + 1
        yield f"cite-{one.number}" if count == 1 else f"cite-{one.number}-{count}"


def _pieces(highlights: Sequence[Highlight]) -> Iterator[_Piece]:
    """Cut the highlights where any of them begins or ends."""
    opens: dict[int, list[int]] = {}
    closes: dict[int, list[int]] = {}
    for index, one in enumerate(highlights):
        opens.setdefault(one.start, []).append(index)
        closes.setdefault(one.end, []).append(index)
    alive: dict[int, None] = {}
    previous = 0
    for edge in sorted({*opens, *closes}):
        if alive:
            yield _Piece(previous, edge, tuple(sorted(alive)))
        for index in closes.get(edge, ()):
            del alive[index]
        alive.update(dict.fromkeys(opens.get(edge, ())))
        previous = edge
