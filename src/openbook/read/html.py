"""HTML pages as the text that a person sees: headings, paragraphs, lists, tables and code, in order.

The page goes through libxml2's parser as a stream of events; no tree is ever
built. Refused: HTML5 tree builders, whose rules look at all open elements at
every tag, so that 100,000 nested elements take them a minute; and guessing the
"article" by the density of text, which loses text in silence. What is left out
is named by the page itself: scripts, navigation, hidden parts, and everything
beside <main> where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from openbook.errors import ReadError
from openbook.read.composing import Composer
from openbook.read.decoding import Decoded, decode
from openbook.read.html_page import Page, Piece
from openbook.read.language import language_code
from openbook.read.metadata import encoding_note, title_from_path
from openbook.read.properties import iso_date
from openbook.types import Document, Scalar

MEDIA_TYPE: Final = "text/html"

_SNIFFED: Final = 4096
"""Bytes in which a page must name its encoding (the standard says 1,024; real pages come later)."""
_CHARSET: Final = re.compile(
    rb"""<meta\b[^>]{0,200}?\bcharset\s*=\s*["']?\s*([\w:.-]{2,40})""", re.IGNORECASE
)
_XML_ENCODING: Final = re.compile(rb"""<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([\w:.-]{2,40})["']""")
_BROWSERS_READ: Final[Mapping[str, str]] = {
    "iso-8859-1": "windows-1252",
    "latin1": "windows-1252",
    "us-ascii": "windows-1252",
    "iso-8859-9": "windows-1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "euc-kr": "cp949",
    "utf-7": "",
}
"""What browsers take where a page declares the encoding on the left. UTF-7 can hide markup."""
_SELF_CLOSED: Final = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([a-zA-Z][\w:-]*)([^<>]*)/>"
)
_MAIN_AT_LEAST: Final = 200
"""Characters. A shorter <main> is an empty frame that a script would fill; then the whole page is read."""
_PIECE: Final = 1 << 16

_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "author": ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author"),
    "description": ("description", "og:description", "dc.description", "twitter:description"),
    "keywords": ("keywords",),
}
_DATES: Final[Mapping[str, Sequence[str]]] = {
    "created": (
        "article:published_time",
        "datepublished",
        "dcterms.created",
        "dc.date.created",
        "dcterms.date",
        "dc.date",
        "date",
        "pubdate",
    ),
    "modified": (
        "article:modified_time",
        "datemodified",
        "og:updated_time",
        "dcterms.modified",
        "dc.date.modified",
        "last-modified",
    ),
}
"""Our name → names of <meta> elements, the most trustworthy first."""


class HtmlReader:
    """Reads HTML and XHTML."""

    def read(self, data: bytes, path: str) -> Document:
        """`data` in any encoding that the page or its bytes name. Raises ReadError only."""
        decoded = decode_page(data, path)
        text = decoded.text
        page = _parse(text, path, keep_navigation=False)
        if not any(piece.text or piece.rows for piece in page.pieces):
            # A menu that was never closed holds the whole page.
            page = _parse(text, path, keep_navigation=True)
        composer = compose(_main_pieces(page.pieces))
        marks = composer.marks()
        metadata = _metadata(page) | encoding_note(decoded)
        title = _title(page, [(mark.level, mark.label) for mark in marks if mark.kind == "heading"])
        if title:
            metadata["title"] = title
        return Document(
            path,
            composer.text,
            MEDIA_TYPE,
            title=title or title_from_path(path),
            language=language_code(page.language),
            marks=marks,
            metadata=metadata,
        )


def decode_page(data: bytes, path: str) -> Decoded:
    """The page as characters: by its byte order mark, as UTF-8, as it declares, or as its bytes look."""
    declared = ""
    for pattern in (_CHARSET, _XML_ENCODING):
        if match := pattern.search(data, 0, _SNIFFED):
            declared = match.group(1).decode("ascii", "replace").lower()
            break
    declared = _BROWSERS_READ.get(declared, declared)
    if declared == "iso-2022-jp" and b"\x1b$" in data:
        # Seven bits only, so that it would pass for UTF-8.
        return Decoded(data.decode(declared, "replace"), declared)
    return decode(data, path, declared=declared)


def _parse(text: str, path: str, *, keep_navigation: bool) -> Page:
    """Run the page through libxml2 in pieces. Raises ReadError where even that gives up."""
    from lxml import etree  # type: ignore[import-untyped]

    page = Page(keep_navigation=keep_navigation, budget=len(text))
    if not text or text.isspace():
        return page
    if text.lstrip("\ufeff \t\r\n").startswith("<?xml"):
        text = _SELF_CLOSED.sub(r"<\1\2></\1>", text)  # `<script/>` would swallow the rest of the page
    parser = etree.HTMLParser(target=page, encoding="utf-8", recover=True, huge_tree=True)
    try:
        for start in range(0, len(text), _PIECE):
            parser.feed(text[start : start + _PIECE].encode("utf-8", errors="replace"))
        parser.close()
    except etree.LxmlError as error:
        if page.seen_text or page.pieces:
            raise ReadError(
                f"{path!r} cannot be read as HTML beyond some point ({error}). "
                "Open it in a browser and save it anew."
            ) from error
    page.close()
    return page


def _main_pieces(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """What is inside <main>, if that holds text, and the page's title above it; else everything."""
    main = [piece for piece in pieces if piece.in_main]
    if sum(piece.characters for piece in main) < _MAIN_AT_LEAST:
        return pieces
    if any(piece.kind == "heading" and piece.level == 1 for piece in main):
        return main
    return [piece for piece in pieces if piece.in_main or (piece.kind == "heading" and piece.level == 1)]


def compose(pieces: Sequence[Piece]) -> Composer:
    """The text and marks of a page's pieces."""
    composer = Composer()
    for piece in pieces:
        if piece.kind == "heading":
            composer.heading(piece.text, piece.level)
        elif piece.kind == "item":
            composer.item(piece.text, marker=piece.label, depth=piece.level)
        elif piece.kind == "code":
            composer.code(piece.text, piece.label)
        elif piece.kind == "table":
            composer.table(piece.rows, header=piece.header)
        else:
            composer.paragraph(piece.text)
    return composer


def _metadata(page: Page) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for key, names in _WORDS.items():
        value = next((page.meta[name] for name in names if page.meta.get(name)), "")
        if value and not (key == "author" and value.startswith(("http://", "https://"))):
            found[key] = value
    for key, names in _DATES.items():
        if date := next(filter(None, (iso_date(page.meta.get(name, "")) for name in names)), ""):
            found[key] = date
    return found


def _title(page: Page, headings: Sequence[tuple[int, str]]) -> str:
    """The page's own title. Where it is "heading - site", just the heading."""
    title = page.title or page.meta.get("og:title", "") or page.meta.get("dc.title", "")
    top = [label for level, label in headings if level == 1]
    if len(top) == 1 and (not title or top[0].casefold() in title.casefold()):
        return top[0]
    return title or next((label for _, label in headings), "")
