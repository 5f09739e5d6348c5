"""Turns the events of an HTML parser into the pieces of a page, in one pass.

Elements may nest 100,000 deep: nothing here recurses or looks at more than the
innermost open element, and what a page can make bigger than itself (spans of
table cells, indentation of lists) has a limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

PieceKind = Literal["paragraph", "heading", "item", "code", "table"]


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BREAK: Final = "\ue0f3"
_SKIPPED: Final = _words(
    "script style template noscript noembed noframes iframe object applet svg canvas audio video map "
    "select datalist button input progress meter rt rp"
)
"""Elements whose text is no part of what a reader reads."""
_NAVIGATION: Final = frozenset(("nav", "menu"))
_NAVIGATION_ROLES: Final = frozenset(("navigation", "search", "menu", "menubar", "contentinfo", "toolbar"))
_NOISE_CLASSES: Final = frozenset(
    ("headerlink", "linenos", "linenodiv", "lineno", "anchorjs-link", "mw-editsection")
)
"""Marks of widespread generators: permalinks, line numbers, edit links."""
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_PREFORMATTED: Final = frozenset(("pre", "xmp", "listing", "plaintext"))
_BLOCKS: Final = _words(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form frameset head header hgroup hr html legend li main menu nav ol optgroup "
    "option p section summary table tbody td tfoot th thead title tr ul"
)
_HIDING_STYLE: Final = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\s*(?:!\s*important\s*)?(?:;|$)",
    re.IGNORECASE,
)
_STYLE_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_LANGUAGE_CLASS: Final = re.compile(
    r"(?:^|\s)(?:language|lang|highlight-source|highlight|brush:)-?\s*([\w+#.-]+)"
)
_PANDOC_CLASS: Final = re.compile(r"sourceCode\s+([\w+#.-]+)")
_NO_LANGUAGES: Final = frozenset(
    ("default", "none", "text", "plain", "plaintext", "nohighlight", "highlight")
)

_NO_ATTRIBUTES: Final[Mapping[str, str]] = {}

_DEEPEST_LIST: Final = 8
_DEEPEST_TABLE: Final = 8
_WIDEST_SPAN: Final = 50
_LONGEST_CELL: Final = 2_000
"""Characters. A longer cell, or one with headings or code in it, shows that a table lays out a page."""
_PADDING: Final = 4
"""How many times more cells than were written a table may have after its rows are made equally wide."""


@dataclass(slots=True)
class Piece:
    """A block of a page. `level`: of a heading (1 to 6) or the depth of a list item; `label`: an item's
    marker or the language of code; `rows` and `header`: of a table."""

    kind: PieceKind
    text: str = ""
    level: int = 0
    label: str = ""
    rows: list[list[str]] = field(default_factory=list)
    header: bool = False
    in_main: bool = False

    @property
    def characters(self) -> int:
        """How much text it holds."""
        return len(self.text) + sum(len(cell) for row in self.rows for cell in row)


@dataclass(slots=True)
class _Cell:
    pieces: list[Piece]
    is_header: bool
    columns: int
    rows: int


@dataclass(slots=True)
class _Table:
    """A table while it is read: its rows, and the pieces around it that its own will join."""

    laid_out: bool
    rows: list[list[_Cell]] = field(default_factory=list)
    in_head: bool = False


@dataclass(slots=True)
class _List:
    ordered: bool
    next_number: int


class Page:
    """What lxml calls for every event; afterwards `pieces`, `title`, `language` and `meta` are filled.

    `budget` is the number of characters that repeated table cells may add.
    """

    def __init__(self, *, keep_navigation: bool, budget: int) -> None:
        self.pieces: list[Piece] = []
        self.meta: dict[str, str] = {}
        self.language = ""
        self.seen_text = False
        self._keep_navigation = keep_navigation
        self._budget = budget
        self._title: list[str] = []
        self._in_title = False
        self._sinks: list[list[Piece]] = [self.pieces]
        self._open: list[str] = []
        self._text: list[str] = []
        self._skipping = 0
        self._main = 0
        self._sections = 0
        self._heading = 0
        self._preformatted = 0
        self._code_language = ""
        self._lists: list[_List] = []
        self._marker: tuple[str, int] | None = None
        self._tables: list[_Table] = []

    @property
    def title(self) -> str:
        """The words of <title>."""
        return " ".join("".join(self._title).split())

    # Events

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if self._skipping:
            self._skipping += 1
            return
        if not attributes:
            attributes = _NO_ATTRIBUTES  # lxml's own empty mapping is slow
        if self._is_skipped(tag, attributes):
            self._skipping = 1
            return
        self._open.append(self._begin(tag, attributes))

    def end(self, tag: str) -> None:  # noqa: ARG002 (what lxml calls)
        """An element ends; the parser sends one for each that began, in order."""
        if self._skipping:
            self._skipping -= 1
        elif self._open:
            self._finish(self._open.pop())

    def data(self, text: str) -> None:
        """Some text, entities resolved."""
        if self._skipping:
            return
        if self._in_title:
            self._title.append(text)
            return
        self.seen_text = True
        self._text.append(text)

    def comment(self, text: str) -> None:
        """Comments say nothing to a reader."""

    def pi(self, target: str, data: str | None = None) -> None:
        """Nor do processing instructions."""

    def close(self) -> None:
        """The page ends, whatever is still open."""
        while self._open:
            self._finish(self._open.pop())
        self._flush()

    # Elements

    def _is_skipped(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag in _SKIPPED:
            return True
        if not self._keep_navigation and self._is_navigation(tag, attributes):
            return True
        if tag == "dialog" and "open" not in attributes:
            return True
        if not attributes or tag in ("html", "body"):
            return False  # pages hide their body until a script has run
        if attributes.get("hidden", "until-found").lower() != "until-found":
            return True
        if attributes.get("aria-hidden", "").strip().lower() == "true":
            return True
        if (style := attributes.get("style")) and _HIDING_STYLE.search(_STYLE_COMMENT.sub("", style)):
            return True
        classes = attributes.get("class")
        return classes is not None and not _NOISE_CLASSES.isdisjoint(classes.split())

    def _is_navigation(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag in _NAVIGATION or attributes.get("role", "") in _NAVIGATION_ROLES:
            return True
        return tag == "footer" and not self._sections and not self._main

    def _begin(self, tag: str, attributes: Mapping[str, str]) -> str:
        """Take note of an element; the answer names what has to be undone at its end."""
        if tag == "br":
            self._text.append("\n" if self._preformatted else _BREAK)
            return ""
        if tag == "meta":
            self._note_meta(attributes)
            return ""
        if attributes:
            self._note_language(tag, attributes)
        if tag in _PREFORMATTED:
            return self._begin_preformatted()
        if self._preformatted:
            return "line" if tag in _BLOCKS else ""
        if tag in _HEADINGS:
            self._flush()
            self._heading = _HEADINGS[tag]
            return "heading"
        if tag not in _BLOCKS:
            return "main" if self._enters_main(tag, attributes) else ""
        self._flush()
        return self._begin_block(tag, attributes)

    def _begin_block(self, tag: str, attributes: Mapping[str, str]) -> str:
        if self._enters_main(tag, attributes):
            return "main"
        if tag in ("article", "section", "blockquote"):
            self._sections += 1
            return "section"
        if tag in ("ul", "ol", "dir"):
            self._lists.append(_List(tag == "ol", _number(attributes.get("start"), 1)))
            return "list"
        if tag == "li":
            self._marker = self._next_marker(attributes)
            return "item"
        if tag == "table":
            return self._begin_table(attributes)
        if tag == "title" and not self._title:
            self._in_title = True
            return "title"
        if self._tables and tag in ("tr", "td", "th"):
            return self._begin_row_or_cell(tag, attributes)
        return "block"

    def _enters_main(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag != "main" and attributes.get("role") != "main":
            return False
        self._flush()
        self._main += 1
        return True

    def _begin_preformatted(self) -> str:
        if self._preformatted == 0:
            self._flush()
        self._preformatted += 1
        return "preformatted"

    def _begin_table(self, attributes: Mapping[str, str]) -> str:
        if len(self._tables) >= _DEEPEST_TABLE:
            return "block"
        self._tables.append(_Table(attributes.get("role") in ("presentation", "none")))
        return "table"

    def _begin_row_or_cell(self, tag: str, attributes: Mapping[str, str]) -> str:
        rows = self._tables[-1].rows
        if tag == "tr" or not rows:
            rows.append([])
        if tag == "tr":
            return "block"
        cell = _Cell(
            [],
            tag == "th",
            min(max(_number(attributes.get("colspan"), 1), 1), _WIDEST_SPAN),
            max(_number(attributes.get("rowspan"), 1), 1),
        )
        rows[-1].append(cell)
        self._sinks.append(cell.pieces)
        return "cell"

    def _finish(self, undo: str) -> None:
        if not undo:
            return
        if undo == "line":
            if self._text and not self._text[-1].endswith("\n"):
                self._text.append("\n")
            return
        if undo == "preformatted":
            self._finish_preformatted()
            return
        self._flush()
        if undo == "heading":
            self._heading = 0
        elif undo == "main":
            self._main -= 1
        elif undo == "section":
            self._sections -= 1
        elif undo == "list":
            self._lists.pop()
        elif undo == "item":
            self._marker = None
        elif undo == "title":
            self._in_title = False
        elif undo == "cell":
            self._sinks.pop()
        elif undo == "table":
            self._finish_table()

    def _finish_preformatted(self) -> None:
        self._preformatted -= 1
        if self._preformatted == 0:
            text = "".join(self._text)
            self._text.clear()
            if text.strip():
                self._add(Piece("code", text.replace("\xa0", " "), label=self._code_language))
            self._code_language = ""

    def _finish_table(self) -> None:
        table = self._tables.pop()
        rows = [row for row in table.rows if row]
        if not table.laid_out and _is_data(rows):
            piece = Piece("table", rows=self._grid(rows), header=_has_header(rows))
            width = max(map(len, piece.rows))
            if width * len(rows) <= _PADDING * sum(map(len, rows)) + 1_000:
                self._add(piece)
                return
        for row in rows:
            for cell in row:
                self._sinks[-1].extend(cell.pieces)

    def _grid(self, rows: list[list[_Cell]]) -> list[list[str]]:
        """The table's texts, with the text of a cell that spans several rows repeated in each."""
        grid: list[list[str]] = []
        hanging: dict[int, tuple[int, str]] = {}  # column → number of rows still covered, text
        for row in rows:
            texts: list[str] = []
            below: dict[int, tuple[int, str]] = {}
            for cell in row:
                self._fill(texts, hanging, below)
                text = _cell_text(cell)
                for column in range(cell.columns):
                    if cell.rows > 1:
                        below[len(texts)] = (cell.rows - 1, "" if column else text)
                    texts.append("" if column else text)
            self._fill(texts, hanging, below)
            hanging = {column: covered for column, covered in hanging.items() if column >= len(texts)} | below
            grid.append(texts)
        return grid

    def _fill(
        self, texts: list[str], hanging: dict[int, tuple[int, str]], below: dict[int, tuple[int, str]]
    ) -> None:
        """Append what hangs down from the row above, from the column where `texts` ends."""
        while self._budget > 0 and (column := len(texts)) in hanging:
            left, text = hanging[column]
            self._budget -= len(text) + 3
            texts.append(text)
            if left > 1:
                below[column] = (left - 1, text)

    # Text

    def _flush(self) -> None:
        """End the paragraph, heading or list item that is being read."""
        if not self._text:
            return
        if self._preformatted:
            return
        joined = "".join(self._text)
        self._text.clear()
        text = "\n".join(" ".join(line.split()) for line in joined.split(_BREAK)).strip()
        if not text:
            return
        if self._heading:
            self._add(Piece("heading", text.rstrip("¶#§🔗 \n") or text, self._heading))
        elif self._marker is not None:
            marker, depth = self._marker
            self._marker = None
            self._add(Piece("item", text, depth, marker))
        else:
            self._add(Piece("paragraph", text))

    def _add(self, piece: Piece) -> None:
        piece.in_main = self._main > 0
        self._sinks[-1].append(piece)

    def _next_marker(self, attributes: Mapping[str, str]) -> tuple[str, int]:
        depth = min(max(len(self._lists) - 1, 0), _DEEPEST_LIST)
        if not self._lists or not self._lists[-1].ordered:
            return "-", depth
        current = self._lists[-1]
        number = _number(attributes.get("value"), current.next_number)
        current.next_number = number + 1
        return f"{number}.", depth

    # What attributes say

    def _note_language(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "html":
            self.language = attributes.get("lang") or attributes.get("xml:lang") or ""
        elif tag == "body" and not self.language:
            self.language = attributes.get("lang", "")
        classes = attributes.get("class")
        if classes and (tag in ("pre", "code", "div")):
            match = _LANGUAGE_CLASS.search(classes) or _PANDOC_CLASS.search(classes)
            language = match.group(1).lower() if match else ""
            if tag == "div" or language:
                self._code_language = "" if language in _NO_LANGUAGES else language or self._code_language

    def _note_meta(self, attributes: Mapping[str, str]) -> None:
        name = (
            attributes.get("property")
            or attributes.get("name")
            or attributes.get("itemprop")
            or attributes.get("http-equiv")
            or ""
        ).lower()
        value = " ".join(attributes.get("content", "").split())
        if name and value:
            self.meta.setdefault(name, value[:2_000])


def _is_data(rows: list[list[_Cell]]) -> bool:
    """Whether a table holds data and does not just lay out the page."""
    if len(rows) < 2 or max(map(len, rows)) < 2:
        return False
    for row in rows:
        for cell in row:
            if any(piece.kind not in ("paragraph", "item") for piece in cell.pieces):
                return False
            if sum(len(piece.text) for piece in cell.pieces) > _LONGEST_CELL:
                return False
    return True


def _has_header(rows: list[list[_Cell]]) -> bool:
    """Whether the first row names the columns. Not so where headers stand only at the head of rows."""
    if all(cell.is_header or not cell.pieces for cell in rows[0]):
        return True
    return not any(cell.is_header for row in rows for cell in row)


def _cell_text(cell: _Cell) -> str:
    return " ".join(piece.text for piece in cell.pieces)


def _number(value: str | None, default: int) -> int:
    """A small whole number from an attribute."""
    value = (value or "").strip()
    return int(value) if re.fullmatch(r"-?[0-9]{1,6}", value) else default
