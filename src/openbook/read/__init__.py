"""Files become documents: which reader takes a file, and what every document has in the end.

The file's name decides, and the content corrects it where it speaks beyond
doubt (a PDF named .txt). Readers are imported when their first file comes, and
files are read in processes of their own (`read.pool`), because parsers meet
hostile input here.
"""

from __future__ import annotations

import codecs
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Final, Protocol

from openbook.errors import UnsupportedFile
from openbook.read.kinds import (
    HTML,
    OFFICE,
    PLAIN,
    is_supported,
    reader_of,
    suffix_of,
    unsupported_reason,
)
from openbook.types import Document

__all__ = ["Reader", "is_supported", "read_bytes", "unsupported_reason"]

_PDF: Final = b"%PDF-"
_RTF: Final = b"{\\rtf"
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PAGE_STARTS: Final = (b"<!doctype html", b"<html")


class Reader(Protocol):
    """Turns the bytes of one file into a document."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises ReadError and its kinds, and nothing else, whatever the bytes are.

        `path` is the document's path in the library; only its name is looked at.
        """
        ...


def read_bytes(data: bytes, path: str) -> Document:
    """Read one file: text with exact marks, title, language and metadata.

    Raises UnsupportedFile where no reader takes the file, ReadError where one
    does and fails. A file without text is a document with blank text.
    """
    if reason := unsupported_reason(path):
        raise UnsupportedFile(reason)
    return _complete(_reader(_choose(data, path)).read(data, path))


@cache
def _reader(name: str) -> Reader:
    """The one instance of a reader named "module:Class"; readers keep no state."""
    module, _, class_name = name.partition(":")
    reader: Reader = getattr(import_module(module), class_name)()
    return reader


def _choose(data: bytes, path: str) -> str:
    named = reader_of(path)
    if named == OFFICE:
        return named if not _is_page(data) or suffix_of(path) not in (".doc", ".xls") else HTML
    if data.startswith((_PDF, _RTF)) or (data.startswith(_ZIP) and _is_office_package(data)):
        return OFFICE
    if named:
        return named
    if _is_page(data):
        return HTML
    _refuse_binary(data, path)
    return PLAIN


def _is_page(data: bytes) -> bool:
    head = data[:1024].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return head.startswith(_PAGE_STARTS)


def _is_office_package(data: bytes) -> bool:
    from openbook.read.office import sniff

    return bool(sniff(data))


def _refuse_binary(data: bytes, path: str) -> None:
    """Raise UnsupportedFile for a file of unknown kind that is no text."""
    from openbook.read.decoding import looks_like_text

    if not looks_like_text(data):
        suffix = suffix_of(path)
        kind = f"files of kind {suffix!r}" if suffix else "binary files without a suffix"
        raise UnsupportedFile(
            f"{path!r} was not read: no reader takes {kind}, and it holds no plain text. "
            "An export as PDF, .docx, CSV or text would be read."
        )


def _complete(document: Document) -> Document:
    """Fill in what a reader left open, and keep lone surrogates out (each becomes one U+FFFD)."""
    from openbook.read.decoding import without_surrogates
    from openbook.read.language import detect_language, language_code
    from openbook.read.metadata import title_from_path

    text = without_surrogates(document.text)
    declared = document.metadata.get("language") or document.metadata.get("lang")
    return replace(
        document,
        text=text,
        title=without_surrogates(document.title).strip() or title_from_path(document.path),
        language=document.language or detect_language(text) or language_code(str(declared or "")),
        marks=tuple(
            mark if mark.label.isascii() else replace(mark, label=without_surrogates(mark.label))
            for mark in document.marks
        ),
        metadata={
            key: without_surrogates(value) if isinstance(value, str) else value
            for key, value in document.metadata.items()
        },
    )
