"""The words of a Markdown heading, and the language of a code block: what marks are labelled with."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_LONGEST: Final = 1_000
"""Characters of a heading's source that are parsed; a longer one is a paragraph that lost its line break."""
_ATTRIBUTES: Final = re.compile(r"[ \t]*\{(?:[#.:=-]|[\w-]+=)[^{}]*\}[ \t]*$")
_SHORTCODE: Final = re.compile(r"\{\{[<%].*?[>%]\}\}")
_SPAN: Final = re.compile(r"\[([^\[\]]*)\]\{[^{}]*\}")
_WIKI_LINK: Final = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
_FOOTNOTE: Final = re.compile(r"\[\^[^\[\]]+\]")
_LANGUAGE: Final = re.compile(r"\{?[ \t]*[.=]?([\w+#-]*)")
_MARKUP: Final = re.compile(r"[\\`*_~<>&\[\]{}!]")


def plain_label(source: str) -> str:
    """The words of a heading without markup: "**Joins** with `dplyr` {#sec-joins}" → "Joins with dplyr"."""
    source = source[:_LONGEST]
    if not _MARKUP.search(source):
        return " ".join(source.split())
    source = _SPAN.sub(r"\1", _SHORTCODE.sub("", _ATTRIBUTES.sub("", source)))
    source = _WIKI_LINK.sub(r"\1", _FOOTNOTE.sub("", source))
    words: list[str] = []
    for token in _inline_parser().parseInline(source)[0].children or ():
        if token.type in ("text", "code_inline", "image"):
            words.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            words.append(" ")
    return " ".join("".join(words).split())


def fence_language(info: str) -> str:
    """The language of a fence: "{r, echo = FALSE}", "{.python}" and "python title=x" name r and python."""
    match = _LANGUAGE.match(html.unescape(info.strip()))
    return match.group(1).lower() if match else ""


@cache
def _inline_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("strikethrough")
