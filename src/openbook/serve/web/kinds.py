"""Kinds of documents as people name them."""

from __future__ import annotations

from typing import Final

_KINDS: Final = {
    "application/pdf": "PDF",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
    "application/epub+zip": "EPUB",
    "application/x-ipynb+json": "Notebook",
    "application/json": "JSON",
    "message/rfc822": "Mail",
    "text/html": "HTML",
    "text/markdown": "Markdown",
    "text/plain": "Text",
    "text/csv": "CSV",
    "text/x-rst": "reStructuredText",
}  # fmt: skip


def kind_name(media_type: str) -> str:
    """A media type as people say it: "PDF", "Excel", "Markdown"."""
    return _KINDS.get(media_type, media_type.rpartition("/")[2].removeprefix("x-"))
