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
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from openbook.read.pdf_lines import Line

BlockKind = Literal["heading", "paragraph", "item", "table"]

_BULLET: Final = re.compile(
    r"^(?:[•‣◦▪▫●○■□–—·∙*\u00b7\uf0b7\uf0a7-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)])\s+\S"
)
_SYMBOL: Final = re.compile(r"^[•‣◦▪▫●○■□∙·\uf0b7\uf0a7]\s*")
_DIGITS: Final = re.compile(r"\d+|\b[ivxlc]+\b")
_CUT: Final = re.compile(r"(\w+)\x02\s*(\w+)")
_WORD: Final = re.compile(r"\w+(?:-\w+)*")
_HEADING_WORD: Final = re.compile(r"[^\W\d_]{3,}|[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
_FORMULA: Final = re.compile(r"[=+<>−±×÷·√∂∑∏∫≤≥≠≈∞]")
_ENDS_PARAGRAPH: Final = (".", "!", "?", ":", "。", "…", "”", '."')
_ENDS_SENTENCE: Final = (".", "!", "?", ",", ";", "。", "…")
_MAX_HEADING: Final = 160
_LARGER: Final = 1.12
"""From this multiple of the body's size on, type is a heading's."""
_EDGE_LINES: Final = 3
"""How many lines at the top and at the bottom may be running headers or footers."""
_NEAR: Final = 0.1
"""The share of the text's height, above and below, in which these stand."""


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
    return [[_block(group, body, ranks, words) for group in _groups(page, body)] for page in bare]


def without_running_lines(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Lines of each page without running headers, footers and page numbers.

    Those are lines at the edge that many pages have at the same height and
    that differ only in numbers; 40 % of the pages is many, since left and
    right pages may differ. Where the words with their numbers are all
    different and large, they are the headings of chapters, and stay.
    """
    if len(pages) < 3:
        return [list(page) for page in pages]
    bottom = min((line.bottom for page in pages for line in page), default=0.0)
    top = max((line.top for page in pages for line in page), default=0.0)
    edges = [set(_edge_lines(page, bottom, top)) for page in pages]
    seen = Counter(key for edge in edges for key in {_running_key(line) for line in edge})
    texts = {key: {line.text for edge in edges for line in edge if _running_key(line) == key} for key in seen}
    body = _body_size(pages)

    def runs(line: Line) -> bool:
        key = _running_key(line)
        if seen[key] < max(3, 0.4 * len(pages)):
            return False
        return (
            line.size < body * _LARGER or len(texts[key]) < seen[key] or not _HEADING_WORD.search(line.text)
        )

    return [
        [line for line in page if line not in edge or not runs(line)]
        for page, edge in zip(pages, edges, strict=True)
    ]


def _edge_lines(page: Sequence[Line], bottom: float, top: float) -> list[Line]:
    """The few lines of a page that are near to where the document's text begins or ends."""
    near = _NEAR * (top - bottom)
    by_height = sorted(page, key=lambda line: -line.top)
    above = [line for line in by_height[:_EDGE_LINES] if line.top > top - near]
    below = [line for line in by_height[-_EDGE_LINES:] if line.bottom < bottom + near]
    return above + below


def _running_key(line: Line) -> tuple[str, int]:
    """What a running line has in common from page to page: words, and height within 20 points."""
    words = _DIGITS.sub("#", line.text)
    # A number alone is a page's number wherever at the edge it stands.
    return words, round(line.bottom / 20) if _HEADING_WORD.search(words) else 0


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
    """Whether a line's type is a heading's: larger than the body or bold, and words rather than a formula."""
    if line.size < body * _LARGER and not (line.bold and line.size >= body * 0.95):
        return False
    return _HEADING_WORD.search(line.text) is not None and _FORMULA.search(line.text) is None


@dataclass(slots=True)
class _Group:
    """Lines that belong together, and what stands between them."""

    lines: list[Line]
    text: str

    def add(self, line: Line, joint: str) -> None:
        self.lines.append(line)
        self.text += joint + line.text


def _groups(page: Sequence[Line], body: float) -> Iterator[_Group]:
    """Lines that belong together: one paragraph, heading, item or table each."""
    measure = _Measure(page, body)
    group: _Group | None = None
    for line in page:
        joint = None if group is None else measure.joint(group, line)
        if group is not None and joint is not None:
            group.add(line, joint)
            continue
        if group is not None:
            yield group
        group = _Group([line], line.text)
    if group is not None:
        yield group


class _Measure:
    """A page's right margin and line distance, by which lines are joined or kept apart."""

    def __init__(self, page: Sequence[Line], body: float) -> None:
        self._body = body
        rights = sorted(line.right for line in page if len(line.text) > 20)
        self._right = (
            rights[int(len(rights) * 0.9)] if rights else max((line.right for line in page), default=0.0)
        )
        steps = [_step(above, below) for above, below in pairwise(page)]
        steps = [step for step in steps if 0 < step < 100]
        self._gap = median(steps) if steps else 1.2 * body

    def joint(self, group: _Group, line: Line) -> str | None:
        """What joins a line to the group above it: "", " " or a line end; None where a new one begins."""
        above = group.lines[-1]
        if _is_row(above) or _is_row(line):
            return "\n" if _is_row(above) and _is_row(line) and _same_columns(above, line) else None
        if _beside(above, line):
            return "" if line.left - above.right < 0.15 * line.size else " "
        if not 0 < _step(above, line) <= 1.4 * max(self._gap, above.size):
            return None
        headings = _could_head(above, self._body), _could_head(line, self._body)
        if any(headings):
            return " " if all(headings) and above.size == line.size and above.bold == line.bold else None
        return self._prose_joint(group, above, line)

    def _prose_joint(self, group: _Group, above: Line, line: Line) -> str | None:
        hanging = _BULLET.match(group.lines[0].text) is not None
        if _SYMBOL.match(line.text) or (_BULLET.match(line.text) and (hanging or not _goes_on(above))):
            return None
        if hanging:
            if line.left > group.lines[0].left + 2:
                return " "
            if line.text[:1].isupper():
                return None
        if line.left > above.left + 0.8 * self._body and "\x02" not in above.text and not _goes_on(above):
            return None  # indented: a new paragraph
        if self._right - above.right < max(0.2 * (self._right - above.left), 6 * self._body):
            return " " if abs(above.size - line.size) <= 0.15 * self._body else None
        # The line above ends early: a paragraph's end, or lines that stay lines (a formula, an address).
        return None if above.text.endswith(_ENDS_PARAGRAPH) or len(above.text) > _MAX_HEADING else "\n"


def _step(above: Line, line: Line) -> float:
    """The distance from one line to the next, in points, whatever the height of either."""
    return above.bottom - line.top + line.size


def _goes_on(line: Line) -> bool:
    """Whether a line ends in the middle of a sentence."""
    return line.text[-1:].islower() or line.text.endswith((",", "\x02"))


def _beside(above: Line, line: Line) -> bool:
    """Whether a line goes on at the height of the one before (pdfium breaks at indices and exponents)."""
    overlap = min(above.top, line.top) - max(above.bottom, line.bottom)
    return (
        overlap > 0.4 * min(above.top - above.bottom, line.top - line.bottom) and line.left >= above.right - 2
    )


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


def _block(group: _Group, body: float, ranks: dict[tuple[float, bool], int], words: Counter[str]) -> Block:
    if _is_row(group.lines[0]):
        rows = [[make_whole(cell, words) for cell in row] for row in _rows(group.lines)]
        if _is_table(rows):
            return Block("table", "", rows=tuple(map(tuple, rows)))
        return Block("paragraph", "\n".join(" ".join(cell for cell in row if cell) for row in rows))
    text = make_whole(group.text, words)
    first = group.lines[0]
    short = len(text) <= _MAX_HEADING and "\n" not in text
    larger = first.size >= body * _LARGER
    if short and _could_head(first, body) and (larger or not text.endswith(_ENDS_SENTENCE)):
        return Block("heading", text, rank=ranks[first.size, first.bold])
    if _SYMBOL.match(text):
        return Block("item", _SYMBOL.sub("", text))
    return Block("paragraph", text)


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows with gaps are a table and not an equation set in columns."""
    if len(rows) < 2:
        return False
    cells = [cell for row in rows for cell in row if cell]
    operators = sum(_FORMULA.match(cell) is not None or cell in ("=", ".", ",") for cell in cells)
    return operators == 0 and len(cells) > 0.5 * len(rows) * len(rows[0])


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
        keeps = (
            words[hyphened] > words[joined] or left.isdigit() or (right[:1].isupper() and left[:1].isupper())
        )
        return hyphened if keeps else joined

    text = _CUT.sub(join, _CUT.sub(join, text)).replace("\x02", "-")
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))
