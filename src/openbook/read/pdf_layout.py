"""From lines on PDF pages to blocks: headings, paragraphs, list items and tables.

Lines of one paragraph are joined by spaces, words cut by a hyphen are made
whole, and what is repeated on every page (running headers, page numbers) is
dropped, so that a sentence can be found and quoted as a sentence. The rules
look at places, type sizes and gaps only; they know no language.

Refused: kreuzberg's structured form of PDFs, which 4.10.4 gets from the same
pdfium, but in which it replaces characters ("as follows:—" becomes "as
followsti—"), straightens quotation marks and does not say on which page a
sentence is; and layout models, which would cost hundreds of megabytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from openbook.read.pdf_lines import Line

BlockKind = Literal["heading", "paragraph", "item", "table"]

_BULLET: Final = re.compile(r"^(?:[•‣◦▪▫●○■□–—·∙*\u00b7\uf0b7\uf0a7-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)])\s+\S")
_SYMBOL: Final = re.compile(r"^[•‣◦▪▫●○■□∙·\uf0b7\uf0a7]\s*")
_DIGITS: Final = re.compile(r"\d+|\b[ivxlc]+\b")
_CUT: Final = re.compile(r"(\w+)\x02\s*(\w+)")
_WORD: Final = re.compile(r"\w+(?:-\w+)*")
_ENDS_SENTENCE: Final = (".", "!", "?", ",", ";", "。", "…")
_MAX_HEADING: Final = 160
_EDGE_LINES: Final = 3
"""How many lines from the top and from the bottom may be running headers or footers."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page. `rank` is the heading's place among the type sizes, 1 the largest."""

    kind: BlockKind
    text: str
    rank: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


def layout(pages: Sequence[Sequence[Line]]) -> list[list[Block]]:
    """The blocks of each page, in reading order."""
    bare = without_running_lines(pages)
    body = _body_size(bare)
    words = Counter(word for page in bare for line in page for word in _WORD.findall(line.text))
    ranks = _heading_ranks(bare, body)
    blocks = []
    for page in bare:
        found = []
        for group in _groups(page, body):
            found.append(_block(group, body, ranks, words))
        blocks.append(found)
    return blocks


def without_running_lines(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Pages without headers, footers and page numbers: lines at an edge that most pages repeat.

    Lines count as the same when they differ only in numbers and stand at the
    same height; for left and right pages, half of the pages is enough.
    """
    if len(pages) < 3:
        return [list(page) for page in pages]
    edges = [_edge_lines(page) for page in pages]
    seen = Counter(key for page in edges for key in {_running_key(line) for line in page})
    often = max(3, 0.4 * len(pages))
    return [
        [line for line in page if not (line in edge and seen[_running_key(line)] >= often)]
        for page, edge in zip(pages, edges, strict=True)
    ]


def _edge_lines(page: Sequence[Line]) -> list[Line]:
    by_height = sorted(page, key=lambda line: -line.top)
    return by_height[:_EDGE_LINES] + by_height[_EDGE_LINES:][-_EDGE_LINES:]


def _running_key(line: Line) -> tuple[str, int]:
    return _DIGITS.sub("#", line.text), round(line.bottom / 6)


def _body_size(pages: Sequence[Sequence[Line]]) -> float:
    """The type size of most of the text."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[line.size] += len(line.text)
    return max(sizes, key=lambda size: (sizes[size], size)) if sizes else 10.0


def _heading_ranks(pages: Sequence[Sequence[Line]], body: float) -> dict[tuple[float, bool], int]:
    """Levels of headings by type: larger type first; bold of the body's size last."""
    styles = {(line.size, line.bold) for page in pages for line in page if _could_head(line, body)}
    ordered = sorted(styles, key=lambda style: (-style[0], not style[1]))
    ranks: dict[tuple[float, bool], int] = {}
    level, previous = 0, 0.0
    for size, bold in ordered:
        if not ranks or previous - size > 0.6 or size <= body * 1.1:
            level += 1
        ranks[size, bold] = min(level, 6)
        previous = size
    return ranks


def _could_head(line: Line, body: float) -> bool:
    return (line.size >= body * 1.12 or (line.bold and line.size >= body * 0.95)) and any(
        character.isalpha() for character in line.text
    )


def _groups(page: Sequence[Line], body: float) -> Iterator[list[Line]]:
    """Lines that belong together: one paragraph, heading, item or table each."""
    if not page:
        return
    right = _right_margin(page)
    gap = _usual_gap(page)
    group: list[Line] = []
    for line in page:
        if group and not _continues(group, line, right, gap, body):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _right_margin(page: Sequence[Line]) -> float:
    rights = sorted(line.right for line in page if len(line.text) > 20)
    return rights[int(len(rights) * 0.9)] if rights else max(line.right for line in page)


def _usual_gap(page: Sequence[Line]) -> float:
    """The usual distance from one line's bottom to the next one's, in points."""
    steps = [above.bottom - below.top + (below.top - below.bottom) for above, below in zip(page, page[1:], strict=False)]
    steps = [step for step in steps if 0 < step < 100]
    return median(steps) if steps else 14.0


def _continues(group: list[Line], line: Line, right: float, gap: float, body: float) -> bool:
    """Whether a line goes on with the paragraph, heading, item or table above it."""
    above = group[-1]
    if _is_row(above) or _is_row(line):
        return _is_row(above) and _is_row(line) and _same_columns(above, line)
    step = above.bottom - line.bottom
    if _same_baseline(above, line) and above.size != line.size:
        return True  # an index or exponent beside its line
    if not 0 < step <= 1.45 * max(gap, above.size):
        return False
    headings = _could_head(above, body), _could_head(line, body)
    if any(headings):
        return all(headings) and above.size == line.size and above.bold == line.bold
    if abs(above.size - line.size) > 0.15 * body or _BULLET.match(line.text):
        return False
    if line.left > group[0].left + 0.8 * body and len(group) > 1 and line.left > above.left + 0.8 * body:
        return False  # indented: a new paragraph
    hanging = _BULLET.match(group[0].text) is not None
    if len(group) == 1 and line.left > above.left + 0.8 * body and not hanging:
        return False
    room = right - above.right
    return room < max(0.25 * (right - above.left), 6 * body) or (hanging and line.left > group[0].left + 2)


def _same_baseline(above: Line, line: Line) -> bool:
    return line.bottom < above.top and above.bottom < line.top and line.left >= above.right - 1


def _is_row(line: Line) -> bool:
    return len(line.cells) > 1


def _same_columns(above: Line, line: Line) -> bool:
    """Whether most cells of the shorter row begin or end where cells of the other do."""
    if above.bottom <= line.bottom:
        return False
    shared = sum(
        any(abs(one.left - other.left) < 4 or abs(one.right - other.right) < 4 for other in above.cells)
        for one in line.cells
    )
    return 2 * shared > min(len(above.cells), len(line.cells))


def _block(group: list[Line], body: float, ranks: dict[tuple[float, bool], int], words: Counter[str]) -> Block:
    if _is_row(group[0]):
        if len(group) > 1:
            rows = _rows(group)
            return Block("table", "", rows=tuple(tuple(make_whole(cell, words) for cell in row) for row in rows))
        return Block("paragraph", make_whole(" ".join(cell.text for cell in group[0].cells), words))
    text = make_whole(" ".join(line.text for line in group), words)
    first = group[0]
    if _could_head(first, body) and len(text) <= _MAX_HEADING and not (
        first.size < body * 1.12 and text.endswith(_ENDS_SENTENCE)
    ):
        return Block("heading", text, rank=ranks[first.size, first.bold])
    if _SYMBOL.match(text):
        return Block("item", _SYMBOL.sub("", text))
    return Block("paragraph", text)


def _rows(group: list[Line]) -> list[list[str]]:
    """A table's rows with every cell in its column; columns are where cells overlap from row to row."""
    columns: list[tuple[float, float]] = []
    for cell in sorted((cell for line in group for cell in line.cells), key=lambda cell: cell.left):
        if columns and cell.left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], cell.right))
        else:
            columns.append((cell.left, cell.right))
    rows = []
    for line in group:
        row = [""] * len(columns)
        for cell in line.cells:
            place = next(index for index, (_, end) in enumerate(columns) if cell.left < end)
            row[place] = f"{row[place]} {cell.text}".strip()
        rows.append(row)
    return rows


def make_whole(text: str, words: Counter[str]) -> str:
    """Join words that a line's end had cut, keeping a hyphen that belongs to the word.

    `co\\x02ordinates` becomes "co-ordinates" where the document writes that
    elsewhere, and "coordinates" otherwise.
    """

    def join(match: re.Match[str]) -> str:
        left, right = match.groups()
        hyphened, joined = f"{left}-{right}", f"{left}{right}"
        keeps = words[hyphened] > words[joined] or left.isdigit() or (right[:1].isupper() and left[:1].isupper())
        return hyphened if keeps else joined

    text = _CUT.sub(join, text)
    return " ".join(_CUT.sub(join, text).replace("\x02", "-").split())
