"""Markdown, with the dialects of Quarto, R Markdown and MDX: headings, code and tables with exact offsets.

A parser of CommonMark (markdown-it-py) finds the blocks, because what is a
heading depends on everything around it: fences, comments, lists, quotes. Only
its block rules run over the text; the text stays as it is in the file, front
matter included.

Refused: regular expressions over lines, which take `# comment` in a code block
for a heading, and rendering to HTML or plain text, which loses the offsets.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final

from openbook.read.decoding import decode
from openbook.read.kinds import suffix_of
from openbook.read.metadata import choose_title, encoding_note, read_front_matter
from openbook.types import Document, Mark

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MEDIA_TYPE: Final = "text/markdown"
_SEGMENT: Final = 1_000_000
"""Characters parsed at once, so that memory stays flat in the size of the file."""
_ATTRIBUTES: Final = re.compile(r"[ \t]*\{(?:[#.:=-]|[\w-]+=)[^{}]*\}[ \t]*$|[ \t]*\{-\}[ \t]*$")
_SHORTCODE: Final = re.compile(r"\{\{[<%].*?[>%]\}\}")
_SPAN: Final = re.compile(r"\[([^\[\]]*)\]\{[^{}]*\}")
_WIKI_LINK: Final = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
_FOOTNOTE: Final = re.compile(r"\[\^[^\[\]]+\]")
_LANGUAGE: Final = re.compile(r"\{?[ \t]*[.=]?([\w+#-]*)")
_HTML_HEADING: Final = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
_DIV: Final = re.compile(r" {0,3}(:{3,})[ \t]*(\S.*)?$")


class MarkdownReader:
    """Reads .md, .qmd, .Rmd, .mdx and their kin."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises UnsupportedFile for binary content. Broken front matter is noted in the metadata."""
        decoded = decode(data, path)
        text = decoded.text
        front_matter = read_front_matter(text)
        marks = tuple(
            sorted(
                find_marks(text, front_matter.end, indented_code=suffix_of(path) != ".mdx"),
                key=lambda mark: (mark.start, -mark.end),
            )
        )
        metadata = {**front_matter.metadata, **encoding_note(decoded)}
        return Document(
            path, text, MEDIA_TYPE, title=choose_title(metadata, marks, path), marks=marks, metadata=metadata
        )


def find_marks(text: str, start: int = 0, *, indented_code: bool = True) -> Iterator[Mark]:
    """Yield the headings, code blocks and tables of `text` from offset `start` on, block by block."""
    size = _SEGMENT
    while start < len(text):
        end = _line_end(text, start + size)
        tokens = _block_parser(indented_code).parse(text[start:end])
        lines = _line_starts(text, start, end)
        if end < len(text):
            # The last block may go on behind the segment: the next segment begins with it.
            last = max((token.map[0] for token in tokens if token.level == 0 and token.map), default=0)
            if last == 0:
                size *= 2
                continue
            tokens = [token for token in tokens if token.map is None or token.map[0] < last]
            following = lines[last]
        else:
            following = end
        yield from _marks(text, tokens, lines)
        start, size = following, _SEGMENT


def _marks(text: str, tokens: list[Token], lines: list[int]) -> Iterator[Mark]:
    """The marks of a segment's blocks. `lines` holds the offset of every line, and of its end."""
    for index, token in enumerate(tokens):
        if token.map is None:
            continue
        start, end = lines[token.map[0]], lines[token.map[1]]
        end = start + len(text[start:end].rstrip("\n"))
        if token.type == "heading_open" and token.level == 0:
            label = plain_label(tokens[index + 1].content)
            yield Mark("heading", start, end, label, int(token.tag[1]))
        elif token.type == "fence":
            yield Mark("code", start, end, _language(token.info))
        elif token.type == "code_block":
            yield Mark("code", start, end)
        elif token.type == "table_open":
            yield Mark("table", start, end, text[start:].partition("\n")[0].strip())
        elif token.type == "html_block" and token.level == 0:
            yield from _html_headings(text, start, end)


def _html_headings(text: str, start: int, end: int) -> Iterator[Mark]:
    """Headings written as HTML, as at the top of many a README."""
    if text.startswith("<!--", start) or text[start : start + 4].lower() in ("<pre", "<scr", "<sty"):
        return
    for match in _HTML_HEADING.finditer(text, start, end):
        label = " ".join(html.unescape(_TAG.sub("", match.group(2))).split())
        if label:
            yield Mark("heading", match.start(), match.end(), label, int(match.group(1)))


def plain_label(source: str) -> str:
    """The words of a heading without markup: "**Joins** with `dplyr` {#sec-joins}" → "Joins with dplyr"."""
    source = _SPAN.sub(r"\1", _SHORTCODE.sub("", _ATTRIBUTES.sub("", source)))
    source = _WIKI_LINK.sub(r"\1", _FOOTNOTE.sub("", source))
    words: list[str] = []
    for token in _inline_parser().parseInline(source)[0].children or ():
        if token.type in ("text", "code_inline", "image"):
            words.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            words.append(" ")
    return " ".join("".join(words).split())


def _language(info: str) -> str:
    """The language of a fence: "{r, echo = FALSE}", "{.python}" and "python title=x" name r and python."""
    match = _LANGUAGE.match(html.unescape(info.strip()))
    return match.group(1).lower() if match else ""


def _line_end(text: str, offset: int) -> int:
    """The end of the line at `offset`, its line break included."""
    if offset >= len(text):
        return len(text)
    return text.find("\n", offset) + 1 or len(text)


def _line_starts(text: str, start: int, end: int) -> list[int]:
    """The offset of each line between `start` and `end`, and `end` once more for the line after the last."""
    offsets = [start]
    while (position := text.find("\n", offsets[-1], end)) >= 0:
        offsets.append(position + 1)
    return [*offsets, end]


@cache
def _block_parser(indented_code: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser if indented_code else parser.disable("code")


@cache
def _inline_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("strikethrough")
