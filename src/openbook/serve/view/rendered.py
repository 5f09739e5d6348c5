"""A Markdown document as its writer meant it to look, its highlighted characters in `<mark>`s; or not at all.

Of HTML, office and PDF files only the text is stored, which the text view
shows as it is. Refused: rendering the original HTML file instead. Its text is
not the one that was cited, and a page made for another site needs its styles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from openbook.read.metadata import read_front_matter
from openbook.serve.view.highlight import Highlight, Marker
from openbook.serve.view.markdown_html import render
from openbook.types import Document

LARGEST: Final = 120_000
"""Characters. A larger document is shown as text, of which a part can be shown."""

_DIV: Final = re.compile(r"^[ \t]{0,3}:{3,}.*$", re.MULTILINE)
_ATTRIBUTES: Final = re.compile(r"(?<=[ \t\])`])\{[#.=\w][^{}\n]{0,300}\}")


def rendered_view(document: Document, highlights: Sequence[Highlight]) -> str | None:
    """The document as HTML; None if it is no Markdown, too large, or a highlight would not be exact."""
    if document.media_type != "text/markdown" or len(document.text) > LARGEST:
        return None
    body = read_front_matter(document.text).end
    wanted = [one for one in highlights if max(one.start, 0) < min(one.end, len(document.text))]
    if any(one.start < body for one in wanted):
        return None
    source = _without_attributes(document, body)
    rendering = render(source, [(one.start - body, min(one.end - body, len(source))) for one in wanted])
    if rendering is None:
        return None
    marks = [
        Highlight(start, end, one.number, one.kind)
        for one, (start, end) in zip(wanted, rendering.stretches, strict=True)
    ]
    return rendering.html(Marker(rendering.text, marks).write)


def _without_attributes(document: Document, body: int) -> str:
    """The body with spaces for what only a publishing tool reads: `::: {.note}`, `{#sec-here}`.

    What stands in code stays. The offsets stay too.
    """
    text = document.text
    parts: list[str] = []
    position = body
    for mark in document.marks:
        if mark.kind == "code" and mark.start >= position:
            parts += [_blank(text[position : mark.start]), text[mark.start : mark.end]]
            position = mark.end
    parts.append(_blank(text[position:]))
    return "".join(parts)


def _blank(text: str) -> str:
    for pattern in (_DIV, _ATTRIBUTES):
        text = pattern.sub(lambda match: " " * len(match.group()), text)
    return text
